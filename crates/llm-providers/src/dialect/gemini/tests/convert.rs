//! Recorded requests in the neutral form. The server half of the dialect does not exist yet, and a test
//! needs the ways that recorded clients use, no more.

use llm_types::chat::{
    ChatRequest, Format, Image, JsonSchema, Media, Message, Part, Reasoning, Role, Text, Thinking, Tool,
    ToolCall, ToolChoice, ToolKind, ToolResult,
};
use llm_types::{Dialect, Extra};
use serde_json::{Map, Value, json};

use super::raw;

/// Members whose content is the caller's own.
const FOREIGN: &[&str] = &["args", "response"];
/// Members that hold a schema: both dialects of it come to one.
const SCHEMAS: &[&str] = &["parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"];

/// A body in one spelling: camelCase, nothing that says nothing, one form of schemas.
pub(super) fn normal(body: &Value) -> Value {
    match body {
        Value::Array(list) => Value::Array(list.iter().map(normal).collect()),
        Value::Object(members) => Value::Object(members.iter().filter_map(|(n, v)| member(n, v)).collect()),
        other => other.clone(),
    }
}

fn member(name: &str, value: &Value) -> Option<(String, Value)> {
    let name = camel(name);
    let idle =
        value.is_null() || (matches!(name.as_str(), "thought" | "includeThoughts") && *value == json!(false));
    if idle {
        return None;
    }
    Some(match name.as_str() {
        foreign if FOREIGN.contains(&foreign) => (name, value.clone()),
        schema if SCHEMAS.contains(&schema) => {
            let name = if schema.starts_with("param") { "parameters" } else { "responseSchema" };
            (name.to_owned(), lower(value))
        }
        "systemInstruction" => {
            // Its role means nothing; clients send "user", "model" or none.
            let mut value = normal(value);
            value.as_object_mut().unwrap().remove("role");
            (name, value)
        }
        "generationConfig" if normal(value) == json!({}) => return None,
        _ => (name, normal(value)),
    })
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap().to_owned();
    words.fold(first, |out, word| {
        let (head, tail) = word.split_at(1);
        out + &head.to_uppercase() + tail
    })
}

/// A schema with its types in lower case.
fn lower(schema: &Value) -> Value {
    match schema {
        Value::Array(list) => Value::Array(list.iter().map(lower).collect()),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match value {
                Value::String(word) if name == "type" => (name.clone(), json!(word.to_lowercase())),
                value => (name.clone(), lower(value)),
            })
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// Takes the ids out of calls and results.
pub(super) fn without_ids(body: &mut Value) {
    for content in body["contents"].as_array_mut().unwrap() {
        for part in content["parts"].as_array_mut().unwrap() {
            for kind in ["functionCall", "functionResponse"] {
                if let Some(call) = part.get_mut(kind) {
                    call.as_object_mut().unwrap().remove("id");
                }
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// The request of a normal body.
pub(super) fn request(body: &Value) -> ChatRequest {
    let mut out = ChatRequest { origin: Some(Dialect::Gemini), ..ChatRequest::default() };
    for part in list(&body["systemInstruction"], "parts") {
        out.messages.push(Message::system(text(&part["text"])));
    }
    for content in list(body, "contents") {
        message(content, &mut out.messages);
    }
    for name in ["safetySettings", "cachedContent"] {
        if let Some(value) = body.get(name) {
            out.extra.set(name, raw(value));
        }
    }
    for tool in list(body, "tools") {
        tools(tool, &mut out.tooling.tools);
    }
    let calling = &body["toolConfig"]["functionCallingConfig"];
    out.tooling.choice = calling.get("mode").map(|mode| {
        match (mode.as_str().unwrap(), list(calling, "allowedFunctionNames")) {
            ("AUTO", []) => ToolChoice::Auto,
            ("ANY", []) => ToolChoice::Required,
            ("ANY", [one]) => ToolChoice::Function(text(one)),
            other => panic!("{other:?}"),
        }
    });
    config(&body["generationConfig"], &mut out);
    out
}

fn message(content: &Value, messages: &mut Vec<Message>) {
    let role = if content["role"] == "model" { Role::Assistant } else { Role::User };
    let mut parts = Vec::new();
    for part in list(content, "parts") {
        if let Some(result) = part.get("functionResponse") {
            messages.push(Message::new(Role::Tool, [Part::ToolResult(tool_result(result))]));
        } else {
            parts.push(plain(part));
        }
    }
    if !parts.is_empty() {
        messages.push(Message::new(role, parts));
    }
}

fn media(part: &Value) -> Option<Part> {
    let (media, kind) = if let Some(blob) = part.get("inlineData") {
        let media_type = text(&blob["mimeType"]);
        (Media::Base64 { media_type, data: text(&blob["data"]) }, None)
    } else {
        let file = part.get("fileData")?;
        (Media::Url(text(&file["fileUri"])), file["mimeType"].as_str().map(str::to_owned))
    };
    Some(Part::Image(Image { media_type: kind, ..Image::new(media) }))
}

fn plain(part: &Value) -> Part {
    let signature = part["thoughtSignature"].as_str().map(str::to_owned);
    if let Some(call) = part.get("functionCall") {
        return Part::ToolCall(ToolCall {
            id: call["id"].as_str().unwrap_or_else(|| call["name"].as_str().unwrap()).to_owned(),
            name: text(&call["name"]),
            arguments: call["args"].to_string(),
            signature,
            ..ToolCall::default()
        });
    }
    if let Some(media) = media(part) {
        return media;
    }
    let words = text(&part["text"]);
    if part["thought"] == true {
        return Part::Reasoning(Reasoning { text: words, signature, ..Reasoning::default() });
    }
    Part::Text(Text { text: words, signature, ..Text::default() })
}

fn tool_result(result: &Value) -> ToolResult {
    let mut parts = vec![Part::text(result["response"].to_string())];
    parts.extend(list(result, "parts").iter().filter_map(media));
    let id = result["id"].as_str().unwrap_or_else(|| result["name"].as_str().unwrap());
    ToolResult { call_id: id.to_owned(), parts, ..ToolResult::default() }
}

fn tools(tool: &Value, out: &mut Vec<Tool>) {
    let Some(functions) = tool.get("functionDeclarations") else {
        let kind = tool.as_object().unwrap().keys().next().unwrap().clone();
        let kind = ToolKind::Hosted { dialect: Dialect::Gemini, kind, json: raw(tool) };
        out.push(Tool { kind, cache: None, extra: Extra::default() });
        return;
    };
    for function in functions.as_array().unwrap() {
        let parameters = function.get("parameters").map(raw);
        out.push(Tool::function(text(&function["name"]), text(&function["description"]), parameters));
    }
}

fn config(config: &Value, out: &mut ChatRequest) {
    for (name, value) in config.as_object().into_iter().flatten() {
        let small = || u32::try_from(value.as_u64().unwrap()).unwrap();
        match name.as_str() {
            "temperature" => out.sampling.temperature = value.as_f64(),
            "maxOutputTokens" => out.limits.max_completion_tokens = value.as_u64(),
            "candidateCount" => out.output.n = Some(small()),
            "stopSequences" => out.limits.stop = list(config, name).iter().map(text).collect(),
            "responseModalities" => {
                out.output.modalities =
                    list(config, name).iter().map(|word| text(word).to_lowercase()).collect();
            }
            "responseLogprobs" => out.output.logprobs = value.as_bool(),
            "logprobs" => out.output.top_logprobs = Some(small()),
            "thinkingConfig" => {
                let budget_tokens = value["thinkingBudget"].as_u64();
                out.reasoning.thinking = Some(match budget_tokens {
                    Some(0) => Thinking::Disabled,
                    budget_tokens => Thinking::Enabled { budget_tokens },
                });
            }
            "responseSchema" => {
                let schema = JsonSchema { schema: Some(raw(value)), ..JsonSchema::default() };
                out.output.format = Some(Format::JsonSchema(schema));
            }
            "responseMimeType" => assert_eq!(value, "application/json"),
            other => panic!("{other} is new"),
        }
    }
}
