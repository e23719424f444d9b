//! Changes of keys reach whoever follows also when nobody is told of them.

use std::time::{Duration, Instant};

use llm_governance::{Change, Group, KeyStore as _, Revision, Scope, Terms};
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use tokio::time::{sleep, timeout};

use crate::harness::{Place, SOON, run};

/// Nominally a second; machines are busy.
const BOUND: Duration = Duration::from_secs(5);

fn team(id: &str) -> Change {
    Change::Put(Scope::Team(id.into()), Box::new(Group::new(Terms::default())))
}

/// Who listens, by the ids of their processes.
async fn listeners(on: &mut PgConnection) -> Vec<i32> {
    let sql = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
    on.fetch_all(sql).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_change_is_seen_soon_though_who_listens_is_cut_off_or_was_not_told() {
    run(async {
        let place = Place::postgres();
        let (store, other) = (place.open().await, place.open().await);
        let mut changes = store.changes(Revision(0));
        let mut on = PgConnection::connect(&place.url).await.unwrap();
        other.keep(&team("a"), "root").await.unwrap();
        let seen = timeout(SOON, changes.changed()).await.unwrap();
        let follower = tokio::spawn(async move {
            let newest = changes.changed().await;
            (newest, Instant::now(), changes)
        });
        let until = Instant::now() + SOON;
        while listeners(&mut on).await.is_empty() {
            assert!(Instant::now() < until, "nobody listens");
            sleep(Duration::from_millis(20)).await;
        }
        // The one that listens is cut off.
        for pid in listeners(&mut on).await {
            sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut on).await.unwrap();
        }
        let began = Instant::now();
        let next = other.keep(&team("b"), "root").await.unwrap();
        let (newest, when, mut changes) = timeout(SOON, follower).await.unwrap().unwrap();
        println!("seen after {:?}", when.saturating_duration_since(began));
        assert!(newest == next && next > seen);
        assert!(when.saturating_duration_since(began) < BOUND);
        // A word that is lost: the change is there, and nobody was told.
        let follower = tokio::spawn(async move { (changes.changed().await, Instant::now()) });
        sleep(Duration::from_millis(700)).await;
        let began = Instant::now();
        on.execute("UPDATE head SET revision = revision + 1").await.unwrap();
        let (newest, when) = timeout(SOON, follower).await.unwrap().unwrap();
        println!("seen after {:?}", when.saturating_duration_since(began));
        assert_eq!(newest, Revision(next.0 + 1));
        assert!(when.saturating_duration_since(began) < BOUND);
    });
}
