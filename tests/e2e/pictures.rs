//! Pictures of providers with words, paths and prices of their own.

use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, Options, PROVIDER_KEY, Reply, model};

const MASTER: &str = "sk-master-of-the-gallery";
const KEY: &str = "Bearer sk-of-a-painter-with-little-money";

fn at(name: &str, base: &str, more: &str) -> String {
    format!("{{ model = \"{name}\", api_base = \"{base}\", api_key = \"{PROVIDER_KEY}\"{more} }}")
}

fn models(upstream: &Upstream) -> String {
    let url = upstream.url();
    let v1 = format!("{url}/v1");
    [
        model("flux", &[at("fireworks_ai/flux-1-schnell-fp8", &v1, "")]),
        model("sdxl", &[at("fireworks_ai/stable-diffusion-xl-1024-v1-0", &v1, "")]),
        model("grok", &[at("xai/grok-imagine-image-2.0", &v1, "")]),
        model("openai", &[at("openai/gpt-image-1", &v1, "")]),
        model("imagen", &[at("vertex_ai/imagen-4.0-generate-001", &url, ", project = \"p\"")]),
        model("gemini", &[at("vertex_ai/gemini-2.5-flash-image", &url, ", project = \"p\"")]),
    ]
    .concat()
}

async fn make(gateway: &Gateway, body: &Value) -> Reply {
    gateway.post("/v1/images/generations").body(body.to_string()).send().await
}

fn form(fields: &[(&str, &str)]) -> (String, Vec<u8>) {
    let mut out = String::new();
    for (name, text) in fields {
        let file = if *name == "image" || *name == "mask" {
            "; filename=\"a.png\"\r\nContent-Type: image/png"
        } else {
            ""
        };
        out += &format!("--frame\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{text}\r\n");
    }
    out += "--frame--\r\n";
    ("multipart/form-data; boundary=frame".to_owned(), out.into_bytes())
}

#[tokio::test]
async fn fireworks_has_a_path_for_each_model() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&models(&upstream));
    upstream.push(Script::json(&json!({"id": "1", "base64": ["data:image/png;base64,aGVsbG8="], "finishReason": "SUCCESS", "seed": 7})));
    let asked = json!({"model": "flux", "prompt": "a lighthouse", "size": "1792x1024", "quality": "hd", "guidance_scale": 3});
    let reply = make(&gateway, &asked).await;
    assert_eq!(
        (reply.status, &reply.json()["data"]),
        (200, &json!([{"b64_json": "aGVsbG8="}])),
        "{}",
        reply.text()
    );
    assert!(reply.header("x-gateway-changes").contains("dropped quality"), "{:?}", reply.headers);
    let sent = upstream.last_request().unwrap();
    assert_eq!(
        (sent.path(), sent.json(), sent.header("accept")),
        (
            "/v1/workflows/accounts/fireworks/models/flux-1-schnell-fp8/text_to_image",
            json!({"prompt": "a lighthouse", "aspect_ratio": "16:9", "guidance_scale": 3}),
            Some("application/json")
        )
    );
    for _ in 0..2 {
        upstream.push(Script::json(&json!({"base64": ["aGVsbG8="], "finishReason": "SUCCESS"})));
    }
    let many = make(&gateway, &json!({"model": "flux", "prompt": "a", "n": 2})).await;
    assert_eq!(
        many.json()["data"],
        json!([{"b64_json": "aGVsbG8="}, {"b64_json": "aGVsbG8="}]),
        "{}",
        many.text()
    );
    assert_eq!(upstream.last_request().unwrap().json(), json!({"prompt": "a"}));
    upstream.push(Script::json(&json!({"base64": [], "finishReason": "CONTENT_FILTERED"})));
    let held = make(&gateway, &json!({"model": "flux", "prompt": "a"})).await;
    assert_eq!(held.error(400).code, "content_policy_violation");

    upstream.push(Script::json(&json!([{"base64": "YQ==", "finishReason": "SUCCESS"}, {"base64": "Yg==", "finishReason": "SUCCESS"}])));
    let reply = make(&gateway, &json!({"model": "sdxl", "prompt": "a", "n": 2, "size": "1024x768"})).await;
    assert_eq!(reply.json()["data"], json!([{"b64_json": "YQ=="}, {"b64_json": "Yg=="}]), "{}", reply.text());
    let sent = upstream.last_request().unwrap();
    assert_eq!(
        (sent.path(), sent.json()),
        (
            "/v1/image_generation/accounts/fireworks/models/stable-diffusion-xl-1024-v1-0",
            json!({"prompt": "a", "samples": 2, "width": 1024, "height": 768})
        )
    );
}

#[tokio::test]
async fn xai_takes_what_is_to_be_changed_as_json() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&json!({"data": [{"b64_json": "aGVsbG8="}]})));
    let gateway = Gateway::start(&models(&upstream));
    let edit = async |fields: &[(&str, &str)]| {
        let (kind, body) = form(fields);
        gateway.post("/v1/images/edits").header("content-type", &kind).body(body).send().await
    };
    let one = json!({"url": "data:image/png;base64,UE5H", "type": "image_url"});
    let reply = edit(&[("model", "grok"), ("prompt", "green"), ("image", "PNG")]).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = upstream.last_request().unwrap();
    let model = "grok-imagine-image-2.0";
    assert_eq!(
        (sent.path(), sent.json()),
        ("/v1/images/edits", json!({"model": model, "prompt": "green", "image": one}))
    );
    edit(&[("model", "grok"), ("prompt", "both"), ("image", "PNG"), ("image", "PNG")]).await;
    assert_eq!(upstream.last_request().unwrap().json()["images"], json!([one, one]));
    let masked = edit(&[("model", "grok"), ("prompt", "green"), ("image", "PNG"), ("mask", "M")]).await;
    assert_eq!(masked.error(400).param, "mask");

    // JSON: in OpenAI's words, at an address too; in xAI's own.
    let json = async |body: Value| {
        let reply = gateway.post("/v1/images/edits").body(body.to_string()).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        upstream.last_request().unwrap().json()
    };
    let url = "https://pictures.example/a.png";
    let sent = json(json!({"model": "grok", "prompt": "p", "images": [{"image_url": url}]})).await;
    assert_eq!(sent, json!({"model": model, "prompt": "p", "image": {"url": url, "type": "image_url"}}));
    let sent =
        json(json!({"model": "grok", "prompt": "p", "images": [{"image_url": url}, {"image_url": url}]}))
            .await;
    assert_eq!(sent["images"][1]["url"], url);
    let own = json!({"model": "grok", "prompt": "p", "image": {"url": url}});
    assert_eq!(json(own).await, json!({"model": model, "prompt": "p", "image": {"url": url}}));
}

#[tokio::test]
async fn vertex_makes_what_gemini_does() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&models(&upstream));
    upstream.push(Script::json(&json!({"predictions": [{"bytesBase64Encoded": "YQ=="}]})));
    let reply = make(&gateway, &json!({"model": "imagen", "prompt": "a lighthouse"})).await;
    assert_eq!(reply.json()["data"], json!([{"b64_json": "YQ=="}]), "{}", reply.text());
    let sent = upstream.last_request().unwrap();
    let models = "/v1/projects/p/locations/us-central1/publishers/google/models";
    assert_eq!(sent.path(), format!("{models}/imagen-4.0-generate-001:predict"));
    assert_eq!(sent.header("authorization"), Some(&*format!("Bearer {PROVIDER_KEY}")));
    let turn = json!({"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "Yg=="}}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1290, "totalTokenCount": 1293,
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}]}});
    upstream.always(Script::json(&turn));
    let reply = make(&gateway, &json!({"model": "gemini", "prompt": "a lighthouse"})).await;
    assert_eq!(reply.json()["data"], json!([{"b64_json": "Yg=="}]), "{}", reply.text());
    // 3 tokens at 0.3 and 1,290 at 30 dollars a million.
    assert_eq!(reply.header("x-gateway-cost-usd"), "0.0387009");
    let (kind, body) = form(&[("model", "gemini"), ("prompt", "green"), ("image", "PNG")]);
    let reply = gateway.post("/v1/images/edits").header("content-type", &kind).body(body).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = upstream.last_request().unwrap();
    assert_eq!(sent.path(), format!("{models}/gemini-2.5-flash-image:generateContent"));
    assert_eq!(sent.json()["contents"][0]["parts"][1]["inlineData"]["data"], "UE5H");
}

#[tokio::test]
async fn pictures_cost_what_their_quality_and_size_do() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&json!({"data": [{"b64_json": "YQ=="}, {"b64_json": "YQ=="}]})));
    let config = format!("[auth]\nmaster_key = \"{MASTER}\"\n")
        + &models(&upstream)
        + "[[keys]]\nname = \"k\"\nkey = \"sk-of-a-painter-with-little-money\"\nbudgets = [{ limit_usd = \"0.3\", window = \"day\" }]\n";
    let gateway = Options::config(config).start();
    let paint = async |quality: &str, n: u32| {
        let body = json!({"model": "openai", "prompt": "a", "quality": quality, "size": "1024x1024", "n": n});
        gateway
            .post("/v1/images/generations")
            .header("authorization", KEY)
            .body(body.to_string())
            .send()
            .await
    };
    // Two of the best may be 0.65 USD, two plain ones are at most a third of that, and cost 0.022.
    paint("high", 2).await.error(402).says(&["budget"]);
    let reply = paint("low", 2).await;
    assert_eq!((reply.status, reply.header("x-gateway-cost-usd")), (200, "0.022"), "{}", reply.text());
    // Nobody has to have a budget for it.
    let free = Gateway::start(&models(&upstream));
    let body = json!({"model": "openai", "prompt": "a", "quality": "high", "size": "1536x1024", "n": 2});
    let reply = make(&free, &body).await;
    assert_eq!((reply.status, reply.header("x-gateway-cost-usd")), (200, "0.5"), "{}", reply.text());
}
