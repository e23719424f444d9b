//! Requests: the canonical one of `providers/test-vectors.md`, and each rule on its own.

use llm_types::chat::{Message, Part, Role, Text, Thinking, ToolCallKind, ToolChoice, ToolKind};
use llm_types::{Call, Dialect, Head};
use serde_json::{Value, json};

use super::super::Server;
use super::{encode, plain, row, splice, translate, write};
use crate::codec::{Asked, Peek, ReplyCx, ServerCodec as _};

/// `providers/test-vectors.md` §1.
const CANONICAL: &str = r#"{"model":"M","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"Picture and weather?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]},{"role":"assistant","content":"Checking.","tool_calls":[{"id":"call_1","type":"function","function":{"name":"get_weather","arguments":"{\"city\":\"Oslo\"}"}},{"id":"call_2","type":"function","function":{"name":"now","arguments":""}}]},{"role":"tool","tool_call_id":"call_1","content":"{\"temp\":4}"},{"role":"tool","tool_call_id":"call_2","content":"noon"},{"role":"user","content":"And tomorrow?"}],"tools":[{"type":"function","function":{"name":"get_weather","description":"Weather by city","parameters":{"type":"object","properties":{"city":{"type":"string"},"unit":{"type":["string","null"],"enum":["c","f",null]}},"required":["city"],"additionalProperties":false},"strict":true}},{"type":"function","function":{"name":"now","description":"Time"}}],"tool_choice":"required","parallel_tool_calls":false,"max_completion_tokens":300,"temperature":0.2,"stop":["END"],"user":"u-1","seed":7}"#;

fn request(body: &str) -> llm_types::chat::ChatRequest {
    let Call::Chat(request) = Server.decode(body.as_bytes(), &Asked::default()).unwrap() else {
        panic!("no chat")
    };
    *request
}

fn mistral() -> llm_types::ProviderSpec {
    row(r#"
        name = "mistral"
        [quirks]
        rename = { max_completion_tokens = "max_tokens", seed = "random_seed" }
        drop = ["user", "stream_options", "logit_bias"]
        clamp = { temperature = [0.0, 0.1] }
        words = { tool_choice = { required = "any" } }
        messages = ["developer_to_system", "empty_arguments", "short_tool_ids", "name_on_tools_only", "thinking_parts"]
    "#)
}

#[test]
fn the_canonical_request_passes_unchanged() {
    let (body, changes) = translate(CANONICAL, &plain());
    assert_eq!(body, serde_json::from_str::<Value>(CANONICAL).unwrap());
    assert_eq!(changes, "");
    let (spliced, changes) = splice(CANONICAL, &plain(), "gpt-4o").unwrap();
    assert_eq!(spliced, CANONICAL.replace("\"M\"", "\"gpt-4o\""));
    assert_eq!(changes, "");
}

#[test]
fn the_canonical_request_for_mistral_and_groq() {
    let (body, changes) = translate(CANONICAL, &mistral());
    insta::assert_snapshot!(format!("{}\n{changes}", serde_json::to_string_pretty(&body).unwrap()));
    assert_eq!(splice(CANONICAL, &mistral(), "m"), None);
    let groq = row("name = \"groq\"\nquirks = { messages = [\"empty_arguments\"], drop = [\"user\"] }");
    let (body, changes) = translate(CANONICAL, &groq);
    assert_eq!(body["messages"][2]["tool_calls"][1]["function"]["arguments"], "{}");
    assert_eq!((body.get("user"), changes.as_str()), (None, "dropped user (not supported by groq)"));
}

#[test]
fn splicing_touches_only_what_the_row_demands() {
    let check = |body: &str, spec: &str, expect: &str, changes: &str| {
        let got = splice(body, &row(spec), "m2");
        assert_eq!(got, Some((expect.to_owned(), changes.to_owned())), "{body}");
    };
    let fails = |body: &str, spec: &str| assert_eq!(splice(body, &row(spec), "m2"), None, "{body}");
    let openai = "name = \"p\"";
    check(r#"{ "model" : "m", "messages":[]}"#, openai, r#"{ "model" : "m2", "messages":[]}"#, "");
    check(
        r#"{"model":"m","stream":true,"messages":[]}"#,
        openai,
        r#"{"model":"m2","stream":true,"messages":[],"stream_options":{"include_usage":true}}"#,
        "",
    );
    check(
        r#"{"model":"m","stream":true,"stream_options":{"include_obfuscation":false}}"#,
        openai,
        r#"{"model":"m2","stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true}}"#,
        "",
    );
    check(
        r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
        "name = \"p\"\nquirks = { drop = [\"stream_options\"] }",
        r#"{"model":"m2","stream":true}"#,
        "",
    );
    check(
        r#"{"fallbacks":["x"],"model":"m","extra_body":{},"tags":[],"cache_control":null}"#,
        openai,
        r#"{"model":"m2"}"#,
        "dropped extra_body (not supported by p)",
    );
    check(
        r#"{"model":"m","max_tokens":1,"max_completion_tokens":2,"temperature":3,"top_p":0.5}"#,
        "name = \"p\"\nquirks = { rename = { max_completion_tokens = \"max_tokens\" }, clamp = { temperature = [0.0, 1.5] }, model_prefix = \"models/\" }",
        r#"{"model":"models/m2","max_tokens":2,"temperature":1.5,"top_p":0.5}"#,
        "dropped max_tokens (`max_completion_tokens` is given too)\naltered temperature (p takes 0 to 1.5)",
    );
    check(
        r#"{"model":"m","max_tokens":1,"max_completion_tokens":2}"#,
        "name = \"p\"\nquirks = { rename = { max_tokens = \"max_completion_tokens\" } }",
        r#"{"model":"m2","max_completion_tokens":2}"#,
        "dropped max_tokens (`max_completion_tokens` is given too)",
    );
    check(
        r#"{"model":"m","temperature":1,"reasoning_effort":"high"}"#,
        "name = \"p\"\n[[rules]]\nmodels = [\"m2\"]\nefforts = [\"high\"]\ndrop = [\"temperature\"]",
        r#"{"model":"m2","reasoning_effort":"high"}"#,
        "dropped temperature (not supported by p)",
    );
    // The text of a message is no key.
    check(
        r#"{"model":"m","messages":[{"role":"user","content":"\"cache_control\" \"reasoning\""}]}"#,
        openai,
        r#"{"model":"m2","messages":[{"role":"user","content":"\"cache_control\" \"reasoning\""}]}"#,
        "",
    );
    fails(r#"{"model":"m","thinking":{"type":"enabled"}}"#, openai);
    fails(r#"{"model":"m","reasoning_effort":{"effort":"low"}}"#, openai);
    fails(r#"{"model":"m","messages":[{"role":"user","content":"x","cache_control":{}}]}"#, openai);
    fails(r#"{"model":"m","messages":[{"role":"assistant","reasoning_content":"x"}]}"#, openai);
    fails(r#"{"model":"m","messages":[{"role":"tool","tool_call_id":"a__thought__b"}]}"#, openai);
    fails(r#"{"model":"m","messages":[{"image_url": "x"}]}"#, openai);
    fails(
        r#"{"model":"m","messages":[{"content": [{}]}]}"#,
        "name = \"p\"\nquirks = { messages = [\"flatten_content\"] }",
    );
    fails(
        r#"{"model":"m","tools":[{"function":{"strict":true}}]}"#,
        "name = \"p\"\nquirks = { messages = [\"tools_without_strict\"] }",
    );
}

#[test]
fn members_of_the_wrong_type_are_named() {
    let check = |body: &str, param: &str, words: &str| {
        let error = Server.decode(body.as_bytes(), &Asked::default()).unwrap_err();
        assert_eq!((error.param.as_deref(), error.status().as_u16()), (Some(param), 400), "{body}");
        assert!(error.message.contains(words), "{error}");
    };
    check(r#"{"messages":[]}"#, "model", "missing");
    check(r#"{"model":"m"}"#, "messages", "missing");
    check(r#"{"model":"m","messages":[{"content":"x"}]}"#, "messages[0].role", "missing");
    check(r#"{"model":"m","messages":[{"role":"x"}]}"#, "messages[0].role", "must be");
    check(
        r#"{"model":"m","messages":[{"role":"user"},{"role":"user","content":5}]}"#,
        "messages[1].content",
        "string or a list",
    );
    check(
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":1}]}]}"#,
        "messages[0].content[0].text",
        "string",
    );
    check(
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#,
        "messages[0].content[0].image_url",
        "missing",
    );
    check(
        r#"{"model":"m","messages":[{"role":"tool","content":"x"}]}"#,
        "messages[0].tool_call_id",
        "missing",
    );
    check(r#"{"model":"m","messages":[],"temperature":"x"}"#, "temperature", "f64");
    check(r#"{"model":"m","messages":[]}"#, "messages", "is empty");
    check(
        r#"{"model":"m","messages":[],"tools":[{"type":"function","function":{}}]}"#,
        "tools[0].function.name",
        "missing",
    );
}

#[test]
fn a_peek_reads_what_routing_needs() {
    let peek = |body: &'static str| {
        Server.peek(&Head::scan(bytes::Bytes::from_static(body.as_bytes())).unwrap(), &Asked::default())
    };
    let expect = Peek { model: "m".into(), stream: true, include_usage: true, ..Peek::default() };
    assert_eq!(
        peek(r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#).unwrap(),
        expect
    );
    assert_eq!(peek(r#"{"model":"m"}"#).unwrap(), Peek { model: "m".into(), ..Peek::default() });
    for body in [r#"{}"#, r#"{"model":null}"#, r#"{"model":5}"#, r#"{"model":""}"#] {
        assert_eq!(peek(body).unwrap_err().param.as_deref(), Some("model"), "{body}");
    }
    assert_eq!(peek(r#"{"model":"m","stream":"yes"}"#).unwrap_err().param.as_deref(), Some("stream"));
}

#[test]
fn what_other_gateways_take_is_read() {
    let request = request(
        r#"{"model":"m","top_k":4,"thinking":{"type":"enabled","budget_tokens":2048},"cache_control":{"type":"ephemeral"},
        "messages":[
        {"role":"user","cache_control":{"type":"ephemeral","ttl":"1h"},"content":[{"type":"text","text":"a"},{"type":"image_url","image_url":"https://x/y.png"}]},
        {"role":"assistant","content":"b","reasoning_content":"T","thinking_blocks":[{"type":"thinking","thinking":"T","signature":"S"},{"type":"redacted_thinking","data":"R"}],
         "provider_specific_fields":{"thought_signature":"G","opaque":[{"dialect":"anthropic","kind":"server_tool_use","json":{"a":1}}],"other":1},
         "tool_calls":[{"index":0,"id":"x__thought__SIG","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"y","type":"custom","custom":{"name":"c","input":"i"}}]},
        {"role":"tool","tool_call_id":"x__thought__SIG","content":[{"type":"text","text":"r"},{"type":"mystery","q":1}]}],
        "tools":[{"type":"web_search","x":1},{"type":"custom","custom":{"name":"c"}}],
        "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"custom","custom":{"name":"c"}}]}},
        "response_format":{"type":"json_object","schema":{}},"unknown":[1]}"#,
    );
    assert_eq!(request.reasoning.thinking, Some(Thinking::Enabled { budget_tokens: Some(2048) }));
    assert_eq!((request.sampling.top_k, request.origin), (Some(4), Some(Dialect::OpenaiChat)));
    let [user, assistant, tool] = &*request.messages else { panic!() };
    let Part::Image(image) = &user.parts[1] else { panic!() };
    assert_eq!(image.cache.as_ref().unwrap().ttl.as_deref(), Some("1h"));
    let kinds: Vec<String> = assistant
        .parts
        .iter()
        .map(|part| match part {
            Part::Reasoning(r) => format!("thought {} {:?} {:?}", r.text, r.signature, r.redacted),
            Part::Opaque(opaque) => format!("opaque {} {} {}", opaque.dialect, opaque.kind, opaque.json),
            Part::Text(text) => format!("text {} {:?}", text.text, text.signature),
            Part::ToolCall(call) => {
                format!("call {} {} {:?} {:?}", call.id, call.name, call.kind, call.signature)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "thought T Some(\"S\") None",
            "thought  None Some(\"R\")",
            "opaque anthropic server_tool_use {\"a\":1}",
            "text b Some(\"G\")",
            "call x f Function Some(\"SIG\")",
            "call y c Custom None",
        ]
    );
    assert_eq!(assistant.extra.get("provider_specific_fields").unwrap().get(), "{\"other\":1}");
    let Part::ToolResult(result) = &tool.parts[0] else { panic!() };
    assert_eq!((result.call_id.as_str(), tool.role), ("x", Role::Tool));
    assert!(matches!(&result.parts[1], Part::Opaque(opaque) if opaque.kind == "mystery"));
    assert!(matches!(&request.tooling.tools[0].kind, ToolKind::Hosted { kind, .. } if kind == "web_search"));
    assert_eq!(request.tooling.choice, Some(ToolChoice::Allowed { required: true, names: vec!["c".into()] }));
    assert_eq!(request.extra.get("response_format").unwrap().get(), r#"{"type":"json_object","schema":{}}"#);

    let (body, changes) = encode(&Call::from(request), &plain());
    insta::assert_snapshot!(format!("{}\n{changes}", serde_json::to_string_pretty(&body).unwrap()));
}

#[test]
fn deprecated_functions_become_tools() {
    let body = r#"{"model":"m","functions":[{"name":"f","parameters":{}}],"function_call":{"name":"f"},"messages":[
        {"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
        {"role":"function","name":"f","content":"r"}]}"#;
    let request = request(body);
    assert!(request.tooling.legacy);
    assert!(
        matches!(&request.messages[0].parts[0], Part::ToolCall(call) if call.kind == ToolCallKind::LegacyFunction)
    );
    let (body, changes) = encode(&Call::from(request), &plain());
    let id = &body["messages"][0]["tool_calls"][0]["id"];
    assert_eq!(&body["messages"][1]["tool_call_id"], id);
    assert_eq!(body["messages"][1]["role"], "tool");
    assert_eq!(body["tool_choice"], json!({"type": "function", "function": {"name": "f"}}));
    assert_eq!(changes, "altered functions (sent as `tools`, which replaced it)");
}

#[test]
fn thoughts_go_back_as_the_provider_wants_them() {
    let body = r#"{"model":"m","messages":[{"role":"assistant","content":"a","reasoning_content":"T"}]}"#;
    let check = |quirk: &str, expect: Value, changes: &str| {
        let spec = row(&format!("name = \"p\"\nquirks = {{ messages = [{quirk}] }}"));
        let (body, got) = translate(body, &spec);
        assert_eq!(body["messages"][0], expect, "{quirk}");
        assert_eq!(got, changes);
    };
    let dropped = "dropped messages[0].reasoning_content (not supported by p)";
    check("", json!({"role": "assistant", "content": "a"}), dropped);
    check("\"replay_reasoning\"", json!({"role": "assistant", "content": "a", "reasoning_content": "T"}), "");
    check("\"replay_reasoning_field\"", json!({"role": "assistant", "content": "a", "reasoning": "T"}), "");
    check(
        "\"replay_reasoning_details\"",
        json!({"role": "assistant", "content": "a", "reasoning_details": [{"type": "reasoning.text", "text": "T"}]}),
        "",
    );
    check(
        "\"thinking_parts\"",
        json!({"role": "assistant", "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "T"}]}, {"type": "text", "text": "a"}]}),
        "",
    );
}

#[test]
fn effort_and_thinking_become_what_the_row_takes() {
    let check = |members: &str, spec: &str, expect: Value, changes: &str| {
        let (body, got) = translate(
            &format!(r#"{{"model":"m","messages":[{{"role":"user","content":"Hi"}}],{members}}}"#),
            &row(spec),
        );
        assert_eq!(json!([body["reasoning_effort"], body["thinking"]]), expect, "{members}");
        assert_eq!(got, changes, "{members}");
    };
    let openai = "name = \"p\"";
    let deepseek =
        "name = \"p\"\nquirks = { rename = { thinking = \"thinking\" }, drop = [\"reasoning_effort\"] }";
    let enabled = |budget: &str| format!(r#""thinking":{{"type":"enabled"{budget}}}"#);
    let sent = |word: &str| format!("altered thinking (sent as `reasoning_effort` {word})");
    check(&enabled(r#","budget_tokens":4096"#), openai, json!(["high", null]), &sent("high"));
    check(&enabled(r#","budget_tokens":1024"#), openai, json!(["low", null]), &sent("low"));
    check(&enabled(""), openai, json!(["medium", null]), &sent("medium"));
    check(r#""thinking":{"type":"disabled"}"#, openai, json!(["none", null]), &sent("none"));
    check(
        r#""reasoning_effort":{"effort":"low","summary":"auto"}"#,
        openai,
        json!(["low", null]),
        "dropped reasoning_effort.summary (chat completions show no summaries)",
    );
    check(r#""reasoning_effort":"default""#, openai, json!(["default", null]), "");
    check(&enabled(""), deepseek, json!([null, {"type": "enabled"}]), "");
    check(
        r#""reasoning_effort":"none""#,
        deepseek,
        json!([null, {"type": "disabled"}]),
        "altered reasoning_effort (sent as `thinking` disabled)",
    );
}

#[test]
fn what_has_no_place_is_recorded_with_its_place() {
    let mut request = llm_types::chat::ChatRequest::new([
        Message::new(
            Role::User,
            [
                Part::Text(Text { signature: Some("s".into()), ..Text::new("a") }),
                Part::Opaque(llm_types::chat::Opaque {
                    dialect: Dialect::Gemini,
                    kind: "executableCode".into(),
                    json: serde_json::value::to_raw_value(&1).unwrap(),
                }),
            ],
        ),
        Message::tool_result("c", "r"),
    ]);
    request.origin = Some(Dialect::Anthropic);
    request.extra.set_json("betas", &["x"]).unwrap();
    if let Part::ToolResult(result) = &mut request.messages[1].parts[0] {
        result.is_error = Some(true);
        result.parts.push(Part::Audio(llm_types::chat::Audio::default()));
    }
    let (_, changes) = encode(&Call::from(request), &plain());
    assert_eq!(
        changes,
        "dropped messages[0].content[0].signature (not supported by openai)\n\
         dropped messages[0].content[1] (`executableCode` is of the gemini dialect)\n\
         dropped messages[1].is_error (chat completions cannot say that a tool failed)\n\
         dropped messages[1].content[1] (the result of a tool may hold text and pictures only)\n\
         dropped betas (not supported by openai)"
    );
}

/// `providers/test-vectors.md` §3, the Anthropic answer.
#[test]
fn a_translated_answer_has_what_clients_look_for() {
    use llm_types::chat::{Reasoning, ToolCall};
    use llm_types::{Choice, FinishKind, Reply, Usage};
    let reply = Reply {
        id: "msg_1".into(),
        origin: Some(Dialect::Anthropic),
        choices: vec![Choice {
            parts: vec![
                Part::Reasoning(Reasoning {
                    text: "T".into(),
                    signature: Some("S".into()),
                    ..Reasoning::default()
                }),
                Part::text("A"),
                Part::ToolCall(ToolCall { id: "toolu_1".into(), name: "f".into(), ..ToolCall::default() }),
            ],
            finish: Some(FinishKind::Stop.into()),
            ..Choice::default()
        }],
        usage: Some(Usage { input: 10, cache_read: 100, cache_write_5m: 5, output: 20, ..Usage::default() }),
        ..Reply::default()
    };
    let cx = ReplyCx { model: "claude".into(), created: 7, ..ReplyCx::default() };
    insta::assert_snapshot!(serde_json::to_string_pretty(&write(&reply, &cx)).unwrap());
    let legacy = write(&reply, &ReplyCx { legacy_functions: true, ..cx });
    assert_eq!(legacy["choices"][0]["message"]["function_call"], json!({"name": "f", "arguments": "{}"}));
    assert_eq!(legacy["choices"][0]["finish_reason"], "function_call");
}
