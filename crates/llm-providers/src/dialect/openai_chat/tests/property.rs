//! Random requests: what is written reads back as it was, and what is not written is recorded.

use llm_types::chat::{
    CacheControl, ChatRequest, Delivery, Effort, File, Format, Image, JsonSchema, Media, Message, Part, Role,
    Text, Tool, ToolCall, ToolChoice, ToolResult,
};
use llm_types::{Call, Changes, Op};
use proptest::prelude::*;

use super::super::{Client, Server};
use super::{gather, plain, row, splice};
use crate::codec::{Asked, ClientCodec as _, EncodeCx, ServerCodec as _};

fn text() -> impl Strategy<Value = String> {
    "[a-z \"\\\\\n😀é]{1,12}"
}

fn cache() -> impl Strategy<Value = Option<CacheControl>> {
    proptest::option::of(Just(CacheControl { kind: "ephemeral".into(), ttl: Some("1h".into()) }))
}

fn user_part() -> impl Strategy<Value = Part> {
    prop_oneof![
        (text(), cache()).prop_map(|(text, cache)| Part::Text(Text { cache, ..Text::new(text) })),
        (text(), cache()).prop_map(|(data, cache)| {
            let media = Media::Base64 { media_type: "image/png".into(), data };
            Part::Image(Image { cache, detail: Some("low".into()), ..Image::new(media) })
        }),
        text().prop_map(|id| {
            let (filename, media_type) = (Some("a.pdf".into()), None);
            let extra = llm_types::Extra::default();
            Part::File(File { media: Media::FileId(id), filename, media_type, cache: None, extra })
        }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let user = proptest::collection::vec(user_part(), 1..4).prop_map(|parts| Message::new(Role::User, parts));
    let system = text().prop_map(Message::system);
    let assistant = (proptest::option::of(text()), proptest::collection::vec((text(), text(), text()), 1..3))
        .prop_map(|(said, calls)| {
            let calls = calls.into_iter().map(|(id, name, arguments)| {
                Part::ToolCall(ToolCall { id, name, arguments, ..ToolCall::default() })
            });
            Message::new(Role::Assistant, said.map(Part::text).into_iter().chain(calls))
        });
    let tool = (text(), text(), proptest::option::of(text())).prop_map(|(call_id, text, name)| {
        let parts = vec![Part::text(text)];
        Message::new(
            Role::Tool,
            [Part::ToolResult(ToolResult { call_id, parts, name, ..ToolResult::default() })],
        )
    });
    prop_oneof![user, system, assistant, tool]
}

fn request() -> impl Strategy<Value = ChatRequest> {
    let numbers = (
        proptest::option::of((0..200i32).prop_map(|n| f64::from(n) / 100.0)),
        proptest::option::of((0..100i32).prop_map(|n| f64::from(n) / 100.0)),
        proptest::option::of(0..100u64),
        proptest::option::of(any::<i64>()),
        proptest::option::of(1..5u32),
        proptest::option::of(1..9999u64),
        proptest::option::of(1..9999u64),
    );
    let words = (
        proptest::option::of(text()),
        proptest::collection::vec(text(), 0..3),
        proptest::option::of(prop_oneof![Just(Effort::None), Just(Effort::Low), Just(Effort::Max)]),
        proptest::option::of(text()),
        any::<bool>(),
        proptest::option::of(prop_oneof![
            Just(ToolChoice::Required),
            Just(ToolChoice::Function("f".into())),
            Just(ToolChoice::Allowed { required: true, names: vec!["f".into()] }),
        ]),
    );
    (proptest::collection::vec(message(), 1..5), numbers, words, cache()).prop_map(
        |(messages, numbers, (user, stop, effort, name, stream, choice), cache)| {
            let mut request = ChatRequest { model: "m".into(), ..ChatRequest::new(messages) };
            let (temperature, top_p, top_k, seed, n, max_tokens, max_completion_tokens) = numbers;
            request.sampling.temperature = temperature;
            request.sampling.top_p = top_p;
            request.sampling.top_k = top_k;
            request.sampling.seed = seed;
            request.output.n = n;
            request.output.format =
                name.map(|name| Format::JsonSchema(JsonSchema { name, ..JsonSchema::default() }));
            request.limits.max_tokens = max_tokens;
            request.limits.max_completion_tokens = max_completion_tokens;
            request.limits.stop = stop;
            request.reasoning.effort = effort;
            request.identity.user = user;
            request.delivery =
                Delivery { stream, include_usage: stream.then_some(true), ..Delivery::default() };
            request.tooling.tools = vec![Tool::function("f", "d", None)];
            request.tooling.choice = choice;
            request.cache.control = cache;
            request
        },
    )
}

/// The request as it reads after a round trip: the text of its structure.
fn facts(request: &ChatRequest) -> String {
    let mut request = request.clone();
    request.origin = None;
    format!("{request:?}")
}

fn round_trip(request: &ChatRequest, spec: &llm_types::ProviderSpec) -> (ChatRequest, Changes, String) {
    let mut changes = Changes::default();
    let mut cx = EncodeCx { spec, model: "m", asked: &Asked::default(), changes: &mut changes };
    let wire = Client.encode(&Call::from(request.clone()), &mut cx).unwrap();
    let body = String::from_utf8(wire.body.to_bytes().to_vec()).unwrap();
    let Call::Chat(again) = Server.decode(body.as_bytes(), &Asked::default()).unwrap() else {
        panic!("no chat")
    };
    (*again, changes, body)
}

/// The same request without breakpoints of the prompt cache.
fn uncached(request: &ChatRequest) -> (ChatRequest, usize) {
    let mut request = request.clone();
    let mut removed = usize::from(request.cache.control.take().is_some());
    for part in request.messages.iter_mut().flat_map(|message| &mut message.parts) {
        let slot = match part {
            Part::Text(text) => text.cache.take(),
            Part::Image(image) => image.cache.take(),
            _ => None,
        };
        removed += usize::from(slot.is_some());
    }
    (request, removed)
}

proptest! {
    #[test]
    fn a_provider_that_takes_everything_gets_everything(request in request()) {
        let spec = row("name = \"p\"\nquirks = { messages = [\"cache_control\"] }");
        let (again, changes, _) = round_trip(&request, &spec);
        prop_assert_eq!(facts(&again), facts(&request));
        prop_assert!(changes.is_empty(), "{:?}", changes);
    }

    #[test]
    fn what_is_not_sent_is_recorded(request in request()) {
        let spec = row("name = \"p\"\nquirks = { drop = [\"seed\", \"top_k\", \"user\"], rename = { max_completion_tokens = \"max_tokens\" } }");
        let (again, changes, body) = round_trip(&request, &spec);
        let (mut expect, removed) = uncached(&request);
        let mut dropped = removed;
        dropped += usize::from(expect.sampling.seed.take().is_some());
        dropped += usize::from(expect.sampling.top_k.take().is_some());
        dropped += usize::from(expect.identity.user.take().is_some());
        if let Some(limit) = expect.limits.max_completion_tokens.take() {
            dropped += usize::from(expect.limits.max_tokens.replace(limit).is_some());
        }
        prop_assert_eq!(facts(&again), facts(&expect));
        prop_assert_eq!(changes.list().len(), dropped, "{:?}", changes);
        // What was written for this row needs nothing more than its model.
        let spliced = splice(&body, &plain(), "m").map(|(body, changes)| (body, changes.is_empty()));
        prop_assert_eq!(spliced, Some((body, true)));
    }

    #[test]
    fn no_bytes_of_a_provider_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = gather([&*bytes], &plain()).map_err(drop);
    }

    #[test]
    fn no_json_of_a_provider_makes_the_decoder_panic(
        key in prop_oneof![Just("content"), Just("tool_calls"), Just("reasoning_details"), Just("audio"), Just("usage"), Just("annotations")],
        value in prop_oneof![Just("null"), Just("[]"), Just("{}"), Just("[{}]"), Just("[[1]]"), Just("\"\\ud800\""), Just("-1.5e300"), Just("[null]")],
        finish in prop_oneof![Just("null"), Just("\"stop\""), Just("7")],
    ) {
        let chunk = format!("data: {{\"choices\":[{{\"delta\":{{\"{key}\":{value}}},\"finish_reason\":{finish}}}],\"{key}\":{value}}}\n\ndata: [DONE]\n\n");
        let _ = super::restream(&chunk, &plain(), crate::codec::ReplyCx::default());
        let mut tap = Client.stream_tap(Op::Chat);
        let _ = tap.see(chunk.as_bytes());
        let whole = format!("{{\"choices\":[{{\"message\":{{\"{key}\":{value}}},\"finish_reason\":{finish}}}],\"{key}\":{value}}}");
        let _ = super::decode(&whole, &plain()).map_err(drop);
    }
}
