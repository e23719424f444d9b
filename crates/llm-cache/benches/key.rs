//! What a key costs, by the size of the request.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use llm_cache::{Key, KeyBuilder, Tenant};
use llm_types::Head;

/// A conversation of about so many bytes, with tools.
fn conversation(size: usize) -> Bytes {
    let tool = r#"{"type":"function","function":{"name":"weather","description":"The weather at a place.","parameters":{"type":"object","properties":{"place":{"type":"string"},"unit":{"type":"string","enum":["c","f"]}},"required":["place"]}}}"#;
    let turn = |nth: usize| {
        let role = if nth.is_multiple_of(2) { "user" } else { "assistant" };
        let text = "It rained on the plain, and nobody in the \\\"old\\\" town was surprised. ".repeat(4);
        format!(r#"{{"role":"{role}","content":"{nth} {text}"}}"#)
    };
    let mut turns = turn(0);
    let mut nth = 1;
    while turns.len() + tool.len() + 100 < size {
        turns.push(',');
        turns.push_str(&turn(nth));
        nth += 1;
    }
    let body = format!(
        r#"{{"model":"smart","temperature":0.2,"max_tokens":100,"tools":[{tool}],"messages":[{turns}]}}"#
    );
    Bytes::from(body)
}

/// Nothing but short values: the dearest form of a request.
fn numbers(size: usize) -> Bytes {
    let input: Vec<String> = (0..size / 6).map(|nth| (10_000 + nth).to_string()).collect();
    Bytes::from(format!(r#"{{"model":"small","input":[{}]}}"#, input.join(",")))
}

fn key(head: &Head) -> Option<Key> {
    KeyBuilder::new(&Tenant::Key("key_0123456789abcdef"), head.body().len())
        .part("model", b"smart")
        .part("front", b"openai_chat")
        .request(head, &["stream", "stream_options", "user", "metadata"])
        .ok()
}

fn keys(c: &mut Criterion) {
    let mut group = c.benchmark_group("key");
    let bodies = [
        ("conversation of 1 kB", conversation(1_000)),
        ("conversation of 100 kB", conversation(100_000)),
        ("tokens, 100 kB", numbers(100_000)),
    ];
    for (name, body) in bodies {
        let Ok(head) = Head::scan(body) else { return };
        group.throughput(Throughput::Bytes(head.body().len() as u64));
        group.bench_function(format!("{name} ({} bytes)", head.body().len()), |b| {
            b.iter(|| black_box(key(black_box(&head))));
        });
    }
    group.finish();
}

criterion_group!(benches, keys);
criterion_main!(benches);
