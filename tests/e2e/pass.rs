//! OpenAI in front of OpenAI, answered whole: bytes go through.

use llm_testkit::{Script, Upstream, canned};

use crate::harness::{Gateway, PROVIDER_KEY, model, openai};

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn the_request_is_forwarded_as_it_came_but_for_the_model() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(10)));
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let check = async |sent: &str, expect: &str| {
        let reply = gateway.post(CHAT).body(sent.to_owned()).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(upstream.last_request().unwrap().text(), expect);
    };
    check(
        "{\"model\":\"smart\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}",
        "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}",
    )
    .await;
    // White space, order, escapes, number forms and members that nobody knows stay as they are.
    check(
        "\r\n{ \"messages\" : [ {\"content\":\"\\u0048i \u{1f600} \\ud83d\\ude00\",\"role\":\"user\",\"x\":1.0e+2} ]\t,\n  \
         \"temperature\":0.70, \"x_unknown\": {\"deep\": [1,2 , 3], \"model\": \"smart\"},\"mod\\u0065l\"  :  \"smart\"  }\n",
        "\r\n{ \"messages\" : [ {\"content\":\"\\u0048i \u{1f600} \\ud83d\\ude00\",\"role\":\"user\",\"x\":1.0e+2} ]\t,\n  \
         \"temperature\":0.70, \"x_unknown\": {\"deep\": [1,2 , 3], \"model\": \"smart\"},\"mod\\u0065l\"  :  \"gpt-4o\"  }\n",
    )
    .await;
    // A large body, and a number that no float can hold.
    let text = canned::text(3_000_000);
    let body = |model: &str| {
        format!(
            "{{\"seed\":123456789012345678901234567890,\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}],\"model\":\"{model}\"}}"
        )
    };
    check(&body("smart"), &body("gpt-4o")).await;
}

#[tokio::test]
async fn the_call_has_the_providers_address_key_and_headers() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(10)));
    let deployment = format!(
        "{{ model = \"openai/gpt-4o\", api_base = \"{}/v1\", api_key = \"{PROVIDER_KEY}\", organization = \"org-1\", \
         project = \"proj-1\", headers = {{ x-team = \"platform\" }} }}",
        upstream.url()
    );
    let gateway = Gateway::start(&model("smart", &[deployment]));
    let body = "{\"model\":\"smart\",\"messages\":[]}";
    let call = gateway.post("/chat/completions").header("authorization", "Bearer of-the-client");
    let call = call.header("cookie", "a=b").header("accept-encoding", "gzip, br").header("x-custom", "1");
    assert_eq!(call.body(body).send().await.status, 200);
    let received = upstream.last_request().unwrap();
    assert_eq!((received.method.as_str(), received.target.as_str()), ("POST", "/v1/chat/completions"));
    let key = format!("Bearer {PROVIDER_KEY}");
    let host = upstream.addr().to_string();
    for (name, value) in [
        ("authorization", key.as_str()),
        ("content-type", "application/json"),
        ("accept-encoding", "identity"),
        ("openai-organization", "org-1"),
        ("openai-project", "proj-1"),
        ("x-team", "platform"),
        ("host", host.as_str()),
    ] {
        assert_eq!(received.header(name), Some(value), "{name}");
    }
    // What a client says to the gateway is not said to the provider.
    for name in ["cookie", "x-custom"] {
        assert_eq!(received.header(name), None, "{name}");
    }
    assert_eq!(received.headers.iter().filter(|(name, _)| name == "authorization").count(), 1);
}

#[tokio::test]
async fn the_answer_reaches_the_client_byte_for_byte() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let answers = [
        canned::openai_completion(2000).to_string(),
        // Odd white space, unknown members, a number form of its own, escapes, no usage.
        " \n{\"id\" : \"x\",\"object\":\"chat.completion\", \"created\":1 ,\"model\":\"gpt-4o-2024-08-06\",\r\n\t\
         \"choices\":[ {\"index\":0, \"message\":{\"role\":\"assistant\",\"content\":\"\\u0048i \u{e9}\",\"x\":1.50}, \
         \"finish_reason\":\"stop\" } ], \"x_new\": {\"a\":[ ]}}\n\n"
            .to_owned(),
    ];
    for answer in answers {
        upstream.push(Script::status(200).header("content-type", "application/json").body(answer.clone()));
        // The same in pieces, without a length.
        let (first, second) = answer.split_at(answer.find("choices").unwrap());
        upstream.push(
            Script::status(200)
                .header("content-type", "application/json; charset=utf-8")
                .chunk(first.to_owned())
                .chunk(second.to_owned()),
        );
        for _ in 0..2 {
            let reply = gateway.post(CHAT).body("{\"model\":\"smart\",\"messages\":[]}").send().await;
            assert_eq!((reply.status, reply.text()), (200, answer.as_str()));
            assert_eq!(reply.header("content-length"), answer.len().to_string());
        }
    }
}

#[tokio::test]
async fn an_answer_is_json_whatever_its_provider_calls_it() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    for kind in ["text/plain", "text/html; charset=utf-8", "application/json; charset=utf-8"] {
        let script = Script::status(200).header("content-type", kind);
        upstream.always(script.body(canned::openai_completion(3).to_string()));
        let reply = gateway.post(CHAT).body("{\"model\":\"smart\",\"messages\":[]}").send().await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"), "{kind}");
    }
}

#[tokio::test]
async fn a_compressed_answer_that_was_not_asked_for_is_unpacked() {
    // An upstream that does not mind `accept-encoding: identity`.
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let plain = canned::openai_completion(500).to_string();
    upstream.push(
        Script::status(200)
            .header("content-type", "application/json")
            .header("content-encoding", "gzip")
            .body(stored_gzip(plain.as_bytes())),
    );
    let reply = gateway.post(CHAT).body("{\"model\":\"smart\",\"messages\":[]}").send().await;
    assert_eq!((reply.status, reply.text()), (200, plain.as_str()));
    assert_eq!(reply.header("content-encoding"), "");
}

/// A gzip member with one stored block (RFC 1951, 3.2.4; RFC 1952, 2.3).
fn stored_gzip(plain: &[u8]) -> Vec<u8> {
    let length = u16::try_from(plain.len()).unwrap();
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend(plain);
    let mut crc = u32::MAX;
    for byte in plain {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    out.extend((!crc).to_le_bytes());
    out.extend(u32::from(length).to_le_bytes());
    out
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(10)));
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    for _ in 0..5 {
        let reply = gateway.post(CHAT).body("{\"model\":\"smart\",\"messages\":[]}").send().await;
        assert_eq!(reply.status, 200);
    }
    assert_eq!((upstream.requests().len(), upstream.connections()), (5, 1));
}
