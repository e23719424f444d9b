//! What several gateways see one tells.

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
    assert_eq!(one.trim_alerts().await.unwrap(), 0, "it is of this year");
}
