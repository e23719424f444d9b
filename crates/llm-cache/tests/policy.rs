//! What is read and kept under a policy, over the store in memory.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use llm_cache::{Cache, Counts, Directives, Entry, Key, KeyBuilder, MemoryStore, Policy, Tenant};
use llm_types::Head;

const MINUTE: Duration = Duration::from_secs(60);

fn key(nth: usize) -> Key {
    let body = Bytes::from(format!("{{\"n\":{nth}}}"));
    KeyBuilder::new(&Tenant::Everybody, 0).request(&Head::scan(body).unwrap(), &[]).unwrap()
}

fn cache(max_bytes: usize, policy: Policy) -> Cache {
    Cache::new(Arc::new(MemoryStore::new(max_bytes)), policy)
}

async fn has(cache: &Cache, key: Key, control: &str, now: SystemTime) -> bool {
    cache.get(&key, &Directives::read([control]), now).await.unwrap().is_some()
}

#[tokio::test]
async fn an_answer_is_good_for_its_time_and_no_longer() {
    let cache = cache(1 << 20, Policy { ttl: 10 * MINUTE, ..Policy::default() });
    let now = SystemTime::now();
    let entry = Entry::new(b"answer", now).with_notes([("provider", "openai")]);
    assert!(cache.put(key(1), &Directives::default(), entry.clone()).await.unwrap());
    let found = cache.get(&key(1), &Directives::default(), now + MINUTE).await.unwrap().unwrap();
    assert_eq!((&*found.entry, found.age), (&entry, MINUTE));
    let check = async |control, age, expect| {
        assert_eq!(has(&cache, key(1), control, now + age).await, expect, "{control} {age:?}");
    };
    check("", 9 * MINUTE, true).await;
    check("", 10 * MINUTE, false).await;
    check("max-age=60", MINUTE, true).await;
    check("max-age=59", MINUTE, false).await;
    check("no-cache", MINUTE, false).await;
    check("no-store", MINUTE, false).await;
    assert!(has(&cache, key(1), "", now - MINUTE).await, "the clock was set back");
    // A policy of a shorter time holds for what is there already.
    let shorter = cache.with_policy(Policy { ttl: MINUTE, ..Policy::default() });
    assert!(!has(&shorter, key(1), "", now + 2 * MINUTE).await);
    assert!(has(&shorter, key(1), "", now + MINUTE / 2).await);
}

#[tokio::test]
async fn no_cache_keeps_the_new_answer_and_no_store_neither_reads_nor_keeps() {
    let cache = cache(1 << 20, Policy::default());
    let now = SystemTime::now();
    let put = async |body: &[u8], control| {
        cache.put(key(1), &Directives::read([control]), Entry::new(body, now)).await.unwrap()
    };
    let body = async || {
        let found = cache.get(&key(1), &Directives::default(), now).await.unwrap();
        found.map(|found| found.entry.body().clone())
    };
    assert!(!put(b"first", "no-store").await);
    assert_eq!(body().await, None);
    assert!(put(b"second", "no-cache").await);
    assert_eq!(body().await.unwrap(), "second");
    assert!(!put(b"third", "no-store").await);
    assert_eq!(body().await.unwrap(), "second");
    assert!(put(b"fourth", "max-age=0").await);
    assert_eq!(body().await.unwrap(), "fourth");
    assert_eq!(cache.counts(), Counts { hits: 3, misses: 1, kept: 2, too_large: 0 });
}

#[tokio::test]
async fn memory_is_bounded_and_huge_answers_are_passed_over() {
    let bound: usize = 1 << 20;
    let cache = cache(bound, Policy { max_answer: 64 << 10, ..Policy::default() });
    let now = SystemTime::now();
    let keep = async |nth: usize, size: usize| {
        cache.put(key(nth), &Directives::default(), Entry::new(&vec![b'x'; size], now)).await.unwrap()
    };
    assert!(!keep(0, (64 << 10) + 1).await);
    assert!(!has(&cache, key(0), "", now).await);
    for nth in 1..200 {
        assert!(keep(nth, 64 << 10).await);
        assert!(cache.store().size().1 <= bound as u64, "{nth}: {:?}", cache.store().size());
    }
    assert_eq!(cache.counts().too_large, 1);
    let (count, bytes) = cache.store().size();
    assert!(count >= 10 && bytes > (bound / 2) as u64, "{count} answers of {bytes} bytes");
    cache.store().clear().await.unwrap();
    assert_eq!(cache.store().size(), (0, 0));
}

#[tokio::test]
async fn an_entry_without_time_is_gone_and_small_ones_weigh_more_than_nothing() {
    let cache = cache(64 << 10, Policy { ttl: Duration::ZERO, ..Policy::default() });
    let now = SystemTime::now();
    cache.put(key(1), &Directives::default(), Entry::new(b"x", now)).await.unwrap();
    assert!(cache.store().get(&key(1)).await.unwrap().is_none());
    for nth in 0..10_000 {
        let forever = cache.with_policy(Policy::default());
        forever.put(key(nth), &Directives::default(), Entry::new(b"", now)).await.unwrap();
    }
    assert!(cache.store().size().0 <= 128, "{:?}", cache.store().size());
}

#[test]
fn a_temperature_matters_only_where_it_is_told_to() {
    let check = |most, stated, expect| {
        let cache = cache(1, Policy { max_temperature: most, ..Policy::default() });
        assert_eq!(cache.takes_temperature(stated), expect, "{most:?} {stated:?}");
    };
    check(None, None, true);
    check(None, Some(2.0), true);
    check(Some(0.0), Some(0.0), true);
    check(Some(0.0), Some(0.1), false);
    check(Some(0.5), None, false);
    check(Some(0.5), Some(f64::NAN), false);
}
