//! What we read.

use llm_types::chat::{Media, Part};
use llm_types::{Dialect, FinishKind};
use serde_json::{Value, json};

use super::*;

fn answer(parts: Value) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
        "modelVersion": "models/gemini-2.5-flash", "responseId": "r1"})
}

#[test]
fn thoughts_text_and_usage() {
    let mut body = answer(json!([{"thought": true, "text": "T"}, {"text": "A", "thoughtSignature": "S"}]));
    body["usageMetadata"] = json!({"promptTokenCount": 29, "candidatesTokenCount": 15,
        "thoughtsTokenCount": 804, "totalTokenCount": 848, "serviceTier": "standard", "trafficType": "X"});
    body["createTime"] = json!("2026-08-19T14:34:21.877166Z");
    let reply = read(&body).unwrap();
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("A", "T"));
    assert_eq!((reply.id.as_str(), reply.model.as_str()), ("r1", "gemini-2.5-flash"));
    assert_eq!(reply.created, Some(1_787_150_061));
    assert_eq!(reply.service_tier.as_deref(), Some("standard"));
    assert_eq!(reply.origin, Some(Dialect::Gemini));
    assert_eq!(reply.extra.get("trafficType").unwrap().get(), "\"X\"");
    assert_eq!(reply.finish(), Some(FinishKind::Stop));
    let usage = reply.usage.unwrap();
    assert_eq!((usage.prompt_tokens(), usage.completion_tokens(), usage.reasoning), (29, 819, 804));
    assert!(matches!(&reply.choices[0].parts[1], Part::Text(text) if text.signature.as_deref() == Some("S")));
}

#[test]
fn calls() {
    let body = answer(json!([
        {"functionCall": {"id": "a", "name": "f", "args": {"x": [1, "y z"]}}, "thoughtSignature": "S"},
        {"functionCall": {"name": "g"}}]));
    let pretty = serde_json::to_string_pretty(&body).unwrap();
    let reply = read_as(pretty.as_bytes(), "m", &Memo::default()).unwrap();
    let calls: Vec<_> = reply.tool_calls().collect();
    assert_eq!((calls[0].id.as_str(), calls[0].name.as_str()), ("a", "f"));
    assert_eq!(calls[0].arguments, r#"{"x":[1,"y z"]}"#);
    assert_eq!(calls[0].signature.as_deref(), Some("S"));
    assert_eq!(calls[1].arguments, "{}");
    assert!(calls[1].id.starts_with("call_") && calls[1].id.len() == 37, "{}", calls[1].id);
    assert_eq!(reply.finish(), Some(FinishKind::ToolCalls));
}

#[test]
fn a_signature_closes_its_part() {
    let body = answer(json!([{"text": "a"}, {"text": "b", "thoughtSignature": "1"},
        {"text": "c", "thoughtSignature": "2"}, {"thoughtSignature": "3"}, {"text": ""}]));
    let reply = read(&body).unwrap();
    let texts = reply.choices[0].parts.iter().map(|part| match part {
        Part::Text(text) => (text.text.clone(), text.signature.clone().unwrap_or_default()),
        other => panic!("{other:?}"),
    });
    let expect = [("ab", "1"), ("c", "2"), ("", "3")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(texts.collect::<Vec<_>>(), expect);
}

#[test]
fn pictures_and_sound() {
    let body = answer(json!([
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thoughtSignature": "S"},
        {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AQ=="}},
        {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AgM="}},
        {"inlineData": {"mimeType": "image/png", "data": "BBBB"}, "thought": true}]));
    let reply = read(&body).unwrap();
    let [Part::Image(image), Part::Audio(audio), Part::Opaque(opaque)] = &reply.choices[0].parts[..] else {
        panic!("{reply:?}");
    };
    assert_eq!(image.media, Media::Base64 { media_type: "image/png".to_owned(), data: "AAAA".to_owned() });
    assert_eq!(image.extra.get("thoughtSignature").unwrap().get(), "\"S\"");
    assert!(matches!(&audio.media, Some(Media::Base64 { data, .. }) if data == "AQID"), "{audio:?}");
    assert_eq!(audio.extra.get("mimeType").unwrap().get(), "\"audio/L16;rate=24000\"");
    assert_eq!((opaque.dialect, opaque.kind.as_str()), (Dialect::Gemini, "inlineData"));
}

#[test]
fn pieces_that_only_this_dialect_knows_are_kept_whole() {
    let part = json!({"executableCode": {"language": "PYTHON", "code": "print(1)"}, "thoughtSignature": "S"});
    let result = json!({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}});
    let reply = read(&answer(json!([part, result, {"text": "1"}]))).unwrap();
    let [Part::Opaque(code), Part::Opaque(output), Part::Text(_)] = &reply.choices[0].parts[..] else {
        panic!("{reply:?}");
    };
    assert_eq!((code.kind.as_str(), output.kind.as_str()), ("executableCode", "codeExecutionResult"));
    assert_eq!(serde_json::from_str::<Value>(code.json.get()).unwrap(), part);
}

#[test]
fn refused_prompts() {
    let body = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"trafficType": "ON_DEMAND"}});
    for reply in [read(&body), gather(&[sse(std::slice::from_ref(&body)).as_bytes()])] {
        let reply = reply.unwrap();
        assert_eq!(reply.choices.len(), 1);
        assert!(reply.choices[0].parts.is_empty());
        let finish = reply.choices[0].finish.clone().unwrap();
        assert_eq!(finish.kind, FinishKind::ContentFilter);
        assert_eq!(finish.native.as_deref(), Some("PROHIBITED_CONTENT"));
        assert_eq!(reply.usage, None);
        assert!(reply.extra.get("promptFeedback").is_some());
    }
}

#[test]
fn what_is_no_answer_is_an_error() {
    let empty = json!({"usageMetadata": {"promptTokenCount": 1}});
    fails_with(read(&empty), ErrorKind::UpstreamFormat);
    fails_with(read_as(b"<html>", "m", &Memo::default()), ErrorKind::UpstreamFormat);
    fails_with(read_as(b"", "m", &Memo::default()), ErrorKind::UpstreamFormat);
    let error =
        json!({"error": {"code": 503, "message": "The model is overloaded", "status": "UNAVAILABLE"}});
    fails_with(read(&error), ErrorKind::Unavailable);
    fails_with(read(&json!([error])), ErrorKind::Unavailable);
    let pieces = json!([{"functionCall": {"name": "f", "willContinue": true}}]);
    fails_with(read(&answer(pieces)), ErrorKind::UpstreamFormat);
    let many = json!({"candidates": [{"index": 4_000_000_000_u32, "content": {}}]});
    fails_with(read(&many), ErrorKind::UpstreamFormat);
}

#[test]
fn log_probabilities() {
    let mut body = answer(json!([{"text": "Hi"}]));
    body["candidates"][0]["logprobsResult"] = json!({
        "chosenCandidates": [{"token": "Hi", "tokenId": 1, "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "Hi", "logProbability": -0.5}, {"token": "Yo", "logProbability": -2}]}]});
    let logprobs = read(&body).unwrap().choices[0].logprobs.clone().unwrap();
    let top: Vec<_> = logprobs.content[0].top.iter().map(|t| (t.token.as_str(), t.logprob)).collect();
    assert_eq!(top, [("Hi", -0.5), ("Yo", -2.0)]);
}

#[test]
fn taps_see_the_usage() {
    let mut body = answer(json!([{"text": "a"}]));
    body["usageMetadata"] = json!({"promptTokenCount": 3, "candidatesTokenCount": 4});
    let body = body.to_string();
    let tapped = Client.tap(Op::Chat, body.as_bytes()).unwrap();
    assert_eq!(tapped.usage.unwrap().total_tokens(), 7);
    assert_eq!(Client.tap(Op::Rerank, b"{}").unwrap_err().kind, ErrorKind::BadRequest);
}
