//! Vectors: OpenAI's and Gemini's routes in front of both.

use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, Options, anthropic, deployment, gemini, model, openai};

fn gateway(upstream: &Upstream) -> Gateway {
    let gemini = gemini(upstream).replace("gemini-2.5-flash", "gemini-embedding-001");
    let openai = openai(upstream).replace("gpt-4o", "text-embedding-3-small");
    let models = [("vectors", gemini), ("small", openai), ("claude", anthropic(upstream))];
    Gateway::start(&models.map(|(name, deployment)| model(name, &[deployment])).concat())
}

fn openai_answer() -> Value {
    json!({"object": "list", "model": "text-embedding-3-small", "usage": {"prompt_tokens": 7, "total_tokens": 7},
        "data": [{"object": "embedding", "index": 1, "embedding": [0.25, -1.0]},
            {"object": "embedding", "index": 0, "embedding": [0.5, 2.0]}]})
}

#[tokio::test]
async fn openais_own_pass_byte_for_byte() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let answer = "{ \"object\":\"list\", \"data\": [ {\"embedding\": \"AAAA\", \"index\":0} ], \"usage\": {\"prompt_tokens\": 1, \"total_tokens\": 1}, \"x\": 1.0 }";
    upstream.push(Script::status(200).header("content-type", "application/json").body(answer));
    let body = "{ \"input\" : [ [1, 2], [3] ], \"model\": \"small\", \"encoding_format\":\"base64\", \"odd\": 1.50 }";
    let reply = gateway.post("/v1/embeddings").body(body).send().await;
    assert_eq!((reply.status, reply.text()), (200, answer));
    let received = upstream.last_request().unwrap();
    assert_eq!(received.path(), "/v1/embeddings");
    assert_eq!(received.text(), body.replace("\"small\"", "\"text-embedding-3-small\""));
    // Also without the version, as every route of OpenAI's.
    upstream.push(Script::status(200).header("content-type", "application/json").body(answer));
    assert_eq!(gateway.post("/embeddings").body(body).send().await.text(), answer);
}

#[tokio::test]
async fn geminis_own_pass_byte_for_byte() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let check = async |verb: &str, body: &str, sent: &str| {
        let answer = "{ \"embedding\": {\"values\": [0.10, -2e-3]} , \"x\":[] }";
        upstream.push(Script::status(200).header("content-type", "application/json").body(answer));
        let reply =
            gateway.post(&format!("/v1beta/models/vectors:{verb}")).body(body.to_owned()).send().await;
        assert_eq!((reply.status, reply.text()), (200, answer));
        let received = upstream.last_request().unwrap();
        assert_eq!(received.path(), format!("/v1beta/models/gemini-embedding-001:{verb}"));
        assert_eq!(received.text(), sent);
    };
    let one = "{ \"content\": {\"parts\":[{\"text\":\"a\"}]}, \"taskType\" : \"CLUSTERING\" }";
    check("embedContent", one, one).await;
    let batch = "{\"requests\":[{\"model\":\"models/vectors\", \"content\" : {\"parts\":[{\"text\":\"a\"}]},\"title\":\"t\"}]}";
    check("batchEmbedContents", batch, &batch.replace("models/vectors", "models/gemini-embedding-001")).await;
}

#[tokio::test]
async fn a_gemini_client_gets_openais_vectors() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    upstream.push(Script::json(&openai_answer()));
    let request = |text: &str| json!({"model": "models/small", "content": {"parts": [{"text": text}]}, "taskType": "CLUSTERING", "outputDimensionality": 2});
    let body = json!({"requests": [request("a"), request("b")]});
    let reply = gateway.post("/v1beta/models/small:batchEmbedContents").body(body.to_string()).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let expect = json!({"embeddings": [{"values": [0.5, 2.0]}, {"values": [0.25, -1.0]}], "usageMetadata": {"promptTokenCount": 7}});
    assert_eq!(reply.json(), expect);
    let sent = upstream.last_request().unwrap().json();
    assert_eq!(sent, json!({"model": "text-embedding-3-small", "input": ["a", "b"], "dimensions": 2}));
    assert!(reply.header("x-gateway-changes").contains("dropped task"), "{:?}", reply.headers);

    let mut one = openai_answer();
    one["data"].as_array_mut().unwrap().remove(0);
    upstream.push(Script::json(&one));
    let body = json!({"content": {"parts": [{"text": "a"}]}});
    let reply = gateway.post("/v1beta/models/small:embedContent").body(body.to_string()).send().await;
    assert_eq!(reply.json()["embedding"], json!({"values": [0.5, 2.0]}));
}

#[tokio::test]
async fn an_openai_client_gets_geminis_vectors_as_it_wants_them() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let answer = json!({"embeddings": [{"values": [0.5, 2.0]}], "usageMetadata": {"promptTokenCount": 3}});
    let ask = async |format: &str| {
        upstream.push(Script::json(&answer));
        let body = json!({"model": "vectors", "input": "a", "dimensions": 2, "user": "u", "encoding_format": format});
        gateway.post("/v1/embeddings").body(body.to_string()).send().await
    };
    let reply = ask("float").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = reply.json();
    assert_eq!(body["data"], json!([{"object": "embedding", "index": 0, "embedding": [0.5, 2.0]}]));
    assert_eq!(body["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
    assert!(reply.header("x-gateway-changes").contains("dropped user"));
    let sent = upstream.last_request().unwrap();
    assert_eq!(sent.path(), "/v1beta/models/gemini-embedding-001:batchEmbedContents");
    let one = json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "a"}]}, "outputDimensionality": 2});
    assert_eq!(sent.json(), json!({"requests": [one]}));
    // Little-endian: 0.5 is 0000003f, 2.0 is 00000040.
    assert_eq!(ask("base64").await.json()["data"][0]["embedding"], "AAAAPwAAAEA=");

    let tokens = json!({"model": "vectors", "input": [1, 2]});
    let error = gateway.post("/v1/embeddings").body(tokens.to_string()).send().await.error(400);
    error.says(&["texts", "tokens"]);
}

/// Whatever a provider of OpenAI's kind makes of the word for it, vectors come in the form that was asked for.
#[tokio::test]
async fn an_openai_client_gets_its_form_also_of_who_knows_only_one() {
    const PACKED: &str = "AAAAPwAAAEA=";
    let upstream = Upstream::start().unwrap();
    let numbers = json!([0.5, 2.0]);
    let check = async |name: &str, asked: Option<&str>, answered: Value, sent: Option<&str>| {
        let deployment = format!(
            "{{ model = \"{name}\", api_base = \"{}/v1\", api_key = \"k-of-provider\" }}",
            upstream.url()
        );
        let gateway = Gateway::start(&model("vectors", &[deployment]));
        let data: Vec<Value> =
            [0, 1].map(|index| json!({"object": "embedding", "index": index, "embedding": answered})).into();
        upstream.push(Script::json(&json!({"object": "list", "data": data, "model": "served", "odd": 1,
            "usage": {"prompt_tokens": 7, "total_tokens": 7}})));
        let mut body = json!({"model": "vectors", "input": ["a", "b"]});
        if let Some(asked) = asked {
            body["encoding_format"] = asked.into();
        }
        let reply = gateway.post("/v1/embeddings").body(body.to_string()).send().await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        let told = upstream.last_request().unwrap().json();
        assert_eq!(told.get("encoding_format").and_then(Value::as_str), sent, "{name}");
        let expect = if asked == Some("base64") { json!(PACKED) } else { numbers.clone() };
        let body = reply.json();
        for index in 0..2 {
            let vector = json!({"object": "embedding", "index": index, "embedding": expect});
            assert_eq!(body["data"][index], vector, "{name} {asked:?}");
        }
        assert_eq!((&body["model"], &body["odd"]), (&json!("served"), &json!(1)), "{name}");
        assert_eq!(body["usage"], json!({"prompt_tokens": 7, "total_tokens": 7}), "{name}");
        assert!(
            !reply.header("x-gateway-changes").contains("encoding_format"),
            "{name}: {:?}",
            reply.headers
        );
    };
    // Asked, and not heeded.
    for name in ["openai/text-embedding-3-small", "mistral/mistral-embed", "hosted_vllm/m", "openrouter/x/m"]
    {
        check(name, Some("base64"), numbers.clone(), Some("base64")).await;
    }
    // Not asked: it would be refused.
    for name in ["dashscope/text-embedding-v4", "together_ai/m", "fireworks_ai/m", "lm_studio/m"] {
        check(name, Some("base64"), numbers.clone(), None).await;
    }
    // Numbers were wanted.
    check("openai/text-embedding-3-small", None, json!(PACKED), None).await;
    check("hosted_vllm/m", Some("float"), json!(PACKED), Some("float")).await;
}

#[tokio::test]
async fn tokens_find_a_deployment_that_takes_them_or_are_refused() {
    let upstream = Upstream::start().unwrap();
    let at = |name: &str, order: u32| {
        let base = format!("api_base = \"{}/v1\", api_key = \"k-of-provider\"", upstream.url());
        format!("{{ model = \"{name}\", order = {order}, {base} }}")
    };
    let both = model("both", &[at("together_ai/m", 1), at("hosted_vllm/m", 2)]);
    let gateway = Gateway::start(&format!("{}{both}", model("texts", &[at("together_ai/m", 1)])));
    let ask = async |name: &str, input: Value| {
        let body = json!({"model": name, "input": input, "user": "u"});
        gateway.post("/v1/embeddings").body(body.to_string()).send().await
    };
    let refused = ask("texts", json!([[1, 2], [3]])).await.error(400);
    assert_eq!(refused.param, "input[0]");
    refused.says(&["together_ai", "texts", "token_inputs"]);
    assert!(upstream.requests().is_empty());
    upstream.on("/v1/embeddings", |_| Script::json(&openai_answer()));
    let reply = ask("both", json!([[1, 2], [3]])).await;
    assert_eq!((reply.status, reply.header("x-gateway-provider")), (200, "hosted_vllm"), "{}", reply.text());
    assert_eq!(upstream.last_request().unwrap().json()["input"], json!([[1, 2], [3]]));
    // What is not taken is left out, and said.
    let reply = ask("texts", json!(["a", "b"])).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.header("x-gateway-changes").contains("dropped user"), "{:?}", reply.headers);
    assert!(upstream.last_request().unwrap().json().get("user").is_none());
}

#[tokio::test]
async fn a_vector_of_bytes_reaches_a_client_as_it_wants_it() {
    let upstream = Upstream::start().unwrap();
    let deployment = format!(
        "{{ model = \"perplexity/pplx-embed-v1-0.6b\", api_base = \"{}\", api_key = \"k-of-perplexity\" }}",
        upstream.url()
    );
    let gateway = Gateway::start(&model("bytes", &[deployment]));
    // 2, -1, 127, -128
    let answer = json!({"object": "list", "model": "pplx-embed-v1-0.6b", "usage": {"prompt_tokens": 1, "total_tokens": 1},
        "data": [{"object": "embedding", "index": 0, "embedding": "Av9/gA=="}]});
    let check = async |format: Value, sent: Value, expect: Value| {
        upstream.push(Script::json(&answer));
        let mut body = json!({"model": "bytes", "input": "a", "dimensions": 4});
        if !format.is_null() {
            body["encoding_format"] = format.clone();
        }
        let reply = gateway.post("/v1/embeddings").body(body.to_string()).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.json()["data"][0]["embedding"], expect, "{format}");
        assert_eq!(
            upstream.last_request().unwrap().json().get("encoding_format"),
            Some(&sent).filter(|sent| !sent.is_null())
        );
    };
    check(Value::Null, Value::Null, json!([2.0, -1.0, 127.0, -128.0])).await;
    check(json!("float"), json!("base64_int8"), json!([2.0, -1.0, 127.0, -128.0])).await;
    // 2.0 is 00000040, -1.0 is 000080bf, 127.0 is 0000fe42, -128.0 is 000000c3.
    check(json!("base64"), json!("base64_int8"), json!("AAAAQAAAgL8AAP5CAAAAww==")).await;
    check(json!("base64_int8"), json!("base64_int8"), json!("Av9/gA==")).await;
}

#[tokio::test]
async fn what_nobody_counted_is_estimated_and_said() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    upstream.push(Script::json(&json!({"embeddings": [{"values": [0.5]}]})));
    let body = json!({"model": "vectors", "input": "a".repeat(400), "input_type": "query"}).to_string();
    let reply = gateway.post("/v1/embeddings").body(body.clone()).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    // By the text, and not by what stands around it.
    assert_eq!(reply.json()["usage"], json!({"prompt_tokens": 100, "total_tokens": 100}));
    let changes = reply.header("x-gateway-changes");
    assert!(changes.contains("altered usage (estimated") && !changes.contains("input_type"), "{changes}");
    // What the vectors are for goes along.
    let sent = upstream.last_request().unwrap().json();
    assert_eq!(sent["requests"][0]["taskType"], "RETRIEVAL_QUERY");
}

#[tokio::test]
async fn what_offers_no_vectors_says_so() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let body = json!({"model": "claude", "input": "a"}).to_string();
    gateway.post("/v1/embeddings").body(body).send().await.error(400).says(&["anthropic", "embed", "claude"]);
    let body = json!({"content": {"parts": [{"text": "a"}]}}).to_string();
    let reply = gateway.post("/v1beta/models/claude:embedContent").body(body).send().await;
    assert_eq!((reply.status, reply.json()["error"]["status"].clone()), (400, json!("INVALID_ARGUMENT")));
    for (body, param) in [
        (json!({"model": "small"}), "input"),
        (json!({"model": "small", "input": 7}), "input"),
        (json!({"input": "a"}), "model"),
    ] {
        let path = "/v1/embeddings";
        if body.get("input").is_none() || body["input"] == 7 {
            // The provider's own: it says itself what is missing.
            continue;
        }
        assert_eq!(gateway.post(path).body(body.to_string()).send().await.error(400).param, param);
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn the_built_in_provider_makes_vectors() {
    let gateway = Options::args(&["--demo"]).start();
    let ask = async |input: Value| {
        let body = json!({"model": "mock/echo", "input": input, "dimensions": 4});
        gateway.post("/v1/embeddings").body(body.to_string()).send().await.json()
    };
    let first = ask(json!(["a", "b", "a"])).await;
    let vectors: Vec<&Value> =
        first["data"].as_array().unwrap().iter().map(|one| &one["embedding"]).collect();
    assert_eq!(vectors[0], vectors[2]);
    assert_ne!(vectors[0], vectors[1]);
    assert_eq!(vectors[0].as_array().unwrap().len(), 4);
    assert_eq!(ask(json!("a")).await["data"][0]["embedding"], *vectors[0], "the same each time");
    assert!(first["usage"]["prompt_tokens"].as_u64().unwrap() >= 3);
}

#[tokio::test]
async fn tokens_that_only_a_head_tells_are_told() {
    let upstream = Upstream::start().unwrap();
    let at = |id: &str| deployment(id, &upstream.url()).replace(" }", ", region = \"us-east-1\" }");
    let models =
        [("cohere", "bedrock/cohere.embed-english-v3"), ("titan", "bedrock/amazon.titan-embed-text-v2:0")];
    let gateway = Gateway::start(&models.map(|(name, id)| model(name, &[at(id)])).concat());
    let ask = async |told: Option<&str>, inputs: &[&str]| {
        let answer = Script::json(&json!({"embeddings": vec![[0.5]; inputs.len()], "response_type": "x"}));
        upstream.push(match told {
            Some(count) => answer.header("x-amzn-bedrock-input-token-count", count),
            None => answer,
        });
        let body = json!({"model": "cohere", "input": inputs});
        let reply = gateway.post("/v1/embeddings").body(body.to_string()).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["usage"]["prompt_tokens"].clone()
    };
    assert_eq!(ask(Some("9"), &["Hello"]).await, 9);
    // What nobody tells is guessed, by the texts alone.
    assert_eq!(ask(None, &["abcd", "efgh"]).await, 2);
    // Of several requests all heads count.
    let titan = Script::json(&json!({"embedding": [0.5]})).header("x-amzn-bedrock-input-token-count", "5");
    upstream.always(titan);
    let body = json!({"model": "titan", "input": ["a", "b"]});
    let reply = gateway.post("/v1/embeddings").body(body.to_string()).send().await;
    assert_eq!(reply.json()["usage"]["prompt_tokens"], 10, "{}", reply.text());
}

#[tokio::test]
async fn what_vectors_used_is_told_in_openais_words() {
    let upstream = Upstream::start().unwrap();
    let voyage = deployment_of("voyage/voyage-4", &format!("{}/v1", upstream.url()));
    let one = gemini(&upstream).replace("gemini-2.5-flash", "gemini-embedding-001");
    let gateway = Gateway::start(&[model("voyage", &[voyage]), model("vectors", &[one])].concat());
    upstream.push(Script::json(&json!({"object": "list", "model": "voyage-4", "usage": {"total_tokens": 5},
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 2.0]}]})));
    let reply = gateway
        .post("/v1/embeddings")
        .body(json!({"model": "voyage", "input": "a"}).to_string())
        .send()
        .await;
    assert_eq!(reply.json()["usage"], json!({"prompt_tokens": 5, "total_tokens": 5}), "{}", reply.text());
    // Where nobody counts, each input is a token at least.
    upstream.push(Script::json(&json!({"embeddings": [{"values": [0.5]}, {"values": [0.25]}]})));
    let asked = json!({"model": "vectors", "input": ["a", "b"]}).to_string();
    let reply = gateway.post("/v1/embeddings").body(asked).send().await;
    assert_eq!(reply.json()["usage"], json!({"prompt_tokens": 2, "total_tokens": 2}), "{}", reply.text());
}

fn deployment_of(name: &str, base: &str) -> String {
    format!("{{ model = \"{name}\", api_base = \"{base}\", api_key = \"{}\" }}", crate::harness::PROVIDER_KEY)
}
