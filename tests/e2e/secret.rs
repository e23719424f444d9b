//! Keys that are planted everywhere come out nowhere.

use http::Method;
use llm_testkit::{End, Script, Upstream, canned};
use serde_json::json;

use crate::harness::{Options, Reply, chat, model, streamed};

const MASTER: &str = "sk-planted-master-1f3c";
const KEY: &str = "sk-planted-provider-77ab";
const HEADER: &str = "planted-header-90de";
const WRONG: &str = "sk-planted-of-a-client-5e5e";

fn assert_clean(what: &str, text: &str) {
    for secret in [MASTER, KEY, HEADER, WRONG] {
        assert!(!text.contains(secret), "{what} holds {secret}:\n{text}");
    }
}

fn assert_clean_reply(what: &str, reply: &Reply) {
    assert_clean(what, &String::from_utf8_lossy(&reply.body));
    assert_clean(what, &format!("{:?}", reply.headers));
}

#[tokio::test]
async fn secrets_are_neither_logged_nor_told() {
    let upstream = Upstream::start().unwrap();
    let mut dead = Upstream::start().unwrap();
    let with_secrets = |upstream: &Upstream| {
        format!(
            "{{ model = \"openai/gpt-4o\", api_base = \"{}/v1\", api_key = \"${{PLANTED_KEY}}\", \
             headers = {{ x-secret = \"{HEADER}\" }} }}",
            upstream.url()
        )
    };
    let gemini = format!(
        "{{ model = \"gemini/gemini-2.5-flash\", api_base = \"{}\", api_key = \"{KEY}\" }}",
        dead.url()
    );
    let config = "[auth]\nmaster_key = \"${PLANTED_MASTER}\"\n[router]\nretries = 1\n".to_owned()
        + "backoff = { base = \"1ms\", max = \"5ms\" }\n[telemetry]\nlog = { level = \"trace\" }\n"
        + &model("smart", &[with_secrets(&upstream)])
        + &model("dead", &[with_secrets(&dead)])
        + &model("google", &[gemini]);
    dead.stop();
    let gateway = Options::config(config).env("PLANTED_KEY", KEY).env("PLANTED_MASTER", MASTER).start();
    let call = async |body: &serde_json::Value, key: &str| {
        let call = gateway.post("/v1/chat/completions").header("authorization", &format!("Bearer {key}"));
        call.body(body.to_string()).send().await
    };

    // An upstream that says the key it was called with, as some do.
    let echo = format!("Incorrect API key provided: {KEY}. You can find your key in your account.");
    for status in [400, 401, 403, 429, 500] {
        upstream.always(Script::status(status).json_body(&json!({"error": {"message": echo, "type": "x"}})));
        for request in [chat("smart"), streamed("smart")] {
            let reply = call(&request, MASTER).await;
            assert_eq!(reply.status, status, "{}", reply.text());
            assert_clean_reply("an echoed key", &reply);
        }
    }
    upstream.always(Script::garbage(format!("{KEY}\r\n\r\n")));
    assert_clean_reply("garbage", &call(&chat("smart"), MASTER).await);
    upstream.always(Script::sse(canned::openai_stream(4, canned::IncludeUsage::No)).then(End::Reset));
    assert_eq!(call(&streamed("smart"), MASTER).await.status, 200);
    let begun = canned::openai_stream(4, canned::IncludeUsage::No).into_iter().take(4);
    let error = format!("data: {}\n\n", json!({"error": {"message": echo, "type": "x", "code": 401}}));
    upstream.always(Script::sse(begun).chunk(error));
    let broken = call(&streamed("smart"), MASTER).await;
    assert!(
        broken.text().contains("harbour") && broken.text().contains("Incorrect API key"),
        "{}",
        broken.text()
    );
    assert_clean_reply("a stream that breaks", &broken);
    upstream.always(Script::json(&canned::openai_completion(10)));
    let good = call(&chat("smart"), MASTER).await;
    assert_eq!(good.status, 200);
    assert_clean_reply("a good answer", &good);
    assert_eq!(upstream.last_request().unwrap().header("x-secret"), Some(HEADER));
    for name in ["dead", "google", "none"] {
        let reply = call(&chat(name), MASTER).await;
        assert!(reply.status >= 400);
        assert_clean_reply(name, &reply);
    }
    let reply = call(&chat("smart"), WRONG).await;
    reply.error(401);
    assert_clean_reply("a wrong key", &reply);
    let models = gateway.call(Method::GET, "/v1/models").header("x-api-key", MASTER).send().await;
    assert_eq!(models.status, 200);
    assert_clean_reply("the list of models", &models);

    let logs = gateway.logs();
    assert!(logs.contains("attempt failed") && logs.contains("TRACE"), "{logs}");
    assert_clean("the log", &logs);
}

#[test]
fn secrets_are_not_shown_where_a_configuration_is_wrong() {
    let config = format!("[auth]\nmaster_key = \"{MASTER}\"\nmaster_kee = \"{WRONG}\"\n");
    let (code, said) = crate::harness::refused(Options::config(config));
    assert_eq!(code, Some(3));
    assert!(said.contains("master_kee"), "{said}");
    assert!(!said.contains(MASTER), "{said}");
}
