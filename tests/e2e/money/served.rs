//! The price of the model that answered, where it is another than was asked for.

use llm_testkit::canned::{IncludeUsage, openai_completion, openai_stream};
use llm_testkit::{Script, Upstream};
use llm_types::PicoUsd;
use serde_json::{Value, json};

use super::{COST, Key, Till, bounded};
use crate::harness::{Gateway, model, openai};

/// A deployment under a name of somebody's own, as Azure has them: nobody has a price for that.
fn named(upstream: &Upstream, more: &str) -> String {
    openai(upstream).replace("openai/gpt-4o", "openai/our-own-name").replace(" }", &format!("{more} }}"))
}

fn streamed() -> Value {
    let mut body = bounded("smart");
    body["stream"] = json!(true);
    body
}

#[tokio::test]
async fn an_answer_costs_what_the_model_does_that_it_names() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let mut other = openai_completion(20);
    other["model"] = json!("gpt-4o-mini-2024-07-18");
    let mut none = openai_completion(20);
    none["model"] = json!("nobody-knows");
    let gateway = till.gateway(&model("smart", &[named(&upstream, "")]));
    let key = Key::make(&gateway, json!({})).await;
    // 19 tokens and 120: 2.5 and 10 dollars a million, then 0.15 and 0.6.
    let mini = PicoUsd::from_pico(19 * 150_000 + 120 * 600_000);
    let whole: [(Value, Option<PicoUsd>); 3] =
        [(openai_completion(20), Some(COST)), (other, Some(mini)), (none, None)];
    for (nth, (answer, cost)) in whole.iter().enumerate() {
        upstream.push(Script::json(answer));
        let reply = key.ask(&gateway, &bounded("smart")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let told = cost.map(|cost| cost.to_string()).unwrap_or_default();
        assert_eq!(reply.header("x-gateway-cost-usd"), told);
        let row = till.rows(&key, nth + 1).await.pop().unwrap();
        assert_eq!((row.cost, row.cost_incomplete), (cost.unwrap_or_default(), cost.is_none()), "{row:?}");
        assert_eq!(
            (row.model_asked.as_str(), row.model.as_str()),
            ("smart", answer["model"].as_str().unwrap())
        );
    }
    upstream.push(Script::sse(openai_stream(9, IncludeUsage::Yes)));
    let stream = key.call(&gateway, &streamed()).open().await.whole().await;
    assert!(stream.text().contains("[DONE]"));
    let row = till.rows(&key, 4).await.pop().unwrap();
    assert_eq!((row.cost, row.model.as_str()), (COST, "gpt-4o-2024-08-06"), "{row:?}");
    // One that breaks off has named it too.
    upstream.push(Script::sse(openai_stream(9, IncludeUsage::Yes).into_iter().take(4)));
    key.call(&gateway, &streamed()).open().await.whole().await;
    let row = till.rows(&key, 5).await.pop().unwrap();
    assert_eq!((row.basis.as_str(), row.model.as_str()), ("received", "gpt-4o-2024-08-06"), "{row:?}");
    assert!(row.cost > PicoUsd::ZERO && !row.cost_incomplete, "{row:?}");
    let usage =
        super::admin(&gateway, http::Method::GET, "/usage?group_by=served", &Value::Null).await.json();
    let served: Vec<_> =
        usage["data"].as_array().unwrap().iter().map(|line| &line["group"]["model_served"]).collect();
    assert_eq!(served.len(), 3, "{usage}");
}

#[tokio::test]
async fn it_is_read_from_an_answer_that_is_written_anew() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let gateway = till.gateway(&model("smart", &[named(&upstream, "")]));
    let key = Key::make(&gateway, json!({})).await;
    for (nth, stream) in [false, true].into_iter().enumerate() {
        let script = match stream {
            false => Script::json(&openai_completion(20)),
            true => Script::sse(openai_stream(9, IncludeUsage::Yes)),
        };
        upstream.push(script);
        let body = json!({"model": "smart", "max_tokens": 150, "stream": stream,
            "messages": [{"role": "user", "content": "Hello"}]});
        let call = gateway.post("/v1/messages").header("authorization", &super::bearer(&key.secret));
        let reply = call.body(body.to_string()).open().await.whole().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let row = till.rows(&key, nth + 1).await.pop().unwrap();
        assert_eq!((row.cost, row.model.as_str()), (COST, "gpt-4o-2024-08-06"), "{row:?}");
    }
}

#[tokio::test]
async fn the_deployments_own_price_goes_before_it_and_one_that_is_configured_for_it_too() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    upstream.always(Script::json(&openai_completion(20)));
    let own = model("own", &[named(&upstream, ", price = { input = 1.0, output = 1.0 }")]);
    let listed = model("listed", &[named(&upstream, "")]);
    let prices = "[[prices]]\nmodel = \"gpt-4o-2024-08-06\"\ninput = 2.0\noutput = 2.0\n";
    let gateway = till.gateway(&format!("{own}{listed}{prices}"));
    let key = Key::make(&gateway, json!({})).await;
    for (name, cost) in [("own", "0.000139"), ("listed", "0.000278")] {
        assert_eq!(key.ask(&gateway, &bounded(name)).await.header("x-gateway-cost-usd"), cost, "{name}");
    }
    // Where nothing is metered the header knows it as well.
    let open = Gateway::start(&format!("{listed}{prices}"));
    assert_eq!(open.chat(&bounded("listed")).await.header("x-gateway-cost-usd"), "0.000278");
}
