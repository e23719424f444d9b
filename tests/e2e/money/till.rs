//! A place where gateways keep their books, and the keys that are made there.

use std::time::{Duration, Instant};

use http::Method;
use llm_governance::KeyId;
use llm_governance::report::{PageAsk, RowFilter, RowView};
use llm_store::{SqlStore, WindowView};
use llm_testkit::{Postgres, Script, Upstream, canned};
use llm_types::PicoUsd;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Gateway, PATIENCE, Reply, openai};

pub(super) const MASTER: &str = "sk-master-of-the-tests";
/// What [`answer`] costs at the prices of [`priced`]: 19 tokens for 2.5 and 120 for 10 dollars a million.
pub(crate) const COST: PicoUsd = PicoUsd::from_pico(1_247_500_000);

/// A deployment whose tokens have a price of the test's own.
pub(crate) fn priced(upstream: &Upstream) -> String {
    openai(upstream).replace(" }", ", price = { input = 2.5, output = 10.0 } }")
}

/// An answer of 120 tokens to a prompt of 19.
pub(crate) fn answer() -> Script {
    Script::json(&canned::openai_completion(20))
}

pub(crate) fn bearer(secret: &str) -> String {
    format!("Bearer {secret}")
}

/// Where books are kept: a file, or a database of several gateways. Each has its own journal.
#[derive(Debug)]
pub(crate) struct Till {
    url: String,
    dir: TempDir,
}

impl Till {
    /// A SQLite file.
    pub(crate) fn file() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { url: format!("sqlite:{}", dir.path().join("gateway.db").display()), dir }
    }

    /// A SQLite file in a folder of this name, which is made by whoever needs it.
    pub(crate) fn within(folder: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join(folder).join("gateway.db").display());
        Self { url, dir }
    }

    /// A PostgreSQL.
    pub(crate) fn shared(postgres: &Postgres) -> Self {
        Self { url: postgres.url(), dir: tempfile::tempdir().unwrap() }
    }

    /// The configuration of the gateway of this name, with more members of `[store]`, and more tables.
    pub(crate) fn config(&self, name: &str, store: &str, more: &str) -> String {
        let (url, journal) = (&self.url, self.journal(name));
        format!(
            "[auth]\nmaster_key = \"{MASTER}\"\n\
             [store]\nurl = \"{url}\"\njournal = \"{}\"\n{store}\n{more}",
            journal.display()
        )
    }

    /// Where the gateway of this name keeps its journal.
    pub(crate) fn journal(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Starts a gateway.
    pub(crate) fn gateway(&self, more: &str) -> Gateway {
        Gateway::start(&self.config("one", "", more))
    }

    /// Opens the books beside the gateways.
    pub(crate) async fn open(&self) -> SqlStore {
        SqlStore::open(&self.url).await.unwrap()
    }

    /// All rows of a key, the oldest first, once there are so many.
    pub(crate) async fn rows(&self, key: &Key, count: usize) -> Vec<RowView> {
        let store = self.open().await;
        let key = Some(key.id());
        let until = Instant::now() + PATIENCE;
        loop {
            let mut rows = Vec::new();
            let filter = RowFilter { key, ..RowFilter::default() };
            let mut ask = Some(PageAsk::first(1000));
            while let Some(next) = ask {
                let page = store.rows(&filter, &next).await.unwrap();
                ask = next.after(&page);
                rows.extend(page.items);
            }
            rows.sort_by_key(|row| (row.time, row.attempt));
            if rows.len() >= count {
                store.close().await;
                return rows;
            }
            assert!(Instant::now() < until, "{} rows of {count}: {rows:#?}", rows.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The window of a key's only budget.
    pub(crate) async fn window(&self, key: &Key) -> WindowView {
        let store = self.open().await;
        let scope = llm_governance::Scope::Key(key.id());
        let windows = store.windows(&scope, jiff::Timestamp::now()).await.unwrap();
        store.close().await;
        assert_eq!(windows.len(), 1, "{windows:?}");
        windows.into_iter().next().unwrap()
    }
}

/// A virtual key.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Key {
    /// Makes one over the admin API.
    pub(crate) async fn make(gateway: &Gateway, body: Value) -> Self {
        let made = admin(gateway, Method::POST, "/keys", &body).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let made = made.json();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self { id: text("id"), secret: text("key") }
    }

    fn id(&self) -> KeyId {
        self.id.parse().unwrap()
    }

    /// Changes it.
    pub(crate) async fn patch(&self, gateway: &Gateway, body: Value) {
        let changed = admin(gateway, Method::PATCH, &format!("/keys/{}", self.id), &body).await;
        assert_eq!(changed.status, 200, "{}", changed.text());
    }

    /// Orders something: `block`, `unblock`.
    pub(crate) async fn order(&self, gateway: &Gateway, what: &str) {
        let done = admin(gateway, Method::POST, &format!("/keys/{}/{what}", self.id), &json!({})).await;
        assert_eq!(done.status, 200, "{}", done.text());
    }

    /// The window of its first budget, as its gateway sees it.
    pub(crate) async fn spend(&self, gateway: &Gateway) -> Spend {
        let shown = admin(gateway, Method::GET, &format!("/keys/{}", self.id), &Value::Null).await;
        assert_eq!(shown.status, 200, "{}", shown.text());
        let window = shown.json()["spend"]["windows"][0].clone();
        let usd = |name: &str| window[name].as_str().unwrap().parse().unwrap();
        Spend {
            spent: usd("spent_usd"),
            reserved: usd("reserved_usd"),
            unknown: usd("unknown_usd"),
            left: usd("left_usd"),
        }
    }

    /// A chat with it, answered whole.
    pub(crate) async fn ask(&self, gateway: &Gateway, body: &Value) -> Reply {
        self.call(gateway, body).send().await
    }

    /// The same, to be sent.
    pub(crate) fn call<'g>(&self, gateway: &'g Gateway, body: &Value) -> crate::harness::Call<'g> {
        let call = gateway.post("/v1/chat/completions").header("authorization", &bearer(&self.secret));
        call.body(body.to_string())
    }
}

/// How a budget stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spend {
    pub(crate) spent: PicoUsd,
    pub(crate) reserved: PicoUsd,
    pub(crate) unknown: PicoUsd,
    pub(crate) left: PicoUsd,
}

impl Spend {
    /// The limit, whose parts these are.
    pub(crate) fn sum(&self) -> PicoUsd {
        let Self { spent, reserved, unknown, left } = self;
        [spent, reserved, unknown, left]
            .into_iter()
            .fold(PicoUsd::ZERO, |sum, part| sum.saturating_add(*part))
    }
}

/// Calls the admin API with the master key.
pub(crate) async fn admin(gateway: &Gateway, method: Method, path: &str, body: &Value) -> Reply {
    let call = gateway.call(method, &format!("/admin/v1{path}")).header("authorization", &bearer(MASTER));
    let body = if body.is_null() { String::new() } else { body.to_string() };
    call.body(body).send().await
}

/// Waits until something is as wanted, and gives what was found.
pub(crate) async fn wait<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < until, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
