//! Requests, read.

use http::HeaderMap;
use llm_testkit::exchanges;
use llm_types::chat::{
    CacheControl, Effort, Format, Media, Part, Reasoning, Role, Thinking, ToolChoice, ToolKind,
};
use llm_types::{Call, Dialect, Head, Op};
use serde_json::{Value, json};

use super::{Server, coding_agent, json_of, normal, read, spec, with, write};
use crate::codec::{Asked, ClientCodec, EncodeCx, ServerCodec};
use crate::dialect::anthropic::Client;

fn asked(op: Op, headers: &[(&'static str, &str)]) -> Asked {
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    Asked { dialect: Some(Dialect::Anthropic), headers, ..Asked::of(op) }
}

#[test]
fn a_coding_agent_s_request_goes_out_as_it_came() {
    let body = coding_agent();
    let (wire, changes) = write(&read(&body).into(), &Asked::default());
    assert!(changes.is_empty(), "{changes:?}");
    assert_eq!(normal(json_of(&wire)), normal(body));
}

#[test]
fn recorded_counts_go_out_as_they_came() {
    for (name, recording) in exchanges("count_tokens", &["anthropic"]) {
        let body = &recording["request"]["body"];
        let asked = Asked::of(Op::CountTokens);
        let call = Server.decode(body.to_string().as_bytes(), &asked).unwrap();
        assert!(matches!(call, Call::CountTokens(_)), "{name}");
        let (wire, changes) = write(&call, &asked);
        assert_eq!(
            (&*wire.path, normal(json_of(&wire))),
            ("/v1/messages/count_tokens", normal(body.clone()))
        );
        assert!(changes.is_empty(), "{name}: {changes:?}");
    }
}

#[test]
fn what_bears_on_the_answer_only_is_not_counted() {
    let body = with(json!({
        "temperature": 0.5, "top_k": 3, "stop_sequences": ["x"], "stream": true, "service_tier": "auto",
        "metadata": {"user_id": "u"}, "system": "Be brief."
    }));
    let call = Server.decode(body.to_string().as_bytes(), &Asked::of(Op::CountTokens)).unwrap();
    let (wire, _) = write(&call, &Asked::of(Op::CountTokens));
    let members: Vec<String> = json_of(&wire).as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["messages", "model", "system"]);
}

#[test]
fn options_have_their_neutral_fields() {
    let request = read(&with(json!({
        "max_tokens": 4000, "temperature": 0.5, "top_p": 0.9, "top_k": 7, "stop_sequences": ["a", "b"], "stream": true,
        "metadata": {"user_id": "u-1", "team": "x"}, "service_tier": "standard_only",
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "thinking": {"type": "enabled", "budget_tokens": 2048, "display": "omitted", "new": 1},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}, "task": 1},
        "container": "c1", "mcp_servers": [{"type": "url"}], "context_management": {"edits": []}, "speed": "fast"
    })));
    assert_eq!(request.limits.max_tokens, Some(4000));
    assert_eq!(request.limits.stop, ["a", "b"]);
    let sampling = &request.sampling;
    assert_eq!((sampling.temperature, sampling.top_p, sampling.top_k), (Some(0.5), Some(0.9), Some(7)));
    assert!(request.delivery.stream);
    assert_eq!(request.delivery.service_tier.as_deref(), Some("default"));
    assert_eq!(request.identity.user.as_deref(), Some("u-1"));
    let hour = CacheControl { kind: "ephemeral".into(), ttl: Some("1h".into()) };
    assert_eq!(request.cache.control, Some(hour));
    assert_eq!(request.reasoning.thinking, Some(Thinking::Enabled { budget_tokens: Some(2048) }));
    assert_eq!(
        (request.reasoning.effort, request.reasoning.summary.as_deref()),
        (Some(Effort::High), Some("omitted"))
    );
    let Some(Format::JsonSchema(schema)) = &request.output.format else { panic!() };
    assert_eq!(schema.schema.as_ref().unwrap().get(), r#"{"type":"object"}"#);
    assert_eq!(request.origin, Some(Dialect::Anthropic));
    let extra: Vec<(String, String)> =
        request.extra.iter().map(|(name, value)| (name.to_owned(), value.get().to_owned())).collect();
    let extra: Vec<(&str, &str)> = extra.iter().map(|(name, value)| (&**name, &**value)).collect();
    let mut expect = vec![
        ("container", "\"c1\""),
        ("speed", "\"fast\""),
        ("context_management", "{\"edits\":[]}"),
        ("mcp_servers", "[{\"type\":\"url\"}]"),
        ("thinking", "{\"new\":1}"),
        ("output_config", "{\"task\":1}"),
        ("metadata", "{\"team\":\"x\"}"),
    ];
    let mut got = extra;
    got.sort_unstable();
    expect.sort_unstable();
    assert_eq!(got, expect);
}

#[test]
fn choices_and_thinking_of_every_kind() {
    let choice = |choice: Value| {
        let tooling = read(&with(json!({"tool_choice": choice}))).tooling;
        (tooling.choice, tooling.parallel)
    };
    assert_eq!(choice(json!({"type": "auto"})), (Some(ToolChoice::Auto), None));
    assert_eq!(
        choice(json!({"type": "any", "disable_parallel_tool_use": true})),
        (Some(ToolChoice::Required), Some(false))
    );
    assert_eq!(choice(json!({"type": "none"})), (Some(ToolChoice::None), None));
    assert_eq!(choice(json!({"type": "tool", "name": "f"})), (Some(ToolChoice::Function("f".into())), None));
    let thinking = |thinking: Value| read(&with(json!({"thinking": thinking}))).reasoning.thinking;
    assert_eq!(thinking(json!({"type": "adaptive"})), Some(Thinking::Adaptive));
    assert_eq!(thinking(json!({"type": "disabled"})), Some(Thinking::Disabled));
    let format = |members: Value| read(&with(members)).output.format.is_some();
    assert!(format(json!({"output_format": {"type": "json_schema", "schema": {}}})));
    assert!(!format(json!({"output_format": {"type": "grammar"}})));
}

#[test]
fn tools_of_every_kind() {
    let request = read(&with(json!({"tools": [
        {"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": true,
         "cache_control": {"type": "ephemeral"}, "eager_input_streaming": true, "input_examples": [{}]},
        {"type": "custom", "name": "g", "input_schema": {"type": "object"}},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3, "cache_control": {"type": "ephemeral"}}
    ]})));
    let [first, second, third] = request.tooling.tools.as_slice() else { panic!() };
    let ToolKind::Function { name, description, parameters, strict } = &first.kind else { panic!() };
    assert_eq!((&**name, description.as_deref(), *strict), ("f", Some("d"), Some(true)));
    assert_eq!(parameters.as_ref().unwrap().get(), r#"{"type":"object"}"#);
    assert!(first.cache.is_some() && first.extra.get("eager_input_streaming").is_some());
    assert_eq!(second.name(), Some("g"));
    let ToolKind::Hosted { dialect, kind, json } = &third.kind else { panic!() };
    assert_eq!((*dialect, &**kind), (Dialect::Anthropic, "web_search_20250305"));
    assert!(json.get().contains("\"max_uses\":3"));
}

/// One line for each part, for comparison.
fn told(parts: &[Part]) -> Vec<String> {
    let media = |media: &Media| match media {
        Media::Url(url) => format!("at {url}"),
        Media::Base64 { media_type, data } => format!("{media_type} {data}"),
        Media::FileId(id) => format!("file {id}"),
        Media::Text(text) => format!("text {text}"),
    };
    let tell = |part: &Part| match part {
        Part::Text(text) => format!("text {} {:?} {:?}", text.text, text.signature, text.cache.is_some()),
        Part::Image(image) => format!("image {}", media(&image.media)),
        Part::File(file) => format!("file {} {:?} {:?}", media(&file.media), file.filename, file.media_type),
        Part::ToolCall(call) => {
            format!("call {} {} {} {:?}", call.id, call.name, call.arguments, call.signature)
        }
        Part::ToolResult(result) => {
            format!("result {} {:?} {}", result.call_id, result.is_error, told(&result.parts).join(", "))
        }
        Part::Reasoning(Reasoning { text, signature, redacted, origin, extra: _ }) => {
            format!("thought {text:?} {signature:?} {redacted:?} {origin:?}")
        }
        Part::Citation(citation) => format!("citation {:?} {}", citation.url, citation.native.is_some()),
        Part::Opaque(opaque) => format!("opaque {} {} {}", opaque.dialect, opaque.kind, opaque.json),
        other => panic!("{other:?}"),
    };
    parts.iter().map(tell).collect()
}

#[test]
fn blocks_of_every_kind_are_read() {
    let check = |block: Value, expect: &[&str]| {
        let body = with(json!({"messages": [{"role": "assistant", "content": [block]}]}));
        assert_eq!(told(&read(&body).messages[0].parts), expect, "{block}");
    };
    check(
        json!({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}),
        &["text a None true"],
    );
    check(
        json!({"type": "text", "text": "a", "citations": [
            {"type": "web_search_result_location", "url": "u", "encrypted_index": "E"},
            {"type": "web_search_result_location", "url": "v", "encrypted_index": ""}]}),
        &["text a None false", "citation Some(\"u\") true", "citation Some(\"v\") false"],
    );
    check(
        json!({"type": "text", "text": "a", "signature": "sealed:gemini::S"}),
        &["text a Some(\"S\") false"],
    );
    let image = |source: Value| json!({"type": "image", "source": source});
    let document = |source: Value| json!({"type": "document", "title": "t", "source": source});
    let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "AA"});
    check(image(json!({"type": "base64", "media_type": "image/png", "data": "AA"})), &["image image/png AA"]);
    check(image(json!({"type": "url", "url": "https://a"})), &["image at https://a"]);
    check(image(json!({"type": "file", "file_id": "f"})), &["image file f"]);
    check(document(pdf), &["file application/pdf AA Some(\"t\") None"]);
    check(
        document(json!({"type": "text", "media_type": "text/plain", "data": "x"})),
        &["file text x Some(\"t\") None"],
    );
    check(
        document(json!({"type": "url", "url": "https://a"})),
        &["file at https://a Some(\"t\") Some(\"application/pdf\")"],
    );
    check(json!({"type": "container_upload", "file_id": "f"}), &["file file f None None"]);
    check(
        json!({"type": "document", "source": {"type": "content", "content": "x"}}),
        &[r#"opaque anthropic document {"type":"document","source":{"type":"content","content":"x"}}"#],
    );
    check(
        json!({"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}),
        &["call t f {\"a\":1} None"],
    );
    check(
        json!({"type": "tool_use", "id": "t__thought__ab-_", "name": "f", "input": {}}),
        &["call t f {} Some(\"ab+/\")"],
    );
    check(
        json!({"type": "thinking", "thinking": "x", "signature": "S"}),
        &["thought \"x\" Some(\"S\") None Some(Anthropic)"],
    );
    check(json!({"type": "thinking", "thinking": "x", "signature": ""}), &["thought \"x\" None None None"]);
    check(
        json!({"type": "thinking", "thinking": "x", "signature": "sealed:gemini::S"}),
        &["thought \"x\" Some(\"S\") None Some(Gemini)"],
    );
    check(
        json!({"type": "redacted_thinking", "data": "D"}),
        &["thought \"\" None Some(\"D\") Some(Anthropic)"],
    );
    check(
        json!({"type": "redacted_thinking", "data": "sealed:gemini:part.executableCode:{\"a\":1}"}),
        &["opaque gemini executableCode {\"a\":1}"],
    );
    let search = json!({"content": [], "source": "s", "title": "t", "type": "search_result"});
    check(search.clone(), &[&format!("opaque anthropic search_result {search}")]);
    let server = json!({"id": "srvtoolu_1", "input": {}, "name": "web_search", "type": "server_tool_use"});
    check(server.clone(), &[&format!("opaque anthropic server_tool_use {server}")]);
}

#[test]
fn results_are_messages_of_their_own_before_the_rest() {
    let body = with(json!({"system": "S", "messages": [
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a__thought__x", "content": [
                {"type": "text", "text": "t"},
                {"type": "image", "source": {"type": "url", "url": "https://a"}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}}]},
            {"type": "text", "text": "and"},
            {"type": "tool_result", "tool_use_id": "b", "is_error": true}
        ]},
        {"role": "system", "content": "later"},
        {"role": "user", "content": ""}
    ]}));
    let request = read(&body);
    let roles: Vec<Role> = request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::Tool, Role::User, Role::System, Role::User]);
    assert_eq!(
        told(&request.messages[1].parts),
        [
            "result a None text t None false, image at https://a, file text d None None",
            "result b Some(true) "
        ]
    );
    assert_eq!(told(&request.messages[2].parts), ["text and None false"]);
    assert!(request.messages[4].parts.is_empty());
}

/// The headers with which a request of a client goes out, on either way.
fn sent(headers: &[(&'static str, &str)], body: &Value) -> [(String, String); 2] {
    let asked = asked(Op::Chat, headers);
    let head = Head::scan(body.to_string().into()).unwrap();
    let (row, mut changes) = (spec(Dialect::Anthropic), llm_types::Changes::default());
    let mut cx = EncodeCx { spec: &row, model: "m", asked: &asked, changes: &mut changes };
    let spliced = Client.splice(&head, &mut cx).unwrap().unwrap();
    let (written, _) = write(&read(body).into(), &asked);
    [spliced, written].map(|wire| {
        let header =
            |name: &str| wire.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        (header("anthropic-version"), header("anthropic-beta"))
    })
}

#[test]
fn a_client_s_version_and_betas_go_with_its_request() {
    let check = |headers: &[(&'static str, &str)], members: Value, version: &str, betas: &str| {
        for (got_version, got_betas) in sent(headers, &with(members.clone())) {
            assert_eq!((&*got_version, &*got_betas), (version, betas), "{headers:?} {members}");
        }
    };
    let servers = json!({"mcp_servers": [{"type": "url", "url": "https://a", "name": "a"}]});
    check(&[], json!({}), "2023-06-01", "");
    check(&[("anthropic-version", "2023-01-01")], json!({}), "2023-01-01", "");
    check(&[("anthropic-beta", "a-1, b-2,a-1")], json!({}), "2023-06-01", "a-1,b-2");
    check(&[], servers.clone(), "2023-06-01", "mcp-client-2025-04-04");
    check(&[("anthropic-beta", "x")], servers.clone(), "2023-06-01", "x,mcp-client-2025-04-04");
    // Its own version of a feature stands.
    check(&[("anthropic-beta", "mcp-client-2025-11-20")], servers, "2023-06-01", "mcp-client-2025-11-20");
}

#[test]
fn headers_of_other_clients_stay_behind() {
    let mut asked = asked(Op::Chat, &[("anthropic-beta", "x"), ("anthropic-version", "y")]);
    asked.dialect = Some(Dialect::OpenaiChat);
    let (wire, _) = write(&read(&with(json!({}))).into(), &asked);
    assert_eq!(wire.headers.get("anthropic-beta"), None);
    assert_eq!(wire.headers["anthropic-version"], "2023-06-01");
}

#[test]
fn what_other_upstreams_made_is_not_spliced() {
    let check = |block: Value, spliced: bool, change: &str| {
        let body = with(json!({"messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [block, {"type": "text", "text": "a"}]},
            {"role": "user", "content": "Go on"}
        ]}));
        for text in [body.to_string(), serde_json::to_string_pretty(&body).unwrap()] {
            let head = Head::scan(text.into()).unwrap();
            let (row, mut changes) = (spec(Dialect::Anthropic), llm_types::Changes::default());
            let asked = asked(Op::Chat, &[]);
            let mut cx = EncodeCx { spec: &row, model: "m", asked: &asked, changes: &mut changes };
            assert_eq!(Client.splice(&head, &mut cx).unwrap().is_some(), spliced, "{block}");
        }
        let (_, changes) = write(&read(&body).into(), &Asked::default());
        assert_eq!(changes.header(), change, "{block}");
    };
    check(json!({"type": "thinking", "thinking": "x", "signature": "S"}), true, "");
    check(json!({"type": "redacted_thinking", "data": "D"}), true, "");
    let unsigned = "dropped messages[1].content[0] (anthropic takes back signed thoughts only)";
    check(json!({"type": "thinking", "thinking": "x", "signature": ""}), false, unsigned);
    let foreign = "dropped messages[1].content[0] (the thoughts are sealed by another provider)";
    check(json!({"type": "thinking", "thinking": "x", "signature": "sealed:gemini::S"}), false, foreign);
    check(json!({"type": "redacted_thinking", "data": "sealed:openai_chat::D"}), false, foreign);
    check(
        json!({"type": "redacted_thinking", "data": "sealed:gemini:part.x:{}"}),
        false,
        "dropped messages[1].content[0] (only gemini understands this part)",
    );
    check(
        json!({"type": "text", "text": "a", "citations": [
            {"type": "web_search_result_location", "url": "u", "title": null, "cited_text": "", "encrypted_index": ""}]}),
        false,
        "dropped messages[1].content[1] (only anthropic's own citations can be sent back)",
    );
}
