//! Both halves against each other: what one writes, the other reads.

use llm_types::chat::{
    CacheControl, ChatRequest, Citation, Effort, File, Format, Image, JsonSchema, Media, Message, Part,
    Reasoning, Role, Text, Thinking, Tool, ToolCall, ToolChoice, ToolKind, ToolResult,
};
use llm_types::{Call, Choice, Dialect, Extra, Op, Output, Reply};
use proptest::prelude::*;
use proptest::sample::select;

use super::{Server, cx, raw, spec, write};
use crate::codec::{Asked, ClientCodec, DecodeCx, Memo, ServerCodec};
use crate::dialect::anthropic::Client;
use crate::replay::replay;

/// The newest model takes all that is tried here.
const MODEL: &str = "claude-opus-4-6";

fn words() -> impl Strategy<Value = String> {
    "[a-zé世\"\\\\\n ]{0,12}[a-z]"
}

fn cache() -> impl Strategy<Value = Option<CacheControl>> {
    let ttl = select(vec![None, Some("5m".to_owned()), Some("1h".to_owned())]);
    prop_oneof![
        9 => Just(None),
        1 => ttl.prop_map(|ttl| Some(CacheControl { kind: "ephemeral".into(), ttl })),
    ]
}

fn media() -> impl Strategy<Value = Media> {
    select(vec![
        Media::Url("https://a.example/b".into()),
        Media::Base64 { media_type: "image/png".into(), data: "iVBORw0KGgo=".into() },
    ])
}

fn picture() -> impl Strategy<Value = Part> {
    (media(), cache()).prop_map(|(media, cache)| Part::Image(Image { cache, ..Image::new(media) }))
}

fn document() -> impl Strategy<Value = Part> {
    let media = select(vec![
        Media::Base64 { media_type: "application/pdf".into(), data: "JVBERi0=".into() },
        Media::Text("plain".into()),
    ]);
    (media, proptest::option::of(words())).prop_map(|(media, filename)| {
        Part::File(File { media, filename, media_type: None, cache: None, extra: Extra::default() })
    })
}

fn text() -> impl Strategy<Value = Part> {
    (words(), cache()).prop_map(|(text, cache)| Part::Text(Text { cache, ..Text::new(text) }))
}

/// A turn of the asker.
fn user() -> impl Strategy<Value = Message> {
    proptest::collection::vec(prop_oneof![4 => text(), 1 => picture(), 1 => document()], 1..4)
        .prop_map(|parts| Message::new(Role::User, parts))
}

/// A turn of the model with calls, and their results.
fn tools_used() -> impl Strategy<Value = (Vec<Part>, Vec<Part>)> {
    let result = (
        proptest::collection::vec(prop_oneof![3 => words().prop_map(Part::text), 1 => picture()], 0..3),
        any::<Option<bool>>(),
    );
    let thought = (words(), "[A-Za-z0-9+/]{4}").prop_map(|(text, signature)| Reasoning {
        text,
        signature: Some(signature),
        origin: Some(Dialect::Anthropic),
        ..Reasoning::default()
    });
    (thought, words(), proptest::collection::vec(result, 1..4)).prop_map(|(thought, said, results)| {
        let mut parts = vec![Part::Reasoning(thought), Part::text(said)];
        let mut answers = Vec::new();
        for (index, (content, is_error)) in results.into_iter().enumerate() {
            let id = format!("toolu_{}", uuid::Uuid::new_v4().simple());
            parts.push(Part::ToolCall(ToolCall {
                id: id.clone(),
                name: format!("f{index}"),
                arguments: format!("{{\"n\":{index}}}"),
                ..ToolCall::default()
            }));
            // A breakpoint inside a result belongs to the result as a whole.
            let content = content.into_iter().map(|part| match part {
                Part::Image(image) => Part::Image(Image { cache: None, ..image }),
                part => part,
            });
            let result =
                ToolResult { call_id: id, parts: content.collect(), is_error, ..ToolResult::default() };
            answers.push(Part::ToolResult(result));
        }
        (parts, answers)
    })
}

fn conversation() -> impl Strategy<Value = Vec<Message>> {
    (proptest::option::of(words()), user(), proptest::collection::vec(tools_used(), 0..3)).prop_map(
        |(system, first, turns)| {
            let mut out: Vec<Message> = system.into_iter().map(Message::system).collect();
            out.push(first);
            for (parts, results) in turns {
                out.push(Message::new(Role::Assistant, parts));
                out.push(Message::new(Role::Tool, results));
            }
            out
        },
    )
}

fn schema() -> Box<llm_types::RawValue> {
    raw(
        r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}"#,
    )
}

fn request() -> impl Strategy<Value = ChatRequest> {
    let thinking = select(vec![
        None,
        Some(Thinking::Adaptive),
        Some(Thinking::Disabled),
        Some(Thinking::Enabled { budget_tokens: Some(1500) }),
    ]);
    let choice = select(vec![None, Some(ToolChoice::Auto), Some(ToolChoice::None)]);
    let effort = select(vec![None, Some(Effort::Low), Some(Effort::High), Some(Effort::Max)]);
    (
        conversation(),
        thinking,
        choice,
        effort,
        any::<(bool, bool, bool)>(),
        proptest::option::of("[a-z]{1,8}"),
    )
        .prop_map(|(messages, thinking, choice, effort, (stream, structured, stop), user)| {
            let mut request = ChatRequest { model: MODEL.into(), ..ChatRequest::new(messages) };
            request.origin = Some(Dialect::Anthropic);
            request.limits.max_tokens = Some(4000);
            request.limits.stop = if stop { vec!["END".into()] } else { Vec::new() };
            request.reasoning.thinking = thinking;
            request.reasoning.effort = effort;
            request.delivery.stream = stream;
            request.identity.user = user;
            request.tooling.tools =
                (0..3).map(|n| Tool::function(format!("f{n}"), "d", Some(schema()))).collect();
            request.tooling.parallel =
                choice.as_ref().filter(|choice| **choice != ToolChoice::None).map(|_| stream);
            request.tooling.choice = choice;
            let format = Format::JsonSchema(JsonSchema { schema: Some(schema()), ..JsonSchema::default() });
            request.output.format = structured.then_some(format);
            request
        })
}

/// Everything of a request that must survive, as text.
fn facts(request: &ChatRequest) -> String {
    let mut out = format!(
        "{} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}\n",
        request.model,
        request.limits,
        request.sampling,
        request.reasoning,
        request.delivery,
        request.identity,
        request.tooling.choice,
        request.tooling.parallel,
        request.output.format
    );
    for tool in &request.tooling.tools {
        let ToolKind::Function { name, description, parameters, strict } = &tool.kind else { panic!() };
        out.push_str(&format!("{name} {description:?} {parameters:?} {strict:?} {:?}\n", tool.cache));
    }
    for message in &request.messages {
        out.push_str(&format!("{:?}\n", message.role));
        for part in &message.parts {
            out.push_str(&format!("  {part:?}\n"));
        }
    }
    out
}

fn encoded(request: &ChatRequest) -> (String, usize) {
    let (wire, changes) = write(&Call::from(request.clone()), &Asked::default());
    (String::from_utf8(wire.body.to_bytes().to_vec()).unwrap(), changes.list().len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_request_that_was_written_reads_as_it_was(request in request()) {
        let (body, changes) = encoded(&request);
        let call = Server.decode(body.as_bytes(), &Asked::default()).unwrap();
        let read = call.conversation().unwrap().clone();
        if changes == 0 {
            prop_assert_eq!(facts(&read), facts(&request), "{}", body);
        }
        // What was read once is written as it came, whatever had to change before.
        let (again, _) = encoded(&read);
        prop_assert_eq!(again, body);
    }

    #[test]
    fn an_answer_that_was_written_reads_as_it_was(parts in answer()) {
        let reply = Reply {
            id: "msg_1".into(),
            model: "m".into(),
            choices: vec![Choice { parts, ..Choice::default() }],
            ..Reply::default()
        };
        let body = Server.encode(&Output::from(reply.clone()), &cx(Some(Dialect::Anthropic)));
        let (memo, row) = (Memo::default(), spec(Dialect::Anthropic));
        let at = DecodeCx { spec: &row, model: "m", memo: &memo };
        let read = Client.decode(Op::Chat, &body, &at).unwrap().into_chat().unwrap();
        let told = |reply: &Reply| format!("{:?}", reply.choices[0].parts);
        prop_assert_eq!(told(&read), told(&reply));
        // As a stream it is the same answer.
        let mut encoder = Server.encoder(cx(Some(Dialect::Anthropic)));
        let _ = replay(&reply, &mut *encoder);
        encoder.finish();
        let mut decoder = Client.decoder(Op::Chat, &at);
        let mut builder = llm_types::ReplyBuilder::default();
        let _ = decoder.feed(&encoder.take(), &mut builder).unwrap();
        decoder.finish(&mut builder).unwrap();
        prop_assert_eq!(told(&builder.finish().unwrap()), told(&reply));
    }

    #[test]
    fn any_body_is_read_or_refused(text in "\\PC{0,200}") {
        let _ = Server.decode(text.as_bytes(), &Asked::default());
    }
}

/// The parts of an answer.
fn answer() -> impl Strategy<Value = Vec<Part>> {
    let thought = (words(), "[A-Za-z0-9+/]{4}").prop_map(|(text, signature)| {
        Part::Reasoning(Reasoning { text, signature: Some(signature), ..Reasoning::default() })
    });
    let sealed = "[A-Za-z0-9]{4}"
        .prop_map(|data| Part::Reasoning(Reasoning { redacted: Some(data), ..Reasoning::default() }));
    let call = (words(), 0..9u32).prop_map(|(value, n)| {
        let arguments = serde_json::json!({"v": value}).to_string();
        Part::ToolCall(ToolCall {
            id: format!("toolu_{n}"),
            name: "f".into(),
            arguments,
            ..ToolCall::default()
        })
    });
    let cited = words().prop_map(|quote| {
        let native = raw(&serde_json::json!({"type": "char_location", "cited_text": quote}).to_string());
        Part::Citation(Citation {
            quote: Some(quote),
            native: Some((Dialect::Anthropic, native)),
            ..Citation::default()
        })
    });
    let text = (words(), proptest::option::of(cited))
        .prop_map(|(text, cited)| std::iter::once(Part::text(text)).chain(cited).collect::<Vec<_>>());
    let one = prop_oneof![
        thought.prop_map(|part| vec![part]),
        sealed.prop_map(|part| vec![part]),
        call.prop_map(|part| vec![part]),
        text,
    ];
    proptest::collection::vec(one, 0..6).prop_map(|parts| parts.concat())
}
