//! Nothing is lost silently: a member that makes no difference to what is sent, and is not among the
//! changes that the client is told of, was lost.
//!
//! Each dialect has such a test for its own half, setting by setting of the neutral form. This one begins
//! where a client does, at JSON, and so holds for both halves and for the rows of the providers.

use llm_types::Result;
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};

use crate::golden::TARGETS;
use crate::pipe::encode;

/// Members of a request, none of them at its default.
fn members() -> Vec<(&'static str, Value)> {
    let function =
        json!({"name": "f", "description": "F", "parameters": {"type": "object", "properties": {}}});
    let schema = json!({"name": "S", "schema": {"type": "object", "properties": {}}});
    vec![
        ("audio", json!({"voice": "alloy", "format": "wav"})),
        ("frequency_penalty", json!(0.5)),
        ("logit_bias", json!({"50256": -100})),
        ("logprobs", json!(true)),
        ("max_completion_tokens", json!(1111)),
        ("max_tokens", json!(2222)),
        ("metadata", json!({"team": "a"})),
        ("modalities", json!(["text", "audio"])),
        ("n", json!(2)),
        ("parallel_tool_calls", json!(false)),
        ("prediction", json!({"type": "content", "content": "guess"})),
        ("presence_penalty", json!(0.25)),
        ("prompt_cache_key", json!("key")),
        ("prompt_cache_retention", json!("24h")),
        ("reasoning_effort", json!("low")),
        ("response_format", json!({"type": "json_schema", "json_schema": schema})),
        ("safety_identifier", json!("person")),
        ("seed", json!(7)),
        ("service_tier", json!("flex")),
        ("stop", json!(["END"])),
        ("store", json!(true)),
        ("stream", json!(true)),
        ("temperature", json!(0.3)),
        ("thinking", json!({"type": "enabled", "budget_tokens": 1500})),
        ("tool_choice", json!("required")),
        ("tools", json!([{"type": "function", "function": function}])),
        ("top_k", json!(11)),
        ("top_logprobs", json!(3)),
        ("top_p", json!(0.7)),
        ("user", json!("someone")),
        ("verbosity", json!("low")),
        ("web_search_options", json!({"search_context_size": "high"})),
        ("x_unknown", json!({"a": 1})),
    ]
}

/// Members that say what another one says already: left out, they are not missed.
const IMPLIED: &[(&str, &str)] = &[
    // How many log probabilities are wanted: that they are.
    ("top_logprobs", "logprobs"),
];

fn request(members: &[(&'static str, Value)]) -> Value {
    let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    for (name, value) in members {
        request[*name] = value.clone();
    }
    request
}

/// All that there is to see of a call: what goes out, and what the client is told.
fn visible(request: &Value, target: &str) -> Result<String> {
    let (wire, changes) = encode(request, target)?;
    let body = wire.body.to_bytes();
    Ok(format!("{} {:?} {} {:?}", wire.path, wire.headers, String::from_utf8_lossy(&body), changes.list()))
}

/// The members without which a call would be the same.
fn lost(members: &[(&'static str, Value)], target: &str) -> Vec<&'static str> {
    // A request that is refused loses nothing.
    let Ok(whole) = visible(&request(members), target) else { return Vec::new() };
    let makes_none = |left: usize| {
        let mut fewer = members.to_vec();
        fewer.remove(left);
        visible(&request(&fewer), target).is_ok_and(|other| other == whole)
    };
    let implied = |name: &str| {
        IMPLIED.iter().any(|(by, what)| *what == name && members.iter().any(|(other, _)| other == by))
    };
    let lost = (0..members.len()).filter(|left| makes_none(*left)).map(|left| members[left].0);
    lost.filter(|name| !implied(name)).collect()
}

#[test]
fn each_member_alone_makes_a_difference() {
    let mut failures = Vec::new();
    for target in TARGETS {
        for member in members() {
            failures.extend(lost(&[member], target).iter().map(|name| format!("{target} loses {name}")));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_member_of_many_makes_a_difference(some in subsequence(members(), 2..9)) {
        for target in TARGETS {
            prop_assert_eq!(lost(&some, target), Vec::<&str>::new(), "{}", target);
        }
    }
}
