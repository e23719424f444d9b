//! What several gateways see one tells.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use llm_types::PicoUsd;

use crate::harness::{Place, both};

both!(an_alert_is_told_by_one_and_claimed_again_where_it_could_not_be);

async fn an_alert_is_told_by_one_and_claimed_again_where_it_could_not_be(place: Place) {
    let (one, other) = (place.open().await, place.open().await);
    let start: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    let limit = PicoUsd::from_pico(5);
    let which = (("key:k1", start), 80, limit);
    let (of, percent, limit) = which;
    assert!(one.claim_alert(of, percent, limit).await.unwrap());
    assert!(!other.claim_alert(of, percent, limit).await.unwrap(), "somebody is about to tell");
    assert!(other.claim_alert(of, 100, limit).await.unwrap(), "another share");
    assert!(other.claim_alert(of, percent, PicoUsd::from_pico(6)).await.unwrap(), "another limit");
    // It could not be told: whoever sees it next may.
    one.end_alert(of, percent, limit, false).await.unwrap();
    assert!(other.claim_alert(of, percent, limit).await.unwrap());
    // It was, and stays so, whoever says otherwise.
    other.end_alert(of, percent, limit, true).await.unwrap();
    one.end_alert(of, percent, limit, false).await.unwrap();
    assert!(!one.claim_alert(of, percent, limit).await.unwrap());
    // What was told while the store was away, and nobody could claim, is not told again.
    let late = ("key:k2", start);
    one.end_alert(late, percent, limit, true).await.unwrap();
    assert!(!other.claim_alert(late, percent, limit).await.unwrap());
    assert_eq!(one.trim_alerts().await.unwrap(), 0, "it is of this year");
}

/// Alerts wait behind each other, and a webhook is not to be told minutes late because the database is away.
#[tokio::test]
async fn a_database_that_is_away_keeps_no_alerts_waiting() {
    let mut place = Place::postgres();
    let store = place.open().await;
    place.server.as_mut().unwrap().stop().unwrap();
    let (start, limit) = (Timestamp::UNIX_EPOCH, PicoUsd::from_pico(5));
    let began = Instant::now();
    for nth in 0..20 {
        let name = format!("key:{nth}");
        assert!(store.claim_alert((&name, start), 80, limit).await.is_err());
        assert!(store.end_alert((&name, start), 80, limit, true).await.is_err());
    }
    // Each would wait for seconds by itself.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}
