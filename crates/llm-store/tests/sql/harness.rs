//! Places to test on, and rows to test with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use llm_governance::{
    Basis, BudgetId, BudgetWindow, Mode, Period, RowCache, RowItem, RowOwner, RowServed, Scope, UsageRow,
    Window,
};
use llm_store::{RowOptions, RowWriter, SqlStore};
use llm_testkit::Postgres;
use llm_types::{PicoUsd, Usage};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Long enough for a machine that is busy with other things.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A database and a folder.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) dir: TempDir,
    pub(crate) server: Option<Postgres>,
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("gateway.db").display());
        Self { url, dir, server: None }
    }

    pub(crate) fn postgres() -> Self {
        let server = Postgres::start().unwrap();
        Self { url: server.url(), dir: tempfile::tempdir().unwrap(), server: Some(server) }
    }

    pub(crate) async fn open(&self) -> SqlStore {
        SqlStore::open(&self.url).await.unwrap()
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    pub(crate) fn options(&self, node: &str) -> RowOptions {
        let mut options = RowOptions::new(self.journal(), node);
        options.collect = Duration::from_millis(5);
        options
    }

    /// A writer whose task runs.
    pub(crate) fn writer(&self, store: &SqlStore, node: &str) -> (RowWriter, JoinHandle<()>) {
        running(store, self.options(node))
    }
}

pub(crate) fn running(store: &SqlStore, options: RowOptions) -> (RowWriter, JoinHandle<()>) {
    let (writer, task) = RowWriter::start(store, options).unwrap();
    (writer, tokio::spawn(task.run()))
}

/// Runs a test to its end.
pub(crate) fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

/// Makes of each function a test on SQLite and one on PostgreSQL.
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { $crate::harness::run(super::$name($crate::harness::Place::sqlite())); })*
        }
        mod postgres {
            $(#[test] fn $name() { $crate::harness::run(super::$name($crate::harness::Place::postgres())); })*
        }
    };
}
pub(crate) use both;

pub(crate) fn pico(pico: i128) -> PicoUsd {
    PicoUsd::from_pico(pico)
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The window of a day budget in which a moment is.
pub(crate) fn window(scope: Scope, mode: Mode, time: Timestamp) -> BudgetWindow {
    let window = Window::utc(Period::Day);
    let start = window.span(time).start;
    BudgetWindow { budget: Arc::new(BudgetId { scope, window, mode }), start }
}

/// A row like others.
pub(crate) fn row(request: &str, attempt: u32, cost: i128) -> UsageRow {
    let time = at("2026-11-21T10:20:30.5Z");
    UsageRow {
        request: request.into(),
        attempt,
        time,
        who: RowOwner { team: Some("search".into()), user: Some("ada".into()), ..RowOwner::default() },
        tags: ["blue".into()].into_iter().collect(),
        served: RowServed {
            model_asked: "smart".into(),
            model: "gpt-4o".into(),
            provider: "openai".into(),
            deployment: "smart/1".into(),
        },
        usage: Usage { input: 100, output: 20, ..Usage::default() },
        items: [RowItem { class: "input", count: 100, amount: Some(pico(cost)) }].into_iter().collect(),
        cost: pico(cost),
        basis: Basis::Reported,
        cost_incomplete: false,
        overrun: false,
        bookings: [
            window(Scope::Team("search".into()), Mode::Hard, time),
            window(Scope::Global, Mode::Soft, time),
        ]
        .into_iter()
        .collect(),
        latency: Duration::from_millis(750),
        first_token: Some(Duration::from_millis(200)),
        status: 200,
        error: None,
        cache: RowCache::Bypass,
        quality: None,
    }
}
