//! Documents in order: one route in front of providers with words of their own.

use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::llmctl;
use crate::harness::{Gateway, Options, PROVIDER_KEY, model, openai};

const MASTER: &str = "sk-master-of-the-documents";

fn at(name: &str, base: &str) -> String {
    format!("{{ model = \"{name}\", api_base = \"{base}\", api_key = \"{PROVIDER_KEY}\" }}")
}

fn models(upstream: &Upstream) -> String {
    let url = upstream.url();
    [
        model("best", &[at("cohere/rerank-v3.5", &url)]),
        model("voyage", &[at("voyage/rerank-2-lite", &format!("{url}/v1"))]),
        model("tei", &[at("tei/bge", &url)]),
        model("chat", &[openai(upstream)]),
    ]
    .concat()
}

fn ask(model: &str) -> Value {
    json!({"model": model, "query": "capital of France", "documents": ["Berlin", {"text": "Paris"}, "Rome"], "top_n": 2})
}

fn cohere() -> Script {
    Script::json(
        &json!({"id": "r1", "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.25}],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}}),
    )
}

#[tokio::test]
async fn one_route_speaks_to_all_of_them() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&models(&upstream));
    for path in ["/rerank", "/v1/rerank", "/v2/rerank"] {
        upstream.push(cohere());
        let reply = gateway.post(path).body(ask("best").to_string()).send().await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert_eq!(
            reply.json(),
            json!({"id": "r1", "model": "best", "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.25}],
                "meta": {"billed_units": {"search_units": 1}, "api_version": {"version": "2"}}})
        );
        let sent = upstream.last_request().unwrap();
        assert_eq!(sent.path(), "/v2/rerank");
        assert_eq!(sent.header("authorization"), Some(&*format!("Bearer {PROVIDER_KEY}")));
        let documents = json!(["Berlin", "Paris", "Rome"]);
        assert_eq!(
            sent.json(),
            json!({"model": "rerank-v3.5", "query": "capital of France", "documents": documents, "top_n": 2})
        );
    }

    upstream.push(Script::json(
        &json!({"object": "list", "model": "rerank-2-lite", "usage": {"total_tokens": 43},
        "data": [{"index": 1, "relevance_score": 0.75}, {"index": 2, "relevance_score": 0.5}]}),
    ));
    let mut body = ask("voyage");
    (body["return_documents"], body["rank_fields"]) = (true.into(), json!(["text"]));
    let reply = gateway.post("/v1/rerank").body(body.to_string()).send().await;
    let expect = json!([{"index": 1, "relevance_score": 0.75, "document": {"text": "Paris"}},
        {"index": 2, "relevance_score": 0.5, "document": {"text": "Rome"}}]);
    assert_eq!(reply.json()["results"], expect);
    assert_eq!(reply.json()["usage"], json!({"prompt_tokens": 43, "total_tokens": 43}));
    assert_eq!(upstream.last_request().unwrap().json()["top_k"], 2);
    assert!(reply.header("x-gateway-changes").contains("altered rank_fields"), "{:?}", reply.headers);

    // A server of one model, which does not cut the list.
    upstream.push(Script::json(
        &json!([{"index": 0, "score": 0.1}, {"index": 1, "score": 0.9}, {"index": 2, "score": 0.5}]),
    ));
    let reply = gateway.post("/v1/rerank").body(ask("tei").to_string()).send().await;
    assert_eq!(
        reply.json()["results"],
        json!([{"index": 1, "relevance_score": 0.9}, {"index": 2, "relevance_score": 0.5}])
    );
    let sent = upstream.last_request().unwrap();
    assert_eq!(
        (sent.path(), sent.json()),
        ("/rerank", json!({"query": "capital of France", "texts": ["Berlin", "Paris", "Rome"]}))
    );
}

#[tokio::test]
async fn bedrock_is_signed_and_paid_by_the_query() {
    let upstream = Upstream::start().unwrap();
    let aws = "aws = { access_key_id = \"AKIDEXAMPLE\", secret_access_key = \"a-secret-of-amazon\" }";
    let url = upstream.url();
    let deployment = format!(
        "{{ model = \"bedrock/cohere.rerank-v3-5:0\", api_base = \"{url}\", region = \"us-east-1\", {aws} }}"
    );
    let gateway = Gateway::start(&model("amazon", &[deployment]));
    upstream.push(Script::json(
        &json!({"results": [{"index": 1, "relevanceScore": 0.9}, {"index": 0, "relevanceScore": 0.25}]}),
    ));
    let reply = gateway.post("/v1/rerank").body(ask("amazon").to_string()).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        (&reply.json()["results"], &reply.json()["meta"]),
        (
            &json!([{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.25}]),
            &json!({"billed_units": {"search_units": 1}})
        )
    );
    assert_eq!(reply.header("x-gateway-cost-usd"), "0.002");
    let sent = upstream.last_request().unwrap();
    assert_eq!(sent.path(), "/rerank");
    let signed = sent.header("authorization").unwrap();
    assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{signed}");
    assert!(signed.contains("/us-east-1/bedrock/aws4_request"), "{signed}");
    let config = &sent.json()["rerankingConfiguration"]["bedrockRerankingConfiguration"];
    let arn = "arn:aws:bedrock:us-east-1::foundation-model/cohere.rerank-v3-5:0";
    assert_eq!(config, &json!({"numberOfResults": 2, "modelConfiguration": {"modelArn": arn}}));
    upstream.push(
        Script::status(400)
            .header("content-type", "application/json")
            .header("x-amzn-errortype", "ValidationException:http://x")
            .body(r#"{"message":"The provided model identifier is invalid."}"#),
    );
    let reply = gateway.post("/v1/rerank").body(ask("amazon").to_string()).send().await;
    reply.error(400).says(&["model identifier is invalid"]);
}

#[tokio::test]
async fn failures_are_told_and_others_take_over() {
    let (first, second) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    let both =
        [at("cohere/rerank-v3.5", &first.url()), at("voyage/rerank-2.5", &format!("{}/v1", second.url()))];
    let gateway = Gateway::start(
        &(String::new()
            + &model("one", &[at("cohere/rerank-v3.5", &first.url())])
            + &format!(
                "[[models]]\nname = \"both\"\nstrategy = \"round-robin\"\ndeployments = [{}]\n",
                both.join(", ")
            )
            + &model("chat", &[openai(&first)])),
    );
    first.push(
        Script::status(400)
            .header("content-type", "application/json")
            .body(r#"{"id":"1","message":"invalid request: query is too long"}"#),
    );
    let reply = gateway.post("/v1/rerank").body(ask("one").to_string()).send().await;
    reply.error(400).says(&["query is too long"]);
    first.always(Script::status(503).body("{\"message\":\"down\"}"));
    second.always(Script::json(
        &json!({"data": [{"index": 1, "relevance_score": 0.5}], "usage": {"total_tokens": 3}}),
    ));
    for _ in 0..4 {
        let reply = gateway.post("/v1/rerank").body(ask("both").to_string()).send().await;
        assert_eq!(
            (reply.status, reply.json()["results"][0]["index"].clone()),
            (200, json!(1)),
            "{}",
            reply.text()
        );
    }
    let reply = gateway.post("/v1/rerank").body(ask("chat").to_string()).send().await;
    reply.error(400).says(&["openai", "rerank", "gpt-4o"]);
    let check = async |body: Value, param: &str| {
        let reply = gateway.post("/v1/rerank").body(body.to_string()).send().await;
        assert_eq!(reply.error(400).param, param, "{body}");
    };
    check(json!({"model": "one", "documents": ["a"]}), "query").await;
    check(json!({"model": "one", "query": "q", "documents": []}), "documents").await;
    check(json!({"model": "one", "query": "q", "documents": ["a", 1]}), "documents[1]").await;
    check(json!({"query": "q", "documents": ["a"]}), "model").await;
    let nowhere = gateway.post("/v1/rerank").body(ask("nobody").to_string()).send().await;
    nowhere.error(404).says(&["nobody"]);
}

#[tokio::test]
async fn an_order_is_metered_and_stays_within_its_budget() {
    let upstream = Upstream::start().unwrap();
    let config = format!("[auth]\nmaster_key = \"{MASTER}\"\n")
        + &models(&upstream)
        + "[[keys]]\nname = \"k\"\nkey = \"sk-of-a-caller-with-little-money\"\nbudgets = [{ limit_usd = \"0.005\", window = \"day\" }]\n";
    let gateway = Options::config(config).start();
    upstream.always(cohere());
    let call = async |body: Value| {
        let key = "Bearer sk-of-a-caller-with-little-money";
        gateway.post("/v1/rerank").header("authorization", key).body(body.to_string()).send().await
    };
    // 0.002 USD for each search.
    for _ in 0..2 {
        let reply = call(ask("best")).await;
        assert_eq!((reply.status, reply.header("x-gateway-cost-usd")), (200, "0.002"), "{}", reply.text());
    }
    call(ask("best")).await.error(402).says(&["budget"]);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn the_command_line_orders_documents() {
    let upstream = Upstream::start().unwrap();
    upstream.always(cohere());
    let direct = |args: &[&str]| {
        llmctl(args).env("COHERE_API_KEY", PROVIDER_KEY).env("COHERE_API_BASE", &upstream.url())
    };
    let args = ["rerank", "cohere/rerank-v3.5", "--query", "capital of France", "Berlin", "Paris", "-n", "2"];
    let ran = direct(&args).run();
    let lines: Vec<&str> = ran.good().lines().map(str::trim_end).collect();
    assert_eq!(lines, ["SCORE   INDEX  DOCUMENT", "0.9000  1      Paris", "0.2500  0      Berlin"]);
    assert_eq!(upstream.last_request().unwrap().json()["top_n"], 2);
    let ran = direct(&["rerank", "rerank-v3.5", "-q", "q", "--json"]).stdin("one\n\ntwo\n").run();
    ran.good();
    assert_eq!(ran.json()["results"][0], json!({"index": 1, "relevance_score": 0.9}));
    assert_eq!(upstream.last_request().unwrap().json()["documents"], json!(["one", "two"]));

    let gateway = Options::args(&["--demo"]).start();
    let url = gateway.url();
    let args =
        ["rerank", "mock/echo", "-q", "red fox", "a blue dog", "the red fox", "--gateway", url.as_str()];
    let ran = llmctl(&args).run();
    assert!(ran.good().lines().nth(1).unwrap().ends_with("the red fox"), "{ran:?}");
    let ran = llmctl(&["rerank", "openai/gpt-4o", "-q", "q", "d"]).env("OPENAI_API_KEY", PROVIDER_KEY).run();
    assert!(ran.code != Some(0) && ran.err.contains("offers no rerank"), "{ran:?}");
}
