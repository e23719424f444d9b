//! The cache over reloads, and what is kept with an answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use llm_cache::{Directives, Entry, KeyBuilder, Tenant};
use llm_config::{Cache as Config, CacheBackend};
use llm_types::Head;

use super::*;

const MEMORY: Config = Config {
    backend: CacheBackend::Memory,
    ttl: Duration::from_secs(600),
    max_bytes: 1 << 20,
    max_answer: 1 << 10,
    scope: CacheScope::Key,
    max_temperature: None,
};

fn key() -> Key {
    KeyBuilder::new(&Tenant::Nameless, 0).request(&Head::empty(), &[]).unwrap()
}

async fn found(answers: &Answers, after: Duration) -> Option<Found> {
    answers.cache.get(&key(), &Directives::default(), SystemTime::now() + after).await.unwrap()
}

#[tokio::test]
async fn kept_answers_outlive_a_reload_that_does_not_change_their_room() {
    assert!(Answers::of(&Config::default(), None).is_none(), "off unless it is asked for");
    let first = Answers::of(&MEMORY, None).unwrap();
    let entry = Entry::new(b"{}", SystemTime::now());
    assert!(first.cache.put(key(), &Directives::default(), entry).await.unwrap());

    let same = Answers::of(&MEMORY, Some(&first)).unwrap();
    assert!(found(&same, Duration::ZERO).await.is_some());
    let minute = Duration::from_secs(60);
    let shorter = Answers::of(&Config { ttl: minute, ..MEMORY }, Some(&first)).unwrap();
    assert!(found(&shorter, Duration::ZERO).await.is_some());
    assert!(found(&shorter, 2 * minute).await.is_none(), "the new time holds for what is there");
    let larger = Answers::of(&Config { max_bytes: 2 << 20, ..MEMORY }, Some(&first)).unwrap();
    assert!(found(&larger, Duration::ZERO).await.is_none());
    assert!(Answers::of(&Config::default(), Some(&first)).is_none());
}

#[tokio::test]
async fn a_hit_says_what_was_said_with_the_answer_and_how_old_it_is() {
    let labels = Labels::new("openai", "smart/1");
    let entry = Entry::new(b"{}", SystemTime::now() - Duration::from_secs(7));
    let entry = entry.with_notes(notes(&labels, "dropped seed (not supported)"));
    let hit = Hit { found: Found { age: entry.age(SystemTime::now()), entry: Arc::new(entry) } };
    let response = hit.respond("smart", Instant::now());
    let header =
        |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    for (name, expect) in [
        ("content-type", "application/json"),
        ("x-gateway-cache", "hit"),
        ("x-gateway-model", "smart"),
        ("x-gateway-provider", "openai"),
        ("x-gateway-deployment", "smart/1"),
        ("x-gateway-attempts", "0"),
        ("x-gateway-changes", "dropped seed (not supported)"),
        ("age", "7"),
    ] {
        assert_eq!(header(name), expect, "{name}");
    }
    assert_eq!(header("x-gateway-fallback"), "");
}
