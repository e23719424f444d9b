//! Who cannot do what a request uses is passed over before it is asked, and the decision's record says so.

use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{
    Gateway, Options, Reply, chat, deployment, model, model_with, openai, picture, well, with,
};

/// A model of OpenAI's that the catalogue says reads no pictures.
const BLIND: &str = "openai/gpt-3.5-turbo";
/// One that the catalogue says has no tools.
const HANDLESS: &str = "openai/gpt-5-chat";

fn of(upstream: &Upstream, name: &str) -> String {
    deployment(name, &format!("{}/v1", upstream.url()))
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}})
}

/// A request, with tools or a picture, at each front: the path, and the body.
fn requests(what: &str) -> [(&'static str, Value); 4] {
    let tools = what == "tools";
    let with = |plain: Value, more: Value| {
        let mut body = plain;
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let openai = if tools {
        let tool = json!({"type": "function", "function": {"name": "weather", "parameters": schema()}});
        with(chat("smart"), json!({"tools": [tool]}))
    } else {
        picture("smart", 400)
    };
    let data = "A".repeat(400);
    let hello = json!("Hello!");
    let image = |part: Value, text: &str| json!([{"type": text, "text": "What is it?"}, part]);
    let base64 = json!({"type": "base64", "media_type": "image/png", "data": data});
    let message = |content: Value| json!({"model": "smart", "max_tokens": 50, "messages": [{"role": "user", "content": content}]});
    let messages = if tools {
        with(message(hello.clone()), json!({"tools": [{"name": "weather", "input_schema": schema()}]}))
    } else {
        message(image(json!({"type": "image", "source": base64}), "text"))
    };
    let input = |content: Value| json!({"model": "smart", "store": false, "input": [{"role": "user", "content": content}]});
    let responses = if tools {
        with(
            input(hello),
            json!({"tools": [{"type": "function", "name": "weather", "parameters": schema(), "strict": false}]}),
        )
    } else {
        let url = format!("data:image/png;base64,{data}");
        input(image(json!({"type": "input_image", "image_url": url, "detail": "auto"}), "input_text"))
    };
    let contents = |parts: Value| json!({"contents": [{"role": "user", "parts": parts}]});
    let gemini = if tools {
        let declared = json!([{"name": "weather", "parameters": schema()}]);
        with(contents(json!([{"text": "Hello!"}])), json!({"tools": [{"functionDeclarations": declared}]}))
    } else {
        contents(json!([{"text": "What is it?"}, {"inlineData": {"mimeType": "image/png", "data": data}}]))
    };
    [
        ("/v1/chat/completions", openai),
        ("/v1/messages", messages),
        ("/v1/responses", responses),
        ("/v1beta/models/smart:generateContent", gemini),
    ]
}

/// An upstream that answers, and knows the Responses API.
fn able() -> Upstream {
    let upstream = well();
    let response = crate::responses::response("resp_1", &json!([crate::responses::said("At six.")]));
    upstream.on("/v1/responses", move |_| Script::json(&response));
    upstream
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Reply {
    gateway.post(path).header("x-gateway-explain", "1").body(body.to_string()).send().await
}

/// Records only of requests that ask for one.
const ASKED_FOR: &str = "[router]\nrecords = { per_second = 0 }\n";

#[tokio::test]
async fn tools_and_pictures_pass_over_who_cannot_take_them() {
    for (what, name, reason) in
        [("tools", HANDLESS, "does not offer tools"), ("pictures", BLIND, "does not offer image input")]
    {
        let (unable, able) = (able(), able());
        let models = model("smart", &[of(&unable, name), with(&openai(&able), "order = 1")]);
        let gateway = Options::config(format!("{ASKED_FOR}{models}")).start();
        for (nth, (path, body)) in requests(what).iter().enumerate() {
            let reply = post(&gateway, path, body).await;
            assert_eq!((reply.served(), reply.header("x-gateway-attempts")), ("smart/2", "1"), "{path}");
            assert_eq!((unable.requests().len(), able.requests().len()), (0, nth + 1), "{path}");
            let told = gateway.explained(&reply).await;
            let candidates = &told["groups"][0]["decisions"][0]["candidates"];
            assert_eq!(candidates[0]["deployment"], "smart/1", "{told:#}");
            assert_eq!(candidates[0]["verdict"], "passed over", "{told:#}");
            assert_eq!(candidates[0]["reason"], reason, "{told:#}");
            assert_eq!(
                (&candidates[1]["verdict"], &candidates[1]["reason"]),
                (&json!("chosen"), &Value::Null)
            );
        }
        // Whatever else it can do is its, and only who asks is told why.
        let plain = gateway.chat(&chat("smart")).await;
        assert_eq!(plain.served(), "smart/1");
        let path = format!("/admin/v1/requests/{}", plain.header("x-gateway-request-id"));
        assert_eq!(gateway.get(&path).await.status, 404);
    }
}

#[tokio::test]
async fn a_model_behind_a_star_has_the_window_that_it_has() {
    let (any, long) = (well(), well());
    let config = model_with("any/*", "context_window_fallbacks = [\"long\"]", &[of(&any, "openai/*")])
        + &model("long", &[openai(&long)]);
    let gateway = Gateway::start(&config);
    let ask = async |named: &str, words: usize| {
        let mut request = chat(named);
        request["messages"][0]["content"] = "word ".repeat(words).into();
        let reply = gateway.chat(&request).await;
        (reply.served().to_owned(), gateway.explained(&reply).await)
    };
    assert_eq!(ask("any/gpt-4o", 20_000).await.0, "any/*/1");
    assert_eq!(ask("any/gpt-3.5-turbo", 1_000).await.0, "any/*/1");
    let (served, told) = ask("any/gpt-3.5-turbo", 20_000).await;
    assert_eq!((&*served, any.requests().len()), ("long/1", 2), "it was not asked for what does not fit");
    let why = told["groups"][0]["decisions"][0]["candidates"][0]["reason"].as_str().unwrap();
    assert!(why.contains("context window of 16385"), "{told}");
    assert_eq!(ask("any/nobody-knows-it", 20_000).await.0, "any/*/1");
}

#[tokio::test]
async fn texts_for_vectors_go_where_each_of_them_fits() {
    let vectors = json!({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}});
    let (small, large) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    let both = json!({"object": "list", "model": "m", "usage": {"prompt_tokens": 2, "total_tokens": 2}, "data": [
        {"object": "embedding", "index": 0, "embedding": [0.5]}, {"object": "embedding", "index": 1, "embedding": [0.5]}]});
    small.always(Script::json(&both));
    large.always(Script::json(&vectors));
    let known = |upstream: &Upstream, order: u32| {
        with(&of(upstream, "openai/text-embedding-3-small"), &format!("order = {order}"))
    };
    let config = model("vectors", &[with(&known(&small, 0), "context_window = 500"), known(&large, 1)]);
    let gateway = Gateway::start(&config);
    let ask = async |input: Value| {
        let body = json!({"model": "vectors", "input": input});
        let reply = gateway.post("/v1/embeddings").body(body.to_string()).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.served().to_owned()
    };
    // A window is for each of them: several that fit do so together.
    let short = "word ".repeat(300);
    assert_eq!(ask(json!([short, short])).await, "vectors/1");
    assert_eq!(ask(json!(short.repeat(2))).await, "vectors/2");
    assert_eq!(ask(json!([vec![10_000; 600]])).await, "vectors/2");
    assert_eq!(small.requests().len(), 1, "it was not asked for what does not fit");
}

#[tokio::test]
async fn another_model_takes_what_nobody_of_a_model_can() {
    for (what, name, reason) in
        [("tools", HANDLESS, "does not offer tools"), ("pictures", BLIND, "does not offer image input")]
    {
        let (unable, able) = (able(), able());
        let two = [of(&unable, name), of(&unable, name)];
        let models = model_with("smart", "fallbacks = [\"able\"]", &two) + &model("able", &[openai(&able)]);
        let gateway = Options::config(format!("{ASKED_FOR}{models}")).start();
        for (path, body) in &requests(what) {
            let reply = post(&gateway, path, body).await;
            assert_eq!((reply.served(), reply.header("x-gateway-attempts")), ("able/1", "1"), "{path}");
            assert_eq!(reply.header("x-gateway-fallback"), "able", "{path}");
            let told = gateway.explained(&reply).await;
            let group = &told["groups"][0];
            assert_eq!(group["ended"], "every deployment was passed over", "{told:#}");
            for candidate in group["decisions"][0]["candidates"].as_array().unwrap() {
                assert_eq!(candidate["reason"], reason, "{told:#}");
            }
        }
        assert_eq!(unable.requests().len(), 0);
        // Without that model the catalogue may be wrong: the provider decides.
        let gateway = Gateway::start(&model("smart", &two));
        let [(path, body), ..] = requests(what);
        post(&gateway, path, &body).await.served();
        assert_eq!(unable.requests().len(), 1);
    }
}

#[tokio::test]
async fn the_fallback_of_a_fallback_takes_what_nobody_before_it_can() {
    let (unable, able) = (able(), able());
    let models = [
        model_with("smart", "fallbacks = [\"next\"]", &[of(&unable, HANDLESS)]),
        model_with("next", "fallbacks = [\"last\"]", &[of(&unable, HANDLESS)]),
        model("last", &[openai(&able)]),
    ];
    let gateway = Gateway::start(&models.join(""));
    for (path, body) in &requests("tools") {
        let reply = post(&gateway, path, body).await;
        assert_eq!((reply.served(), reply.header("x-gateway-attempts")), ("last/1", "1"), "{path}");
    }
    assert_eq!(unable.requests().len(), 0);
}
