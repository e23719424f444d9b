//! Where what we send may differ from what was recorded, and why.
//!
//! A rule does not look away: it rewrites the recorded request into the one that we must send in its place,
//! and the two are then compared in full. The recorded one is in its common spelling already (snake case,
//! see `llm_testkit::conformance::normalise`).

use std::collections::BTreeSet;

use llm_testkit::conformance::{Case, normalise};
use serde_json::{Value, json};

/// One way in which our request is another than the recorded one.
struct Rule {
    why: &'static str,
    rewrite: fn(&Case, &mut Value),
}

const fn rule(why: &'static str, rewrite: fn(&Case, &mut Value)) -> Rule {
    Rule { why, rewrite }
}

const RULES: &[Rule] = &[
    rule("whoever speaks another API could not name what is stored: nothing is", |case, body| {
        if case.recording.operation == "responses" && body.get("store").is_none() {
            body["store"] = false.into();
        }
    }),
    rule("thoughts come back encrypted where nothing is stored and the model thinks", |case, body| {
        let thinks = !case.recording.model().is_some_and(|model| model.starts_with("gpt-4"));
        if case.recording.operation == "responses" && thinks && body.get("include").is_none() {
            body["include"] = json!(["reasoning.encrypted_content"]);
        }
    }),
    rule("a function that does not say so is not strict: left out it would mean that it is", |case, body| {
        if case.recording.operation == "responses" {
            each(body, "/tools", |tool| {
                if tool["type"] == "function" && tool.get("strict").is_none() {
                    tool["strict"] = false.into();
                }
            });
        }
    }),
    rule("a first system message of one text goes as instructions", |case, body| {
        let first = body.pointer("/input/0").cloned().unwrap_or_default();
        if case.recording.provider == "openrouter" && first["role"] == "system" {
            body["instructions"] = first["content"].clone();
            body["input"].as_array_mut().into_iter().for_each(|items| {
                items.remove(0);
            });
        }
    }),
    rule("an OpenAI client has no earlier response to go on from", |case, body| {
        if lost(case, "previous_response_id") {
            remove(body, "previous_response_id");
        }
    }),
    rule("a member of OpenRouter's own goes to its chat completions only", |case, body| {
        if lost(case, "provider") {
            remove(body, "provider");
        }
    }),
    rule("an OpenAI client cannot choose a mode of thinking", |case, body| {
        if lost(case, "reasoning.mode")
            && let Some(reasoning) = body.get_mut("reasoning")
        {
            remove(reasoning, "mode");
        }
    }),
    rule(
        "thoughts as text have no id, and only what is encrypted goes back where text does not",
        |case, body| {
            if case.recording.operation == "responses" {
                each(body, "/input", |item| {
                    if item["type"] == "reasoning" {
                        remove(item, "id");
                    }
                });
                if lost(case, "summaries of thoughts") {
                    let items = body.get_mut("input").and_then(Value::as_array_mut);
                    items.into_iter().for_each(|items| items.retain(|item| item["type"] != "reasoning"));
                }
            }
        },
    ),
    rule("an OpenAI client sets no breakpoints of the prompt cache", |case, body| {
        if lost(case, "cache breakpoints") {
            each(body, "/input", |item| {
                each(item, "/content", |part| remove(part, "prompt_cache_breakpoint"));
            });
            *body = normalise(body);
        }
    }),
    rule("a stream reports its usage only when it is asked to", |case, body| {
        let asked = body.get("stream_options").is_some();
        // Mistral always reports it, and refuses the member.
        let elsewhere = case.recording.operation != "chat" || case.recording.provider == "mistral";
        if case.recording.is_stream() && !asked && !elsewhere {
            body["stream_options"] = json!({"include_usage": true});
        }
    }),
    rule(
        "the first o1 models know no system message: openai/chat-error-400-e65bb5 is the proof",
        |case, body| {
            if case.recording.model().is_some_and(|model| model.starts_with("o1-mini")) {
                each(body, "/messages", |message| replace(message, "role", "system", "user"));
            }
        },
    ),
    rule(
        "deepseek's v4 models refuse `required` while they think: deepseek/chat-error-400-6455fc",
        |case, body| {
            if case.recording.provider == "deepseek" {
                replace(body, "tool_choice", "required", "auto");
            }
        },
    ),
    rule("a tool's default type is said: `custom`", |case, body| {
        if case.recording.operation == "messages" {
            each(body, "/tools", |tool| {
                if tool.get("type").is_none() {
                    tool["type"] = "custom".into();
                }
            });
        }
    }),
    rule("an OpenAI client cannot ask for citations", |case, body| {
        if lost(case, "citations") {
            parts(body, |part| remove(part, "citations"));
        }
    }),
    rule("a document's title is the file name that the client gave", |case, body| {
        if case.recording.operation == "messages" {
            parts(body, |part| {
                if part.get("title").is_some() {
                    part["title"] = "document".into();
                }
            });
        }
    }),
    rule(
        "of a file by its id an OpenAI client does not say what it is: such a file is an upload",
        |case, body| {
            if case.recording.operation == "messages" {
                parts(body, |part| {
                    if let (Some("document"), Some(id)) =
                        (part["type"].as_str(), part.pointer("/source/file_id"))
                    {
                        *part = json!({"type": "container_upload", "file_id": id});
                    }
                });
            }
        },
    ),
    rule("a schema goes as JSON Schema, unchanged, and not in Gemini's own dialect of it", |case, body| {
        if case.recording.operation == "generateContent" {
            each(body, "/tools", |tool| {
                each(tool, "/function_declarations", |one| {
                    rename(one, "parameters", "parameters_json_schema")
                });
            });
            if let Some(config) = body.get_mut("generation_config") {
                rename(config, "response_schema", "response_json_schema");
            }
        }
    }),
    rule("the role of a system instruction means nothing", |case, body| {
        if case.recording.operation == "generateContent"
            && let Some(system) = body.get_mut("system_instruction")
        {
            remove(system, "role");
        }
    }),
    rule("an OpenAI client cannot ask for Gemini's own tools", |case, body| {
        if lost(case, "a tool that runs at the provider")
            && let Some(tools) = body.get_mut("tools").and_then(Value::as_array_mut)
        {
            tools.retain(|tool| tool.get("function_declarations").is_some());
            let none = tools.is_empty();
            if none {
                remove(body, "tools");
            }
        }
    }),
    rule("an OpenAI client has no safety settings", |case, body| {
        if lost(case, "safety settings") {
            remove(body, "safety_settings");
        }
    }),
    rule("an OpenAI client has no cached content", |case, body| {
        if lost(case, "cached content") {
            remove(body, "cached_content");
        }
    }),
    rule("text is what an answer is made of anyway", |case, body| {
        if lost(case, "response modalities")
            && let Some(config) = body.get_mut("generation_config")
        {
            remove(config, "response_modalities");
        }
    }),
    rule("a budget for thoughts alone does not show them", |case, body| {
        if let (true, Some(thinking)) =
            (case.recording.is_stream(), body.pointer_mut("/generation_config/thinking_config"))
            && thinking.get("thinking_budget") == Some(&json!(0))
            && thinking.get("include_thoughts").is_none()
        {
            thinking["include_thoughts"] = false.into();
        }
    }),
    rule("an OpenAI client cannot ask to see thoughts and say nothing else of them", |_, body| {
        if let Some(config) = body.get_mut("generation_config")
            && config.get("thinking_config") == Some(&json!({"include_thoughts": true}))
        {
            remove(config, "thinking_config");
        }
    }),
    rule("an OpenAI client has no media in a tool's result", |case, body| {
        if lost(case, "media in a tool result") {
            content_parts(body, |part| {
                if let Some(response) = part.get_mut("function_response") {
                    remove(response, "parts");
                }
            });
        }
    }),
    rule("an OpenAI client does not say what a file at an address is", |case, body| {
        if lost(case, "the media type of a file by URL") {
            content_parts(body, |part| {
                if let Some(file) = part.get_mut("file_data") {
                    remove(file, "mime_type");
                }
            });
        }
    }),
    rule("before Gemini 3 calls have no ids", |case, body| {
        if case.recording.operation == "generateContent" && !gemini_3(case) {
            content_parts(body, |part| {
                for name in ["function_call", "function_response"] {
                    if let Some(call) = part.get_mut(name) {
                        remove(call, "id");
                    }
                }
            });
        }
    }),
    rule(
        "a call that comes back without its signature is marked, and Gemini 3 insists on it",
        |case, body| {
            if lost(case, "thought signatures") {
                content_parts(body, |part| {
                    if gemini_3(case) && part.get("function_call").is_some() {
                        part["thought_signature"] = "skip_thought_signature_validator".into();
                    } else {
                        remove(part, "thought_signature");
                    }
                });
            }
        },
    ),
    rule("what is empty says nothing", |case, body| {
        if case.recording.operation == "ollama_chat" {
            for (name, empty) in [("options", json!({})), ("format", "".into())] {
                if body.get(name) == Some(&empty) {
                    remove(body, name);
                }
            }
        }
    }),
    rule("calls have ids, by which an OpenAI client's results name them", |case, body| {
        if case.recording.operation == "ollama_chat" {
            each(body, "/messages", |message| {
                each(message, "/tool_calls", |call| {
                    remove(call, "type");
                    if call.get("id").is_none() {
                        call["id"] = format!("call_{}", call["function"]["name"].as_str().unwrap()).into();
                    }
                });
                if let Some(name) = message["tool_name"].as_str() {
                    message["tool_call_id"] = format!("call_{name}").into();
                }
            });
        }
    }),
];

/// What we must send where a recorded client sent this. Notes the rules that changed something.
pub(crate) fn expected(case: &Case, used: &mut BTreeSet<&'static str>) -> Value {
    let mut body = normalise(case.recording.request.json().unwrap_or(&Value::Null));
    for rule in RULES {
        let before = body.clone();
        (rule.rewrite)(case, &mut body);
        if before != body {
            used.insert(rule.why);
        }
    }
    body
}

/// Rules that no recording needs.
pub(crate) fn idle(used: &BTreeSet<&'static str>) -> Vec<&'static str> {
    RULES.iter().map(|rule| rule.why).filter(|why| !used.contains(why)).collect()
}

/// Whether an OpenAI client could not say this.
fn lost(case: &Case, what: &str) -> bool {
    case.inexact.contains(&what)
}

fn gemini_3(case: &Case) -> bool {
    case.recording.model().is_some_and(|model| model.starts_with("gemini-3"))
}

fn each(value: &mut Value, pointer: &str, change: impl FnMut(&mut Value)) {
    value.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten().for_each(change);
}

/// Every part of every message (OpenAI, Anthropic).
fn parts(body: &mut Value, mut change: impl FnMut(&mut Value)) {
    each(body, "/messages", |message| each(message, "/content", &mut change));
}

/// Every part of every turn (Gemini).
fn content_parts(body: &mut Value, mut change: impl FnMut(&mut Value)) {
    each(body, "/contents", |turn| each(turn, "/parts", &mut change));
}

fn remove(value: &mut Value, name: &str) {
    if let Some(members) = value.as_object_mut() {
        members.remove(name);
    }
}

fn rename(value: &mut Value, from: &str, to: &str) {
    if let Some(members) = value.as_object_mut()
        && let Some(moved) = members.remove(from)
    {
        members.insert(to.to_owned(), moved);
    }
}

fn replace(value: &mut Value, name: &str, from: &str, to: &str) {
    if let Some(member) = value.get_mut(name).filter(|member| **member == from) {
        *member = to.into();
    }
}
