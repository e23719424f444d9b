//! Answers that a provider keeps for its account are kept for whoever made them: no other key reads, deletes or goes
//! on from one.

use http::Method;
use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, Reply, model, openai};
use crate::responses::{asking, last, response, said};

const MASTER: &str = "sk-master-of-the-tests";

struct Stand {
    upstream: Upstream,
    gateway: Gateway,
}

impl Stand {
    fn start(more: &str) -> Self {
        let upstream = Upstream::start().unwrap();
        upstream.on("/v1/responses", |received| match received.json()["stream"] == true {
            true => {
                let event =
                    json!({"type": "response.completed", "response": response("resp_68a", &json!([]))});
                Script::sse([format!("event: response.completed\ndata: {event}\n\n")])
            }
            false => Script::json(&response("resp_68a", &json!([said("Hi")]))),
        });
        upstream.on("/v1/responses/resp_68a", |_| Script::json(&response("resp_68a", &json!([]))));
        let models = model("smart", &[openai(&upstream)]) + &model("small", &[openai(&upstream)]);
        let gateway = Gateway::start(&format!("{more}[auth]\nmaster_key = \"{MASTER}\"\n{models}"));
        Self { upstream, gateway }
    }

    async fn send(&self, key: &str, method: Method, path: &str, body: &Value) -> Reply {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let call = self.gateway.call(method, path).header("authorization", &format!("Bearer {key}"));
        call.body(body).send().await
    }

    async fn key(&self, form: &Value) -> String {
        let made = self.send(MASTER, Method::POST, "/admin/v1/keys", form).await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["key"].as_str().unwrap().to_owned()
    }

    async fn make(&self, key: &str) -> String {
        let made = self.send(key, Method::POST, "/v1/responses", &asking("smart")).await;
        assert_eq!(made.status, 200, "{}", made.text());
        made.json()["id"].as_str().unwrap().to_owned()
    }

    async fn go_on(&self, key: &str, id: &str) -> Reply {
        let mut request = asking("smart");
        request["previous_response_id"] = id.into();
        self.send(key, Method::POST, "/v1/responses", &request).await
    }

    async fn read(&self, key: &str, id: &str) -> u16 {
        self.send(key, Method::GET, &format!("/v1/responses/{id}"), &Value::Null).await.status
    }
}

#[tokio::test]
async fn what_one_key_made_is_nothing_to_another() {
    let stand = Stand::start("");
    let (own, other) = (stand.key(&json!({})).await, stand.key(&json!({})).await);
    let id = stand.make(&own).await;
    assert!(id.starts_with("resp_gw") && id.ends_with("_68a") && id.len() == 59, "{id}");
    // The account behind it is one, so nothing else is marked, and its maker gets the provider's own id there.
    assert_eq!(stand.go_on(&own, &id).await.json()["id"], id);
    assert_eq!(stand.upstream.last_request().unwrap().json()["previous_response_id"], "resp_68a");
    let mut request = asking("smart");
    request["stream"] = true.into();
    let streamed = stand.send(&own, Method::POST, "/v1/responses", &request).await;
    assert_eq!(last(&streamed)["id"], id);

    let before = stand.upstream.requests().len();
    let theirs = stand.make(&other).await;
    // A seal of their own before somebody else's id, no seal, and the provider's own id.
    let moved = format!("{}_99b", theirs.rsplit_once('_').unwrap().0);
    let bare = format!("{}_68a", id.get(.."resp_gw".len() + 16).unwrap());
    for (key, id) in [(&other, &*id), (&other, &*moved), (&own, &*moved), (&own, &*bare), (&own, "resp_68a")]
    {
        for (method, below) in [
            (Method::GET, ""),
            (Method::DELETE, ""),
            (Method::GET, "/input_items"),
            (Method::POST, "/cancel"),
        ] {
            let reply = stand.send(key, method, &format!("/v1/responses/{id}{below}"), &Value::Null).await;
            reply.error(404).says(&["another key"]);
        }
        let error = stand.go_on(key, id).await.error(400);
        assert_eq!((&*error.param, &*error.code), ("previous_response_id", "previous_response_not_found"));
    }
    let mut request = asking("smart");
    request["conversation"] = "conv_1".into();
    let refused = stand.send(&own, Method::POST, "/v1/responses", &request).await.error(400);
    assert_eq!((&*refused.param, &*refused.code), ("conversation", "conversation_not_found"));
    assert_eq!(stand.upstream.requests().len(), before + 1, "nobody was asked");

    assert_eq!(stand.read(&own, &id).await, 200);
    assert_eq!(stand.read(MASTER, &id).await, 200);
    assert_eq!(stand.read(MASTER, "resp_68a").await, 200);
    assert_eq!(stand.go_on(MASTER, &id).await.status, 200);
    assert_eq!(stand.send(MASTER, Method::POST, "/v1/responses", &request).await.status, 200);
    // What the master key made is nobody else's.
    let id = stand.make(MASTER).await;
    assert_eq!((stand.read(MASTER, &id).await, stand.read(&own, &id).await), (200, 404));
}

#[tokio::test]
async fn an_item_of_the_account_is_not_named_by_a_key() {
    let stand = Stand::start("");
    let own = stand.key(&json!({})).await;
    let id = stand.make(&own).await;
    let before = stand.upstream.requests().len();
    for item in [
        json!({"type": "item_reference", "id": "msg_1"}),
        json!({"id": "msg_1"}),
        json!({"type": null, "id": "rs_1"}),
    ] {
        for goes_on in [Value::Null, json!(id)] {
            let mut request = asking("smart");
            request["input"] = json!([{"role": "user", "content": "x"}, item]);
            request["previous_response_id"] = goes_on;
            let error = stand.send(&own, Method::POST, "/v1/responses", &request).await.error(400);
            assert_eq!((&*error.param, &*error.code), ("input[1]", "item_reference_not_found"), "{item}");
        }
    }
    assert_eq!(stand.upstream.requests().len(), before, "nobody was asked");
    // What is sent is the client's own; and the master key may name everything.
    let mut request = asking("smart");
    request["input"] = json!([{"type": "message", "id": "msg_1", "role": "assistant", "content": []}]);
    assert_eq!(stand.send(&own, Method::POST, "/v1/responses", &request).await.status, 200);
    request["input"] = json!([{"type": "item_reference", "id": "msg_1"}]);
    assert_eq!(stand.send(MASTER, Method::POST, "/v1/responses", &request).await.status, 200);
}

#[tokio::test]
async fn a_team_shares_where_the_cache_says_so_and_another_gateway_knows_the_seal() {
    let check = async |more: &str, shared: u16| {
        let stand = Stand::start(more);
        stand.send(MASTER, Method::POST, "/admin/v1/teams", &json!({"id": "blue"})).await;
        let form = json!({"team_id": "blue"});
        let (one, two) = (stand.key(&form).await, stand.key(&form).await);
        let bounded = stand.key(&json!({"team_id": "blue", "models": ["none"]})).await;
        let stranger = stand.key(&json!({})).await;
        let id = stand.make(&one).await;
        assert_eq!(stand.read(&one, &id).await, 200, "{more}");
        assert_eq!(stand.read(&two, &id).await, shared, "{more}");
        assert_eq!(stand.read(&stranger, &id).await, 404, "{more}");
        let forbidden = if shared == 200 { 403 } else { 404 };
        assert_eq!(stand.read(&bounded, &id).await, forbidden, "{more}: it may call no such model");
    };
    check("", 404).await;
    check("[cache]\nscope = \"team\"\n", 200).await;
    check("[cache]\nscope = \"global\"\n", 404).await;
}

#[tokio::test]
async fn another_gateway_with_the_same_master_key_knows_the_seal() {
    let own = "[[keys]]\nname = \"ci\"\nkey = \"sk-a-key-of-the-file-0123456789\"\n";
    let key = "sk-a-key-of-the-file-0123456789";
    let (one, two) = (Stand::start(own), Stand::start(own));
    let id = one.make(key).await;
    assert_eq!((two.read(key, &id).await, two.go_on(key, &id).await.status), (200, 200));
}
