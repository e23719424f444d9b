//! `llmctl embed` and `llmctl complete`: straight to a provider, and through a gateway.

use llm_testkit::{Gate, Script, Upstream, canned};
use serde_json::{Value, json};

use crate::harness::{Gateway, PROVIDER_KEY, llmctl, model, openai};

/// OpenAI at `upstream`, with a key.
fn direct(upstream: &Upstream, args: &[&str]) -> crate::harness::Llmctl {
    llmctl(args).env("OPENAI_API_KEY", PROVIDER_KEY).env("OPENAI_BASE_URL", &format!("{}/v1", upstream.url()))
}

/// As many vectors as there are texts.
fn vectors(vectors: &[&[f32]]) -> Script {
    let vector = |(index, numbers): (usize, &&[f32])| json!({"object": "embedding", "index": index, "embedding": numbers});
    let data: Vec<Value> = vectors.iter().enumerate().map(vector).collect();
    Script::json(&json!({"object": "list", "data": data, "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": 4, "total_tokens": 4}}))
}

#[test]
fn vectors_are_made_of_arguments_and_lines() {
    let upstream = Upstream::start().unwrap();
    upstream.always(vectors(&[&[0.5, -1.0], &[0.25, 2.0]]));
    let args = ["embed", "text-embedding-3-small", "one text", "another", "--dimensions", "2"];
    let args = [&args[..], &["--input-type", "query"]].concat();
    let ran = direct(&upstream, &args).run();
    let lines: Vec<Value> = ran.good().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, [json!([0.5, -1.0]), json!([0.25, 2.0])]);
    let sent = upstream.last_request().unwrap();
    assert_eq!(
        (sent.path(), sent.json()["input"].clone()),
        ("/v1/embeddings", json!(["one text", "another"]))
    );
    assert_eq!((&sent.json()["dimensions"], &sent.json()["input_type"]), (&json!(2), &json!("query")));

    let ran =
        direct(&upstream, &["embed", "openai/text-embedding-3-small", "--json"]).stdin("a\n\nb\n").run();
    ran.good();
    assert_eq!(ran.json()["data"][1]["embedding"], json!([0.25, 2.0]));
    assert_eq!(upstream.last_request().unwrap().json()["input"], json!(["a", "b"]));
    let ran = direct(&upstream, &["embed", "text-embedding-3-small", "a", "b", "--encoding", "base64"]).run();
    assert_eq!(ran.good().lines().collect::<Vec<_>>(), ["AAAAPwAAgL8=", "AACAPgAAAEA="]);
    direct(&upstream, &["embed", "text-embedding-3-small"]).stdin("\n").run().failed(2, &["no texts"]);
    let ran = llmctl(&["embed", "anthropic/claude-haiku-4-5", "x"]).env("ANTHROPIC_API_KEY", "sk").run();
    assert!(ran.code != Some(0) && ran.err.contains("offers no embed"), "{ran:?}");
}

#[test]
fn vectors_come_through_a_gateway() {
    let upstream = Upstream::start().unwrap();
    upstream.always(vectors(&[&[0.5, -1.0]]));
    let base = format!("{}/v1", upstream.url());
    let deployment = format!(
        "{{ model = \"openai/text-embedding-3-small\", api_base = \"{base}\", api_key = \"{PROVIDER_KEY}\" }}"
    );
    let gateway = Gateway::start(&model("vectors", &[deployment]));
    let ran = llmctl(&["embed", "vectors", "one text", "--gateway", &gateway.url()]).run();
    assert_eq!(ran.good(), "[0.5,-1.0]\n");
    assert_eq!(upstream.last_request().unwrap().json()["model"], "text-embedding-3-small");
}

fn text(text: &str) -> Value {
    json!({"id": "cmpl-1", "object": "text_completion", "created": 9, "model": "gpt-3.5-turbo-instruct",
        "choices": [{"text": text, "index": 0, "logprobs": null, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}})
}

#[test]
fn a_text_is_gone_on_with() {
    let upstream = Upstream::start().unwrap();
    upstream.push(Script::json(&text(" there was")));
    let args = [
        "complete",
        "gpt-3.5-turbo-instruct",
        "Once upon a time",
        "--suffix",
        "The end.",
        "--max-tokens",
        "7",
    ];
    let ran = direct(&upstream, &[&args[..], &["--temperature", "0.5", "--stop", "\n\n"]].concat()).run();
    assert_eq!(ran.good(), " there was\n");
    let sent = upstream.last_request().unwrap();
    assert_eq!(sent.path(), "/v1/completions");
    let expect = json!({"model": "gpt-3.5-turbo-instruct", "prompt": "Once upon a time", "suffix": "The end.",
        "max_tokens": 7, "temperature": 0.5, "stop": ["\n\n"], "stream": false});
    let mut body = sent.json();
    body.as_object_mut().unwrap().entry("stream").or_insert(false.into());
    assert_eq!(body, expect);

    upstream.push(Script::json(&text(" there was")));
    let ran = direct(&upstream, &["complete", "gpt-3.5-turbo-instruct", "--json"]).stdin("Once").run();
    ran.good();
    assert_eq!(
        (&ran.json()["object"], &ran.json()["choices"][0]["text"]),
        (&json!("text_completion"), &json!(" there was"))
    );

    // A model that chats is sent the text as a message; what it cannot do is said.
    upstream.push(Script::json(&canned::openai_completion(3)));
    direct(&upstream, &["complete", "gpt-4o", "Once"]).run().good();
    let sent = upstream.last_request().unwrap();
    assert_eq!(
        (sent.path(), &sent.json()["messages"][0]["content"]),
        ("/v1/chat/completions", &json!("Once"))
    );
    direct(&upstream, &["complete", "gpt-4o", "Once", "--suffix", "x"]).run().failed(1, &["suffix"]);
}

#[test]
fn a_text_comes_as_it_is_made_through_a_gateway() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let url = gateway.url();
    let gate = Gate::new();
    let events = canned::openai_stream(5, canned::IncludeUsage::Yes);
    let (first, rest) = events.split_at(3);
    let script = Script::sse(first.to_vec()).gate(&gate);
    upstream.push(rest.iter().cloned().fold(script, Script::chunk));
    let mut going = llmctl(&["complete", "smart", "Once", "--stream", "--gateway", &url]).start();
    going.until("harbour");
    gate.open();
    let ran = going.end();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // The gateway knows which kind of model it is; it was asked for a text.
    upstream.push(Script::json(&canned::openai_completion(3)));
    let ran = llmctl(&["complete", "smart", "Once", "--suffix", "x", "--gateway", &url]).run();
    ran.failed(1, &["suffix", "text model"]);
}
