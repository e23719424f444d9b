//! What each attempt writes down: answers that break off or that nobody waits for, calls beside others and after
//! others, and those that were refused.

use llm_governance::report::RowView;
use llm_testkit::canned::{self, IncludeUsage, openai_stream};
use llm_testkit::{End, Gate, Script, Upstream};
use llm_types::PicoUsd;
use serde_json::{Value, json};

use super::{COST, Key, Till, answer, bearer, hard, priced};
use crate::harness::{Gateway, Options, PATIENCE, Raw, Streaming, chat, model, streamed};

/// The first events of a stream: the role, then so many pieces of content.
fn begun(pieces: usize) -> Script {
    Script::sse(openai_stream(9, IncludeUsage::Yes).into_iter().take(1 + pieces))
}

fn whole() -> Script {
    Script::sse(openai_stream(9, IncludeUsage::Yes))
}

fn refusing(status: u16) -> Script {
    Script::status(status).json_body(&json!({"error": {"message": "no luck", "type": "x", "code": null}}))
}

/// What so many tokens of an answer cost, at the prices of [`priced`].
fn output(tokens: u64) -> PicoUsd {
    PicoUsd::from_pico(10_000_000).saturating_mul(tokens)
}

/// A gateway with a model of these deployments, and a key with plenty of hard money.
struct Stand {
    till: Till,
    gateway: Gateway,
    key: Key,
}

impl Stand {
    async fn start(config: &str) -> Self {
        let till = Till::file();
        let gateway = till.gateway(config);
        let key = Key::make(&gateway, hard("1.00")).await;
        Self { till, gateway, key }
    }

    async fn stream(&self, body: &Value) -> Streaming {
        self.key.call(&self.gateway, body).open().await
    }

    /// The rows of all that was asked, and the budget that they add up to.
    async fn rows(&self, count: usize) -> Vec<RowView> {
        let rows = self.till.rows(&self.key, count).await;
        let sum = rows.iter().fold(PicoUsd::ZERO, |sum, row| sum.saturating_add(row.cost));
        assert_eq!(rows.len(), count, "{rows:#?}");
        let spend = self.key.spend(&self.gateway).await;
        assert_eq!((spend.spent, spend.reserved), (sum, PicoUsd::ZERO));
        assert_eq!(self.till.window(&self.key).await.view.spent, sum);
        rows
    }
}

/// The numbers of attempts, their deployments, statuses, and whether they cost anything.
fn shape(rows: &[RowView]) -> Vec<(u32, &str, u16, bool)> {
    let row = |row: &RowView| (row.attempt, row.status, !row.cost.is_zero());
    rows.iter().map(|one| (row(one).0, one.deployment.as_str(), row(one).1, row(one).2)).collect()
}

#[tokio::test]
async fn a_whole_answer_costs_what_the_provider_counted() {
    let upstream = Upstream::start().unwrap();
    let stand = Stand::start(&model("smart", &[priced(&upstream)])).await;
    upstream.push(answer());
    upstream.push(whole());
    let reply = stand.key.ask(&stand.gateway, &chat("smart")).await;
    assert_eq!(reply.header("x-gateway-cost-usd"), COST.to_string());
    let stream = stand.stream(&streamed("smart")).await.whole().await;
    assert!(stream.text().contains("[DONE]"));
    let rows = stand.rows(2).await;
    for (row, reply) in rows.iter().zip([&reply, &stream]) {
        assert_eq!(row.request, reply.header("x-gateway-request-id"));
        assert_eq!((row.cost, row.basis.as_str(), row.overrun), (COST, "reported", false));
        assert_eq!((row.usage.input, row.usage.output), (19, 120));
        assert_eq!((row.model_asked.as_str(), row.provider.as_str()), ("smart", "openai"));
        assert_eq!(row.booked.len(), 1);
    }
}

#[tokio::test]
async fn a_client_that_goes_away_pays_for_what_came() {
    let (upstream, gate) = (Upstream::start().unwrap(), Gate::new());
    let stand = Stand::start(&model("smart", &[priced(&upstream)])).await;
    upstream.push(begun(3).gate(&gate));
    let mut stream = stand.stream(&streamed("smart")).await;
    stream.until("opens").await;
    assert!(!stand.key.spend(&stand.gateway).await.reserved.is_zero(), "it is under way");
    drop(stream);
    assert!(upstream.wait_cancelled(PATIENCE).await.is_some());
    let rows = stand.rows(1).await;
    let row = rows.first().unwrap();
    assert_eq!(
        (row.basis.as_str(), row.status, row.error.as_deref()),
        ("received", 499, Some("client_cancelled"))
    );
    assert_eq!(row.usage.output, 4, "three words came, and a blank");
    let input = PicoUsd::from_pico(2_500_000).saturating_mul(row.usage.input);
    assert!(row.usage.estimated && row.cost == input.saturating_add(output(4)), "{row:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_costs_what_came() {
    for end in [End::Truncate, End::Reset] {
        let upstream = Upstream::start().unwrap();
        let stand = Stand::start(&model("smart", &[priced(&upstream)])).await;
        upstream.push(begun(4).then(end));
        let reply = stand.stream(&streamed("smart")).await.whole().await;
        assert!(!reply.text().contains("[DONE]"));
        let rows = stand.rows(1).await;
        let row = rows.first().unwrap();
        assert_eq!((row.basis.as_str(), row.usage.output), ("received", 5), "{row:?}");
        assert!(row.status >= 500 && row.error.is_some() && row.cost > output(4), "{row:?}");
    }
}

#[tokio::test]
async fn a_stream_without_usage_is_estimated() {
    let upstream = Upstream::start().unwrap();
    let stand = Stand::start(&model("smart", &[priced(&upstream)])).await;
    upstream.push(Script::sse(openai_stream(7, IncludeUsage::No)));
    stand.stream(&streamed("smart")).await.whole().await;
    let rows = stand.rows(1).await;
    let row = rows.first().unwrap();
    assert_eq!((row.basis.as_str(), row.status), ("estimated", 200), "{row:?}");
    // Seven words, a comma and a blank.
    assert_eq!(row.usage.output, 9, "{row:?}");
}

#[tokio::test]
async fn what_came_is_counted_however_it_is_cut() {
    let upstream = Upstream::start().unwrap();
    let stand = Stand::start(&model("smart", &[priced(&upstream)])).await;
    let piece = |content: &str| {
        let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o",
            "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": null}]});
        format!("data: {chunk}\n\n")
    };
    let ten = "one two three four five six seven eight nine ten ";
    for pieces in [vec![ten; 31], vec!["o", "n", "e", " t", "wo"]] {
        upstream
            .push(Script::sse(pieces.iter().map(|text| piece(text)).collect::<Vec<_>>()).then(End::Reset));
    }
    for _ in 0..2 {
        stand.stream(&streamed("smart")).await.whole().await;
    }
    let rows = stand.rows(2).await;
    let counted: Vec<_> = rows.iter().map(|row| (row.basis.as_str(), row.usage.output)).collect();
    assert_eq!(counted, [("received", 311), ("received", 2)], "words, and the last blank");
}

#[tokio::test]
async fn zeros_are_no_usage() {
    let upstream = Upstream::start().unwrap();
    let stand = Stand::start(&model("smart", &[priced(&upstream)])).await;
    let zeros = serde_json::json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0});
    for (nth, usage) in [serde_json::json!({}), zeros].into_iter().enumerate() {
        let mut answer = llm_testkit::canned::openai_completion(400);
        answer["usage"] = usage;
        upstream.push(Script::json(&answer));
        assert_eq!(stand.key.ask(&stand.gateway, &chat("smart")).await.status, 200);
        let row = stand.rows(nth + 1).await.pop().unwrap();
        assert_eq!(
            (row.basis.as_str(), row.status, row.usage.estimated),
            ("estimated", 200, true),
            "{row:?}"
        );
        assert!(row.cost > PicoUsd::ZERO, "{row:?}");
    }
    let path = "/admin/v1/requests?source=usage";
    let rows = stand.gateway.call(http::Method::GET, path);
    let rows = rows.header("authorization", "Bearer sk-master-of-the-tests").send().await.json();
    // Windows without a beginning have no invented one.
    let budgets = rows["data"][0]["budgets"].to_string();
    assert!(!budgets.contains("-009999"), "{budgets}");
}

#[tokio::test]
async fn each_attempt_has_a_row_and_who_refuses_is_not_paid() {
    let (bad, good) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    let order =
        |upstream: &Upstream, nth: u32| priced(upstream).replacen("{ ", &format!("{{ order = {nth}, "), 1);
    let (one, two) = (order(&bad, 0), order(&good, 1));
    let groups = model("smart", &[one, two])
        .replace("deployments", "retries = 1\nfallbacks = [\"spare\"]\ndeployments");
    let stand = Stand::start(&format!("{groups}{}", model("spare", &[priced(&good)]))).await;

    bad.always(refusing(500));
    good.push(answer());
    let reply = stand.key.ask(&stand.gateway, &chat("smart")).await;
    assert_eq!((reply.status, reply.header("x-gateway-deployment")), (200, "smart/2"), "{}", reply.text());
    let rows = stand.rows(2).await;
    assert_eq!(
        rows.iter().map(|row| row.request.as_str()).collect::<std::collections::HashSet<_>>().len(),
        1
    );
    assert_eq!(shape(&rows)[1], (2, "smart/2", 200, true));
    let (nth, deployment, _, paid) = shape(&rows)[0];
    assert_eq!((nth, deployment, paid), (1, "smart/1", false));
    assert_eq!((rows[0].cost, rows[0].error.is_some()), (PicoUsd::ZERO, true));
    assert_eq!(rows[1].cost, COST);
}

#[tokio::test]
async fn a_fallbacks_rows_follow_those_of_the_group() {
    let (bad, good) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    let smart = model("smart", &[priced(&bad)])
        .replace("deployments", "retries = 0\nfallbacks = [\"spare\"]\ndeployments");
    let spare = model("spare", &[priced(&good)]).replace("deployments", "retries = 0\ndeployments");
    let stand = Stand::start(&format!("{smart}{spare}")).await;
    bad.always(refusing(503));
    good.always(answer());
    let reply = stand.key.ask(&stand.gateway, &chat("smart")).await;
    assert_eq!((reply.status, reply.header("x-gateway-fallback")), (200, "spare"));
    let rows = stand.rows(2).await;
    assert_eq!(shape(&rows), [(1, "smart/1", rows[0].status, false), (2, "spare/1", 200, true)]);
    assert!(rows[0].status >= 500);
    assert!(rows.iter().all(|row| row.model_asked == "smart"));

    // Nobody answers: still a row each, and no cost.
    good.always(refusing(500));
    let reply = stand.key.ask(&stand.gateway, &chat("smart")).await;
    assert!(reply.status >= 500);
    let rows = stand.rows(4).await;
    assert!(
        shape(&rows)[2..].iter().all(|(_, _, status, paid)| *status >= 500 && !paid),
        "{:?}",
        shape(&rows)
    );
}

#[tokio::test]
async fn a_call_that_lost_against_another_has_its_row() {
    let (slow, quick, gate) = (Upstream::start().unwrap(), Upstream::start().unwrap(), Gate::new());
    slow.always(whole().gate_head(&gate));
    quick.always(whole());
    let order =
        |upstream: &Upstream, nth: u32| priced(upstream).replacen("{ ", &format!("{{ order = {nth}, "), 1);
    let config = model("smart", &[order(&slow, 0), order(&quick, 1)])
        .replace("deployments", "hedge_after = \"50ms\"\ndeployments");
    let stand = Stand::start(&config).await;
    let reply = stand.stream(&streamed("smart")).await.whole().await;
    assert_eq!(reply.header("x-gateway-deployment"), "smart/2");
    assert!(slow.wait_cancelled(PATIENCE).await.is_some());
    let rows = stand.rows(2).await;
    let lost = rows.iter().find(|row| row.deployment == "smart/1").unwrap();
    let won = rows.iter().find(|row| row.deployment == "smart/2").unwrap();
    assert_eq!((lost.attempt, won.attempt, &lost.request), (1, 2, &won.request));
    // It was sent and may be billed: its prompt, and what can have been written until it was closed.
    assert_eq!((lost.basis.as_str(), lost.error.as_deref()), ("received", Some("client_cancelled")));
    assert!(
        lost.usage.estimated && lost.usage.output > 0 && lost.cost > output(lost.usage.output),
        "{lost:?}"
    );
    assert_eq!((won.cost, won.basis.as_str()), (COST, "reported"));
}

#[tokio::test]
async fn a_provider_that_answers_too_late_may_bill_and_one_that_is_not_there_does_not() {
    let (late, gate) = (Upstream::start().unwrap(), Gate::new());
    late.always(answer().gate_head(&gate));
    let mut gone = Upstream::start().unwrap();
    let away = priced(&gone);
    gone.stop();
    let config = format!(
        "[router]\ntimeout = \"200ms\"\n{}{}",
        model("late", &[priced(&late)]).replace("deployments", "retries = 0\ndeployments"),
        model("gone", &[away]).replace("deployments", "retries = 0\ndeployments"),
    );
    let till = Till::file();
    let gateway = Options::config(till.config("one", "", &config)).start();
    let key = Key::make(&gateway, hard("1.00")).await;
    let stand = Stand { till, gateway, key };
    for name in ["late", "gone"] {
        let reply = stand.key.ask(&stand.gateway, &chat(name)).await;
        assert_ne!(reply.status, 200, "{name}: {}", reply.text());
    }
    let rows = stand.rows(2).await;
    // It writes its answer to the end, and who knows how long that gets: as long as was reserved.
    assert_eq!((rows[0].model_asked.as_str(), rows[0].basis.as_str()), ("late", "reserved"));
    assert!(rows[0].cost > output(16_384), "{rows:?}");
    assert_eq!((rows[1].model_asked.as_str(), rows[1].cost), ("gone", PicoUsd::ZERO));
}

#[tokio::test]
async fn an_answer_from_the_cache_costs_nothing() {
    let upstream = Upstream::start().unwrap();
    upstream.always(answer());
    let stand =
        Stand::start(&format!("[cache]\nbackend = \"memory\"\n{}", model("smart", &[priced(&upstream)])))
            .await;
    let first = stand.key.ask(&stand.gateway, &chat("smart")).await;
    let again = stand.key.ask(&stand.gateway, &chat("smart")).await;
    assert_eq!((first.header("x-gateway-cache"), again.header("x-gateway-cache")), ("miss", "hit"));
    assert_eq!(
        (first.header("x-gateway-cost-usd"), again.header("x-gateway-cost-usd")),
        (&*COST.to_string(), "0")
    );
    let rows = stand.rows(2).await;
    assert_eq!((rows[0].cost, rows[0].cache.as_str()), (COST, "miss"));
    assert_eq!((rows[1].cost, rows[1].cache.as_str()), (PicoUsd::ZERO, "hit"));
    assert_eq!(rows[1].request, again.header("x-gateway-request-id"));
    assert!(rows[1].booked.is_empty() && upstream.requests().len() == 1);
    // Whoever has spent all may still be answered from there: it costs nobody anything.
    stand.key.patch(&stand.gateway, hard("0.00")).await;
    assert_eq!(stand.key.ask(&stand.gateway, &chat("smart")).await.header("x-gateway-cache"), "hit");
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_has_its_row() {
    let (upstream, gate) = (Upstream::start().unwrap(), Gate::new());
    upstream.always(Script::json(&canned::openai_completion(20)).gate_head(&gate));
    let stand = Stand::start(&model("smart", &[priced(&upstream)])).await;
    let body = chat("smart").to_string();
    let mut raw = Raw::connect(stand.gateway.addr()).await;
    raw.write(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-length: {}\r\n\r\n{body}",
        bearer(&stand.key.secret),
        body.len()
    ))
    .await;
    assert!(upstream.wait_requests(1, PATIENCE).await);
    drop(raw);
    assert!(upstream.wait_cancelled(PATIENCE).await.is_some());
    let rows = stand.rows(1).await;
    assert_eq!((rows[0].basis.as_str(), rows[0].error.as_deref()), ("reserved", Some("client_cancelled")));
    assert!(rows[0].cost > output(16_384), "{rows:?}");
}
