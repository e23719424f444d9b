//! The last words of a stream that passes through: what a provider says behind its last event, and how it says
//! that it broke off.

use std::time::Duration;

use llm_testkit::{End, Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, Options, PROVIDER_KEY, Reply, anthropic, gemini, model, openai};

fn event(data: &Value) -> String {
    match data["type"].as_str() {
        Some(name) => format!("event: {name}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    }
}

/// A front with its own provider behind it: the path, and the events of a stream up to its first content.
struct Native {
    path: &'static str,
    begun: Vec<Value>,
}

fn natives() -> [Native; 3] {
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": null, "usage": {"input_tokens": 3, "output_tokens": 1}});
    let response = json!({"id": "resp_1", "object": "response", "status": "in_progress", "output": []});
    [
        Native {
            path: "/v1/messages",
            begun: vec![
                json!({"type": "message_start", "message": message}),
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Once"}}),
            ],
        },
        Native {
            path: "/v1/responses",
            begun: vec![
                json!({"type": "response.created", "response": response, "sequence_number": 0}),
                json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "Once", "sequence_number": 1}),
            ],
        },
        Native {
            path: "/v1beta/models/flash:streamGenerateContent?alt=sse",
            begun: vec![
                json!({"candidates": [{"content": {"parts": [{"text": "Once"}], "role": "model"}, "index": 0}]}),
            ],
        },
    ]
}

/// In how many words each provider says that it broke off.
fn broken(path: &str, why: &str) -> Vec<Value> {
    match path {
        "/v1/messages" => {
            vec![json!({"type": "error", "error": {"type": "overloaded_error", "message": why}, "x": 1})]
        }
        "/v1/responses" => {
            let error = json!({"code": "server_error", "message": why});
            let failed = json!({"id": "resp_1", "object": "response", "status": "failed", "error": error, "output": [{"type": "x"}]});
            vec![
                json!({"type": "error", "code": "server_error", "message": why, "param": null, "sequence_number": 2}),
                json!({"type": "response.failed", "response": failed, "sequence_number": 3}),
            ]
        }
        _ => vec![json!({"error": {"code": 503, "message": why, "status": "UNAVAILABLE", "details": []}})],
    }
}

fn gateway(upstream: &Upstream) -> Gateway {
    let models = [("claude", anthropic(upstream)), ("gpt", openai(upstream)), ("flash", gemini(upstream))];
    let models = models.map(|(name, deployment)| model(name, &[deployment])).concat();
    Options::config(format!("[router]\nretries = 0\n{models}")).start()
}

async fn ask(gateway: &Gateway, path: &str) -> Reply {
    let body = match path {
        "/v1/messages" => {
            json!({"model": "claude", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "Hi"}]})
        }
        "/v1/responses" => json!({"model": "gpt", "stream": true, "input": "Hi"}),
        _ => json!({"contents": [{"parts": [{"text": "Hi"}]}]}),
    };
    gateway.post(path).body(body.to_string()).send().await
}

#[tokio::test]
async fn a_provider_s_own_word_that_it_broke_off_reaches_its_clients_as_it_is() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    for Native { path, begun } in natives() {
        let events: Vec<String> = begun.iter().chain(&broken(path, "too much to do")).map(event).collect();
        let whole = events.concat();
        let script = |chunks: Vec<String>| Script::sse(chunks).pause(Duration::from_millis(5));
        // Event by event, the error with all that follows in one piece, and all but the first in one.
        let (before, after) = events.split_at(begun.len());
        let first = vec![before.concat(), after.concat()];
        for chunks in [events.clone(), first] {
            upstream.push(script(chunks));
            let reply = ask(&gateway, path).await;
            assert_eq!((reply.status, reply.text()), (200, whole.as_str()), "{path}");
        }
        // Before any content it is a failure with a status.
        let early: Vec<String> = broken(path, "too much to do").iter().map(event).collect();
        upstream.push(script(early));
        let reply = ask(&gateway, path).await;
        assert!(reply.status >= 500, "{path}: {} {}", reply.status, reply.text());
    }
}

#[tokio::test]
async fn a_key_in_a_provider_s_last_words_is_not_shown() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    for Native { path, begun } in natives() {
        let why = format!("no more for {PROVIDER_KEY}");
        let events: Vec<String> = begun.iter().chain(&broken(path, &why)).map(event).collect();
        upstream.push(Script::sse(events).pause(Duration::from_millis(5)));
        let reply = ask(&gateway, path).await;
        assert!(reply.text().starts_with(&begun.iter().map(event).collect::<String>()), "{}", reply.text());
        assert!(!reply.text().contains(PROVIDER_KEY), "{path}: {}", reply.text());
        assert!(reply.text().contains("no more for [redacted]"), "{path}: {}", reply.text());
    }
}

#[tokio::test]
async fn what_comes_behind_the_last_event_passes_too() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let ends = [
        ("/v1/messages", json!({"type": "message_stop"})),
        (
            "/v1/responses",
            json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": []}}),
        ),
    ];
    for (path, end) in ends {
        let begun = natives().into_iter().find(|native| native.path == path).unwrap().begun;
        let mut events: Vec<String> = begun.iter().map(event).chain([event(&end)]).collect();
        for behind in ["data: [DONE]\n\n", ": bye\n\n", "data: [DO"] {
            events.push(behind.to_owned());
            // In chunks of their own, all at once, and cut where no event ends.
            let whole = events.concat();
            let cut: Vec<Vec<u8>> = whole.as_bytes().chunks(13).map(<[u8]>::to_vec).collect();
            upstream.push(Script::sse(events.clone()).pause(Duration::from_millis(5)));
            upstream.push(Script::sse([whole.clone()]));
            upstream.push(Script::sse(cut));
            for _ in 0..3 {
                assert_eq!(ask(&gateway, path).await.text(), whole, "{path}");
            }
            events.pop();
        }
        // A connection that is not closed does not keep the client waiting.
        upstream.push(Script::sse(events.clone()).then(End::Stall));
        assert_eq!(ask(&gateway, path).await.text(), events.concat(), "{path}");
    }
}
