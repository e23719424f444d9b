//! Random requests: what is written reads back as it was, and what is not written is recorded.

use llm_types::chat::{ChatRequest, Effort, Message};
use llm_types::{Call, Dialect};
use proptest::prelude::*;

use super::{encode, read};

fn text() -> impl Strategy<Value = String> {
    "[a-z \"\\\\\n😀é]{1,12}"
}

fn request() -> impl Strategy<Value = ChatRequest> {
    let numbers = (
        proptest::option::of((0..200i32).prop_map(|n| f64::from(n) / 100.0)),
        proptest::option::of(0..100u64),
        proptest::option::of(any::<i64>()),
        proptest::option::of(1..5u32),
        proptest::option::of(1..9999u64),
        proptest::option::of(0..6u32),
    );
    let words = (
        text(),
        proptest::collection::vec(text(), 0..4),
        proptest::option::of(text()),
        proptest::option::of(prop_oneof![Just(Effort::None), Just(Effort::Max)]),
        proptest::option::of(any::<bool>()),
    );
    (numbers, words).prop_map(|(numbers, (prompt, stop, user, effort, store))| {
        let (temperature, top_k, seed, n, max_tokens, logprobs) = numbers;
        let mut request = ChatRequest { model: "m".into(), ..ChatRequest::new([Message::user(prompt)]) };
        request.origin = Some(Dialect::OpenaiCompletions);
        request.sampling.temperature = temperature;
        request.sampling.top_k = top_k;
        request.sampling.seed = seed;
        request.output.n = n;
        request.output.logprobs = logprobs.map(|_| true);
        request.output.top_logprobs = logprobs;
        request.limits.max_tokens = max_tokens;
        request.limits.stop = stop;
        request.identity.user = user;
        request.reasoning.effort = effort;
        request.delivery.store = store;
        request
    })
}

proptest! {
    #[test]
    fn nothing_is_lost_silently(request in request()) {
        let (body, changes) = encode(&Call::from(request.clone())).unwrap();
        prop_assert_eq!(changes.contains("reasoning_effort"), request.reasoning.effort.is_some());
        prop_assert_eq!(changes.contains("store"), request.delivery.store.is_some());
        let mut expect = request;
        expect.reasoning.effort = None;
        expect.delivery.store = None;
        let back = read(&body).unwrap();
        prop_assert_eq!(format!("{:?}", back.conversation().unwrap()), format!("{expect:?}"));
    }
}
