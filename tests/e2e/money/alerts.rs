//! Who is told of budgets: the webhook, whatever becomes of it, and the metrics.

use http::Method;
use llm_testkit::{Gate, Postgres, Received, Script, Upstream, canned};
use llm_types::PicoUsd;
use serde_json::{Value, json};

use super::till::MASTER;
use super::{COST, Key, Till, answer, bearer, bounded, priced, wait};
use crate::harness::{Gateway, PATIENCE, model};

/// A gateway, who answers, and who is told.
struct Stand {
    gateway: Gateway,
    upstream: Upstream,
    receiver: Upstream,
    /// In a file, so that books are kept.
    till: Till,
}

impl Stand {
    fn start() -> Self {
        let [upstream, receiver] = [(); 2].map(|()| Upstream::start().unwrap());
        upstream.always(answer());
        let till = Till::file();
        let alerts = format!("[alerts]\nwebhook = \"{}/told?token=t0p\"\n", receiver.url());
        let gateway = till.gateway(&format!("{alerts}{}", model("smart", &[priced(&upstream)])));
        Self { gateway, upstream, receiver, till }
    }

    /// A key with a budget of so many answers.
    async fn key(&self, answers: u64, hard: bool) -> Key {
        let limit = COST.saturating_mul(answers).to_string();
        let budget = json!({"limit_usd": limit, "window": "total", "hard": hard});
        Key::make(&self.gateway, json!({"budgets": [budget]})).await
    }

    /// Asks so often, and each time is answered.
    async fn ask(&self, key: &Key, times: usize) {
        for _ in 0..times {
            let reply = key.ask(&self.gateway, &bounded("smart")).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
    }

    /// Waits until so many calls have come to the receiver.
    async fn told(&self, count: usize) -> Vec<Received> {
        assert!(self.receiver.wait_requests(count, PATIENCE).await, "{}", self.gateway.logs());
        self.receiver.requests()
    }

    async fn metrics(&self) -> Metrics {
        metrics_of(&self.gateway).await
    }

    /// Waits until a metric has this value.
    async fn metric(&self, name: &str, value: &str) {
        let what = format!("{name} {value}");
        wait(&what, async || (self.metrics().await.get(name) == Some(value)).then_some(())).await;
    }
}

struct Metrics(String);

impl Metrics {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
    }
}

/// What an alert says of a threshold.
fn shape(call: &Received) -> (u64, PicoUsd, PicoUsd) {
    let body = call.json();
    assert_eq!(body["type"], "budget_threshold", "{body}");
    // A total has no beginning.
    let ever = body["budget"].as_str().unwrap().contains("/total/");
    assert!(body["time"].is_string() && body["window_start"].is_null() == ever, "{body}");
    let usd = |name: &str| body[name].as_str().unwrap().parse().unwrap();
    (body["percent"].as_u64().unwrap(), usd("spent_usd"), usd("limit_usd"))
}

fn times(count: u64) -> PicoUsd {
    COST.saturating_mul(count)
}

#[tokio::test]
async fn a_soft_budget_tells_at_each_share_once() {
    let stand = Stand::start();
    stand.receiver.always(Script::status(204));
    let key = stand.key(10, false).await;
    stand.ask(&key, 4).await;
    assert_eq!(stand.receiver.requests().len(), 0);
    stand.ask(&key, 9).await;
    let told = stand.told(3).await;
    let shapes: Vec<_> = told.iter().map(shape).collect();
    let limit = times(10);
    assert_eq!(shapes, [(50, times(5), limit), (80, times(8), limit), (100, times(10), limit)]);
    let budget = format!("key:{}/total/soft", key.id);
    for call in &told {
        assert_eq!((call.json()["budget"].as_str(), call.path()), (Some(&*budget), "/told"));
        assert_eq!(call.header("content-type"), Some("application/json"));
    }
    stand.metric("gateway_alerts_total{outcome=\"told\"}", "3").await;
    let metrics = stand.metrics().await;
    for percent in [50, 80, 100] {
        let name = format!("gateway_budget_thresholds_total{{percent=\"{percent}\"}}");
        assert_eq!(metrics.get(&name), Some("1"), "{}", metrics.0);
    }
    let of = |name: &str| metrics.get(&format!("gateway_budget_{name}_usd{{budget=\"{budget}\"}}"));
    let (spent, limit) = (times(13).to_string(), limit.to_string());
    assert_eq!((of("spent"), of("limit")), (Some(&*spent), Some(&*limit)), "{}", metrics.0);
    assert_eq!((of("reserved"), of("left"), of("overrun")), (Some("0"), Some("0"), Some("0")));
    stand.metric("gateway_rows_stored_total", "13").await;
    let metrics = stand.metrics().await;
    for (name, value) in [("rows_waiting", "0"), ("rows_lost_total", "0"), ("store_away", "0"), ("keys", "1")]
    {
        assert_eq!(metrics.get(&format!("gateway_{name}")), Some(value), "{}", metrics.0);
    }
    assert_eq!(stand.receiver.requests().len(), 3, "nothing is told twice");
    // With another limit other shares are reached, and told.
    let body = json!({"limit_usd": times(30).to_string()});
    super::admin(&stand.gateway, Method::PATCH, &format!("/budgets/{budget}"), &body).await;
    stand.ask(&key, 2).await;
    let told = stand.told(4).await;
    assert_eq!(shape(&told[3]), (50, times(15), times(30)));
    assert!(!stand.gateway.logs().contains("t0p"), "the address may hold a secret");
}

#[tokio::test]
async fn a_soft_budget_goes_on_where_it_was_after_a_restart() {
    let [upstream, receiver] = [(); 2].map(|()| Upstream::start().unwrap());
    upstream.always(answer());
    receiver.always(Script::status(200));
    let till = Till::file();
    let more =
        format!("[alerts]\nwebhook = \"{}\"\n{}", receiver.url(), model("smart", &[priced(&upstream)]));
    // What is booked is looked at four times in the time of a lease.
    let config = till.config("one", "lease = \"2s\"", &more);
    let mut stand = Stand { gateway: Gateway::start(&config), upstream, receiver, till };
    let key = stand.key(10, false).await;
    stand.ask(&key, 6).await;
    stand.told(1).await;
    for life in ["ended", "killed"] {
        stand.gateway.signal(if life == "ended" { "TERM" } else { "KILL" });
        stand.gateway.wait_exit();
        stand.gateway = Gateway::start(&config);
        let before = if life == "ended" { 6 } else { 7 };
        stand.ask(&key, 1).await;
        let spent = format!("gateway_budget_spent_usd{{budget=\"key:{}/total/soft\"}}", key.id);
        stand.metric(&spent, &times(before + 1).to_string()).await;
    }
    stand.ask(&key, 2).await;
    let shapes: Vec<_> = stand.told(3).await.iter().map(shape).collect();
    assert_eq!((shapes[0].0, shapes[2].0, shapes[2].1), (50, 100, times(10)), "{shapes:?}");
    assert_eq!((shapes[1].0, shapes.len()), (80, 3), "{shapes:?}");
}

#[tokio::test]
async fn of_two_gateways_one_tells() {
    let [upstream, receiver] = [(); 2].map(|()| Upstream::start().unwrap());
    upstream.always(answer());
    receiver.always(Script::status(200));
    let (postgres, alerts) =
        (Postgres::start().unwrap(), format!("[alerts]\nwebhook = \"{}\"\n", receiver.url()));
    let till = Till::shared(&postgres);
    let more = format!("{alerts}{}", model("smart", &[priced(&upstream)]));
    // What others have booked is looked at four times in the time of a lease.
    let mut both = ["one", "two"].map(|name| Gateway::start(&till.config(name, "lease = \"2s\"", &more)));
    let budgets = json!([{"limit_usd": times(10).to_string(), "window": "total", "hard": false}]);
    let key = Key::make(&both[0], json!({"budgets": budgets})).await;
    let name = format!("gateway_budget_spent_usd{{budget=\"key:{}/total/soft\"}}", key.id);
    // Each by itself reaches nothing.
    for asked in [4, 8, 10, 12] {
        let mut spent = till.rows(&key, 0).await.len();
        while spent < asked {
            for gateway in &both {
                wait("the key is known", async || {
                    (key.ask(gateway, &bounded("smart")).await.status == 200).then_some(())
                })
                .await;
            }
            spent += 2;
        }
        till.rows(&key, asked).await;
        for gateway in &both {
            let metrics = async || metrics_of(gateway).await;
            let what = format!("{asked} are known");
            let all = times(u64::try_from(asked).unwrap()).to_string();
            wait(&what, async || (metrics().await.get(&name) == Some(&*all)).then_some(())).await;
        }
    }
    assert!(receiver.wait_requests(3, PATIENCE).await, "{}{}", both[0].logs(), both[1].logs());
    // After their end nothing follows.
    let mut told = [0; 3];
    for gateway in &mut both {
        let metrics = metrics_of(gateway).await;
        for (told, percent) in told.iter_mut().zip([50, 80, 100]) {
            let count = metrics.get(&format!("gateway_budget_thresholds_total{{percent=\"{percent}\"}}"));
            *told += count.unwrap().parse::<u64>().unwrap();
        }
        gateway.signal("TERM");
        gateway.wait_exit();
    }
    assert_eq!(told, [1; 3]);
    let mut percents: Vec<_> = receiver.requests().iter().map(|call| shape(call).0).collect();
    percents.sort_unstable();
    assert_eq!(percents, [50, 80, 100]);
}

async fn metrics_of(gateway: &Gateway) -> Metrics {
    let call = gateway.call(Method::GET, "/metrics").header("authorization", &bearer(MASTER));
    let reply = call.send().await;
    assert_eq!((reply.status, reply.header("content-type").split(';').next()), (200, Some("text/plain")));
    Metrics(reply.text().to_owned())
}

#[tokio::test]
async fn a_hard_budget_tells_that_it_is_used_up_and_overrun() {
    let stand = Stand::start();
    stand.receiver.always(Script::status(200));
    let key = stand.key(1000, true).await;
    // Who bills more than was reserved is paid, and that is told.
    let mut dear = canned::openai_completion(20);
    dear["usage"]["completion_tokens"] = json!(200_000);
    stand.upstream.push(Script::json(&dear));
    stand.ask(&key, 1).await;
    let told = stand.told(4).await;
    let overrun = told.iter().find(|call| call.json()["type"] == "budget_overrun").unwrap().json();
    assert!(overrun["by_usd"].as_str().unwrap().starts_with("1."), "{overrun}");
    let shapes = told.iter().filter(|call| call.json()["type"] != "budget_overrun").map(shape);
    assert_eq!(shapes.map(|(percent, _, _)| percent).collect::<Vec<_>>(), [50, 80, 100]);
    for _ in 0..3 {
        assert_eq!(key.ask(&stand.gateway, &bounded("smart")).await.error(402).code, "budget_exceeded");
    }
    let metrics = stand.metrics().await;
    assert_eq!(metrics.get("gateway_budget_overruns_total"), Some("1"));
    assert_eq!(metrics.get("gateway_refusals_total{reason=\"budget\"}"), Some("3"), "{}", metrics.0);
    assert_eq!(
        metrics.get(&format!("gateway_budget_left_usd{{budget=\"key:{}/total/hard\"}}", key.id)),
        Some("0")
    );
    assert_eq!(stand.receiver.requests().len(), 4);
}

#[tokio::test]
async fn a_receiver_that_is_away_is_told_when_it_is_back() {
    let Stand { gateway, upstream, mut receiver, till } = Stand::start();
    let addr = receiver.addr();
    receiver.stop();
    let stand = Stand { gateway, upstream, receiver, till };
    let key = stand.key(2, false).await;
    stand.ask(&key, 1).await;
    stand.gateway.wait_log("the webhook of [alerts] was not told");
    let receiver = Upstream::start_at(addr).unwrap();
    receiver.always(Script::status(200));
    let stand = Stand { receiver, ..stand };
    let told = stand.told(1).await;
    assert_eq!(shape(&told[0]).0, 50);
    stand.metric("gateway_alerts_total{outcome=\"told\"}", "1").await;
    assert_eq!(stand.receiver.requests().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_refuses_is_asked_four_times_and_one_that_is_slow_keeps_nobody_waiting() {
    let (stand, gate) = (Stand::start(), Gate::new());
    stand.receiver.push(Script::status(500));
    stand.receiver.push(Script::status(302).header("location", "/elsewhere"));
    stand.receiver.push(Script::status(200).gate_head(&gate));
    stand.receiver.always(Script::status(400));
    let key = stand.key(10, false).await;
    stand.ask(&key, 5).await;
    // It holds the third call back, and everybody is served.
    stand.told(3).await;
    stand.ask(&key, 7).await;
    let told = stand.receiver.requests();
    assert!(told.len() == 3 && told.iter().all(|call| shape(call).0 == 50 && call.path() == "/told"));
    gate.open();
    // The next one it does not want at all; then the last one.
    let told = stand.told(3 + 4 + 4).await;
    assert!(told[3..7].iter().all(|call| shape(call).0 == 80));
    assert!(told[7..].iter().all(|call| shape(call).0 == 100));
    stand.metric("gateway_alerts_total{outcome=\"failed\"}", "2").await;
    assert_eq!(stand.metrics().await.get("gateway_alerts_total{outcome=\"told\"}"), Some("1"));
    assert_eq!(stand.receiver.requests().len(), 11);
}

#[tokio::test]
async fn what_a_receiver_answers_does_not_matter() {
    let (stand, gate) = (Stand::start(), Gate::new());
    // Far too much, and without an end.
    stand.receiver.push(Script::status(200).body("x".repeat(1 << 20)));
    stand.receiver.push(Script::status(200).chunk("{").gate(&gate).chunk("}"));
    stand.receiver.always(Script::status(200).body("no JSON"));
    let key = stand.key(10, false).await;
    stand.ask(&key, 12).await;
    let percents = |told: &[Received]| told.iter().map(|call| shape(call).0).collect::<Vec<_>>();
    assert_eq!(percents(&stand.told(3).await), [50, 80, 100]);
    stand.metric("gateway_alerts_total{outcome=\"told\"}", "3").await;
    assert_eq!(stand.receiver.requests().len(), 3);
    gate.open();
}

#[tokio::test]
async fn metrics_are_for_administrators() {
    let stand = Stand::start();
    stand.gateway.get("/metrics").await.error(401);
    let key = Key::make(&stand.gateway, Value::Object(serde_json::Map::new())).await;
    let call = stand.gateway.call(Method::GET, "/metrics").header("authorization", &bearer(&key.secret));
    assert_eq!(call.send().await.error(403).code, "not_an_admin");
    // What is in a name does not break its line.
    let odd = json!({"scope": "tag:a\"} 1 \\", "limit_usd": "1.00", "window": "day"});
    let made = super::admin(&stand.gateway, Method::POST, "/budgets", &odd).await;
    assert_eq!(made.status, 201, "{}", made.text());
    // Words with a budget are for keys that have them.
    let own = Key::make(&stand.gateway, json!({"tags": ["a\"} 1 \\"]})).await;
    let call = own.call(&stand.gateway, &bounded("smart")).header("x-gateway-spend-tags", "a\"} 1 \\");
    assert_eq!(call.send().await.status, 200);
    let text = stand.metrics().await.0;
    assert!(text.contains("gateway_budget_limit_usd{budget=\"tag:a\\\"} 1 \\\\/day/hard\"} 1\n"), "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(
            line.starts_with("gateway_") && line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(),
            "{line}"
        );
    }
}
