//! A stream that broke off is gone on with elsewhere: at every front, and within what the request asked for.

use std::time::{Duration, Instant};

use llm_testkit::canned::{IncludeUsage, anthropic_stream, openai_stream};
use llm_testkit::{End, Gate, Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, PATIENCE, Reply, anthropic, model, openai, streamed, with};

const CONTINUE: &str = "[router]\nmid_stream = \"continue\"\nbackoff = { base = \"1ms\", max = \"5ms\" }\n";

fn start(models: &str) -> Gateway {
    crate::harness::Options::config(format!("{CONTINUE}{models}")).start()
}

/// Says "The harbour " and breaks off.
fn breaking() -> Upstream {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::sse(anthropic_stream(5).into_iter().take(5)).then(End::Reset));
    upstream
}

/// Says "The harbour opens ", in OpenAI's words, and breaks off.
fn breaking_openai() -> Upstream {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::sse(openai_stream(5, IncludeUsage::Yes).into_iter().take(4)).then(End::Reset));
    upstream
}

fn whole_openai() -> Upstream {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::sse(openai_stream(5, IncludeUsage::Yes)));
    upstream
}

fn texts(events: &[Value], at: &str) -> String {
    events.iter().filter_map(|event| event.pointer(at)?.as_str()).collect()
}

/// What a client of a front reads: the text, after a look at the form.
fn read(front: &str, reply: &Reply) -> String {
    let text = reply.text();
    assert!(!text.contains("\"error\":{"), "{front}: {text}");
    if !front.starts_with("/v1beta") {
        assert!(text.contains(": continued by smart/2\n\n"), "the seam is marked at {front}: {text}");
    }
    if front.ends_with("streamGenerateContent") {
        return texts(reply.json().as_array().unwrap(), "/candidates/0/content/parts/0/text");
    }
    let events = reply.events();
    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
    match front {
        "/v1/messages" => {
            assert_eq!((of("message_start").len(), of("content_block_start").len()), (1, 1));
            assert_eq!(of("message_delta")[0]["usage"]["output_tokens"], 2 * 120, "{text}");
            assert_eq!(events.last().unwrap()["type"], "message_stop");
            texts(&events, "/delta/text")
        }
        "/v1/responses" => {
            let numbers: Vec<_> = events.iter().map(|event| event["sequence_number"].as_u64()).collect();
            assert!(numbers.iter().zip(0..).all(|(number, nth)| *number == Some(nth)), "{numbers:?}");
            assert_eq!((of("response.created").len(), of("response.output_item.added").len()), (1, 1));
            let done = &of("response.completed")[0]["response"];
            let said = done["output"][0]["content"][0]["text"].as_str().unwrap();
            assert_eq!(
                said,
                texts(&of("response.output_text.delta").into_iter().cloned().collect::<Vec<_>>(), "/delta")
            );
            assert_eq!(done["usage"]["input_tokens"], 2 * 19, "{done}");
            said.to_owned()
        }
        "/v1/chat/completions" => {
            assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
            reply.streamed_content()
        }
        _ => texts(&events, "/candidates/0/content/parts/0/text"),
    }
}

#[tokio::test]
async fn clients_of_every_front_get_the_rest() {
    let chat = streamed("smart");
    let mut messages = chat.clone();
    messages["max_tokens"] = 100.into();
    let responses = json!({"model": "smart", "stream": true, "input": "Hello!"});
    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]});
    for (front, body) in [
        ("/v1/chat/completions", &chat),
        ("/v1/messages", &messages),
        ("/v1/responses", &responses),
        ("/v1beta/models/smart:streamGenerateContent?alt=sse", &gemini),
        ("/v1beta/models/smart:streamGenerateContent", &gemini),
    ] {
        let (bad, good) = (breaking(), Upstream::start().unwrap());
        good.always(Script::sse(anthropic_stream(5)));
        let gateway = start(&model("smart", &[anthropic(&bad), with(&anthropic(&good), "order = 1")]));
        let reply = gateway.post(front).body(body.to_string()).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let said = read(front, &reply);
        assert!(said.starts_with("The harbour The harbour opens at "), "{front}: {said}");
        if front == "/v1/messages" {
            // What was said counts towards the bound.
            assert_eq!(good.last_request().unwrap().json()["max_tokens"], 100 - "The harbour ".len() / 4);
        }
        let told = gateway.explained(&reply).await;
        assert_eq!(told["end"]["continued_by"], json!(["smart/2"]), "{told}");
        let group = &told["end"]["groups"][0];
        assert_eq!(group["attempts"][0]["deployment"], "smart/2", "{told}");
        assert_eq!((&told["deployment"], &told["attempts"]), (&json!("smart/2"), &json!(2)), "{told}");
        assert_eq!(
            (&told["outcome"], &group["attempts"][0]["broke_off"]),
            (&json!("answered"), &Value::Null)
        );
        let broke = &told["groups"][0]["attempts"][0]["broke_off"];
        assert_eq!((&broke["output_tokens"], broke["at_ms"].is_f64()), (&json!(2), true), "{told}");
        assert!(broke["error"]["message"].is_string(), "{told}");
        assert_eq!(group["decisions"][0]["candidates"][0]["reason"], "its stream broke off", "{told}");
    }
}

#[tokio::test]
async fn whoever_goes_on_is_where_the_request_may_go() {
    let (bad, abroad, home) = (breaking_openai(), whole_openai(), whole_openai());
    let gateway = start(&model(
        "smart",
        &[
            with(&openai(&bad), "region = \"eu\""),
            with(&openai(&abroad), "region = \"us\", order = 1"),
            with(&openai(&home), "region = \"eu\", order = 2"),
        ],
    ));
    let call = gateway.post("/v1/chat/completions").header("x-gateway-region", "eu");
    let reply = call.body(streamed("smart").to_string()).send().await;
    assert!(reply.text().contains("[DONE]"), "{}", reply.text());
    assert_eq!((abroad.requests().len(), home.requests().len()), (0, 1), "it is to stay in its region");
}

#[tokio::test]
async fn a_requests_own_fallbacks_go_on_with_its_stream() {
    let (bad, configured, own) = (breaking_openai(), whole_openai(), whole_openai());
    let config = model("smart", &[openai(&bad)]).replace("deployments", "fallbacks = [\"one\"]\ndeployments")
        + &model("one", &[openai(&configured)])
        + &model("two", &[openai(&own)]);
    let gateway = start(&config);
    let mut request = streamed("smart");
    request["fallbacks"] = json!([{"model": "two", "temperature": 0.5}]);
    let reply = gateway.chat(&request).await;
    assert!(reply.text().contains("[DONE]"), "{}", reply.text());
    assert_eq!((configured.requests().len(), own.requests().len()), (0, 1));
    let sent = own.last_request().unwrap().json();
    assert_eq!((&sent["temperature"], sent.get("fallbacks")), (&json!(0.5), None), "{sent}");
    assert_eq!(sent["messages"].as_array().unwrap().len(), 3, "{sent}");
}

#[tokio::test]
async fn a_client_that_leaves_in_between_leaves_nothing_behind() {
    let (bad, slow) = (breaking_openai(), Upstream::start().unwrap());
    let gate = Gate::new();
    slow.always(Script::sse(openai_stream(5, IncludeUsage::Yes)).gate_head(&gate));
    let gateway = start(&model("smart", &[openai(&bad), with(&openai(&slow), "order = 1")]));
    let mut stream = gateway.stream(&streamed("smart")).await;
    let id = stream.header("x-gateway-request-id").to_owned();
    stream.until("opens ").await;
    let until = Instant::now() + PATIENCE;
    while slow.requests().is_empty() {
        assert!(Instant::now() < until, "nobody is asked to go on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(stream);
    assert!(slow.wait_cancelled(PATIENCE).await.is_some());
    let told = gateway.explain(&id).await;
    assert!(told["end"]["broke_off"].as_str().unwrap().contains("went away"), "{told}");
    let [group] = &told["end"]["groups"].as_array().unwrap()[..] else { panic!("{told}") };
    let attempt = &group["attempts"][0];
    assert_eq!((&attempt["deployment"], &attempt["error"]), (&json!("smart/2"), &Value::Null), "{told}");
    assert!(attempt["took_ms"].as_f64().is_some() && group["ended"] == "it was abandoned", "{told}");
    let list = gateway.get("/admin/v1/deployments").await.json();
    for deployment in list["data"].as_array().unwrap() {
        assert_eq!(deployment["in_flight"], 0, "{deployment}");
    }
    gate.open();
}

#[tokio::test]
async fn the_record_has_the_cause_of_each_that_broke_off() {
    let (first, second) = (breaking_openai(), breaking());
    let gateway = start(&model("smart", &[openai(&first), with(&anthropic(&second), "order = 1")]));
    let reply = gateway.chat(&streamed("smart")).await;
    assert!(reply.text().contains("\"error\":{"), "{}", reply.text());
    let told = gateway.explained(&reply).await;
    assert_eq!((&told["outcome"], &told["attempts"]), (&json!("broke off"), &json!(2)), "{told}");
    assert_eq!((&told["deployment"], &told["end"]["continued_by"]), (&json!("smart/2"), &json!(["smart/2"])));
    for (groups, tokens) in [(&told["groups"], 3), (&told["end"]["groups"], 2)] {
        let broke = &groups[0]["attempts"][0]["broke_off"];
        assert_eq!(broke["output_tokens"], tokens, "{told}");
        assert!(broke["error"]["message"].is_string(), "{told}");
    }
    // The log is written behind the answer.
    let until = std::time::Instant::now() + crate::harness::PATIENCE;
    let count = || gateway.logs().matches("stream broke off").count();
    while count() < 2 && std::time::Instant::now() < until {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(count(), 2, "once for each: {}", gateway.logs());
}

/// A stream of the Responses API with a search that OpenAI runs itself.
fn searching() -> Vec<String> {
    let search = json!({"id": "ws_1", "type": "web_search_call", "status": "completed",
        "action": {"type": "search", "query": "harbour"}});
    let part = json!({"type": "output_text", "text": "At six.", "annotations": [], "logprobs": []});
    let item = json!({"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [part]});
    let done = crate::responses::response("resp_68a", &json!([search, item]));
    let mut begun = done.clone();
    (begun["output"], begun["status"], begun["usage"]) = (json!([]), json!("in_progress"), Value::Null);
    let events = json!([
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": search},
        {"type": "response.web_search_call.completed", "output_index": 0, "item_id": "ws_1"},
        {"type": "response.output_item.done", "output_index": 0, "item": search},
        {"type": "response.output_item.added", "output_index": 1, "item": {"id": "msg_1", "type": "message",
            "status": "in_progress", "role": "assistant", "content": []}},
        {"type": "response.content_part.added", "item_id": "msg_1", "output_index": 1, "content_index": 0,
            "part": {"type": "output_text", "text": "", "annotations": [], "logprobs": []}},
        {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 1, "content_index": 0, "delta": "At six."},
        {"type": "response.output_text.done", "item_id": "msg_1", "output_index": 1, "content_index": 0, "text": "At six."},
        {"type": "response.content_part.done", "item_id": "msg_1", "output_index": 1, "content_index": 0, "part": part},
        {"type": "response.output_item.done", "output_index": 1, "item": item},
        {"type": "response.completed", "response": done}
    ]);
    let events = events.as_array().unwrap().iter().enumerate().map(|(nth, event)| {
        let mut event = event.clone();
        event["sequence_number"] = nth.into();
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())
    });
    events.collect()
}

#[tokio::test]
async fn a_stream_that_might_be_gone_on_with_is_the_same_stream() {
    let body = json!({"model": "smart", "stream": true, "input": "When?", "tools": [{"type": "web_search"}]});
    let mut heard = Vec::new();
    for config in ["", CONTINUE] {
        let upstream = Upstream::start().unwrap();
        upstream.always(Script::sse(searching()));
        let two = [openai(&upstream), with(&openai(&upstream), "order = 1")];
        let gateway = crate::harness::Options::config(format!("{config}{}", model("smart", &two))).start();
        let reply = gateway.post("/v1/responses").body(body.to_string()).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        heard.push(reply.text().to_owned());
    }
    assert_eq!(heard[0], heard[1]);
}
