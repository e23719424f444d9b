//! Options of a request, generation by generation.

use llm_types::chat::{AudioOutput, ChatRequest, Effort, Format, JsonSchema, Message, Thinking};
use llm_types::{Dialect, ErrorKind};
use serde_json::{Value, json};

use super::*;

fn ask(set: impl FnOnce(&mut ChatRequest)) -> ChatRequest {
    let mut request = ChatRequest::new([Message::user("q")]);
    set(&mut request);
    request
}

/// The `generationConfig` that is sent, and what was recorded.
fn config(model: &str, set: impl FnOnce(&mut ChatRequest)) -> (Value, Vec<String>) {
    let (mut body, changes) = send(ask(set), model);
    (body["generationConfig"].take(), changes)
}

#[test]
fn thinking_by_effort() {
    let check = |model: &str, effort: Effort, expect: Value, changed: bool| {
        let (config, changes) = config(model, |request| request.reasoning.effort = Some(effort));
        assert_eq!(config["thinkingConfig"], expect, "{model} {effort:?}");
        assert_eq!(!changes.is_empty(), changed, "{model} {effort:?} {changes:?}");
    };
    use Effort::{High, Low, Max, Medium, Minimal, None, XHigh};
    let budget = |tokens: u32, show: bool| json!({"thinkingBudget": tokens, "includeThoughts": show});
    let level = |word: &str, show: bool| json!({"thinkingLevel": word, "includeThoughts": show});
    let budgets =
        [("gemini-2.5-flash", 1, 0), ("gemini-2.5-flash-lite", 512, 0), ("gemini-2.5-pro", 128, 128)];
    for (model, minimal, off) in budgets {
        check(model, None, budget(off, false), off > 0);
        check(model, Minimal, budget(minimal, true), false);
        check(model, Low, budget(1024, true), false);
        check(model, Medium, budget(2048, true), false);
        check(model, High, budget(4096, true), false);
        check(model, XHigh, budget(4096, true), true);
        check(model, Max, budget(4096, true), true);
    }
    for (model, least) in [("gemini-3-flash-preview", "minimal"), ("gemini-3-pro-preview", "low")] {
        check(model, None, level(least, false), true);
        check(model, Minimal, level(least, true), least == "low");
        check(model, Low, level("low", true), false);
        check(model, Medium, level("medium", true), false);
        check(model, High, level("high", true), false);
        check(model, Max, level("high", true), true);
    }
    check("gemini-2.0-flash", High, Value::Null, true);
    check("gemini-2.0-flash", None, Value::Null, false);
}

#[test]
fn thinking_in_anthropics_terms() {
    let check = |model: &str, thinking: Thinking, effort: Option<Effort>, expect: Value, changed: &[&str]| {
        let (config, changes) = config(model, |request| {
            request.reasoning.thinking = Some(thinking);
            request.reasoning.effort = effort;
        });
        assert_eq!(config["thinkingConfig"], expect, "{model} {thinking:?} {effort:?}");
        assert_eq!(changes, changed, "{model} {thinking:?} {effort:?}");
    };
    let enabled = |budget_tokens| Thinking::Enabled { budget_tokens };
    let (flash, pro, g3) = ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-3-flash-preview");
    let budget = |tokens: i64| json!({"thinkingBudget": tokens, "includeThoughts": true});
    let show = json!({"includeThoughts": true});
    let low = Some(Effort::Low);
    check(flash, enabled(Some(512)), None, budget(512), &[]);
    check(flash, enabled(Some(512)), low, budget(512), &["dropped reasoning_effort"]);
    check(flash, enabled(None), None, show.clone(), &[]);
    check(flash, enabled(None), low, budget(1024), &[]);
    check(pro, enabled(Some(1)), None, budget(128), &["altered thinking.budget_tokens"]);
    check(flash, Thinking::Adaptive, None, budget(-1), &[]);
    let off = json!({"thinkingBudget": 0, "includeThoughts": false});
    check(flash, Thinking::Disabled, None, off, &[]);
    let least = json!({"thinkingBudget": 128, "includeThoughts": false});
    check(pro, Thinking::Disabled, None, least, &["altered thinking"]);
    check(g3, enabled(Some(512)), None, show.clone(), &["dropped thinking.budget_tokens"]);
    let both = json!({"includeThoughts": true, "thinkingLevel": "low"});
    check(g3, Thinking::Adaptive, low, both, &[]);
    let least = json!({"includeThoughts": false, "thinkingLevel": "minimal"});
    check(g3, Thinking::Disabled, None, least, &["altered thinking"]);
    check("gemini-2.0-flash", enabled(Some(1)), None, Value::Null, &["dropped thinking"]);
}

#[test]
fn whether_thoughts_are_shown() {
    let check = |summary: &str, expect: Value, changed: &[&str]| {
        let (config, changes) =
            config("gemini-2.5-flash", |request| request.reasoning.summary = Some(summary.to_owned()));
        assert_eq!(config["thinkingConfig"], expect, "{summary}");
        assert_eq!(changes, changed, "{summary}");
    };
    check("auto", json!({"includeThoughts": true}), &[]);
    check("omitted", json!({"includeThoughts": false}), &[]);
    check("detailed", json!({"includeThoughts": true}), &["altered reasoning.summary"]);
}

#[test]
fn sampling_and_limits() {
    let all = |request: &mut ChatRequest| {
        request.sampling.temperature = Some(1.0);
        request.sampling.top_p = Some(0.5);
        request.sampling.top_k = Some(40);
        request.sampling.frequency_penalty = Some(0.1);
        request.sampling.presence_penalty = Some(-0.2);
        request.sampling.seed = Some(-3);
        request.limits.max_tokens = Some(10);
        request.limits.stop = ["1", "2", "3", "4", "5", "6"].map(str::to_owned).to_vec();
        request.output.n = Some(9);
        request.output.top_logprobs = Some(2);
    };
    let mut expect = json!({"temperature": 1.0, "topP": 0.5, "topK": 40, "frequencyPenalty": 0.1,
        "presencePenalty": -0.2, "seed": -3, "maxOutputTokens": 10, "stopSequences": ["1", "2", "3", "4", "5"],
        "candidateCount": 8, "responseLogprobs": true, "logprobs": 2});
    let (sent, changes) = config("gemini-2.5-flash", all);
    assert_eq!(sent, expect);
    assert_eq!(changes, ["altered n", "dropped stop"]);

    for model in ["gemini-3-pro-preview", "gemini-2.5-pro-preview-06-05"] {
        let members = expect.as_object_mut().unwrap();
        members.remove("frequencyPenalty");
        members.remove("presencePenalty");
        let (sent, changes) = config(model, all);
        assert_eq!(sent, expect);
        assert_eq!(changes[..2], ["dropped frequency_penalty", "dropped presence_penalty"]);
    }

    let (sent, changes) = config("gemini-2.5-flash", |request| {
        request.sampling.seed = Some(i64::MAX);
        request.limits.max_tokens = Some(10);
        request.limits.max_completion_tokens = Some(20);
    });
    assert_eq!(sent, json!({"maxOutputTokens": 20}));
    assert_eq!(changes, ["dropped seed", "dropped max_tokens"]);
}

#[test]
fn forms_of_the_answer() {
    let schema = json!({"type": "object", "properties": {"t": {"type": "integer", "minimum": 0}},
        "required": ["t"], "additionalProperties": false});
    let by_schema = || {
        Format::JsonSchema(JsonSchema {
            name: "W".to_owned(),
            description: None,
            schema: Some(raw(&schema)),
            strict: Some(true),
        })
    };
    let check = |model: &str, format: Format, expect: Value| {
        let (sent, _) = config(model, |request| request.output.format = Some(format));
        assert_eq!(sent, expect, "{model}");
    };
    let mime = "application/json";
    check("gemini-2.5-flash", Format::Text, json!({"responseMimeType": "text/plain"}));
    check("gemini-2.5-flash", Format::JsonObject, json!({"responseMimeType": mime}));
    check("gemini-2.0-flash", by_schema(), json!({"responseMimeType": mime, "responseJsonSchema": schema}));
    let subset =
        json!({"type": "OBJECT", "properties": {"t": {"type": "INTEGER", "minimum": 0}}, "required": ["t"]});
    check("gemini-1.5-flash", by_schema(), json!({"responseMimeType": mime, "responseSchema": subset}));
    let (_, changes) = config("gemini-1.5-flash", |request| request.output.format = Some(by_schema()));
    let expect = ["dropped response_format.json_schema.strict", "altered response_format.json_schema.schema"];
    assert_eq!(changes, expect);
}

#[test]
fn spoken_answers() {
    let speak = |format: &str| {
        ask(|request| {
            request.output.audio = Some(AudioOutput {
                voice: Some(raw(&json!("Kore"))),
                format: Some(format.to_owned()),
                language: Some("de-DE".to_owned()),
            });
        })
    };
    let (body, _) = send(speak("pcm16"), "gemini-2.5-flash-preview-tts");
    let speech =
        json!({"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}, "languageCode": "de-DE"});
    assert_eq!(body["generationConfig"], json!({"responseModalities": ["AUDIO"], "speechConfig": speech}));
    let error = try_send(speak("mp3"), "gemini-2.5-flash-preview-tts").unwrap_err();
    assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::BadRequest, Some("audio.format")));

    let (sent, _) = config("gemini-2.5-flash-image", |request| {
        request.output.modalities = vec!["text".to_owned(), "image".to_owned()];
    });
    assert_eq!(sent, json!({"responseModalities": ["TEXT", "IMAGE"]}));
}

#[test]
fn service_tiers() {
    let check = |tier: &str, expect: &str| {
        let (body, _) = send(ask(|r| r.delivery.service_tier = Some(tier.to_owned())), "gemini-2.5-flash");
        assert_eq!(body["serviceTier"], expect);
    };
    check("auto", "priority");
    check("default", "standard");
    check("Flex", "flex");
}

#[test]
fn own_terms_pass_whatever_the_clients_dialect() {
    let safety = json!([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]);
    let request = ask(|request| {
        request.origin = Some(Dialect::OpenaiChat);
        request.sampling.temperature = Some(0.5);
        request.sampling.top_p = Some(0.5);
        request.extra.set("safety_settings", raw(&safety));
        request.extra.set("labels", raw(&json!({"a": "b"})));
        request
            .extra
            .set("generation_config", raw(&json!({"top_p": 0.9, "image_config": {"aspectRatio": "1:1"}})));
        request.extra.set("odd", raw(&json!(1)));
    });
    let (body, changes) = send(request, "gemini-2.5-flash");
    assert_eq!(body["safetySettings"], safety);
    assert_eq!(body["labels"], json!({"a": "b"}));
    let config = json!({"temperature": 0.5, "topP": 0.9, "imageConfig": {"aspectRatio": "1:1"}});
    assert_eq!(body["generationConfig"], config);
    assert_eq!(body.get("odd"), None);
    assert_eq!(changes, ["dropped top_p", "dropped odd"]);

    for origin in [None, Some(Dialect::Gemini)] {
        let request = ask(|request| {
            request.origin = origin;
            request.extra.set("model_armor_config", raw(&json!({})));
            request.extra.set("contents", raw(&json!([])));
        });
        let (body, changes) = send(request, "gemini-2.5-flash");
        assert_eq!(body["modelArmorConfig"], json!({}));
        assert_eq!(changes, ["dropped contents"]);
    }

    let error =
        try_send(ask(|r| r.extra.set("generation_config", raw(&json!(1)))), "gemini-2.5-flash").unwrap_err();
    assert_eq!(error.param.as_deref(), Some("generation_config"));
}

#[test]
fn cached_content_brings_its_own_instructions_and_tools() {
    let request = ask(|request| {
        request.messages.insert(0, Message::system("s"));
        request.tooling.tools = vec![llm_types::chat::Tool::function("f", "d", None)];
        request.tooling.choice = Some(llm_types::chat::ToolChoice::Auto);
        request.extra.set("cached_content", raw(&json!("cachedContents/x")));
    });
    let (body, changes) = send(request, "gemini-2.5-flash");
    assert_eq!(body, json!({"contents": body["contents"], "cachedContent": "cachedContents/x"}));
    assert_eq!(changes, ["dropped messages[0]", "dropped tools", "dropped tool_choice"]);
}
