//! Recorded exchanges: what providers answered is read, and what clients sent is what we would send.

use http::{HeaderMap, StatusCode};
use llm_testkit::{exchanges, is_complete};
use llm_types::chat::Part;
use llm_types::{ErrorKind, FinishKind, Reply};
use serde_json::{Value, json};

use super::convert::normal;
use super::*;

pub(super) struct Recording {
    pub(super) name: String,
    pub(super) request: Value,
    pub(super) response: Value,
}

impl Recording {
    pub(super) fn model(&self) -> String {
        let url = self.request["url"].as_str().unwrap();
        let (_, rest) = url.split_once("/models/").unwrap();
        rest.split(':').next().unwrap().to_owned()
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.response["status"].as_u64().unwrap().try_into().unwrap()).unwrap()
    }
}

fn recordings() -> Vec<Recording> {
    let out = recordings_of("generateContent", &["gemini", "vertex"]);
    assert!(!is_complete() || out.len() >= 20, "only {} recordings", out.len());
    out
}

/// The recordings of an operation.
pub(super) fn recordings_of(operation: &str, providers: &[&str]) -> Vec<Recording> {
    let all = exchanges(operation, providers).into_iter().map(|(name, mut all)| Recording {
        name,
        request: all["request"].take(),
        response: all["response"].take(),
    });
    all.collect()
}

/// What an answer must come to, read from the recording without our structs.
#[derive(Debug, Default, PartialEq)]
struct Facts {
    text: String,
    thoughts: String,
    calls: Vec<(String, Value)>,
    finish: String,
    prompt: u64,
    total: u64,
    reasoning: u64,
}

impl Facts {
    fn of(chunks: &[Value]) -> Self {
        let mut facts = Self::default();
        for chunk in chunks {
            let candidate = &chunk["candidates"][0];
            for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
                if let Some(call) = part.get("functionCall") {
                    facts.calls.push((call["name"].as_str().unwrap().to_owned(), call["args"].clone()));
                }
                let text = part["text"].as_str().unwrap_or_default();
                let thought = part["thought"] == true;
                if thought { &mut facts.thoughts } else { &mut facts.text }.push_str(text);
            }
            if let Some(reason) = candidate.get("finishReason") {
                facts.finish = reason.as_str().map_or_else(|| reason.to_string(), str::to_owned);
            }
            let usage = &chunk["usageMetadata"];
            facts.prompt = usage["promptTokenCount"].as_u64().unwrap_or_default()
                + usage["toolUsePromptTokenCount"].as_u64().unwrap_or_default();
            facts.total = usage["totalTokenCount"].as_u64().unwrap_or_default();
            facts.reasoning = usage["thoughtsTokenCount"].as_u64().unwrap_or_default();
        }
        facts
    }

    fn check(&self, name: &str, reply: &Reply) {
        assert_eq!(reply.text(), self.text, "{name}");
        assert_eq!(reply.reasoning(), self.thoughts, "{name}");
        let calls = reply
            .tool_calls()
            .map(|call| (call.name.clone(), serde_json::from_str::<Value>(&call.arguments).unwrap()));
        assert_eq!(calls.collect::<Vec<_>>(), self.calls, "{name}");
        let finish = match self.finish.as_str() {
            _ if !self.calls.is_empty() => FinishKind::ToolCalls,
            "STOP" => FinishKind::Stop,
            "MAX_TOKENS" => FinishKind::Length,
            "SAFETY" => FinishKind::ContentFilter,
            other => panic!("{name}: {other} is new"),
        };
        assert_eq!(reply.finish(), Some(finish), "{name}");
        let usage = reply.usage.clone().unwrap();
        let counted = (usage.prompt_tokens(), usage.total_tokens(), usage.reasoning);
        assert_eq!(counted, (self.prompt, self.total, self.reasoning), "{name}");
    }
}

fn chunks_of(sse: &str) -> Vec<Value> {
    let data = sse.lines().filter_map(|line| line.strip_prefix("data:"));
    data.map(|json| serde_json::from_str(json).unwrap()).collect()
}

#[test]
fn answers_are_read() {
    let mut read = 0;
    for recording in recordings().iter().filter(|r| r.status().is_success()) {
        let Some(body) = recording.response.get("body") else { continue };
        let text = serde_json::to_string_pretty(body).unwrap();
        let reply = read_as(text.as_bytes(), &recording.model(), &Memo::default()).unwrap();
        Facts::of(std::slice::from_ref(body)).check(&recording.name, &reply);
        assert_eq!(reply.model, body["modelVersion"].as_str().unwrap(), "{}", recording.name);
        assert_eq!(reply.id, body["responseId"].as_str().unwrap(), "{}", recording.name);
        assert_eq!(reply.choices.len(), body["candidates"].as_array().unwrap().len(), "{}", recording.name);
        let tapped = Client.tap(Op::Chat, text.as_bytes()).unwrap();
        assert_eq!(tapped.usage, reply.usage, "{}", recording.name);
        read += 1;
    }
    assert!(!is_complete() || read >= 10, "{read}");
}

#[test]
fn streams_are_read_wherever_they_are_cut() {
    let mut read = 0;
    for recording in recordings() {
        let Some(sse) = recording.response["sse"].as_str() else { continue };
        let name = &recording.name;
        let whole = gather(&[sse.as_bytes()]).unwrap();
        Facts::of(&chunks_of(sse)).check(name, &whole);
        let expect = shown(&whole);
        let bytes: Vec<&[u8]> = sse.as_bytes().chunks(1).collect();
        assert_eq!(shown(&gather(&bytes).unwrap()), expect, "{name}");
        let complete = sse.rfind('}').unwrap();
        for cut in 0..sse.len() {
            let (head, tail) = sse.as_bytes().split_at(cut);
            assert_eq!(shown(&gather(&[head, tail]).unwrap()), expect, "{name} cut at {cut}");
            if cut <= complete {
                let error = gather(&[head]).unwrap_err();
                assert_eq!(error.kind, ErrorKind::Connection, "{name} ends at {cut}");
            }
        }
        read += 1;
    }
    assert!(!is_complete() || read >= 6, "{read}");
}

#[test]
fn signatures_and_sources_survive() {
    let mut sources = 0;
    for recording in recordings().iter().filter(|r| r.status().is_success()) {
        let (chunks, reply) = match recording.response["sse"].as_str() {
            Some(sse) => (chunks_of(sse), gather(&[sse.as_bytes()])),
            None => {
                let body = recording.response["body"].clone();
                let reply = read_as(body.to_string().as_bytes(), &recording.model(), &Memo::default());
                (vec![body], reply)
            }
        };
        let candidates = || chunks.iter().map(|chunk| &chunk["candidates"][0]);
        let parts = candidates().flat_map(|c| c["content"]["parts"].as_array().into_iter().flatten());
        let expect: Vec<&str> = parts.filter_map(|part| part["thoughtSignature"].as_str()).collect();
        let reply = reply.unwrap();
        let parts = &reply.choices[0].parts;
        let signatures: Vec<&str> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Text(text) => text.signature.as_deref(),
                Part::ToolCall(call) => call.signature.as_deref(),
                Part::Reasoning(reasoning) => reasoning.signature.as_deref(),
                _ => None,
            })
            .collect();
        assert_eq!(signatures, expect, "{}", recording.name);

        let supports = candidates()
            .flat_map(|c| c["groundingMetadata"]["groundingSupports"].as_array().into_iter().flatten());
        let text = reply.text();
        let mut cited = parts.iter().filter_map(|part| match part {
            Part::Citation(citation) => Some(citation),
            _ => None,
        });
        for support in supports {
            let citation = cited.next().unwrap();
            let span = citation.start.unwrap()..citation.end.unwrap();
            let chars = text.chars().skip(usize::try_from(span.start).unwrap());
            let words: String = chars.take(usize::try_from(span.end - span.start).unwrap()).collect();
            // Not compared with the segment's own text: the recorder wrote a plain dash for a longer one,
            // which moved everything behind it.
            let at =
                |name: &str| usize::try_from(support["segment"][name].as_u64().unwrap_or_default()).unwrap();
            let expect = text.get(at("startIndex")..at("endIndex").min(text.len())).unwrap();
            assert_eq!(words, expect, "{}", recording.name);
            sources += 1;
            assert!(citation.url.is_some());
        }
        assert!(cited.next().is_none());
    }
    assert!(sources == 10 || !is_complete(), "{sources}");
}

#[test]
fn errors_are_classified() {
    let mut seen = Vec::new();
    for recording in recordings().iter().filter(|r| !r.status().is_success()) {
        let body = recording.response["body"].to_string();
        let error = Client.decode_error(recording.status(), &HeaderMap::new(), body.as_bytes());
        assert_eq!(error.message, recording.response["body"]["error"]["message"], "{}", recording.name);
        let wait = error.retry_after.map(|wait| wait.as_secs());
        seen.push((recording.name.as_str().to_owned(), error.kind, wait));
    }
    if !is_complete() {
        let own = ("gemini/generatecontent-error-400".to_owned(), ErrorKind::BadRequest, None);
        assert_eq!(seen, [own]);
        return;
    }
    let expect = [
        ("gemini/generatecontent-error-400-f1648f", ErrorKind::Auth, None),
        ("gemini/generatecontent-error-429-2fb525", ErrorKind::RateLimit, Some(48)),
        ("vertex/generatecontent-error-404-a86b12", ErrorKind::NotFound, None),
    ];
    assert_eq!(seen, expect.map(|(name, kind, wait)| (name.to_owned(), kind, wait)));
}

#[test]
fn requests_survive_the_neutral_form() {
    let mut sent = 0;
    for recording in recordings() {
        let (name, model) = (recording.name.as_str(), recording.model());
        let body = &recording.request["body"];
        let asked = asked(Op::Chat, &model);
        let Call::Chat(request) = Server.decode(body.to_string().as_bytes(), &asked).unwrap() else {
            panic!("{name} is no conversation");
        };
        let (again, changes) = send(*request, &model);
        let (again, expect) = (normal(&again), normal(body));
        assert_eq!(again, expect, "{name}\n{}\n{}", json!(again), json!(expect));
        assert!(changes.is_empty(), "{name}: {changes:?}");
        sent += 1;
    }
    assert!(!is_complete() || sent >= 20, "{sent}");
}
