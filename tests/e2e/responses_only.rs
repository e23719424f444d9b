//! OpenAI's chat completions in front of a model that lives on the Responses API only.

use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, PROVIDER_KEY, chat, model, openai, responses_only, streamed};
use crate::translate::{canonical, second_turn, streamed_arguments, streamed_finish, structured, weather};

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(&model("codex", &[responses_only(upstream)]))
}

fn response(output: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 1_741_569_952, "status": "completed", "model": "gpt-5.3-codex",
        "output": output, "usage": {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 60},
        "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 15}, "total_tokens": 120}})
}

fn said(text: &str) -> Value {
    json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

fn thoughts() -> Value {
    json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Weather is asked for."}],
        "encrypted_content": "gAAAAABqhb8a4mdR5g=="})
}

fn call(arguments: &str) -> Value {
    json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "get_weather", "arguments": arguments})
}

fn answer(output: Value) -> Script {
    Script::json(&response(output))
}

/// A stream: each value becomes an event that is named after its `type`.
fn stream(events: &[Value]) -> Script {
    Script::sse(
        events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())),
    )
}

fn created() -> Value {
    json!({"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5.3-codex", "status": "in_progress", "output": []}})
}

/// Thoughts, a text and a call, piece by piece.
fn whole_stream() -> Vec<Value> {
    let delta = |kind: &str, index: u32, text: &str| json!({"type": format!("response.{kind}.delta"), "output_index": index, "content_index": 0, "summary_index": 0, "delta": text});
    let done = |index: u32, item: Value| json!({"type": "response.output_item.done", "output_index": index, "item": item});
    let added = |index: u32, item: Value| json!({"type": "response.output_item.added", "output_index": index, "item": item});
    let arguments = "{\"city\":\"Oslo\"}";
    vec![
        created(),
        added(0, json!({"type": "reasoning", "id": "rs_1", "summary": []})),
        delta("reasoning_summary_text", 0, "Weather is "),
        delta("reasoning_summary_text", 0, "asked for."),
        done(0, thoughts()),
        added(1, json!({"type": "message", "id": "msg_1", "role": "assistant", "content": []})),
        delta("output_text", 1, "Let me "),
        delta("output_text", 1, "see."),
        done(1, said("Let me see.")),
        added(2, call("")),
        delta("function_call_arguments", 2, "{\"city\""),
        delta("function_call_arguments", 2, ":\"Oslo\"}"),
        done(2, call(arguments)),
        json!({"type": "response.completed", "response": response(json!([thoughts(), said("Let me see."), call(arguments)]))}),
    ]
}

fn sent(upstream: &Upstream) -> Value {
    upstream.last_request().unwrap().json()
}

#[tokio::test]
async fn a_request_is_written_as_the_responses_api_wants_it() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    upstream.push(answer(json!([said("Rain.")])));
    let reply = gateway.chat(&canonical("codex")).await;
    assert_eq!((reply.status, reply.content().as_str()), (200, "Rain."));
    let received = upstream.last_request().unwrap();
    assert_eq!((received.method.as_str(), received.target.as_str()), ("POST", "/v1/responses"));
    assert_eq!(received.header("authorization"), Some(&*format!("Bearer {PROVIDER_KEY}")));
    let body = received.json();
    assert_eq!((&body["model"], &body["instructions"]), (&json!("gpt-5.3-codex"), &json!("Be brief.")));
    assert_eq!((&body["max_output_tokens"], &body["tool_choice"]), (&json!(300), &json!("required")));
    assert_eq!((&body["store"], &body["include"]), (&json!(false), &json!(["reasoning.encrypted_content"])));
    let item = |index: usize| body["input"][index].clone();
    let picture = json!({"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="});
    assert_eq!(item(0)["content"][1], picture);
    assert_eq!(item(1), json!({"role": "assistant", "content": "Checking."}));
    assert_eq!((&item(2)["type"], &item(2)["call_id"]), (&json!("function_call"), &json!("call_1")));
    assert_eq!(item(4)["output"], "{\"temp\":4}");
    assert_eq!(item(6), json!({"role": "user", "content": "And tomorrow?"}));
    let changes = reply.header("x-gateway-changes");
    assert!(changes.contains("dropped stop") && changes.contains("dropped temperature"), "{changes}");
}

#[tokio::test]
async fn an_answer_is_written_as_openai_s_chat_does() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    upstream.push(answer(json!([said("One. "), said("Two.")])));
    let reply = gateway.chat(&chat("codex")).await;
    let body = reply.json();
    assert_eq!((&body["object"], &body["model"]), (&json!("chat.completion"), &json!("gpt-5.3-codex")));
    assert_eq!(
        (reply.content().as_str(), &body["choices"][0]["finish_reason"]),
        ("One. Two.", &json!("stop"))
    );
    let usage = &body["usage"];
    let counts = ["prompt_tokens", "completion_tokens", "total_tokens"].map(|name| usage[name].as_u64());
    assert_eq!(counts, [Some(100), Some(20), Some(120)]);
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 60);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 15);

    let mut cut = response(json!([said("One")]));
    cut["status"] = json!("incomplete");
    cut["incomplete_details"] = json!({"reason": "max_output_tokens"});
    upstream.push(Script::json(&cut));
    assert_eq!(gateway.chat(&chat("codex")).await.json()["choices"][0]["finish_reason"], "length");

    upstream.push(answer(json!([said("{\"t\":4}")])));
    assert_eq!(gateway.chat(&structured("codex")).await.content(), "{\"t\":4}");
    assert_eq!(sent(&upstream)["text"]["format"]["type"], "json_schema");
    assert_eq!(sent(&upstream)["text"]["format"]["name"], "W");
}

#[tokio::test]
async fn a_tool_is_called_and_thoughts_go_back_with_its_result() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let mut request = chat("codex");
    request["tools"] = json!([weather()]);
    request["reasoning_effort"] = "low".into();
    upstream.push(answer(json!([thoughts(), call("{\"city\":\"Oslo\"}")])));
    let first = gateway.chat(&request).await.json();
    let choice = &first["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["reasoning_content"], "Weather is asked for.");
    assert_eq!(choice["message"]["tool_calls"][0]["id"], "call_1");
    assert_eq!(sent(&upstream)["reasoning"], json!({"effort": "low"}));

    upstream.push(answer(json!([said("4 degrees.")])));
    let reply = gateway.chat(&second_turn(&request, &first, "4")).await;
    assert_eq!(reply.content(), "4 degrees.");
    let input = sent(&upstream)["input"].clone();
    assert_eq!(input[1], thoughts(), "{input}");
    assert_eq!(
        (&input[2]["type"], &input[2]["arguments"]),
        (&json!("function_call"), &json!("{\"city\":\"Oslo\"}"))
    );
    assert_eq!(input[3], json!({"type": "function_call_output", "call_id": "call_1", "output": "4"}));
    assert_eq!(reply.header("x-gateway-changes"), "");
}

#[tokio::test]
async fn a_stream_holds_text_thoughts_and_calls() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    upstream.push(stream(&whole_stream()));
    let mut request = streamed("codex");
    request["tools"] = json!([weather()]);
    request["stream_options"] = json!({"include_usage": true});
    let reply = gateway.chat(&request).await;
    let events = reply.events();
    assert_eq!((reply.status, reply.streamed_content().as_str()), (200, "Let me see."));
    let delta = |name: &str| -> String {
        events.iter().filter_map(|event| event["choices"][0]["delta"][name].as_str()).collect()
    };
    assert_eq!(delta("reasoning_content"), "Weather is asked for.");
    let sealed = events.iter().find_map(|event| event["choices"][0]["delta"].get("thinking_blocks")).unwrap();
    assert!(sealed[0]["signature"].as_str().unwrap().ends_with("gAAAAABqhb8a4mdR5g=="), "{sealed}");
    assert_eq!(streamed_arguments(&events, 0), json!({"city": "Oslo"}));
    assert_eq!(streamed_finish(&events), "tool_calls");
    assert_eq!(events.last().unwrap()["usage"]["total_tokens"], 120);
    assert!(reply.text().ends_with("data: [DONE]\n\n"));
    assert_eq!(sent(&upstream)["stream"], true);
    assert_eq!(sent(&upstream).get("stream_options"), None);
}

#[tokio::test]
async fn a_stream_that_fails_before_its_content_is_asked_for_elsewhere() {
    let (broken, sound) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    let failed = json!({"type": "response.failed", "response": {"id": "resp_1", "status": "failed",
        "error": {"code": "server_error", "message": "it broke"}}});
    broken.always(stream(&[created(), failed]));
    sound.push(stream(&whole_stream()));
    let config = model("codex", &[responses_only(&broken), responses_only(&sound)]);
    let gateway = Gateway::start(&config);
    let reply = gateway.chat(&streamed("codex")).await;
    assert_eq!((reply.status, reply.streamed_content().as_str()), (200, "Let me see."));
    assert!(!broken.requests().is_empty());
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let mut cut = whole_stream();
    cut.truncate(8);
    upstream.push(stream(&cut));
    let reply = gateway.chat(&streamed("codex")).await;
    assert_eq!(reply.streamed_content(), "Let me see.");
    let error = reply.events().last().unwrap()["error"].clone();
    assert!(error["message"].as_str().unwrap().contains("before it was complete"), "{}", reply.text());
    assert!(!reply.text().contains("[DONE]"));
}

#[tokio::test]
async fn failures_come_in_the_client_s_form() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let body = json!({"error": {"message": "Unsupported parameter: 'x'.", "type": "invalid_request_error", "param": "x", "code": "unsupported_parameter"}});
    upstream.push(Script::status(400).json_body(&body));
    let error = gateway.chat(&chat("codex")).await.error(400);
    error.says(&["Unsupported parameter"]);
    let mut two = chat("codex");
    two["n"] = 2.into();
    let error = gateway.chat(&two).await.error(400);
    assert_eq!((error.param.as_str(), error.code.as_str()), ("n", "unsupported_parameter"));
}

#[tokio::test]
async fn other_models_of_the_provider_are_asked_as_before() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("gpt", &[openai(&upstream)]));
    upstream.push(Script::json(&llm_testkit::canned::openai_completion(10)));
    assert_eq!(gateway.chat(&chat("gpt")).await.status, 200);
    assert_eq!(upstream.last_request().unwrap().target, "/v1/chat/completions");
}
