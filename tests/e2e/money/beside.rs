//! `llmctl` on the database itself: beside gateways that run on it, and without any.

use llm_testkit::{Postgres, Upstream};
use serde_json::{Value, json};

use super::{COST, Key, Till, answer, bounded, priced, wait};
use crate::harness::{Gateway, llmctl, model};

/// A database, and what `llmctl` does to it.
struct Book(Till);

impl Book {
    fn run(&self, args: &str) -> String {
        let args: Vec<_> = args.split(' ').chain(["--database", self.0.url()]).collect();
        llmctl(&args).run().good().to_owned()
    }

    fn json(&self, args: &str) -> Value {
        serde_json::from_str(&self.run(&format!("{args} --json"))).unwrap()
    }

    fn fails(&self, args: &str, code: i32, says: &str) {
        let args: Vec<_> = args.split(' ').chain(["--database", self.0.url()]).collect();
        llmctl(&args).run().failed(code, &[says]);
    }
}

async fn comes(gateway: &Gateway, key: &Key, status: u16) {
    let what = format!("{status} of the gateway");
    wait(&what, async || (key.ask(gateway, &bounded("smart")).await.status == status).then_some(())).await;
}

/// Limits of a model: made, changed, shown, taken away.
fn limits(book: &Book) {
    book.run("limits set model:smart --rpm 600");
    let limits = book.json("limits set model:smart --tpm 9000 --clear rpm");
    assert_eq!(limits, json!({"scope": "model:smart", "rpm": null, "tpm": 9000, "parallel": null}));
    assert_eq!(book.json("limits show model:smart"), limits);
    assert!(book.run("limits list --csv").contains("model:smart,,9000,"));
    book.run("limits delete model:smart");
    book.fails("limits get model:smart", 1, "no such limits");
    book.fails("limits set team:search --rpm 5", 1, "must be global, tag:… or model:…");
}

/// All of it, on either database.
async fn administers(till: Till, mut gateway: Gateway, upstream: &Upstream) {
    let book = Book(till);
    book.run("teams create search --name Search --budget 50/month/soft");
    let made = book.json("keys create --name ci --team search --budget 25.00/day --tags x");
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let key = Key { id: text("id"), secret: text("key") };
    comes(&gateway, &key, 200).await;
    let asked = upstream.requests().len() as u64;

    book.run(&format!("keys block {}", key.id));
    comes(&gateway, &key, 403).await;
    book.run(&format!("keys unblock {}", key.id));
    comes(&gateway, &key, 200).await;
    assert!(upstream.requests().len() as u64 > asked);
    let secret = book.run(&format!("keys rotate {}", key.id));
    let key = Key { secret: secret.trim().to_owned(), ..key };
    comes(&gateway, &key, 200).await;

    // What the gateway makes is there at once; what it spends when it is written.
    let other = Key::make(&gateway, json!({"name": "other"})).await;
    assert!(book.run("keys list --csv").contains(&other.id));
    let spent = COST.saturating_mul(upstream.requests().len() as u64);
    let spent = format!("{spent:.2}");
    let show = format!("keys show {}", key.id);
    wait("the rows are there", async || (book.json(&show)["spend"]["total_usd"] == *spent).then_some(()))
        .await;
    let window = &book.json(&show)["spend"]["windows"][0];
    assert_eq!(window["spent_usd"], *spent, "{window}");
    let usage = book.json("usage --by key,day");
    assert_eq!(
        (&usage["data"][0]["group"]["key"], &usage["total"]["cost_usd"]),
        (&json!(key.id), &json!(spent))
    );
    assert!(book.run("usage --by team --csv").contains(&format!("search,{spent}")));
    assert!(book.run("usage --by team").contains('█'));
    let team = book.json("budgets show team:search/month/soft");
    assert_eq!(team["spend"]["spent_usd"], *spent, "{team}");
    assert!(book.json("budgets forecast --scope team:search")[0]["usd_per_day"].as_str().unwrap() != "0");

    gateway.signal("TERM");
    gateway.wait_exit();
    // The same checks, the same words, the same log as at a gateway.
    book.fails("keys create --team nobody", 1, "`team_id` names `nobody`, which does not exist");
    book.fails("teams delete search", 1, "1 keys and 0 teams belong to this team");
    book.fails("keys show key_00000000000000000000000000000000", 1, "no such key");
    book.run("organisations create acme");
    book.run("users create ann@example.com --rpm 5");
    book.run("budgets create tag:batch 5/day/hard/Europe/Berlin");
    assert!(book.run("budgets list").contains("tag:batch/day/hard/Europe/Berlin"));
    limits(&book);
    book.run(&format!("keys delete {}", key.id));
    book.run("teams delete search");
    let audit = book.json("audit --actor llmctl");
    let word = |entry: &Value| {
        let done = if entry["refused"].is_null() { "" } else { " refused" };
        format!("{} {}{done}", entry["action"].as_str().unwrap(), entry["object"].as_str().unwrap())
    };
    let words: Vec<_> = audit.as_array().unwrap().iter().map(word).collect();
    let id = |action: &str| format!("{action} key:{}", key.id);
    let expect = [
        "delete team:search".to_owned(),
        id("delete"),
        "create limits refused".to_owned(),
        "delete_limits model:smart".to_owned(),
        "update_limits model:smart".to_owned(),
        "create_limits model:smart".to_owned(),
        "create_budget tag:batch".to_owned(),
        "create user:ann@example.com".to_owned(),
        "create organisation:acme".to_owned(),
        "delete team:search refused".to_owned(),
        "create key refused".to_owned(),
        id("rotate"),
        id("unblock"),
        id("block"),
        id("create"),
        "create team:search".to_owned(),
    ];
    assert_eq!(words, expect, "{audit:#}");
    assert!(!audit.to_string().contains(&key.secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_administered_beside_its_gateway() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    upstream.always(answer());
    let gateway = till.gateway(&model("smart", &[priced(&upstream)]));
    administers(till, gateway, &upstream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_is_administered_beside_its_gateway() {
    let postgres = Postgres::start().unwrap();
    let (upstream, till) = (Upstream::start().unwrap(), Till::shared(&postgres));
    upstream.always(answer());
    let gateway = till.gateway(&model("smart", &[priced(&upstream)]));
    administers(till, gateway, &upstream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_names_the_database_and_what_is_its_own() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let models = model("smart", &[priced(&upstream)]);
    let config = till.config("one", "", &format!("{models}[[teams]]\nid = \"ours\"\n"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    std::fs::write(&file, &config).unwrap();
    let file = file.to_str().unwrap();
    llmctl(&["teams", "list", "--config", file])
        .run()
        .failed(2, &["there is no database", "a gateway makes it"]);
    let mut gateway = Gateway::start(&config);
    gateway.signal("TERM");
    gateway.wait_exit();
    let list = llmctl(&["teams", "list", "--config", file, "--json"]).run().json();
    assert_eq!((&list[0]["id"], &list[0]["managed_by"]), (&json!("ours"), &json!("config")));
    llmctl(&["teams", "block", "ours", "--config", file])
        .run()
        .failed(1, &["defined in the configuration file"]);
    llmctl(&["keys", "create", "--team", "ours", "--config", file]).run().good();
    let both = ["keys", "list", "--config", file, "--database", till.url()];
    llmctl(&both).run().failed(2, &["cannot be used with"]);
    llmctl(&["keys", "list", "--database", "mysql://x/y"]).run().failed(5, &["sqlite:", "postgres://"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_hands_on_one_file_lose_nothing() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    upstream.always(answer());
    let gateway = std::sync::Arc::new(till.gateway(&model("smart", &[priced(&upstream)])));
    let key = Key::make(&gateway, json!({"name": "busy"})).await;
    let (load, clients) = (std::sync::Arc::clone(&gateway), key.clone());
    let asking = tokio::spawn(async move {
        for _ in 0..150 {
            let reply = clients.ask(&load, &bounded("smart")).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
    });
    let book = Book(till);
    let made: Vec<String> = std::thread::scope(|scope| {
        let hands: Vec<_> = (0..3)
            .map(|hand| {
                let book = &book;
                scope.spawn(move || {
                    let make = |nth| book.json(&format!("keys create --name k{hand}-{nth}"));
                    (0..4).map(|nth| make(nth)["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
                })
            })
            .collect();
        hands.into_iter().flat_map(|hand| hand.join().unwrap()).collect()
    });
    asking.await.unwrap();
    let list = book.run("keys list --csv");
    assert!(made.len() == 12 && made.iter().all(|id| list.contains(id)), "{list}");
    assert_eq!(book.0.rows(&key, 150).await.len(), 150);
}
