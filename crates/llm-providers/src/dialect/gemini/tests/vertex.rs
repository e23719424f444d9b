//! The same dialect at Vertex AI: other addresses, vectors and tiers.

use llm_types::chat::{Image, Media, Message, Part};
use llm_types::{Dialect, EmbedContent, EmbedInput, EmbedRequest, Extra, Head, Output};
use serde_json::{Value, json};

use super::recording::recordings_of;
use super::*;
use crate::table::ProviderTable;

/// What is sent: path, headers, body, what was lost.
struct Sent {
    path: String,
    tier: Option<String>,
    body: Value,
    lost: Vec<String>,
}

fn row() -> std::sync::Arc<ProviderSpec> {
    std::sync::Arc::clone(ProviderTable::builtin().get("vertex_ai").unwrap())
}

fn try_call(call: Call, model: &str) -> Result<Sent> {
    let (spec, mut changes) = (row(), Changes::default());
    let mut cx = EncodeCx { spec: &spec, model, asked: &Asked::of(call.op()), changes: &mut changes };
    let wire = Client.encode(&call, &mut cx)?;
    let tier = wire.headers.get("x-vertex-ai-llm-shared-request-type");
    Ok(Sent {
        path: wire.path,
        tier: tier.map(|value| value.to_str().unwrap().to_owned()),
        body: serde_json::from_slice(&wire.body.to_bytes()).unwrap(),
        lost: changes.list().iter().map(|change| change.path.to_string()).collect(),
    })
}

fn call(call: Call, model: &str) -> Sent {
    try_call(call, model).unwrap()
}

#[test]
fn recorded_vectors_are_asked_for_and_read() {
    let mut seen = 0;
    for recording in recordings_of("embeddings", &["vertex"]) {
        let body = &recording.request["body"];
        let instances = body["instances"].as_array().unwrap();
        let text = |one: &Value| EmbedInput::text(one["content"].as_str().unwrap());
        let dimensions = body["parameters"]["outputDimensionality"].as_u64();
        let request = EmbedRequest {
            inputs: instances.iter().map(text).collect(),
            dimensions: dimensions.map(|number| number.try_into().unwrap()),
            ..EmbedRequest::default()
        };
        let sent = call(Call::Embed(Box::new(request)), "text-embedding-004");
        assert_eq!(sent.path, "/publishers/google/models/text-embedding-004:predict");
        assert_eq!((&sent.body, sent.lost.len()), (body, 0), "{}", recording.name);
        let answer = &recording.response["body"];
        let (spec, memo) = (row(), Memo::default());
        let cx = DecodeCx { spec: &spec, model: "text-embedding-004", memo: &memo };
        let output = Client.decode(Op::Embed, answer.to_string().as_bytes(), &cx).unwrap();
        let Output::Embed(vectors) = output else { panic!("{output:?}") };
        let expect = answer["predictions"].as_array().unwrap();
        let tokens: u64 =
            expect.iter().map(|one| one["embeddings"]["statistics"]["token_count"].as_u64().unwrap()).sum();
        assert_eq!(vectors.usage.map(|usage| usage.input), Some(tokens));
        let lengths: Vec<usize> = vectors.vectors.iter().map(Vec::len).collect();
        let wanted = expect.iter().map(|one| one["embeddings"]["values"].as_array().unwrap().len());
        assert_eq!(lengths, wanted.collect::<Vec<_>>());
        seen += 1;
    }
    println!("{seen} recordings");
}

#[test]
fn everything_about_vectors_is_said_or_lost() {
    let content = json!({"parts": [{"text": "a"}, {"text": "b"}]});
    let mut extra = Extra::default();
    extra.set("new", raw(&json!(1)));
    let request = EmbedRequest {
        inputs: vec![
            EmbedInput { title: Some("T".into()), ..EmbedInput::text("x") },
            EmbedInput { content: EmbedContent::Opaque(Dialect::Gemini, raw(&content)), title: None },
        ],
        dimensions: Some(64),
        task: Some("RETRIEVAL_QUERY".into()),
        truncate: Some(false),
        user: Some("u".into()),
        extra,
        ..EmbedRequest::default()
    };
    let sent = call(Call::Embed(Box::new(request.clone())), "gemini-embedding-001");
    let expect = json!({"instances": [
            {"content": "x", "task_type": "RETRIEVAL_QUERY", "title": "T"},
            {"content": "ab", "task_type": "RETRIEVAL_QUERY"}],
        "parameters": {"outputDimensionality": 64, "autoTruncate": false}});
    assert_eq!(sent.body, expect);
    assert_eq!(sent.lost, ["user", "new"]);
    let error = try_call(Call::Embed(Box::new(request.clone())), "gemini-embedding-2").err().unwrap();
    assert!(error.message.contains("one input at a time"), "{error}");
    let one = EmbedRequest { inputs: vec![EmbedInput::text("x")], ..request };
    let sent = call(Call::Embed(Box::new(one)), "gemini-embedding-2");
    assert_eq!(sent.path, "/publishers/google/models/gemini-embedding-2:embedContent");
    assert_eq!(sent.body["content"]["parts"][0]["text"], "x");
    assert_eq!(sent.body.get("model"), None);
    let picture = json!({"parts": [{"inlineData": {"mimeType": "image/png", "data": "AA"}}]});
    let opaque = EmbedInput { content: EmbedContent::Opaque(Dialect::Gemini, raw(&picture)), title: None };
    let pictured = EmbedRequest { inputs: vec![opaque], ..EmbedRequest::default() };
    assert!(try_call(Call::Embed(Box::new(pictured)), "text-embedding-005").is_err());
}

#[test]
fn a_tier_goes_in_a_header_and_counting_has_no_wrapper() {
    let mut request = ChatRequest::new([Message::system("Be brief."), Message::user("Hi")]);
    for (tier, expect) in [("flex", Some("flex")), ("auto", Some("priority")), ("default", None)] {
        request.delivery.service_tier = Some(tier.into());
        let sent = call(Call::from(request.clone()), "gemini-2.5-flash");
        assert_eq!((sent.tier.as_deref(), sent.body.get("serviceTier")), (expect, None), "{tier}");
    }
    request.delivery.stream = true;
    let sent = call(Call::from(request.clone()), "1234");
    assert_eq!(sent.path, "/endpoints/1234:streamGenerateContent?alt=sse");
    let sent = call(Call::CountTokens(Box::new(request)), "gemini-2.5-flash");
    assert_eq!(sent.path, "/publishers/google/models/gemini-2.5-flash:countTokens");
    let mut names: Vec<&String> = sent.body.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["contents", "systemInstruction"]);
}

#[test]
fn addresses_of_a_known_type_are_left_to_it() {
    let asking = |url: &str| {
        let image = Image::new(Media::Url(url.to_owned()));
        let mut message = Message::user("Look.");
        message.parts.push(Part::Image(image));
        try_call(Call::from(ChatRequest::new([message])), "gemini-2.5-flash")
    };
    let sent = asking("https://example.com/cat.png").unwrap();
    let file = &sent.body["contents"][0]["parts"][1]["fileData"];
    assert_eq!(*file, json!({"fileUri": "https://example.com/cat.png", "mimeType": "image/png"}));
    let error = asking("http://example.com/cat.png").err().unwrap();
    assert!(error.message.contains("Vertex AI fetches"), "{error}");
}

#[test]
fn only_a_conversation_goes_as_it_came() {
    let spec = row();
    let check = |op, body: Value, path: Option<&str>| {
        let head = Head::scan(body.to_string().into()).unwrap();
        let mut changes = Changes::default();
        let asked = asked(op, "m");
        let mut cx =
            EncodeCx { spec: &spec, model: "gemini-2.5-flash", asked: &asked, changes: &mut changes };
        let wire = Client.splice(&head, &mut cx).unwrap();
        assert_eq!(wire.as_ref().map(|wire| wire.path.as_str()), path);
        if let Some(wire) = wire {
            assert_eq!(wire.body.to_bytes(), body.to_string().as_bytes());
        }
    };
    let contents = json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]});
    check(Op::Chat, contents.clone(), Some("/publishers/google/models/gemini-2.5-flash:generateContent"));
    check(Op::CountTokens, contents, None);
    check(Op::Embed, json!({"content": {"parts": [{"text": "Hi"}]}}), None);
}
