//! Tests of the dialect as a whole: what we send, what we read, wherever it is cut.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use llm_testkit::event_stream::message;
use llm_types::{
    Call, Changes, Dialect, ErrorKind, FinishKind, Op, ProviderSpec, Reply, ReplyBuilder, Result,
};
use serde_json::{Value, json};

use super::Client;
use crate::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo, Seen, ServerCodec, WireRequest};
use crate::table::ProviderTable;

fn sagemaker() -> Arc<ProviderSpec> {
    Arc::clone(ProviderTable::builtin().get("sagemaker").unwrap())
}

/// A server of one's own.
fn own() -> ProviderSpec {
    ProviderSpec { dialect: Dialect::Tgi, ..ProviderSpec::default() }
}

/// What is sent for an OpenAI client's request, and what was recorded about it.
fn try_send(members: &Value, spec: &ProviderSpec) -> Result<(WireRequest, Vec<String>)> {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let server = crate::dialect::openai_chat::Server;
    let call = server.decode(body.to_string().as_bytes(), &Asked::default()).unwrap();
    assert!(matches!(call, Call::Chat(_)));
    let mut changes = Changes::default();
    let mut cx = EncodeCx { spec, model: "my-endpoint", asked: &Asked::default(), changes: &mut changes };
    let wire = Client.encode(&call, &mut cx)?;
    let line = |change: &llm_types::Change| format!("{:?} {}", change.action, change.path).to_lowercase();
    Ok((wire, changes.list().iter().map(line).collect()))
}

fn sent(members: Value) -> (Value, Vec<String>) {
    let (wire, changes) = try_send(&members, &sagemaker()).unwrap();
    (serde_json::from_slice(&wire.body.to_bytes()).unwrap(), changes)
}

fn read(body: &Value) -> Result<Reply> {
    let (spec, memo) = (own(), Memo::default());
    let cx = DecodeCx { spec: &spec, model: "m", memo: &memo };
    Ok(Client.decode(Op::Chat, body.to_string().as_bytes(), &cx)?.into_chat().unwrap())
}

fn gather<'c>(chunks: impl IntoIterator<Item = &'c [u8]>, spec: &ProviderSpec) -> Result<Reply> {
    let memo = Memo::default();
    let mut decoder = Client.decoder(Op::Chat, &DecodeCx { spec, model: "m", memo: &memo });
    let mut builder = ReplyBuilder::default();
    for chunk in chunks {
        let _ = decoder.feed(chunk, &mut builder)?;
    }
    decoder.finish(&mut builder)?;
    builder.finish()
}

/// Grün., and what ends the turn.
const EVENTS: &str = concat!(
    "data:{\"index\":1,\"token\":{\"id\":5,\"text\":\"Gr\u{fc}\",\"logprob\":-0.1,\"special\":false},\"generated_text\":null,\"details\":null}\n\n",
    "data:{\"index\":2,\"token\":{\"id\":6,\"text\":\"n.\",\"logprob\":null,\"special\":false},\"generated_text\":null,\"details\":null}\n\n",
    "data:{\"index\":3,\"token\":{\"id\":2,\"text\":\"</s>\",\"special\":true},\"generated_text\":\"Gr\u{fc}n.\",",
    "\"details\":{\"finish_reason\":\"eos_token\",\"generated_tokens\":3,\"prefill\":[],\"seed\":null}}\n\n",
);

#[test]
fn servers_and_endpoints_have_paths_of_their_own() {
    let path = |spec: &ProviderSpec, stream: bool| {
        let (wire, _) = try_send(&json!({"stream": stream}), spec).unwrap();
        let body: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
        assert_eq!(body.get("stream").is_some(), stream);
        wire.path
    };
    assert_eq!(path(&sagemaker(), false), "/endpoints/my-endpoint/invocations");
    assert_eq!(path(&sagemaker(), true), "/endpoints/my-endpoint/invocations-response-stream");
    assert_eq!(path(&own(), false), "/generate");
    assert_eq!(path(&own(), true), "/generate_stream");
}

#[test]
fn a_conversation_is_a_prompt_and_its_parameters() {
    let messages = json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yo"}, {"role": "user", "content": "And?"}]);
    let asked = json!({"messages": messages, "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "top_k": 4, "seed": 3,
        "stop": ["a", "b"], "frequency_penalty": 0.5, "repetition_penalty": 1.1, "details": true});
    let (body, changes) = sent(asked);
    assert_eq!(
        body,
        json!({"inputs": "Be brief.\n\nUser: Hi\n\nAssistant: Yo\n\nUser: And?\n\nAssistant:",
            "parameters": {"max_new_tokens": 9, "temperature": 0.5, "top_p": 0.9, "top_k": 4, "seed": 3,
                "stop": ["a", "b"], "frequency_penalty": 0.5, "return_full_text": false,
                "repetition_penalty": 1.1, "details": true}})
    );
    assert_eq!(changes, ["altered messages"]);
    // A prompt that the client has put into the model's template goes as it is.
    let (body, changes) = sent(json!({"messages": [{"role": "user", "content": "<s>[INST] Hi [/INST]"}]}));
    assert_eq!(body, json!({"inputs": "<s>[INST] Hi [/INST]", "parameters": {"return_full_text": false}}));
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn numbers_that_are_refused_are_the_nearest() {
    let (body, changes) =
        sent(json!({"temperature": 0, "top_p": 1, "max_tokens": 0, "return_full_text": true}));
    assert_eq!(
        body["parameters"],
        json!({"temperature": 0.01, "max_new_tokens": 1, "return_full_text": true})
    );
    assert_eq!(changes, ["altered temperature", "altered max_tokens"]);
}

#[test]
fn what_cannot_be_asked_is_told() {
    let tool = json!({"type": "function", "function": {"name": "f"}});
    let asks = json!({"user": "u", "logit_bias": {"1": 2}, "service_tier": "flex", "store": true, "odd": 1,
        "tools": [tool], "tool_choice": "auto", "reasoning_effort": "low", "logprobs": true,
        "presence_penalty": 0.5, "response_format": {"type": "json_object"}});
    let (_, changes) = sent(asks.clone());
    for path in asks.as_object().unwrap().keys() {
        assert!(changes.iter().any(|line| line.ends_with(&format!(" {path}"))), "{path}: {changes:?}");
    }
    let refused = |members: Value| try_send(&members, &sagemaker()).unwrap_err().kind;
    assert_eq!(refused(json!({"n": 2})), ErrorKind::UnsupportedParam);
    let picture = json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]);
    assert_eq!(refused(json!({"messages": [{"role": "user", "content": picture}]})), ErrorKind::BadRequest);
}

#[test]
fn answers_are_objects_or_lists_of_one() {
    let one = json!({"generated_text": "Gr\u{fc}n."});
    for body in [one.clone(), json!([one])] {
        let reply = read(&body).unwrap();
        assert_eq!((reply.text().as_str(), reply.usage.is_none()), ("Gr\u{fc}n.", true));
    }
    let told = |reason: &str, prefill: Value| {
        let details = json!({"finish_reason": reason, "generated_tokens": 3, "prefill": prefill});
        let reply = read(&json!({"generated_text": "x", "details": details})).unwrap();
        let finish = reply.choices[0].finish.clone().unwrap();
        (finish.kind, finish.native, reply.usage.map(|usage| (usage.input, usage.output)))
    };
    // What only the answer's tokens are told of is estimated as a whole.
    assert_eq!(told("length", json!([])), (FinishKind::Length, None, None));
    assert_eq!(told("stop_sequence", json!([{"id": 1}, {"id": 2}])), (FinishKind::Stop, None, Some((2, 3))));
    assert_eq!(told("odd", json!(null)), (FinishKind::Stop, Some("odd".to_owned()), None));
    for body in [json!([]), json!([one, one]), json!({"text": "x"}), json!("x")] {
        assert_eq!(read(&body).unwrap_err().kind, ErrorKind::UpstreamFormat, "{body}");
    }
    let failed = json!({"error": "Model is overloaded", "error_type": "overloaded"});
    assert!(read(&failed).unwrap_err().message.contains("overloaded"));
}

#[test]
fn streams_are_read_wherever_they_are_cut() {
    let lines = EVENTS.replace("data:", "").replace("\n\n", "\n");
    let unended = lines.trim_end();
    for text in [EVENTS, &lines, unended] {
        let whole = gather([text.as_bytes()], &own()).unwrap();
        assert_eq!(whole.text(), "Gr\u{fc}n.");
        assert_eq!(whole.choices[0].finish.as_ref().unwrap().kind, FinishKind::Stop);
        for at in 0..=text.len() {
            let (before, after) = text.as_bytes().split_at(at);
            let cut = gather([before, after], &own()).unwrap();
            assert_eq!(format!("{cut:?}"), format!("{whole:?}"), "{at}");
        }
    }
    for size in [1, 7, 64] {
        let pieces: Vec<u8> =
            EVENTS.as_bytes().chunks(size).flat_map(|piece| message("event", "PayloadPart", piece)).collect();
        assert_eq!(gather(pieces.chunks(3), &sagemaker()).unwrap().text(), "Gr\u{fc}n.", "{size}");
    }
}

#[test]
fn what_breaks_off_is_an_error() {
    let whole = EVENTS.trim_end().len();
    for at in 0..whole {
        let error = gather([&EVENTS.as_bytes()[..at]], &own()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Connection, "{at}");
    }
    let failed = "data:{\"error\":\"Request failed during generation\",\"error_type\":\"generation\"}\n\n";
    let (before, _) = EVENTS.split_at(EVENTS.find("\n\n").unwrap() + 2);
    let error = gather([before.as_bytes(), failed.as_bytes()], &own()).unwrap_err();
    assert!(error.message.contains("during generation"), "{error}");
    let broken = gather([b"data:{\"token\":1}\n\n".as_slice()], &own()).unwrap_err();
    assert_eq!(broken.kind, ErrorKind::UpstreamFormat);
}

#[test]
fn a_watch_sees_content_failure_and_the_end() {
    let mut tap = Client.stream_tap(Op::Chat);
    let seen: Vec<_> = EVENTS.split_inclusive("\n\n").map(|event| tap.see(event.as_bytes())).collect();
    assert!(matches!(seen.as_slice(), [Seen::Content, Seen::Content, Seen::Done]), "{seen:?}");
    assert!(tap.is_done() && tap.usage().is_none());
    let mut tap = Client.stream_tap(Op::Chat);
    assert!(matches!(tap.see(b"data:{\"error\":\"no\"}\n\n"), Seen::Failed(_)));
}

#[test]
fn failures_are_told_for_what_they_are() {
    let check = |status: u16, body: Value, kind: ErrorKind, words: &str| {
        let status = StatusCode::from_u16(status).unwrap();
        let error = Client.decode_error(status, &HeaderMap::new(), body.to_string().as_bytes());
        assert_eq!(error.kind, kind, "{body}");
        assert!(error.message.contains(words), "{error}");
    };
    let long = "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000";
    check(422, json!({"error": long, "error_type": "validation"}), ErrorKind::ContextWindow, "4096");
    let behind = json!({"ErrorCode": "CLIENT_ERROR_FROM_MODEL", "Message": "Received client error (422) from primary",
        "OriginalMessage": json!({"error": long, "error_type": "validation"}).to_string(), "OriginalStatusCode": 422});
    check(424, behind, ErrorKind::ContextWindow, "max_new_tokens");
    let small = json!({"ErrorCode": "X", "Message": "use an instance type with more CPU capacity or memory"});
    check(400, small, ErrorKind::ContextWindow, "instance type");
    check(
        429,
        json!({"error": "Model is overloaded", "error_type": "overloaded"}),
        ErrorKind::RateLimit,
        "overloaded",
    );
}
