//! What clients send: both spellings, single objects for lists, calls without ids, what is kept for whom.

use llm_types::chat::{
    ChatRequest, Effort, Format, Media, Part, Role, Thinking, ToolChoice, ToolKind, ToolResult,
};
use llm_types::{Dialect, Head};
use serde_json::{Value, json};

use super::*;
use crate::codec::{Peek, ReplyForm};

fn decode(body: &Value) -> Result<ChatRequest> {
    match Server.decode(body.to_string().as_bytes(), &asked(Op::Chat, "m"))? {
        Call::Chat(request) => Ok(*request),
        other => panic!("{other:?}"),
    }
}

fn shown_request(body: &Value) -> String {
    format!("{:?}", decode(body).unwrap())
}

#[test]
fn both_spellings_and_single_objects_mean_the_same() {
    let camel = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"parts": [{"text": "Hi"}, {"inlineData": {"mimeType": "image/png", "data": "AA=="}}]}],
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {"maxOutputTokens": 5, "topK": 4, "stopSequences": ["x"], "responseMimeType": "application/json",
            "thinkingConfig": {"thinkingBudget": 0, "includeThoughts": false}}});
    let snake = json!({
        "system_instruction": {"parts": {"text": "Be brief."}},
        "contents": {"parts": [{"text": "Hi"}, {"inline_data": {"mime_type": "image/png", "data": "AA=="}}]},
        "tools": {"function_declarations": {"name": "f", "parameters_json_schema": {"type": "object"}}},
        "tool_config": {"function_calling_config": {"mode": "any", "allowed_function_names": ["f"]}},
        "generation_config": {"max_output_tokens": "5", "top_k": 4.0, "stop_sequences": ["x"], "response_mime_type": "application/json",
            "thinking_config": {"thinking_budget": 0, "include_thoughts": false}},
        "safetySettings": null});
    assert_eq!(shown_request(&camel), shown_request(&snake));
    let request = decode(&camel).unwrap();
    assert_eq!(request.limits.max_completion_tokens, Some(5));
    assert_eq!(request.tooling.choice, Some(ToolChoice::Function("f".into())));
    assert_eq!(request.reasoning.thinking, Some(Thinking::Disabled));
    assert!(matches!(request.output.format, Some(Format::JsonObject)));
    assert_eq!((request.origin, request.extra.is_empty()), (Some(Dialect::Gemini), true));
}

#[test]
fn a_path_and_its_query_say_what_is_wanted() {
    let head = |body: &str| Head::scan(bytes::Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let check = |op, stream, query: Option<&str>, body: &str, streamed, form| {
        let asked = Asked { stream: Some(stream), query: query.map(str::to_owned), ..asked(op, "m") };
        let peek = Server.peek(&head(body), &asked).unwrap();
        let expect = Peek { model: "m".into(), stream: streamed, include_usage: true, form, binary: false };
        assert_eq!(peek, expect, "{query:?} {body}");
    };
    check(Op::Chat, false, Some("alt=sse"), "{}", false, ReplyForm::Usual);
    check(Op::Chat, true, None, "{}", true, ReplyForm::List);
    check(Op::Chat, true, Some("alt=json"), "{}", true, ReplyForm::List);
    check(Op::Chat, true, Some("x=1&alt=sse"), "{}", true, ReplyForm::Usual);
    check(Op::Chat, true, Some("%24alt=sse"), "{}", true, ReplyForm::Usual);
    check(Op::CountTokens, false, None, "{}", false, ReplyForm::Usual);
    check(Op::Embed, false, None, "{\"content\":{}}", false, ReplyForm::Usual);
    check(Op::Embed, false, None, "{\"requests\":[]}", false, ReplyForm::List);
    let nameless = Asked { model: None, ..asked(Op::Chat, "m") };
    assert_eq!(Server.peek(&head("{}"), &nameless).unwrap_err().param.as_deref(), Some("model"));
}

fn results(request: &ChatRequest) -> Vec<(&str, Option<bool>, String)> {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let results = parts.filter_map(|part| match part {
        Part::ToolResult(ToolResult { call_id, parts, is_error, .. }) => {
            Some((call_id.as_str(), *is_error, Part::text_of(parts)))
        }
        _ => None,
    });
    results.collect()
}

#[test]
fn parallel_calls_of_one_function_get_ids_that_stay() {
    let call = |city: &str| json!({"functionCall": {"name": "f", "args": {"city": city}}});
    let result = |response: Value| json!({"functionResponse": {"name": "f", "response": response}});
    let mut contents = vec![
        json!({"role": "user", "parts": [{"text": "?"}]}),
        json!({"role": "model", "parts": [call("a"), call("b")]}),
        json!({"role": "function", "parts": [result(json!({"t": 1})), result(json!({"error": "no"})), {"text": "Go on."}]}),
    ];
    let first = decode(&json!({"contents": contents})).unwrap();
    let roles: Vec<Role> = first.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::User]);
    let expect = [("gcall_0", None, "{\"t\":1}".to_owned()), ("gcall_1", Some(true), "no".to_owned())];
    assert_eq!(results(&first), expect);
    contents.push(json!({"role": "model", "parts": [call("c")]}));
    contents.push(json!({"role": "user", "parts": [result(json!({"t": 3}))]}));
    let second = decode(&json!({"contents": contents})).unwrap();
    assert_eq!(results(&second)[..2], expect, "the beginning of a conversation stays the same");
    assert_eq!(results(&second)[2].0, "gcall_2");
}

#[test]
fn pieces_of_a_stream_that_come_back_are_one_turn() {
    let model = |part: Value| json!({"role": "model", "parts": [part]});
    let sealed = "c2VhbGVkOmFudGhyb3BpYzo6Uw==";
    let request = decode(&json!({"contents": [
        {"role": "user", "parts": [{"text": "?"}]},
        model(json!({"text": "Let ", "thought": true})),
        model(json!({"text": "me.", "thought": true})),
        model(json!({"text": "", "thought": true, "thoughtSignature": sealed})),
        model(json!({"text": "Four."})),
        model(json!({"text": ""}))]}))
    .unwrap();
    assert_eq!(request.messages.len(), 2);
    let Part::Reasoning(thought) = &request.messages[1].parts[0] else { panic!("{request:?}") };
    assert_eq!((thought.text.as_str(), thought.signature.as_deref()), ("Let me.", Some("S")));
    assert_eq!(thought.origin, Some(Dialect::Anthropic));
    assert_eq!(request.messages[1].text(), "Four.");
}

#[test]
fn parts_of_every_kind_are_told_apart() {
    let request = decode(&json!({"contents": [{"role": "user", "parts": [
        {"inlineData": {"mimeType": "image/png", "data": "-_8="}, "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}},
        {"inlineData": {"mimeType": "audio/mpeg", "data": "AA=="}},
        {"inline_data": {"mime_type": "application/pdf", "data": "AA==", "displayName": "a.pdf"}},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "https://youtu.be/x"}, "videoMetadata": {"fps": 1}},
        {"executableCode": {"language": "PYTHON", "code": "1"}}]}]}))
    .unwrap();
    let [image, audio, pdf, video, code] = request.messages[0].parts.as_slice() else {
        panic!("{request:?}")
    };
    let Part::Image(image) = image else { panic!("{image:?}") };
    assert_eq!(image.media, Media::Base64 { media_type: "image/png".into(), data: "+/8=".into() });
    assert_eq!(image.detail.as_deref(), Some("low"));
    assert!(matches!(audio, Part::Audio(audio) if audio.format.as_deref() == Some("mp3")));
    assert!(matches!(pdf, Part::File(file) if file.filename.as_deref() == Some("a.pdf")));
    let Part::File(video) = video else { panic!("{video:?}") };
    assert_eq!(
        (video.media.to_url().as_deref(), video.extra.get("videoMetadata").is_some()),
        (Some("https://youtu.be/x"), true)
    );
    assert!(matches!(code, Part::Opaque(opaque) if opaque.kind == "executableCode"));
}

#[test]
fn tools_of_the_provider_stand_for_themselves() {
    let request = decode(&json!({"contents": [{"parts": [{"text": "?"}]}], "tools": [
        {"google_search": {}, "codeExecution": null, "functionDeclarations": [{"name": "f", "behavior": "BLOCKING"}]}]}))
    .unwrap();
    let [search, function] = request.tooling.tools.as_slice() else { panic!("{request:?}") };
    let ToolKind::Hosted { dialect, kind, json } = &search.kind else { panic!("{search:?}") };
    assert_eq!(
        (*dialect, kind.as_str(), json.get()),
        (Dialect::Gemini, "googleSearch", r#"{"google_search":{}}"#)
    );
    assert!(function.extra.get("behavior").is_some());
}

#[test]
fn choices_that_nobody_else_knows_are_kept_whole() {
    let config = |config: Value| json!({"contents": [{"parts": [{"text": "?"}]}], "toolConfig": config});
    let check = |mode: Value, choice: Option<ToolChoice>, kept: bool| {
        let request = decode(&config(json!({"functionCallingConfig": mode}))).unwrap();
        assert_eq!(
            (request.tooling.choice, request.extra.get("toolConfig").is_some()),
            (choice, kept),
            "{mode}"
        );
    };
    check(json!({"mode": "AUTO"}), Some(ToolChoice::Auto), false);
    check(json!({"mode": "NONE"}), Some(ToolChoice::None), false);
    check(json!({"mode": "ANY"}), Some(ToolChoice::Required), false);
    let allowed = |required| Some(ToolChoice::Allowed { required, names: vec!["a".into(), "b".into()] });
    check(json!({"mode": "ANY", "allowedFunctionNames": ["a", "b"]}), allowed(true), false);
    check(json!({"mode": "VALIDATED", "allowedFunctionNames": ["a", "b"]}), allowed(false), false);
    check(json!({"mode": "VALIDATED"}), Some(ToolChoice::Auto), true);
    check(json!({"mode": "ANY", "streamFunctionCallArguments": true}), Some(ToolChoice::Required), true);
    check(json!({}), None, false);
    let own = json!({"contents": [{"role": "user", "parts": [{"text": "?"}]}], "tools": [{"functionDeclarations": [{"name": "a"}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}, "retrievalConfig": {"languageCode": "en"}}});
    let (body, changes) = send(decode(&own).unwrap(), "gemini-2.5-flash");
    assert_eq!(body, own);
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn options_have_their_places_and_the_rest_stays_together() {
    let request = decode(&json!({"contents": [{"parts": [{"text": "?"}]}], "serviceTier": "standard", "newMember": 1,
        "generationConfig": {"thinkingConfig": {"thinkingLevel": "HIGH", "includeThoughts": true}, "responseModalities": ["AUDIO"],
            "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
            "imageConfig": {"aspectRatio": "1:1"}, "mediaResolution": "MEDIA_RESOLUTION_LOW", "responseMimeType": "text/x.enum"}}))
    .unwrap();
    assert_eq!(request.reasoning.effort, Some(Effort::High));
    assert_eq!(request.reasoning.summary.as_deref(), Some("auto"));
    assert_eq!(request.delivery.service_tier.as_deref(), Some("default"));
    assert_eq!(request.output.audio.as_ref().unwrap().voice.as_ref().unwrap().get(), "\"Kore\"");
    let kept: Value = serde_json::from_str(request.extra.get("generationConfig").unwrap().get()).unwrap();
    let names: Vec<&str> = kept.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["imageConfig", "mediaResolution", "responseMimeType"]);
    assert!(request.extra.get("newMember").is_some());
    let (body, changes) = send(request, "gemini-3-flash-preview");
    assert!(changes.is_empty(), "{changes:?}");
    assert_eq!(body["generationConfig"]["imageConfig"]["aspectRatio"], "1:1");
    assert_eq!((&body["serviceTier"], &body["newMember"]), (&json!("standard"), &json!(1)));
    assert_eq!(body["generationConfig"]["thinkingConfig"]["thinkingLevel"], "high");
}

#[test]
fn what_is_wrong_is_named() {
    let user = json!([{"parts": [{"text": "?"}]}]);
    let check = |body: Value, param: Option<&str>, says: &str| {
        let error = decode(&body).unwrap_err();
        assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::BadRequest, param), "{error}");
        assert!(error.message.contains(says), "{error}");
    };
    check(json!({}), Some("contents"), "missing");
    check(json!({"contents": 7}), Some("contents"), "contents");
    check(json!({"contents": [{"role": "system", "parts": []}]}), Some("contents[0]"), "user");
    check(
        json!({"contents": user, "generation_config": {"topK": "x"}}),
        Some("generation_config"),
        "whole number",
    );
    check(
        json!({"contents": user, "tools": [{"functionDeclarations": [{}]}]}),
        Some("tools[0].functionDeclarations[0]"),
        "name",
    );
    check(
        json!({"contents": [{"parts": [{"functionResponse": {"response": {}}}]}]}),
        Some("contents[0]"),
        "name",
    );
    let schema = json!({"responseMimeType": "application/json", "responseSchema": []});
    check(
        json!({"contents": user, "generationConfig": schema}),
        Some("generationConfig.responseSchema"),
        "object",
    );
}

#[test]
fn tokens_are_counted_of_either_form() {
    let count = |body: Value| {
        let Call::CountTokens(request) =
            Server.decode(body.to_string().as_bytes(), &asked(Op::CountTokens, "m")).unwrap()
        else {
            panic!("no count")
        };
        request
    };
    let contents = json!([{"parts": [{"text": "Hi"}]}]);
    let whole = count(
        json!({"generateContentRequest": {"model": "models/x", "contents": contents, "systemInstruction": {"parts": [{"text": "S"}]}}}),
    );
    assert_eq!((whole.messages.len(), whole.model.as_str(), whole.extra.is_empty()), (2, "m", true));
    assert_eq!(count(json!({"contents": contents})).messages.len(), 1);

    let spec = spec();
    let (mut changes, asked) = (Changes::default(), asked(Op::CountTokens, "m"));
    let mut cx = EncodeCx { spec: &spec, model: "gemini-2.5-flash", asked: &asked, changes: &mut changes };
    let wire = Client.encode(&Call::CountTokens(whole), &mut cx).unwrap();
    assert_eq!(wire.path, "/v1beta/models/gemini-2.5-flash:countTokens");
    let body: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
    assert_eq!(body["generateContentRequest"]["model"], "models/gemini-2.5-flash");
    assert_eq!(body["generateContentRequest"]["systemInstruction"]["parts"][0]["text"], "S");
    let memo = Memo::default();
    let cx = DecodeCx { spec: &spec, model: "m", memo: &memo };
    let llm_types::Output::Tokens(count) =
        Client.decode(Op::CountTokens, br#"{"totalTokens":31,"cachedContentTokenCount":2}"#, &cx).unwrap()
    else {
        panic!("no count")
    };
    assert_eq!((count.input, count.cached, count.estimated), (31, Some(2), false));
}

#[test]
fn a_body_is_spliced_unless_it_holds_what_others_sealed() {
    let splice = |op, stream, body: &str| {
        let head = Head::scan(bytes::Bytes::copy_from_slice(body.as_bytes())).unwrap();
        let (spec, asked) = (spec(), Asked { stream: Some(stream), ..asked(op, "alias") });
        let mut changes = Changes::default();
        let mut cx =
            EncodeCx { spec: &spec, model: "gemini-2.5-flash", asked: &asked, changes: &mut changes };
        let wire = Client.splice(&head, &mut cx).unwrap()?;
        Some((wire.path, String::from_utf8(wire.body.to_bytes().to_vec()).unwrap()))
    };
    let path = |verb: &str| format!("/v1beta/models/gemini-2.5-flash:{verb}");
    let body = "{ \"contents\" : [{\"parts\":[{\"text\":\"a\",\"thoughtSignature\":\"c2ln\"}]}] }";
    let own = |verb: &str| Some((path(verb), body.to_owned()));
    assert_eq!(splice(Op::Chat, false, body), own("generateContent"));
    assert_eq!(splice(Op::Chat, true, body), own("streamGenerateContent?alt=sse"));
    assert_eq!(splice(Op::CountTokens, false, body), own("countTokens"));
    assert_eq!(splice(Op::Chat, false, &body.replace("c2ln", "c2VhbGVkOmFudGhyb3BpYzo6Uw==")), None);
    let named = splice(
        Op::CountTokens,
        false,
        "{\"generateContentRequest\":{\"contents\":[],\"model\":\"models/alias\"}}",
    );
    assert_eq!(
        named.unwrap().1,
        "{\"generateContentRequest\":{\"contents\":[],\"model\":\"models/gemini-2.5-flash\"}}"
    );
    let batch = "{\"requests\":[{\"model\": \"models/alias\",\"x\":1.0}, {\"content\":{}}]}";
    let expect =
        "{\"requests\":[{\"model\": \"models/gemini-2.5-flash\",\"x\":1.0},{\"content\":{}}]}".to_owned();
    assert_eq!(splice(Op::Embed, false, batch), Some((path("batchEmbedContents"), expect)));
    assert_eq!(
        splice(Op::Embed, false, "{\"content\":{}}"),
        Some((path("embedContent"), "{\"content\":{}}".to_owned()))
    );
}
