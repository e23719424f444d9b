//! Keys of people who mean harm, before a database.

use http::Method;
use llm_testkit::{Upstream, proc};
use serde_json::{Value, json};

use super::{Key, Till, admin, answer, bearer, bounded, hard, priced};
use crate::harness::{Gateway, PATIENCE, Raw, Reply, model};

const WORDS: [&str; 10] = [
    "' OR '1'='1",
    "sk-'; DROP TABLE virtual_key;--",
    "sk-\" UNION SELECT body FROM virtual_key --",
    "../../../etc/passwd",
    "sk-%00%0d%0ax-evil:%201",
    "sk-$(reboot)",
    "{\"$gt\":\"\"}",
    "sk-\\x00\\u0000",
    "key_00000000000000000000000000000000",
    "${jndi:ldap://127.0.0.1/x}",
];

struct Stand {
    till: Till,
    gateway: Gateway,
    upstream: Upstream,
}

impl Stand {
    fn start() -> Self {
        let (upstream, till) = (Upstream::start().unwrap(), Till::file());
        upstream.always(answer());
        let gateway = till.gateway(&model("smart", &[priced(&upstream)]));
        Self { till, gateway, upstream }
    }

    async fn ask(&self, name: &'static str, value: &str) -> Reply {
        let call = self.gateway.post("/v1/chat/completions").header(name, value);
        call.body(bounded("smart").to_string()).send().await
    }
}

/// All that a refusal tells, but for the request's id and the time.
fn told(reply: &Reply) -> (u16, Vec<String>, String) {
    let mut names: Vec<_> = reply.headers.keys().map(ToString::to_string).collect();
    names.sort();
    let id = reply.header("x-gateway-request-id");
    (reply.status, names, reply.text().replace(id, "ID"))
}

#[tokio::test]
async fn whatever_is_sent_as_a_key_is_only_a_wrong_key() {
    let stand = Stand::start();
    let real = Key::make(&stand.gateway, json!({"name": "real"})).await;
    let wrong = told(&stand.ask("authorization", "Bearer sk-wrong").await);
    assert_eq!(wrong.0, 401);
    for word in WORDS {
        for (name, value) in [("authorization", bearer(word)), ("x-api-key", word.to_owned())] {
            let reply = stand.ask(name, &value).await;
            assert_eq!(told(&reply), wrong, "{name}: {value}");
            assert!(reply.headers.get("x-evil").is_none());
        }
    }
    // In the address, where Google's clients put it.
    for word in WORDS {
        let escaped: String = word.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let reply = stand.gateway.post(&format!("/v1/chat/completions?key={escaped}"));
        assert_eq!(told(&reply.body(bounded("smart").to_string()).send().await), wrong, "{word}");
    }
    assert!(stand.upstream.requests().is_empty());
    assert_eq!(real.ask(&stand.gateway, &bounded("smart")).await.status, 200);
}

#[tokio::test]
async fn nobody_learns_which_keys_there_are() {
    let stand = Stand::start();
    let gone = Key::make(&stand.gateway, json!({"name": "gone"})).await;
    let real = Key::make(&stand.gateway, json!({"name": "real"})).await;
    let path = format!("/keys/{}", gone.id);
    assert_eq!(admin(&stand.gateway, Method::DELETE, &path, &Value::Null).await.status, 200);
    let wrong = told(&stand.ask("authorization", "Bearer sk-wrong").await);
    let last = if real.secret.ends_with('A') { "B" } else { "A" };
    let almost = format!("{}{last}", real.secret.get(..real.secret.len() - 1).unwrap());
    let cased = real.secret.to_ascii_uppercase();
    for secret in [&gone.secret, &gone.id, &real.id, &almost, &cased, &format!("{} ", almost)] {
        assert_eq!(told(&stand.ask("authorization", &bearer(secret)).await), wrong, "{secret}");
    }
    // A key that is no administrator's sees neither those that there are nor those that there are not.
    let see = async |id: &str| {
        let call = stand.gateway.call(Method::GET, &format!("/admin/v1/keys/{id}"));
        told(&call.header("authorization", &bearer(&real.secret)).send().await)
    };
    let own = see(&real.id).await;
    assert_eq!(own.0, 403);
    for id in [gone.id.as_str(), "key_00000000000000000000000000000000", "x", "%27%20OR%201=1--"] {
        assert_eq!(see(id).await, own, "{id}");
    }
}

#[tokio::test]
async fn what_is_written_down_is_only_text() {
    let stand = Stand::start();
    for word in WORDS {
        let terms = json!({"name": word, "tags": [word], "user_id": word, "metadata": {word: word}});
        let key = Key::make(&stand.gateway, terms).await;
        let call = key.call(&stand.gateway, &bounded("smart")).header("x-gateway-spend-tags", "a'b;--,\"c\"");
        assert_eq!(call.send().await.status, 200);
        let rows = stand.till.rows(&key, 1).await;
        assert_eq!((rows[0].user.as_str(), rows[0].tags.join(" ")), (word, format!("{word} a'b;-- \"c\"")));
        let escaped: String = word.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let list = admin(&stand.gateway, Method::GET, &format!("/keys?name={escaped}"), &Value::Null).await;
        let found: Vec<_> =
            list.json()["data"].as_array().unwrap().iter().map(|key| key["id"].clone()).collect();
        assert_eq!(found, [json!(key.id)], "{word}");
        let used =
            admin(&stand.gateway, Method::GET, &format!("/usage?group_by=user&user={escaped}"), &Value::Null)
                .await;
        assert!(used.status == 200 || used.status == 400, "{}", used.text());
    }
    for bad in ["x".repeat(129), vec!["t"; 17].join(",")] {
        let key = Key::make(&stand.gateway, json!({})).await;
        let call = key.call(&stand.gateway, &bounded("smart")).header("x-gateway-spend-tags", &bad);
        assert_eq!(call.send().await.error(400).param, "x-gateway-spend-tags");
    }
    let model = Key::make(&stand.gateway, hard("1.00")).await;
    for word in WORDS {
        model.ask(&stand.gateway, &bounded(word)).await.error(404);
    }
    stand.gateway.assert_alive().await;
}

#[tokio::test]
async fn ten_megabytes_of_key_take_no_memory() {
    let stand = Stand::start();
    let real = Key::make(&stand.gateway, json!({"name": "real"})).await;
    let before = proc::resident_bytes(stand.gateway.pid()).unwrap();
    let huge = "k".repeat(10 << 20);
    let attack = async |header: String| {
        let raw = Raw::connect(stand.gateway.addr()).await;
        tokio::time::timeout(PATIENCE, raw.refusal(header.as_bytes())).await.unwrap()
    };
    for _ in 0..4 {
        for head in [
            format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {huge}\r\n\r\n"),
            format!("GET /v1/models?key={huge} HTTP/1.1\r\nhost: x\r\n\r\n"),
        ] {
            let status = attack(head).await;
            assert!(matches!(status, None | Some(400 | 401 | 414 | 431)), "{status:?}");
        }
    }
    let long = told(&stand.ask("authorization", &bearer(&"k".repeat(60_000))).await);
    assert_eq!(
        long,
        told(&stand.ask("authorization", "Bearer sk-wrong").await),
        "within a head it is a wrong key"
    );
    let more = proc::resident_bytes(stand.gateway.pid()).unwrap().saturating_sub(before);
    assert!(more < 32 << 20, "{more} bytes more");
    assert_eq!(real.ask(&stand.gateway, &bounded("smart")).await.status, 200);
}
