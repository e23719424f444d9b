//! What a dialect's client half writes, its server half reads: writing what was read gives the same again.
//!
//! The first writing may lose things (each dialect reports what), the second may not: so a gateway behind a
//! gateway changes nothing, and neither half knows words that the other does not.

use llm_types::chat::{
    ChatRequest, Effort, File, Format, Image, JsonSchema, Media, Message, Part, Reasoning, Role, Text,
    Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};
use llm_types::{Dialect, RawValue};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use crate::front::FRONTS;
use crate::matrix::UPSTREAMS;
use crate::pipe::Pipe;

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

/// Something that a client may set.
type Setting = fn(&mut ChatRequest);

const SETTINGS: &[Setting] = &[
    |r| r.sampling.temperature = Some(0.25),
    |r| r.sampling.top_p = Some(0.5),
    |r| r.sampling.top_k = Some(11),
    |r| r.sampling.frequency_penalty = Some(0.5),
    |r| r.sampling.presence_penalty = Some(-0.5),
    |r| r.sampling.seed = Some(5),
    |r| r.output.n = Some(2),
    |r| r.output.logprobs = Some(true),
    |r| r.output.top_logprobs = Some(3),
    |r| r.output.verbosity = Some("low".into()),
    |r| r.output.format = Some(Format::JsonObject),
    |r| {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
            "additionalProperties": false});
        let (name, schema) = ("s".to_owned(), Some(raw(&schema)));
        r.output.format = Some(Format::JsonSchema(JsonSchema {
            name,
            schema,
            strict: Some(true),
            ..JsonSchema::default()
        }));
    },
    |r| r.reasoning.effort = Some(Effort::High),
    |r| r.reasoning.thinking = Some(Thinking::Enabled { budget_tokens: Some(2000) }),
    |r| r.reasoning.summary = Some("auto".into()),
    |r| r.limits.max_tokens = Some(9000),
    |r| r.limits.max_completion_tokens = Some(8000),
    |r| r.limits.stop = vec!["END".into(), "—".into()],
    |r| r.delivery.stream = true,
    |r| r.delivery.service_tier = Some("auto".into()),
    |r| r.delivery.store = Some(false),
    |r| r.cache.key = Some("k".into()),
    |r| r.identity.user = Some("u".into()),
    |r| r.identity.metadata = Some(raw(&json!({"a": "b"}))),
    |r| r.tooling.parallel = Some(false),
    |r| r.tooling.choice = Some(ToolChoice::Required),
    |r| r.tooling.choice = Some(ToolChoice::None),
    |r| r.tooling.choice = Some(ToolChoice::Function("f".into())),
];

fn text() -> impl Strategy<Value = Part> {
    "[a-z“🍋\"\\\\ ]{0,5}[a-z]".prop_map(|text| Part::Text(Text::new(text)))
}

fn media() -> impl Strategy<Value = Media> {
    let kind = select(vec!["image/png", "image/jpeg"]);
    kind.prop_map(|kind| Media::Base64 { media_type: kind.to_owned(), data: "iVBORw0KGgo=".to_owned() })
}

fn asked() -> impl Strategy<Value = Part> {
    let pdf = Media::Base64 { media_type: "application/pdf".into(), data: "JVBERi0xLjQK".into() };
    prop_oneof![
        3 => text(),
        1 => media().prop_map(|media| Part::Image(Image::new(media))),
        1 => of(Just("a.pdf".to_owned())).prop_map(move |filename| {
            let (media, extra) = (pdf.clone(), llm_types::Extra::default());
            Part::File(File { media, filename, media_type: None, cache: None, extra })
        }),
    ]
}

/// A turn of the model: thoughts, text and calls, in the order in which a model has them.
fn answered(dialect: Dialect) -> impl Strategy<Value = (Vec<Part>, Vec<(bool, bool)>)> {
    let thought = ("[a-z]{1,6}", of("[A-Z]{8}")).prop_map(move |(text, signature)| {
        let origin = signature.as_ref().map(|_| dialect);
        Part::Reasoning(Reasoning { text, signature, origin, ..Reasoning::default() })
    });
    (of(thought), of(text()), vec((any::<bool>(), any::<bool>()), 0..3))
        .prop_map(|(thought, text, calls)| (thought.into_iter().chain(text).collect(), calls))
}

/// A whole request. Calls are answered, whether or not with a picture or as a failure.
fn request(dialect: Dialect) -> impl Strategy<Value = ChatRequest> {
    let turns = vec((answered(dialect), vec(asked(), 1..3)), 0..3);
    (of(text()), vec(asked(), 1..3), turns, subsequence(SETTINGS, 0..6)).prop_map(
        |(system, first, turns, settings)| {
            let mut messages: Vec<Message> =
                system.into_iter().map(|text| Message::new(Role::System, [text])).collect();
            messages.push(Message::new(Role::User, first));
            for (at, ((mut parts, calls), next)) in turns.into_iter().enumerate() {
                let mut results = Vec::new();
                for (number, (pictured, failed)) in calls.into_iter().enumerate() {
                    let id = format!("call_{at}{number}");
                    let (name, arguments) = ("f".to_owned(), r#"{"a":"b"}"#.to_owned());
                    parts.push(Part::ToolCall(ToolCall {
                        id: id.clone(),
                        name,
                        arguments,
                        ..ToolCall::default()
                    }));
                    let mut said = vec![Part::text("r")];
                    if pictured {
                        let data = "iVBORw0KGgo=".to_owned();
                        let media = Media::Base64 { media_type: "image/png".to_owned(), data };
                        said.push(Part::Image(Image::new(media)));
                    }
                    let is_error = failed.then_some(true);
                    let result = ToolResult { call_id: id, parts: said, is_error, ..ToolResult::default() };
                    results.push(Message::new(Role::Tool, [Part::ToolResult(result)]));
                }
                if !parts.is_empty() {
                    messages.push(Message::new(Role::Assistant, parts));
                }
                messages.extend(results);
                messages.push(Message::new(Role::User, next));
            }
            let mut request = ChatRequest::new(messages);
            let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
            request.tooling.tools = vec![Tool::function("f", "F", Some(raw(&schema)))];
            settings.iter().for_each(|set| set(&mut request));
            request
        },
    )
}

fn check(dialect: Dialect, request: ChatRequest) -> Result<(), TestCaseError> {
    let front = FRONTS.iter().find(|front| front.dialect == dialect).unwrap();
    let (_, _, model) = UPSTREAMS.iter().find(|(_, called, _)| *called == dialect).unwrap();
    let mut pipe = Pipe::to(front, dialect, model);
    let stream = request.delivery.stream;
    // What cannot be said at all is refused.
    let Ok((first, _)) = pipe.encode(request.into(), stream) else { return Ok(()) };
    let first: Value = serde_json::from_slice(&first.body.to_bytes()).unwrap();
    let (second, changes) = pipe
        .ask(&first, stream)
        .map_err(|error| TestCaseError::fail(format!("what was written is refused: {error}\n{first}")))?;
    let second: Value = serde_json::from_slice(&second.body.to_bytes()).unwrap();
    prop_assert_eq!(&second, &first, "{:?}", changes.list());
    prop_assert!(changes.list().is_empty(), "{:?}\n{}", changes.list(), first);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn openai_chat(request in request(Dialect::OpenaiChat)) {
        check(Dialect::OpenaiChat, request)?;
    }

    #[test]
    fn anthropic(request in request(Dialect::Anthropic)) {
        check(Dialect::Anthropic, request)?;
    }

    #[test]
    fn gemini(request in request(Dialect::Gemini)) {
        check(Dialect::Gemini, request)?;
    }

    #[test]
    fn openai_responses(request in request(Dialect::OpenaiResponses)) {
        check(Dialect::OpenaiResponses, request)?;
    }
}
