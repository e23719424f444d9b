//! Of all who want to book a batch, one does.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::harness::{Place, both};

both!(one_of_many_gets_a_batch);

const HOUR: Duration = Duration::from_secs(3600);

async fn one_of_many_gets_a_batch(place: Place) {
    let store = place.open().await;
    for request in ["r1", "r2"] {
        let mut all = JoinSet::new();
        for nth in 0..8 {
            let store = store.clone();
            all.spawn(async move {
                let node = format!("n{nth}");
                store.claim_batch(request, &node, HOUR).await.unwrap().then_some(node)
            });
        }
        let won: Vec<String> = all.join_all().await.into_iter().flatten().collect();
        let [winner] = &*won else { panic!("{request}: {won:?}") };
        // Who has it may ask again; the others only when it was left for too long.
        assert!(store.claim_batch(request, winner, HOUR).await.unwrap());
        assert!(!store.claim_batch(request, "late", HOUR).await.unwrap());
        assert!(store.claim_batch(request, "late", Duration::ZERO).await.unwrap());
        assert!(!store.claim_batch(request, winner, HOUR).await.unwrap());
        // A claim is no booking, and what is booked nobody claims.
        assert!(!store.is_batch_noted(request).await.unwrap());
        store.note_batch(request, "late").await.unwrap();
        assert!(store.is_batch_noted(request).await.unwrap());
        assert!(!store.claim_batch(request, "late", Duration::ZERO).await.unwrap());
    }
    assert_eq!(store.trim_claims().await.unwrap(), 0, "they are wanted yet");
}
