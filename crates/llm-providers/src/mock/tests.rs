//! The built-in provider: answers, limits, schemas.

use llm_types::chat::{JsonSchema, ToolResult};
use llm_types::{Delta, Event, RawValue, ReplyBuilder};

use super::*;

fn ask(text: &str) -> ChatRequest {
    ChatRequest {
        model: "echo".to_owned(),
        ..ChatRequest::new([Message::system("Be brief."), Message::user(text)])
    }
}

fn answer_to(request: ChatRequest) -> Result<Reply> {
    answer(&Call::from(request))
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn weather() -> Tool {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;
    Tool::function("weather", "The weather", Some(raw(schema)))
}

#[test]
fn the_last_user_message_is_echoed() {
    let reply = answer_to(ask("Hello!")).unwrap();
    assert_eq!(reply.text(), "This is the built-in demo provider; no model was called. You said: Hello!");
    assert_eq!(reply.finish(), Some(FinishKind::Stop));
    let usage = reply.usage.unwrap();
    assert!(usage.estimated);
    // Two messages of overhead 4, "Be brief." and "Hello!"; 13 words, of which two are longer than 8.
    assert_eq!((usage.input, usage.output), (8 + 2 + 1, 15));
    let again = answer_to(ask("Hello!")).unwrap();
    assert_eq!(reply.id, again.id);
    assert_ne!(reply.id, answer_to(ask("Other")).unwrap().id);
}

#[test]
fn long_messages_are_echoed_in_part() {
    let reply = answer_to(ask(&"é".repeat(50_000))).unwrap();
    assert!(reply.text().chars().count() < ECHO_CHARS + 200);
    assert!(reply.text().ends_with('…'));
}

#[test]
fn limits_stops_and_n_are_kept() {
    let mut request = ask("Hello!");
    request.limits.max_completion_tokens = Some(3);
    let reply = answer_to(request).unwrap();
    assert_eq!((reply.text().as_str(), reply.finish()), ("This is the", Some(FinishKind::Length)));
    assert_eq!(reply.usage.unwrap().output, 3);

    let mut request = ask("Hello!");
    request.limits.stop = vec!["You".to_owned(), "demo".to_owned(), String::new()];
    let reply = answer_to(request).unwrap();
    assert_eq!(reply.text(), "This is the built-in ");
    assert_eq!(reply.choices[0].finish.as_ref().unwrap().stop_sequence.as_deref(), Some("demo"));

    let mut request = ask("Hello!");
    request.output.n = Some(3);
    let reply = answer_to(request).unwrap();
    assert_eq!(reply.choices.iter().map(|choice| choice.index).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(reply.usage.unwrap().output, 45);
}

#[test]
fn tools_are_called_when_they_must_be() {
    let check = |choice: Option<ToolChoice>, expect: Option<&str>| {
        let mut request = ask("Hi");
        request.tooling.tools = vec![weather(), Tool::function("other", "", None)];
        request.tooling.choice = choice.clone();
        let reply = answer_to(request).unwrap();
        let call = reply.tool_calls().next().map(|call| format!("{} {}", call.name, call.arguments));
        assert_eq!(call.as_deref(), expect, "{choice:?}");
        let finish = if expect.is_some() { FinishKind::ToolCalls } else { FinishKind::Stop };
        assert_eq!(reply.finish(), Some(finish), "{choice:?}");
    };
    let call = Some(r#"weather {"city":"demo"}"#);
    check(None, None);
    check(Some(ToolChoice::Auto), None);
    check(Some(ToolChoice::None), None);
    check(Some(ToolChoice::Required), call);
    check(Some(ToolChoice::Function("weather".to_owned())), call);
    check(Some(ToolChoice::Function("other".to_owned())), Some("other {}"));
    check(Some(ToolChoice::Allowed { required: true, names: vec!["weather".to_owned()] }), call);
    check(Some(ToolChoice::Allowed { required: false, names: vec!["weather".to_owned()] }), None);
}

#[test]
fn a_tools_result_is_spoken_even_where_a_call_is_required() {
    let mut request = ask("Hi");
    request.tooling.tools = vec![weather()];
    request.tooling.choice = Some(ToolChoice::Required);
    let result =
        ToolResult { call_id: "c".to_owned(), parts: vec![Part::text("sunny")], ..ToolResult::default() };
    request.messages.push(Message::new(Role::Tool, [Part::ToolResult(result)]));
    let reply = answer_to(request).unwrap();
    assert!(reply.text().ends_with("You said: sunny"), "{}", reply.text());
}

#[test]
fn structured_answers_follow_their_schema() {
    let mut request = ask("Hi \"there\"");
    request.output.format = Some(Format::JsonObject);
    let reply = answer_to(request).unwrap();
    let value: serde_json::Value = serde_json::from_str(&reply.text()).unwrap();
    assert!(value["answer"].as_str().unwrap().ends_with("Hi \"there\""));

    let mut request = ask("Hi");
    let schema = raw(r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#);
    request.output.format =
        Some(Format::JsonSchema(JsonSchema { schema: Some(schema), ..JsonSchema::default() }));
    assert_eq!(answer_to(request).unwrap().text(), r#"{"n":1}"#);
}

#[test]
fn what_no_provider_would_take_is_refused() {
    let check = |change: fn(&mut ChatRequest), kind: ErrorKind, param: &str| {
        let mut request = ask("Hi");
        change(&mut request);
        let error = answer_to(request).unwrap_err();
        assert_eq!((error.kind, error.param.as_deref()), (kind, Some(param)), "{error}");
    };
    check(|r| r.model = "gpt-4o".to_owned(), ErrorKind::NotFound, "model");
    check(|r| r.messages.clear(), ErrorKind::BadRequest, "messages");
    check(|r| r.output.n = Some(0), ErrorKind::BadRequest, "n");
    check(|r| r.output.n = Some(100_000), ErrorKind::BadRequest, "n");
    check(|r| r.tooling.choice = Some(ToolChoice::Required), ErrorKind::BadRequest, "tool_choice");
    check(
        |r| r.tooling.choice = Some(ToolChoice::Function("x".to_owned())),
        ErrorKind::BadRequest,
        "tool_choice",
    );
}

#[test]
fn a_stream_has_five_deltas_and_gathers_into_the_answer() {
    for model in ["echo", "lorem", "reasoner"] {
        let mut request = ask("");
        request.model = model.to_owned();
        let reply = answer_to(request).unwrap();
        let (mut builder, mut deltas) = (ReplyBuilder::default(), 0);
        let mut sink = |event: Event<'_>| {
            deltas += usize::from(matches!(event, Event::Delta { delta: Delta::Text(_), .. }));
            builder.event(event)
        };
        assert!(stream(&reply, &mut sink).is_continue());
        assert!(deltas >= 5, "{model}: {deltas}");
        assert_eq!(format!("{:?}", builder.finish().unwrap()), format!("{reply:?}"));
    }
}

#[test]
fn every_model_of_the_row_answers() {
    let row = crate::table::ProviderTable::builtin().get("mock").unwrap();
    assert_eq!(row.models.len(), MODELS.len());
    for model in &row.models {
        let mut request = ask("Hi");
        request.model.clone_from(model);
        let reply = answer_to(request).unwrap();
        assert_eq!(reply.reasoning().is_empty(), model != "reasoner");
        assert!(reply.text().contains("built-in demo provider"));
    }
}

#[test]
fn what_it_does_not_know_is_named() {
    use llm_types::chat::{Opaque, Part};
    use llm_types::{Changes, Dialect};

    let mut request = ask("Hello!");
    request.extra.set("response_format", raw("\"json\""));
    request.messages[1].parts.push(Part::Opaque(Opaque {
        dialect: Dialect::OpenaiResponses,
        kind: "hologram".to_owned(),
        json: raw("{}"),
    }));
    request.messages[0].extra.set("mood", raw("1"));
    request.tooling.tools = vec![weather()];
    // There is nothing to sample, which is no mistake of anybody's.
    request.sampling.temperature = Some(0.5);
    let mut changes = Changes::default();
    ignored(&Call::from(request), &mut changes);
    let header = changes.header();
    for name in ["response_format", "messages[0].mood", "messages[1].content[1]", "hologram"] {
        assert!(header.contains(name), "{header}");
    }
    assert_eq!(changes.list().len(), 3);
    let mut none = Changes::default();
    ignored(&Call::from(ask("Hello!")), &mut none);
    assert!(none.is_empty());
}
