//! Models of calls to providers' own APIs, where they are named in the provider's own way.

use http::Method;
use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, Reply, model};

const MASTER: &str = "sk-master-of-the-tests";
const GRANITE: &str = "ibm/granite-3-3-8b-instruct";
const LLAMA: &str = "meta-llama/llama-3-3-70b-instruct";

async fn post(gateway: &Gateway, key: &str, path: &str, body: &Value) -> Reply {
    let call = gateway.post(path).header("authorization", &format!("Bearer {key}"));
    call.header("content-type", "application/json").body(body.to_string()).send().await
}

/// A deployment at watsonx whose key is a token already.
fn watsonx(upstream: &Upstream, name: &str) -> String {
    let price = "price = { input = 1.0, output = 1.0 }";
    let settings =
        format!("api_base = \"{}\", api_key = \"eyJ.token\", project = \"p\", {price}", upstream.url());
    format!("{{ model = \"watsonx/{name}\", {settings} }}")
}

#[tokio::test]
async fn watsonx_is_told_the_model_by_its_id() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&json!({
        "id": "c", "model_id": GRANITE, "model": GRANITE, "created": 1,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    })));
    let models =
        model("granite", &[watsonx(&upstream, GRANITE)]) + &model("llama", &[watsonx(&upstream, LLAMA)]);
    let gateway = Gateway::start(&format!("[auth]\nmaster_key = \"{MASTER}\"\n{models}"));
    let terms = json!({"models": ["granite"], "routes": ["/v1/watsonx/*"]});
    let made = post(&gateway, MASTER, "/admin/v1/keys", &terms).await.json();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let chat = "/v1/watsonx/ml/v1/text/chat?version=2024-03-13";
    let ask = |members: Value| {
        let mut body = json!({"project_id": "p", "messages": [{"role": "user", "content": "Hello!"}]});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    };
    let reply = post(&gateway, key, chat, &ask(json!({"model_id": GRANITE}))).await;
    assert_eq!((reply.status, reply.header("x-gateway-model")), (200, "granite"), "{}", reply.text());
    assert_eq!(upstream.requests().len(), 1);
    // What stands in `model` is not what is called.
    for members in
        [json!({"model_id": LLAMA}), json!({"model_id": LLAMA, "model": GRANITE}), json!({"model": GRANITE})]
    {
        let error = post(&gateway, key, chat, &ask(members.clone())).await.error(403);
        assert_eq!(error.code, "model_not_allowed", "{members}: {error:?}");
    }
    assert_eq!(upstream.requests().len(), 1);
    let path = format!("/admin/v1/requests?key_id={id}");
    let call = gateway.call(Method::GET, &path).header("authorization", &format!("Bearer {MASTER}"));
    let rows = call.send().await.json();
    let row = &rows["data"][0];
    assert_eq!((&row["served_model"], &row["cost_usd"]), (&json!(GRANITE), &json!("0.000015")), "{rows}");
}
