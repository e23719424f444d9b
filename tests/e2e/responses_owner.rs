//! Answers that OpenAI keeps: whoever made one is asked for it again, and nobody else.

use http::Method;
use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, Reply, anthropic, model, openai};
use crate::responses::{ask, asking, response, said};

/// Two accounts behind one model.
struct Pair {
    upstreams: [Upstream; 2],
    gateway: Gateway,
}

impl Pair {
    fn start() -> Self {
        let upstreams = [Upstream::start().unwrap(), Upstream::start().unwrap()];
        let gateway = Gateway::start(&model("smart", &upstreams.each_ref().map(openai)));
        Self { upstreams, gateway }
    }

    /// Both answer with the same id.
    fn answering(self) -> Self {
        for upstream in &self.upstreams {
            let body = response("resp_68a", &json!([said("Hi")]));
            upstream.on("/v1/responses", move |received| {
                let mut body = body.clone();
                body["previous_response_id"] = received.json()["previous_response_id"].clone();
                Script::json(&body)
            });
        }
        self
    }

    /// How many requests each has got.
    fn counts(&self) -> [usize; 2] {
        self.upstreams.each_ref().map(|upstream| upstream.requests().len())
    }

    async fn call(&self, method: Method, path: &str) -> Reply {
        self.gateway.call(method, path).send().await
    }
}

fn id(reply: &Reply) -> String {
    reply.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn who_made_an_answer_goes_on_from_it() {
    let pair = Pair::start().answering();
    let first = ask(&pair.gateway, &asking("smart")).await;
    let marked = id(&first);
    assert!(marked.starts_with("resp_gw") && marked.ends_with("_68a") && marked.len() == 27, "{marked}");
    let maker = pair.counts().iter().position(|count| *count == 1).unwrap();
    for _ in 0..4 {
        let mut request = asking("smart");
        request["previous_response_id"] = marked.as_str().into();
        let reply = ask(&pair.gateway, &request).await;
        assert_eq!((reply.status, id(&reply)), (200, marked.clone()), "{}", reply.text());
        assert_eq!(reply.json()["previous_response_id"], marked);
        assert_eq!(pair.upstreams[maker].last_request().unwrap().json()["previous_response_id"], "resp_68a");
    }
    assert_eq!(pair.counts()[maker], 5);
    assert_eq!(pair.counts()[1 - maker], 0);
    // When it fails, the other is not asked: it does not know the answer.
    pair.upstreams[maker].clear();
    pair.upstreams[maker].on("/v1/responses", |_| Script::status(500));
    let mut request = asking("smart");
    request["previous_response_id"] = marked.as_str().into();
    assert_eq!(ask(&pair.gateway, &request).await.status, 500);
    assert_eq!(pair.counts()[1 - maker], 0);
}

/// An answer with encrypted thoughts.
fn thinking() -> Value {
    let thoughts = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA-1"});
    let call =
        json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"});
    response("resp_1", &json!([thoughts, call]))
}

/// What a client that keeps everything itself sends after such an answer.
fn going_on(answered: &Value) -> Value {
    let mut request = json!({"model": "smart", "store": false, "input": [{"role": "user", "content": "Hi"}]});
    let input = request["input"].as_array_mut().unwrap();
    input.extend(answered["output"].as_array().unwrap().iter().cloned());
    input.push(json!({"type": "function_call_output", "call_id": "call_1", "output": "noon"}));
    request
}

#[tokio::test]
async fn encrypted_thoughts_go_to_the_account_that_encrypted_them() {
    let pair = Pair::start();
    for upstream in &pair.upstreams {
        upstream.on("/v1/responses", |received| match received.json()["stream"] == true {
            true => {
                let item = json!({"type": "response.output_item.done", "output_index": 0, "item": thinking()["output"][0]});
                let last = json!({"type": "response.completed", "response": thinking()});
                Script::sse([item, last].map(|one| format!("event: {}\ndata: {one}\n\n", one["type"].as_str().unwrap())))
            }
            false => Script::json(&thinking()),
        });
    }
    for stream in [false, true] {
        let before = pair.counts();
        let mut request = asking("smart");
        request["stream"] = stream.into();
        let reply = ask(&pair.gateway, &request).await;
        let answered = if stream { crate::responses::last(&reply) } else { reply.json() };
        let marked = answered["output"][0]["encrypted_content"].as_str().unwrap();
        assert!(marked.starts_with("gw") && marked.ends_with(".gAAAA-1"), "{marked}");
        if stream {
            assert_eq!(reply.events()[0]["item"]["encrypted_content"], marked);
        }
        let maker = (0..2).find(|one| pair.counts()[*one] > before[*one]).unwrap();
        for _ in 0..4 {
            let reply = ask(&pair.gateway, &going_on(&answered)).await;
            assert_eq!((reply.status, reply.header("x-gateway-changes")), (200, ""), "{}", reply.text());
            let sent = pair.upstreams[maker].last_request().unwrap().json();
            assert_eq!(sent["input"][1], thinking()["output"][0], "{sent}");
        }
        assert_eq!(pair.counts()[maker], before[maker] + 5);
        // What another account encrypted before is left out, and told.
        let mut request = going_on(&answered);
        let strange = json!({"type": "reasoning", "id": "rs_0", "summary": [], "encrypted_content": "gw0123456789abcdef.gAAAA-0"});
        request["input"].as_array_mut().unwrap().insert(1, strange);
        let reply = ask(&pair.gateway, &request).await;
        let changes = reply.header("x-gateway-changes");
        assert!(changes.contains("dropped input[1] (another account"), "{changes}");
        let sent = pair.upstreams[maker].last_request().unwrap();
        assert_eq!(sent.json()["input"][1], thinking()["output"][0]);
        assert!(!sent.text().contains("gAAAA-0"), "{}", sent.text());
    }
}

#[tokio::test]
async fn whoever_speaks_another_dialect_takes_over_without_encrypted_thoughts() {
    let upstreams = [Upstream::start().unwrap(), Upstream::start().unwrap()];
    let other = Upstream::start().unwrap();
    let smart = model("smart", &upstreams.each_ref().map(openai)) + "fallbacks = [\"claude\"]\n";
    let gateway = Gateway::start(&(smart + &model("claude", &[anthropic(&other)])));
    upstreams.iter().for_each(|upstream| upstream.always(Script::json(&thinking())));
    let answered = ask(&gateway, &asking("smart")).await.json();
    let made = upstreams.each_ref().map(|upstream| upstream.requests().len());
    let maker = made.iter().position(|count| *count == 1).unwrap();
    upstreams[maker].clear();
    upstreams[maker].always(Script::status(500));
    other.always(Script::json(&llm_testkit::canned::anthropic_message(5)));
    let reply = ask(&gateway, &going_on(&answered)).await;
    assert_eq!((reply.status, reply.header("x-gateway-provider")), (200, "anthropic"), "{}", reply.text());
    let sent = other.last_request().unwrap().text();
    assert!(!sent.contains("gAAAA-1") && sent.contains("noon"), "{sent}");
    assert!(reply.header("x-gateway-changes").contains("sealed by another provider"), "{:?}", reply.headers);
    let unasked = upstreams[1 - maker].requests().len();
    assert_eq!(unasked, 0, "the other account cannot read them");
}

#[tokio::test]
async fn streams_say_who_made_them() {
    let pair = Pair::start();
    let event = |kind: &str| {
        let body = json!({"type": kind, "response": response("resp_68a", &json!([])), "sequence_number": 0});
        format!("event: {kind}\ndata: {body}\n\n")
    };
    let delta = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"resp_68a \\\"response\\\"\"}\n\n";
    let whole = [event("response.created").as_str(), delta, event("response.completed").as_str()].concat();
    for upstream in &pair.upstreams {
        // Cut where no event ends, too.
        upstream.push(Script::sse(whole.as_bytes().chunks(11).map(<[u8]>::to_vec)));
    }
    let mut request = asking("smart");
    request["stream"] = true.into();
    let reply = ask(&pair.gateway, &request).await;
    let marked = reply.events()[0]["response"]["id"].as_str().unwrap().to_owned();
    assert!(marked.starts_with("resp_gw"), "{marked}");
    assert_eq!(reply.text(), whole.replace("\"resp_68a\"", &format!("\"{marked}\"")));
}

#[tokio::test]
async fn what_is_kept_is_asked_of_its_maker() {
    let pair = Pair::start().answering();
    let marked = id(&ask(&pair.gateway, &asking("smart")).await);
    let maker = pair.counts().iter().position(|count| *count == 1).unwrap();
    let upstream = &pair.upstreams[maker];
    let mut kept = response("resp_68a", &json!([]));
    kept["status"] = "in_progress".into();
    upstream.push_for("/v1/responses/resp_68a", Script::json(&kept));
    let reply = pair.call(Method::GET, &format!("/v1/responses/{marked}?include[]=x")).await;
    assert_eq!((reply.status, id(&reply)), (200, marked.clone()), "{}", reply.text());
    let received = upstream.last_request().unwrap();
    assert_eq!(
        (received.method.as_str(), received.target.as_str()),
        ("GET", "/v1/responses/resp_68a?include[]=x")
    );
    assert!(received.header("authorization").is_some());

    upstream.push_for("/v1/responses/resp_68a/cancel", Script::json(&kept));
    let reply = pair.call(Method::POST, &format!("/v1/responses/{marked}/cancel")).await;
    assert_eq!((reply.status, id(&reply)), (200, marked.clone()));
    let items = json!({"object": "list", "data": [], "has_more": false});
    upstream.push_for("/v1/responses/resp_68a/input_items", Script::json(&items));
    let reply = pair.call(Method::GET, &format!("/responses/{marked}/input_items")).await;
    assert_eq!((reply.status, reply.json()), (200, items));
    let deleted = json!({"id": "resp_68a", "object": "response.deleted", "deleted": true});
    upstream.push_for("/v1/responses/resp_68a", Script::json(&deleted));
    let reply = pair.call(Method::DELETE, &format!("/v1/responses/{marked}")).await;
    assert_eq!((reply.status, id(&reply)), (200, marked.clone()));
    assert_eq!(upstream.last_request().unwrap().method, "DELETE");
    assert_eq!(pair.counts()[1 - maker], 0);

    let missing = json!({"error": {"message": "Response with id 'resp_68a' not found.", "type": "invalid_request_error", "param": "id", "code": null}});
    upstream.push_for("/v1/responses/resp_68a", Script::status(404).json_body(&missing));
    pair.call(Method::GET, &format!("/v1/responses/{marked}")).await.error(404).says(&["not found"]);
    // An id that does not say whose it is, or whose owner is gone.
    for unknown in ["resp_68a", "resp_gw0123456789abcdef_68a"] {
        let error = pair.call(Method::GET, &format!("/v1/responses/{unknown}")).await.error(404);
        assert_eq!(error.param, "id");
    }
    let mut request = asking("smart");
    request["previous_response_id"] = "resp_gw0123456789abcdef_68a".into();
    let error = ask(&pair.gateway, &request).await.error(400);
    assert_eq!(
        (error.param.as_str(), error.code.as_str()),
        ("previous_response_id", "previous_response_not_found")
    );
}

#[tokio::test]
async fn one_account_needs_no_marks() {
    let upstream = Upstream::start().unwrap();
    let other = Upstream::start().unwrap();
    // Two models of one account, and a provider that keeps nothing.
    let config = [
        model("smart", &[openai(&upstream)]),
        model("small", &[openai(&upstream).replace("gpt-4o", "gpt-4o-mini")]),
        model("claude", &[anthropic(&other)]),
    ];
    let gateway = Gateway::start(&config.concat());
    let answer = response("resp_1", &json!([said("Hi")]));
    upstream.push(Script::json(&answer));
    assert_eq!(ask(&gateway, &asking("smart")).await.text(), answer.to_string());
    upstream.push(Script::json(&answer));
    let mut request = asking("small");
    request["previous_response_id"] = "resp_1".into();
    assert_eq!(ask(&gateway, &request).await.text(), answer.to_string());
    upstream.push_for("/v1/responses/resp_1", Script::json(&answer));
    let reply = gateway.get("/v1/responses/resp_1").await;
    assert_eq!((reply.status, reply.text()), (200, answer.to_string().as_str()));
}

#[tokio::test]
async fn what_works_in_the_background_is_polled() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let state = |status: &str, output: Value| {
        let mut body = response("resp_1", &output);
        body["status"] = status.into();
        body["background"] = true.into();
        body
    };
    upstream.push(Script::json(&state("queued", json!([]))));
    let mut request = asking("smart");
    request["background"] = true.into();
    let reply = ask(&gateway, &request).await;
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("queued")), "{}", reply.text());
    for (status, output) in [("in_progress", json!([])), ("completed", json!([said("Done.")]))] {
        upstream.push_for("/v1/responses/resp_1", Script::json(&state(status, output)));
        let reply = gateway.get("/v1/responses/resp_1").await;
        assert_eq!(reply.json()["status"], status);
    }
    // A stream that was left is taken up again.
    let rest = format!(
        "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"delta\":\"x\",\"sequence_number\":6}}\n\n\
         event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{}}}\n\n",
        state("completed", json!([]))
    );
    upstream.push_for("/v1/responses/resp_1", Script::sse([rest.clone()]));
    let reply = gateway.get("/v1/responses/resp_1?stream=true&starting_after=5").await;
    assert_eq!(reply.text(), rest);
    assert_eq!(upstream.last_request().unwrap().query(), "stream=true&starting_after=5");
}

#[tokio::test]
async fn what_is_kept_needs_a_key_and_a_keeper() {
    let upstream = Upstream::start().unwrap();
    let config =
        format!("[auth]\nmaster_key = \"sk-master-key-1234\"\n{}", model("claude", &[anthropic(&upstream)]));
    let gateway = Gateway::start(&config);
    gateway.get("/v1/responses/resp_1").await.error(401);
    let key = "Bearer sk-master-key-1234";
    let reply = gateway.call(Method::GET, "/v1/responses/resp_1").header("authorization", key).send().await;
    reply.error(404);
    let reply = gateway.call(Method::PUT, "/v1/responses/resp_1").header("authorization", key).send().await;
    reply.error(405);
    assert_eq!(upstream.requests().len(), 0);
}
