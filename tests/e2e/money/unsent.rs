//! What never went out costs nothing, and what was answered is paid, also where the whole fails.

use llm_testkit::{Script, Upstream};
use llm_types::PicoUsd;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use super::{Key, Till, bearer, hard};
use crate::harness::{Gateway, Options, Streaming, chat, model, streamed};

/// A place that takes connections and never says a word: no TLS comes about with it.
async fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut taken: Vec<TcpStream> = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            taken.push(stream);
        }
    });
    base
}

fn priced(base: &str) -> String {
    format!(
        "{{ model = \"openai/gpt-4o-mini\", api_base = \"{base}\", api_key = \"sk-upstream\", \
         price = {{ input = 2.5, output = 10.0 }} }}"
    )
}

#[tokio::test]
async fn tls_that_never_comes_about_is_no_connection_and_costs_nothing() {
    let base = silent().await;
    let model = model("smart", &[priced(&base)]).replace("deployments", "retries = 0\ndeployments");
    // Who gives up first: the connection, or the attempt.
    for (own, status, says) in [
        ("[upstream]\nconnect_timeout = \"150ms\"\n", 502, "no connection within 0.15 s"),
        ("[router]\ntimeout = \"150ms\"\nfirst_token_timeout = \"150ms\"\n", 408, "within 0.15 s"),
    ] {
        let till = Till::file();
        let gateway: Gateway = Options::config(till.config("one", "", &format!("{own}{model}"))).start();
        let key = Key::make(&gateway, hard("1.00")).await;
        key.ask(&gateway, &chat("smart")).await.error(status).says(&[says]);
        let stream: Streaming = key.call(&gateway, &streamed("smart")).open().await;
        let whole = stream.whole().await;
        assert!(whole.status == status || whole.text().contains(says), "{} {}", whole.status, whole.text());
        let rows = till.rows(&key, 2).await;
        for row in &rows {
            assert_eq!((row.cost, row.usage.input, row.usage.output), (PicoUsd::ZERO, 0, 0), "{row:?}");
            assert!(row.error.is_some() && row.status == status, "{row:?}");
        }
        let spend = key.spend(&gateway).await;
        assert_eq!((spend.spent, spend.reserved), (PicoUsd::ZERO, PicoUsd::ZERO));
    }
}

#[tokio::test]
async fn of_a_request_in_parts_what_was_answered_is_paid() {
    let upstream = Upstream::start().unwrap();
    let deployment = format!(
        "{{ model = \"cohere/embed-v4.0\", api_base = \"{}\", api_key = \"k\", price = {{ input = 2.5 }} }}",
        upstream.url()
    );
    let model = model("many", &[deployment]).replace("deployments", "retries = 0\ndeployments");
    let till = Till::file();
    let gateway: Gateway = Options::config(till.config("one", "", &model)).start();
    let key = Key::make(&gateway, hard("1.00")).await;
    // Both parts come at once, in any order.
    upstream.on("/v2/embed", |part| {
        if part.json()["texts"].as_array().unwrap().len() < 96 {
            return Script::status(400).json_body(&json!({"message": "invalid text"}));
        }
        let vectors: Vec<[f32; 1]> = vec![[0.5]; 96];
        let billed = json!({"billed_units": {"input_tokens": 1000}});
        Script::json(&json!({"id": "e", "embeddings": {"float": vectors}, "meta": billed}))
    });
    let body = json!({"model": "many", "input": vec!["a"; 100]});
    let request =
        gateway.post("/v1/embeddings").header("authorization", &bearer(&key.secret)).body(body.to_string());
    request.send().await.error(400).says(&["invalid text"]);
    let rows = till.rows(&key, 1).await;
    let cost: PicoUsd = "0.0025".parse().unwrap();
    assert_eq!((rows[0].cost, rows[0].usage.input, rows[0].status), (cost, 1000, 400), "{rows:?}");
    let spend = key.spend(&gateway).await;
    assert_eq!((spend.spent, spend.reserved), (cost, PicoUsd::ZERO));
}

/// The same of pictures, of which one call makes one.
#[tokio::test]
async fn pictures_that_were_made_are_paid_though_another_is_refused() {
    let upstream = Upstream::start().unwrap();
    let deployment = format!(
        "{{ model = \"stability/core\", api_base = \"{}\", api_key = \"k\", price = {{ per_image = 0.03 }} }}",
        upstream.url()
    );
    let model = model("many", &[deployment]).replace("deployments", "retries = 0\ndeployments");
    let till = Till::file();
    let gateway: Gateway = Options::config(till.config("one", "", &model)).start();
    let key = Key::make(&gateway, hard("0.10")).await;
    let ask = async |n: u32| {
        let body = json!({"model": "many", "prompt": "a", "n": n, "seed": 1}).to_string();
        gateway
            .post("/v1/images/generations")
            .header("authorization", &bearer(&key.secret))
            .body(body)
            .send()
            .await
    };
    // All of them together have to be affordable.
    ask(4).await.error(402).says(&["budget"]);
    assert!(upstream.requests().is_empty());
    upstream.on("/v2beta/stable-image/generate/core", |part| {
        if String::from_utf8_lossy(&part.body).contains("name=\"seed\"\r\n\r\n3\r\n") {
            return Script::status(400)
                .json_body(&json!({"name": "bad_request", "errors": ["seed: too odd"]}));
        }
        Script::json(&json!({"image": "YQ==", "finish_reason": "SUCCESS"}))
    });
    ask(3).await.error(400).says(&["too odd"]);
    let rows = till.rows(&key, 1).await;
    let cost: PicoUsd = "0.06".parse().unwrap();
    assert_eq!((rows[0].cost, rows[0].usage.units.images, rows[0].status), (cost, 2, 400), "{rows:?}");
    let spend = key.spend(&gateway).await;
    assert_eq!((spend.spent, spend.reserved), (cost, PicoUsd::ZERO));
}
