//! `llmctl` administers: keys, teams, budgets, usage, the audit log; what was spent is the same everywhere.

use http::Method;
use llm_testkit::{Script, Upstream, canned};
use serde_json::json;

use crate::harness::{Gateway, chat, llmctl, model, openai};

const MASTER: &str = "sk-master-of-the-tests";

struct Stand {
    gateway: Gateway,
    _upstream: Upstream,
}

impl Stand {
    fn start() -> Self {
        let upstream = Upstream::start().unwrap();
        upstream.always(Script::json(&canned::openai_completion(10)));
        let config = format!("[auth]\nmaster_key = \"{MASTER}\"\n{}", model("smart", &[openai(&upstream)]));
        Self { gateway: Gateway::start(&config), _upstream: upstream }
    }

    /// What `llmctl` prints.
    fn run(&self, args: &str) -> String {
        let url = self.gateway.url();
        let args: Vec<_> = args.split(' ').chain(["--gateway", &url]).collect();
        llmctl(&args).env("GATEWAY_MASTER_KEY", MASTER).run().good().to_owned()
    }

    fn json(&self, args: &str) -> serde_json::Value {
        serde_json::from_str(&self.run(&format!("{args} --json"))).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_spent_is_told_the_same_everywhere() {
    let stand = Stand::start();
    stand.run("teams create search --name Search --budget 50/month/soft");
    let key =
        stand.run("keys create --name ci --team search --budget 25.00/day/hard/Europe/Berlin --tags x,y");
    let bearer = format!("Bearer {}", key.trim());
    for _ in 0..3 {
        let call = stand.gateway.post("/v1/chat/completions").header("authorization", &bearer);
        let reply = call.body(chat("smart").to_string()).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let usage = stand.json("usage --by key,tag");
    let cost = usage["data"][0]["cost_usd"].as_str().unwrap().to_owned();
    assert!(cost.parse::<f64>().unwrap() > 0.0, "{usage}");
    let lines = usage["data"].as_array().unwrap();
    assert_eq!(lines.len(), 2, "{usage}");
    assert!(lines.iter().all(|line| line["requests"] == 3 && line["cost_usd"] == *cost), "{usage}");
    let id = usage["data"][0]["group"]["key"].as_str().unwrap();
    let shown = stand.json(&format!("keys show {id}"));
    assert_eq!((&shown["name"], &shown["spend"]["total_usd"]), (&json!("ci"), &json!(cost)));
    assert_eq!(shown["spend"]["windows"][0]["spent_usd"], cost, "{shown}");
    assert_eq!(shown["spend"]["windows"][0]["reserved_usd"], "0.00");
    let team = stand.json("budgets show team:search/month/soft");
    assert_eq!(team["spend"]["spent_usd"], cost, "{team}");
    let table = stand.run("usage --by team");
    let line = table.lines().find(|line| line.starts_with("search")).unwrap();
    assert!(line.contains(&cost) && line.ends_with('█'), "{table}");
    let csv = stand.run("usage --by team --csv");
    assert!(csv.starts_with("team,cost_usd,requests") && csv.contains(&format!("search,{cost},3")), "{csv}");
    let rows = stand.gateway.call(Method::GET, "/admin/v1/requests?source=usage&limit=2");
    let rows = rows.header("authorization", &format!("Bearer {MASTER}")).send().await.json();
    assert_eq!(
        (rows["data"].as_array().unwrap().len(), rows["next_cursor"].is_string()),
        (2, true),
        "{rows}"
    );
    assert_eq!((&rows["data"][0]["key_id"], &rows["data"][0]["basis"]), (&json!(id), &json!("reported")));
    let line = stand.run("usage --by model,key,team,provider,tag,day --csv");
    assert!(
        line.starts_with("model,key,team,provider,tag,day,cost_usd,") && line.lines().count() == 3,
        "{line}"
    );
    assert!(line.lines().all(|line| !line.ends_with(',') || line.ends_with(",,")), "{line}");
    // Days are those of a zone, and asked for as such.
    let today = || jiff::Timestamp::now().in_tz("Pacific/Kiritimati").unwrap().date().to_string();
    let before = today();
    for by in ["day,model_served", "day,team"] {
        let from = format!("usage --by {by} --tz Pacific/Kiritimati --from {before} --only day=");
        let reports = [before.clone(), today()].map(|day| stand.json(&format!("{from}{day}")));
        let report = reports.iter().find(|report| report["data"][0]["requests"] == 3);
        let report = report.unwrap_or_else(|| panic!("{reports:?}"));
        assert_eq!(
            (&report["time_zone"], &report["data"][0]["cost_usd"]),
            (&json!("Pacific/Kiritimati"), &json!(cost))
        );
    }
    let master = format!("Bearer {MASTER}");
    let wrong =
        stand.gateway.call(Method::GET, "/admin/v1/usage?tz=Nowhere").header("authorization", &master);
    assert_eq!(wrong.send().await.error(400).param, "tz");
    // Made a moment ago: what was spent is not spread over the days before.
    stand.run("teams create young --budget 50/total");
    let young = stand.json("keys create --name young --team young");
    let bearer = format!("Bearer {}", young["key"].as_str().unwrap());
    let call = stand.gateway.post("/v1/chat/completions").header("authorization", &bearer);
    assert_eq!(call.body(chat("smart").to_string()).send().await.status, 200);
    let forecast = stand.json("budgets forecast --scope team:young");
    let (rate, spent) =
        (forecast[0]["usd_per_day"].as_str().unwrap(), forecast[0]["spent_usd"].as_str().unwrap());
    assert!(rate.parse::<f64>().unwrap() > 20.0 * spent.parse::<f64>().unwrap(), "{forecast}");
    let forecast = stand.json("budgets forecast --scope team:search");
    assert!(forecast[0]["usd_per_day"].as_str().unwrap() != "0", "{forecast}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_keeps_keys_spend_and_the_log_over_a_restart() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(10)));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.db");
    let config = format!(
        "[auth]\nmaster_key = \"{MASTER}\"\n[store]\nurl = \"sqlite:{}\"\n{}",
        file.display(),
        model("smart", &[openai(&upstream)])
    );
    let stand = Stand { gateway: Gateway::start(&config), _upstream: upstream };
    let made = stand.json("keys create --name ci --budget 25.00/day");
    let id = made["id"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    stand.run("teams create search");
    for _ in 0..2 {
        let call = stand.gateway.post("/v1/chat/completions").header("authorization", &bearer);
        assert_eq!(call.body(chat("smart").to_string()).send().await.status, 200);
    }
    let Stand { mut gateway, _upstream } = stand;
    gateway.signal("TERM");
    gateway.wait_exit();
    let stand = Stand { gateway: Gateway::start(&config), _upstream };
    let models = stand.gateway.call(Method::GET, "/v1/models").header("authorization", &bearer).send().await;
    assert_eq!(models.status, 200, "{}", models.text());
    let usage = stand.json("usage --by key");
    assert_eq!((&usage["data"][0]["group"]["key"], &usage["data"][0]["requests"]), (&json!(id), &json!(2)));
    let cost = &usage["data"][0]["cost_usd"];
    assert_eq!(&stand.json(&format!("keys show {id}"))["spend"]["total_usd"], cost);
    let url = stand.gateway.url();
    llmctl(&["teams", "block", "nobody", "--gateway", &url]).env("GATEWAY_MASTER_KEY", MASTER).run();
    let audit = stand.json("audit");
    let words = |entry: &serde_json::Value| {
        format!("{} {}", entry["action"].as_str().unwrap(), entry["refused"].is_null())
    };
    let words: Vec<_> = audit.as_array().unwrap().iter().map(words).collect();
    assert_eq!(words, ["block false", "create true", "create true"], "{audit}");
    stand.run(&format!("keys delete {id}"));
    assert!(!stand.run("keys list").contains(&id));
}

#[test]
fn keys_and_groups_are_administered() {
    let stand = Stand::start();
    stand.run("organisations create acme");
    stand.run("teams create search --organisation acme --models smart --rpm 60");
    let made = stand.json("keys create --name ci --team search --admin false");
    let id = made["id"].as_str().unwrap();
    let list = stand.run("keys list --team search");
    assert!(list.contains(id) && list.contains("ci") && list.contains("good"), "{list}");
    assert!(!stand.run("keys list --team nobody").contains(id));
    assert_eq!(stand.run(&format!("keys block {id}")), format!("{id}: blocked\n"));
    assert!(stand.run("keys list --csv").contains(",blocked"));
    stand.run(&format!("keys unblock {id}"));
    let secret = stand.run(&format!("keys rotate {id} --grace 1h"));
    assert!(secret.starts_with("sk-") && secret.trim() != made["key"]);
    let changed = stand.json(&format!("keys update {id} --tpm 500 --clear name"));
    assert_eq!((&changed["limits"]["tpm"], &changed["name"]), (&json!(500), &json!(null)));
    stand.run(&format!("keys update {id} --model-limits smart=rpm:5,parallel:2 --blocked"));
    let shown = stand.json(&format!("keys show {id}"));
    let limits = json!([{"model": "smart", "rpm": 5, "tpm": null, "parallel": 2}]);
    assert_eq!((&shown["model_limits"], &shown["blocked"]), (&limits, &json!(true)));
    stand.run("budgets create global 100/total");
    assert!(stand.run("budgets list").contains("global/total/hard"));
    assert!(stand.run("budgets forecast").contains("never"));
    stand.run("budgets update global/total/hard --limit-usd 200");
    assert_eq!(stand.json("budgets show global/total/hard")["limit_usd"], "200.00");
    stand.run("budgets delete global/total/hard");
    stand.run("limits set global --parallel 9");
    let limits = json!({"scope": "global", "rpm": 7, "tpm": null, "parallel": null});
    assert_eq!(stand.json("limits set global --rpm 7 --clear parallel"), limits);
    assert_eq!(stand.json("limits list"), json!([limits]));
    stand.run("limits delete global");
    stand.run(&format!("keys delete {id}"));
    stand.run("users create ann@example.com");
    assert!(stand.run("users list").contains("ann@example.com"));
    let audit = stand.run(&format!("audit --object key:{id}"));
    let actions: Vec<_> = audit.lines().skip(1).filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert_eq!(actions, ["delete", "update", "update", "rotate", "unblock", "block", "create"], "{audit}");
    let url = stand.gateway.url();
    let missing =
        llmctl(&["teams", "show", "nobody", "--gateway", &url]).env("GATEWAY_MASTER_KEY", MASTER).run();
    missing.failed(1, &["no such team"]);
    let wrong = llmctl(&["keys", "create", "--budget", "5", "--gateway", &url]).run();
    wrong.failed(2, &["needs a window"]);
}
