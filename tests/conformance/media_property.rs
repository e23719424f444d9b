//! Sound, pictures, vectors, orders and verdicts under any answer, and requests that survive a way through two gateways.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use llm_providers::codec::{Asked, DecodeCx, EncodeCx, Memo, ReplyCx};
use llm_providers::dialect;
use llm_providers::table::ProviderTable;
use llm_types::{
    Call, Changes, Dialect, EmbedInput, EmbedRequest, ImageRequest, Images, MadeImage, ModerateRequest,
    Moderation, Op, Output, ProviderSpec, Ranked, Ranking, RerankDocument, RerankRequest, SpeechRequest,
    Spoken, Transcript, TranscriptFormat, Verdict,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What is called, in which dialect, at which provider.
const CALLED: &[(Op, Dialect, &str)] = &[
    (Op::Embed, Dialect::OpenaiMedia, "openai"),
    (Op::Embed, Dialect::Cohere, "cohere"),
    (Op::Embed, Dialect::Gemini, "gemini"),
    (Op::Embed, Dialect::Ollama, "ollama"),
    (Op::Embed, Dialect::Bedrock, "bedrock"),
    (Op::Rerank, Dialect::Rerank, "cohere"),
    (Op::Rerank, Dialect::Rerank, "voyage"),
    (Op::Transcribe, Dialect::OpenaiTranscriptions, "openai"),
    (Op::Transcribe, Dialect::OpenaiTranscriptions, "xai"),
    (Op::Transcribe, Dialect::Deepgram, "deepgram"),
    (Op::Transcribe, Dialect::Elevenlabs, "elevenlabs"),
    (Op::Transcribe, Dialect::Gemini, "gemini"),
    (Op::Speech, Dialect::OpenaiSpeech, "openai"),
    (Op::Speech, Dialect::Deepgram, "deepgram"),
    (Op::Speech, Dialect::Elevenlabs, "elevenlabs"),
    (Op::Speech, Dialect::Gemini, "gemini"),
    (Op::Image, Dialect::OpenaiImages, "openai"),
    (Op::Image, Dialect::Stability, "stability"),
    (Op::Image, Dialect::Gemini, "gemini"),
    (Op::Image, Dialect::Bedrock, "bedrock"),
    (Op::Moderate, Dialect::OpenaiModerations, "openai"),
    (Op::Moderate, Dialect::OpenaiModerations, "mistral"),
    (Op::Chat, Dialect::Replicate, "replicate"),
    (Op::Chat, Dialect::Ollama, "ollama"),
    (Op::Chat, Dialect::Tgi, "sagemaker"),
    (Op::Embed, Dialect::FeatureExtraction, "sagemaker"),
];

fn row(name: &str) -> ProviderSpec {
    ProviderTable::builtin().get(name).unwrap().as_ref().clone()
}

/// Names that answers of these providers are made of, in any order and of any type.
const NAMES: [&str; 35] = [
    "data",
    "embedding",
    "embeddings",
    "values",
    "float",
    "int8",
    "results",
    "index",
    "relevance_score",
    "score",
    "text",
    "words",
    "segments",
    "start",
    "end",
    "channels",
    "alternatives",
    "transcript",
    "audio_data",
    "b64_json",
    "url",
    "images",
    "artifacts",
    "base64",
    "categories",
    "category_scores",
    "flagged",
    "usage",
    "error",
    "output",
    "status",
    "predictions",
    "generated_text",
    "token",
    "details",
];

fn answer() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e300..1e300_f64).prop_map(Value::from),
        "[a-z🍋\"\\\\ =+/]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let member = (prop::sample::select(&NAMES[..]), inner.clone());
        prop_oneof![
            vec(inner, 0..5).prop_map(Value::from),
            vec(member, 0..6).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

/// Reads an answer in every way in which it can be read.
fn read(op: Op, dialect: Dialect, provider: &str, body: &[u8]) {
    let (codec, spec, memo) = (dialect::client(dialect).unwrap(), row(provider), Memo::default());
    let cx = DecodeCx { spec: &spec, model: "m", memo: &memo };
    if let Ok(output) = codec.decode(op, body, &cx) {
        // What was read can be written for a client.
        let front = match op {
            Op::Embed => Dialect::OpenaiMedia,
            Op::Rerank => Dialect::Rerank,
            Op::Transcribe => Dialect::OpenaiTranscriptions,
            Op::Speech => Dialect::OpenaiSpeech,
            Op::Image => Dialect::OpenaiImages,
            Op::Moderate => Dialect::OpenaiModerations,
            _ => Dialect::OpenaiChat,
        };
        let _ = dialect::server(front).unwrap().encode(&output, &ReplyCx::default());
    }
    let _ = codec.tap(op, body);
    for status in [400, 404, 429, 500, 200] {
        let status = StatusCode::from_u16(status).unwrap();
        assert!(!codec.decode_error(status, &HeaderMap::new(), body).message.is_empty());
    }
    if op == Op::Chat {
        let mut decoder = codec.decoder(op, &cx);
        let mut sink = |_: llm_types::Event<'_>| llm_types::Flow::Continue(());
        let fed = body.chunks(7).all(|piece| decoder.feed(piece, &mut sink).is_ok());
        let _ = fed.then(|| decoder.finish(&mut sink));
    }
}

/// What a front of ours reads of what a client half wrote.
fn again(op: Op, dialect: Dialect, call: &Call) -> String {
    let (client, server, spec) =
        (dialect::client(dialect).unwrap(), dialect::server(dialect).unwrap(), row("openai"));
    let (mut changes, asked) = (Changes::default(), Asked { dialect: Some(dialect), ..Asked::of(op) });
    let mut cx = EncodeCx { spec: &spec, model: "m", asked: &asked, changes: &mut changes };
    let wire = client.encode(call, &mut cx).unwrap();
    assert!(changes.is_empty(), "{changes:?}");
    let asked = Asked { headers: wire.headers.clone(), ..asked };
    format!("{:?}", server.decode_shared(&wire.body.to_bytes(), &asked).unwrap())
}

/// What a client half reads of what a front of ours wrote.
fn heard(op: Op, dialect: Dialect, output: &Output) -> Output {
    let cx = ReplyCx { model: "m".to_owned(), ..ReplyCx::default() };
    let body = dialect::server(dialect).unwrap().encode(output, &cx);
    let (spec, memo) = (row("openai"), Memo::default());
    dialect::client(dialect)
        .unwrap()
        .decode(op, &body, &DecodeCx { spec: &spec, model: "m", memo: &memo })
        .unwrap()
}

fn word() -> impl Strategy<Value = String> {
    "[a-z“🍋\"\\\\ ]{0,6}[a-z]"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_makes_a_reader_panic(which in 0..CALLED.len(), body in answer()) {
        let (op, dialect, provider) = CALLED[which];
        read(op, dialect, provider, body.to_string().as_bytes());
    }

    #[test]
    fn no_bytes_make_a_reader_panic(which in 0..CALLED.len(), body in vec(any::<u8>(), 0..120)) {
        let (op, dialect, provider) = CALLED[which];
        read(op, dialect, provider, &body);
        read(op, dialect, provider, &[b"{\"data\":[", &body[..], b"]}"].concat());
    }

    #[test]
    fn requests_for_vectors_are_read_as_they_were_written(texts in vec(word(), 1..4), dimensions in of(1..4000_u32), user in of(word())) {
        let inputs = texts.iter().map(EmbedInput::text).collect();
        let request = EmbedRequest { model: "m".into(), inputs, dimensions, user, origin: Some(Dialect::OpenaiMedia), ..EmbedRequest::default() };
        let call = Call::Embed(Box::new(request));
        prop_assert_eq!(again(Op::Embed, Dialect::OpenaiMedia, &call), format!("{call:?}"));
    }

    #[test]
    fn requests_for_speech_and_pictures_are_read_as_they_were_written(text in word(), other in of(word()), n in of(1..9_u32), speed in of(1..4_u8)) {
        let speech = SpeechRequest { model: "m".into(), instructions: other.clone(), speed: speed.map(f64::from),
            origin: Some(Dialect::OpenaiSpeech), ..SpeechRequest::new(text.clone(), "alloy") };
        let call = Call::Speak(Box::new(speech));
        prop_assert_eq!(again(Op::Speech, Dialect::OpenaiSpeech, &call), format!("{call:?}"));
        let image = ImageRequest { model: "m".into(), n, quality: other, origin: Some(Dialect::OpenaiImages), ..ImageRequest::new(text.clone()) };
        let call = Call::Image(Box::new(image));
        prop_assert_eq!(again(Op::Image, Dialect::OpenaiImages, &call), format!("{call:?}"));
        let moderate = ModerateRequest { model: "m".into(), origin: Some(Dialect::OpenaiModerations), ..ModerateRequest::new(&text).unwrap() };
        let call = Call::Moderate(Box::new(moderate));
        prop_assert_eq!(again(Op::Moderate, Dialect::OpenaiModerations, &call), format!("{call:?}"));
    }

    #[test]
    fn requests_for_an_order_are_read_as_they_were_written(query in word(), documents in vec(word(), 1..5), top_n in of(1..5_u32)) {
        let request = RerankRequest { model: "m".into(), top_n, origin: Some(Dialect::Rerank), ..RerankRequest::new(query, documents) };
        let call = Call::Rerank(Box::new(request));
        prop_assert_eq!(again(Op::Rerank, Dialect::Rerank, &call), format!("{call:?}"));
    }

    #[test]
    fn vectors_and_orders_are_heard_as_they_were_said(vectors in vec(vec(-1e3..1e3_f32, 1..6), 1..4), scores in vec((0..1000_u16).prop_map(|score| f64::from(score) / 1000.0), 1..5), text in word()) {
        let embeddings = llm_types::Embeddings { model: "m".into(), vectors: vectors.clone(), ..llm_types::Embeddings::default() };
        let Output::Embed(found) = heard(Op::Embed, Dialect::OpenaiMedia, &Output::Embed(Box::new(embeddings))) else { panic!() };
        prop_assert_eq!(found.vectors, vectors);
        let ranked = |(index, score): (usize, &f64)| Ranked { index, score: *score,
            document: Some(RerankDocument::Text(text.clone())), extra: llm_types::Extra::default() };
        let ranking = Ranking { results: scores.iter().enumerate().map(ranked).collect(), ..Ranking::default() };
        let Output::Rerank(found) = heard(Op::Rerank, Dialect::Rerank, &Output::Rerank(Box::new(ranking))) else { panic!() };
        // The best come first.
        let mut pairs: Vec<_> = found.results.iter().map(|one| (one.index, one.score)).collect();
        prop_assert!(pairs.is_sorted_by(|one, next| one.1 >= next.1));
        pairs.sort_by_key(|one| one.0);
        prop_assert_eq!(pairs, scores.into_iter().enumerate().collect::<Vec<_>>());
    }

    #[test]
    fn transcripts_pictures_and_verdicts_are_heard_as_they_were_said(texts in vec(word(), 1..4), flagged in any::<bool>()) {
        let spoken = |(at, text): (usize, &String)| Spoken { text: text.clone(), start: f64::from(u32::try_from(at).unwrap()),
            end: f64::from(u32::try_from(at + 1).unwrap()), ..Spoken::default() };
        let transcript = Transcript { text: texts.concat(), duration: Some(9.5), language: Some("en".into()),
            segments: texts.iter().enumerate().map(spoken).collect(), format: TranscriptFormat::VerboseJson, ..Transcript::default() };
        let Output::Transcript(found) = heard(Op::Transcribe, Dialect::OpenaiTranscriptions, &Output::Transcript(Box::new(transcript))) else { panic!() };
        prop_assert_eq!((&found.text, found.duration, found.segments.len()), (&texts.concat(), Some(9.5), texts.len()));
        for (segment, text) in found.segments.iter().zip(&texts) {
            prop_assert_eq!(&segment.text, text);
        }
        let made = |text: &String| MadeImage { base64: Some(text.clone()), ..MadeImage::default() };
        let images = Images { data: texts.iter().map(made).collect(), ..Images::default() };
        let Output::Images(found) = heard(Op::Image, Dialect::OpenaiImages, &Output::Images(Box::new(images))) else { panic!() };
        prop_assert_eq!(found.data.iter().filter_map(|one| one.base64.clone()).collect::<Vec<_>>(), texts.clone());
        let verdict = Verdict { flagged, categories: vec![("violence".into(), flagged)], scores: vec![("violence".into(), 0.5)], ..Verdict::default() };
        let moderation = Moderation { results: vec![verdict; texts.len()], ..Moderation::default() };
        let Output::Moderation(found) = heard(Op::Moderate, Dialect::OpenaiModerations, &Output::Moderation(Box::new(moderation))) else { panic!() };
        prop_assert_eq!(found.results.len(), texts.len());
        prop_assert!(found.results.iter().all(|one| one.flagged == flagged && one.scores == [("violence".to_owned(), 0.5)]));
    }

    /// A form is read as it was written, whatever the file holds.
    #[test]
    fn forms_are_read_as_they_were_written(data in vec(any::<u8>(), 1..300), language in of(word()), translate in any::<bool>()) {
        let file = llm_types::Upload { kind: "audio/wav".into(), ..llm_types::Upload::new("a.wav", Bytes::from(data)) };
        let request = llm_types::TranscribeRequest { model: "m".into(), language, translate,
            origin: Some(Dialect::OpenaiTranscriptions), ..llm_types::TranscribeRequest::new(file) };
        let op = if translate { Op::Translate } else { Op::Transcribe };
        let call = Call::Transcribe(Box::new(request));
        prop_assert_eq!(again(op, Dialect::OpenaiTranscriptions, &call), format!("{call:?}"));
    }
}

#[test]
fn the_corpus_is_read_too() {
    for body in [json!({}), json!([]), json!({"data": [{}]}), json!({"results": [{"channels": 1}]})] {
        for (op, dialect, provider) in CALLED {
            read(*op, *dialect, provider, body.to_string().as_bytes());
        }
    }
}
