//! What is read of a request, what is written of one, and what is refused.

use llm_types::chat::{ChatRequest, Message, Part, Role, ToolCall};
use llm_types::{Call, Changes, Head};
use serde_json::{Value, json};

use super::super::{Client, Server};
use super::{encode, read, row};
use crate::codec::{Asked, ClientCodec as _, EncodeCx, ServerCodec as _};

#[test]
fn a_request_comes_out_as_it_came_in() {
    let check = |body: Value| {
        let (written, changes) = encode(&read(&body).unwrap()).unwrap();
        assert_eq!((written, changes.as_str()), (body, ""));
    };
    check(json!({"model": "m", "prompt": "Once"}));
    check(json!({"model": "m", "prompt": "", "max_tokens": 5}));
    check(
        json!({"model": "m", "prompt": "Once", "max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 7,
        "n": 2, "logprobs": 0, "stop": ["\n"], "presence_penalty": 0.5, "frequency_penalty": -0.5,
        "logit_bias": {"50256": -100}, "seed": -3, "user": "u"}),
    );
    check(json!({"model": "m", "prompt": ["a", "b"], "best_of": 3, "echo": true, "suffix": "end"}));
    check(json!({"model": "m", "prompt": [1, 2, 3]}));
    check(json!({"model": "m", "prompt": [[1], [2]], "min_tokens": 4, "guided": {"a": [1.0]}}));
    check(json!({"model": "m", "prompt": "x", "stream": true,
        "stream_options": {"include_usage": true, "include_obfuscation": false, "more": 1}}));
}

#[test]
fn what_says_nothing_is_left_out() {
    let body = json!({"model": "m", "prompt": ["Once"], "echo": false, "suffix": null, "best_of": 2, "n": 2,
        "stop": "END", "logprobs": null, "stream": false});
    let (written, changes) = encode(&read(&body).unwrap()).unwrap();
    assert_eq!(written, json!({"model": "m", "prompt": "Once", "n": 2, "stop": ["END"]}));
    assert_eq!(changes, "");
}

#[test]
fn an_error_names_the_member() {
    let check = |body: Value, param: &str| {
        let error = read(&body).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{error}");
    };
    check(json!({"prompt": "x"}), "model");
    check(json!({"model": "m", "prompt": "x", "max_tokens": "many"}), "max_tokens");
    check(json!({"model": "m", "prompt": "x", "logprobs": true}), "logprobs");
    check(json!({"model": "m", "prompt": "x", "stop": [1]}), "stop");
    check(json!({"model": "m", "prompt": "x", "stream_options": 1}), "stream_options");
    check(
        json!({"model": "m", "prompt": "x", "stream_options": {"include_usage": 1}}),
        "stream_options.include_usage",
    );
}

#[test]
fn what_a_chat_model_cannot_do_is_refused() {
    let check = |more: Value, param: &str, says: &str| {
        let mut body = json!({"model": "m", "prompt": "Once"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let head = Head::scan(body.to_string().into()).unwrap();
        match Server.bound(&head).unwrap() {
            None => assert_eq!(param, "", "{body}"),
            Some(error) => {
                assert_eq!(error.param.as_deref(), Some(param), "{body}: {error}");
                assert!(error.to_string().contains(says), "{body}: {error}");
            }
        }
    };
    check(json!({}), "", "");
    check(json!({"prompt": ["Once"], "best_of": 3, "echo": false, "suffix": ""}), "", "");
    check(json!({"prompt": ["a", "b"]}), "prompt", "send a request for each");
    check(json!({"prompt": []}), "prompt", "is an empty list");
    check(json!({"prompt": [1, 2]}), "prompt", "send it as text");
    check(json!({"prompt": [[1, 2]]}), "prompt", "send it as text");
    check(json!({"prompt": null}), "prompt", "is missing");
    check(json!({"prompt": 7}), "prompt", "must be a string");
    check(json!({"suffix": "end"}), "suffix", "leave it out");
    check(json!({"echo": true}), "echo", "put it before the answer yourself");
}

#[test]
fn a_conversation_becomes_one_text() {
    let check = |messages: Vec<Message>, expect: &str, changes: &str| {
        let (body, got) = encode(&ChatRequest::new(messages).into()).unwrap();
        assert_eq!((body["prompt"].as_str(), got.as_str()), (Some(expect), changes));
    };
    const JOINED: &str = "altered messages (a text model knows no turns: sent as one text)";
    check(vec![Message::user("Once\n upon ")], "Once\n upon ", "");
    check(vec![Message::system("Be brief."), Message::user("Hi")], "Be brief.\n\nHi", JOINED);
    check(
        vec![
            Message::system("Be brief."),
            Message::user("Hi"),
            Message::assistant("Hello."),
            Message::user("Bye"),
        ],
        "Be brief.\n\nUser: Hi\n\nAssistant: Hello.\n\nUser: Bye\n\nAssistant:",
        JOINED,
    );
    check(vec![Message::user("Hi"), Message::assistant("Hel")], "User: Hi\n\nAssistant: Hel", JOINED);
}

#[test]
fn what_a_text_model_cannot_read_is_refused() {
    let check = |messages: Vec<Message>, param: &str| {
        let error = encode(&ChatRequest::new(messages).into()).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{error}");
        assert!(error.to_string().contains("ask a chat model"), "{error}");
    };
    let image = llm_types::chat::Image::new(llm_types::chat::Media::Url("https://x/y.png".into()));
    check(vec![Message::new(Role::User, [Part::text("?"), Part::Image(image)])], "messages[0].content[1]");
    let call = Part::ToolCall(ToolCall::default());
    check(vec![Message::user("?"), Message::new(Role::Assistant, [call])], "messages[1].content[0]");
    check(vec![Message::user("?"), Message::tool_result("1", "x")], "messages[1]");
    assert!(encode(&ChatRequest::new([]).into()).is_err());
}

#[test]
fn options_of_a_chat_find_their_place_or_are_reported() {
    let chat = json!({"model": "x", "messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 7,
        "logprobs": true, "top_logprobs": 3, "stop": "END", "store": true, "metadata": {"a": "b"},
        "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "auto",
        "response_format": {"type": "json_object"}, "reasoning_effort": "low", "service_tier": "flex", "odd": 1});
    let call: Call =
        crate::dialect::openai_chat::Server.decode(chat.to_string().as_bytes(), &Asked::default()).unwrap();
    let (body, changes) = encode(&call).unwrap();
    assert_eq!(body, json!({"model": "m", "prompt": "Hi", "max_tokens": 7, "logprobs": 3, "stop": ["END"]}));
    for name in [
        "store",
        "metadata",
        "tools",
        "tool_choice",
        "response_format",
        "reasoning_effort",
        "service_tier",
        "odd",
    ] {
        assert!(changes.contains(&format!("dropped {name} (")), "no {name} in {changes}");
    }
}

#[test]
fn a_body_of_this_dialect_is_edited_and_not_written() {
    let check = |body: &str, quirks: &str, expect: &str, changes: &str| {
        let head = Head::scan(bytes::Bytes::copy_from_slice(body.as_bytes())).unwrap();
        let (spec, mut got) = (row(quirks), Changes::default());
        let asked = Asked::default();
        let mut cx = EncodeCx { spec: &spec, model: "m", asked: &asked, changes: &mut got };
        let wire = Client.splice(&head, &mut cx).unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&wire.body.to_bytes()), expect);
        assert_eq!(got.header(), changes);
    };
    check(
        r#"{ "prompt":[[1 ,2]], "model": "x","odd":1.50 }"#,
        "",
        r#"{ "prompt":[[1 ,2]], "model": "m","odd":1.50 }"#,
        "",
    );
    check(
        r#"{"model":"x","prompt":"a","stream":true,"fallbacks":["y"]}"#,
        "",
        r#"{"model":"m","prompt":"a","stream":true,"stream_options":{"include_usage":true}}"#,
        "",
    );
    check(
        r#"{"model":"x","prompt":"a","top_k":3}"#,
        "quirks = { drop = [\"top_k\"] }",
        r#"{"model":"m","prompt":"a"}"#,
        "dropped top_k (not supported by corp)",
    );
}
