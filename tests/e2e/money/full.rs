//! The disk is full: that of the journal while the database is away, and that of both.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use http::Method;
use llm_testkit::{Postgres, Upstream};
use serde_json::json;

use super::till::MASTER;
use super::{COST, Key, Till, answer, bearer, bounded, priced, wait};
use crate::harness::{FAST, Gateway, Options, model};

/// How much fits, in KiB: a few hundred rows.
const ROOM: u32 = 256;
/// The same where a database is there as well.
const WIDER: u32 = 2048;
/// More requests than that, by far.
const MANY: usize = 5_000;

/// A folder with little room: a file system of its own where we may mount one, else files that may not grow.
#[derive(Debug)]
struct Tiny {
    folder: PathBuf,
    room: u32,
    mounted: bool,
}

impl Tiny {
    fn at(folder: &Path, room: u32) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let size = format!("size={room}k");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output();
        let mounted = mount.is_ok_and(|output| output.status.success());
        Self { folder: folder.to_owned(), room, mounted }
    }

    /// Room for everything.
    fn widen(&self, gateway: &Gateway) {
        let done = if self.mounted {
            Command::new("mount").args(["-o", "remount,size=64m"]).arg(&self.folder).status()
        } else {
            Command::new("prlimit").arg(format!("--pid={}", gateway.pid())).arg("--fsize=unlimited").status()
        };
        assert!(done.unwrap().success(), "no room can be given back");
    }

    fn start(&self, config: &str) -> Gateway {
        let options = Options::config(format!("{FAST}{config}"));
        if self.mounted {
            return options.start();
        }
        // Blocks have 512 bytes, and whoever does not ignore the signal is killed by it.
        options.under(&format!("trap '' XFSZ; ulimit -S -f {}; exec \"$@\"", self.room * 2)).start()
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
        }
    }
}

async fn ready(gateway: &Gateway) -> String {
    let reply = gateway.get("/health/ready").await;
    assert_eq!(reply.status, 200, "it serves: {}", reply.text());
    reply.text().to_owned()
}

async fn metric(gateway: &Gateway, name: &str) -> String {
    let call = gateway.call(Method::GET, "/metrics").header("authorization", &bearer(MASTER));
    let text = call.send().await.text().to_owned();
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
}

/// Asks one request after the other until the journal is full: all answers, and how many there were when it still
/// was not.
async fn fill(gateway: &Gateway, key: &Key) -> (HashSet<String>, usize) {
    let (mut answered, mut sure) = (HashSet::new(), 0);
    for nth in 0..MANY {
        let reply = key.ask(gateway, &bounded("smart")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        answered.insert(reply.header("x-gateway-request-id").to_owned());
        if nth % 20 == 0 {
            if metric(gateway, "gateway_journal_degraded").await == "1" {
                return (answered, sure);
            }
            sure = answered.len();
        }
    }
    panic!("{MANY} rows fit");
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_is_torn() {
    let mut postgres = Postgres::start().unwrap();
    let (upstream, till) = (Upstream::start().unwrap(), Till::shared(&postgres));
    upstream.always(answer());
    let tiny = Tiny::at(&till.journal("one"), ROOM);
    let config = till.config("one", "", &model("smart", &[priced(&upstream)]));
    let mut gateway = tiny.start(&config);
    let soft = json!({"budgets": [{"limit_usd": "0.01", "window": "total", "hard": false}]});
    let key = Key::make(&gateway, soft).await;
    assert!(!ready(&gateway).await.contains("degraded"));

    postgres.stop().unwrap();
    let (mut answered, _) = fill(&gateway, &key).await;
    assert!(answered.len() > 50, "{} rows", answered.len());
    // Whoever asks without a key hears that it is so, and operators why.
    assert!(ready(&gateway).await.contains("degraded"));
    wait("the database is missed", async || {
        (metric(&gateway, "gateway_store_away").await == "1").then_some(())
    })
    .await;
    let told = gateway.call(Method::GET, "/health").header("authorization", &bearer(MASTER)).send().await;
    let said = |words: &str| assert!(told.text().contains(words), "no `{words}` in {}", told.text());
    ["the journal cannot be written", "the database is away"].into_iter().for_each(said);
    // Rows wait in memory, and everybody is served.
    for _ in 0..60 {
        let reply = key.ask(&gateway, &bounded("smart")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        answered.insert(reply.header("x-gateway-request-id").to_owned());
    }
    postgres.restart().unwrap();
    wait("it is well again", async || (!ready(&gateway).await.contains("degraded")).then_some(())).await;
    let known = requests(&till, &key, answered.len()).await;
    assert_eq!(known, answered, "a row for each answer, and no other");
    assert_eq!(metric(&gateway, "gateway_rows_lost_total").await, "0");

    // Full again, and killed: what was in the journal is whole.
    postgres.stop().unwrap();
    let before = answered.len();
    let (more, sure) = fill(&gateway, &key).await;
    gateway.signal("KILL");
    gateway.wait_exit();
    postgres.restart().unwrap();
    let gateway = tiny.start(&config);
    answered.extend(more);
    let known = requests(&till, &key, before + sure).await;
    assert!(known.is_subset(&answered), "a row that nobody knows of");
    wait("the journal is read", async || {
        (metric(&gateway, "gateway_rows_waiting").await == "0").then_some(())
    })
    .await;
    assert!(!ready(&gateway).await.contains("degraded"), "{}", gateway.logs());
    assert_eq!(key.ask(&gateway, &bounded("smart")).await.status, 200);
    let refused = tiny.folder.join("refused.jsonl");
    assert!(!refused.exists(), "{:?}", std::fs::read_to_string(refused));
}

#[tokio::test]
async fn a_full_disk_of_sqlite_and_journal_loses_nothing_once_there_is_room() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::within("small"));
    upstream.always(answer());
    let tiny = Tiny::at(&till.journal("small"), WIDER);
    let config = till.config("small/journal", "", &model("smart", &[priced(&upstream)]));
    let gateway = tiny.start(&config);
    let soft = json!({"budgets": [{"limit_usd": "1000", "window": "total", "hard": false}]});
    let key = Key::make(&gateway, soft).await;
    let (mut answered, _) = fill(&gateway, &key).await;
    // What the database had room for is stored: it is missed with the next rows.
    let mut nth = 0;
    while metric(&gateway, "gateway_store_away").await != "1" {
        let reply = key.ask(&gateway, &bounded("smart")).await;
        answered.insert(reply.header("x-gateway-request-id").to_owned());
        nth += 1;
        assert!(nth < MANY, "the database is not missed");
    }
    // More than the journal takes: they are in memory alone, and it is told.
    for nth in 0.. {
        let reply = key.ask(&gateway, &bounded("smart")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        answered.insert(reply.header("x-gateway-request-id").to_owned());
        if nth >= 60 && metric(&gateway, "gateway_rows_in_memory").await != "0" {
            break;
        }
        assert!(nth < MANY, "there is always room in the journal");
    }
    assert!(ready(&gateway).await.contains("degraded"));

    tiny.widen(&gateway);
    wait("it is well again", async || (!ready(&gateway).await.contains("degraded")).then_some(())).await;
    assert_eq!(metric(&gateway, "gateway_rows_in_memory").await, "0");
    let known = requests(&till, &key, answered.len()).await;
    assert_eq!(known, answered, "a row for each answer, and no other");
    for name in ["gateway_rows_lost_total", "gateway_rows_refused_total", "gateway_rows_waiting"] {
        assert_eq!(metric(&gateway, name).await, "0", "{name}");
    }
    // What is written at once is written again: keys, and leases of hard budgets.
    let hard = Key::make(&gateway, super::hard("1")).await;
    assert_eq!(hard.ask(&gateway, &bounded("smart")).await.status, 200);
    let count = i128::try_from(answered.len()).unwrap();
    assert_eq!(key.spend(&gateway).await.spent.pico(), COST.pico() * count, "to the pico-dollar");
}

#[tokio::test]
async fn rows_in_memory_alone_are_journaled_before_the_gateway_ends() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::within("small"));
    upstream.always(answer());
    let tiny = Tiny::at(&till.journal("small"), WIDER);
    let config = till.config("small/journal", "", &model("smart", &[priced(&upstream)]));
    let mut gateway = tiny.start(&config);
    let key = Key::make(&gateway, json!({})).await;
    let (mut answered, _) = fill(&gateway, &key).await;
    for _ in 0..60 {
        let reply = key.ask(&gateway, &bounded("smart")).await;
        answered.insert(reply.header("x-gateway-request-id").to_owned());
    }
    // There is room, and it is told to stop before anybody has looked.
    tiny.widen(&gateway);
    gateway.signal("TERM");
    gateway.wait_exit();
    let logs = gateway.logs();
    assert!(!logs.contains("rows are lost"), "{logs}");
    let gateway = Gateway::start(&config);
    wait("the journal is read", async || {
        (metric(&gateway, "gateway_rows_waiting").await == "0").then_some(())
    })
    .await;
    assert_eq!(requests(&till, &key, answered.len()).await, answered, "a row for each answer, and no other");
}

/// The requests that have a row, each once.
async fn requests(till: &Till, key: &Key, count: usize) -> HashSet<String> {
    let rows = till.rows(key, count).await;
    let known: HashSet<_> = rows.iter().map(|row| row.request.clone()).collect();
    assert_eq!(known.len(), rows.len(), "each row once");
    known
}
