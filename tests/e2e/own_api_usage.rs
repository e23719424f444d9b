//! What calls of providers' own APIs used, in whatever frame and words the answer tells it.

use http::Method;
use llm_testkit::{Script, Upstream, event_stream};
use serde_json::{Value, json};

use crate::harness::{Gateway, PROVIDER_KEY, Reply, deployment, model};

const MASTER: &str = "sk-master-of-the-tests";

/// A gateway with models at several providers, and a key that may call everything.
pub(crate) struct Stand {
    pub(crate) gateway: Gateway,
    pub(crate) upstream: Upstream,
    id: String,
    pub(crate) key: String,
}

impl Stand {
    pub(crate) async fn start() -> Self {
        Self::start_for(true, "reserve_usd = \"0.40\"").await
    }

    /// With a budget that is hard or not, and this among `pass_through`.
    pub(crate) async fn start_for(hard: bool, pass_through: &str) -> Self {
        let upstream = Upstream::start().unwrap();
        let at = |id: &str, more: &str| {
            let url = upstream.url();
            format!("{{ model = \"{id}\", api_base = \"{url}\", api_key = \"{PROVIDER_KEY}\"{more} }}")
        };
        let claude = "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0";
        let models = [
            model("claude", &[at(claude, ", region = \"us-east-1\"")]),
            model("llama", &[deployment("ollama/llama3.2", &upstream.url())]),
            model("voice", &[at("openai/tts-1", "")]),
            model("flash", &[at("gemini/gemini-2.5-flash", "")]),
            model("painter", &[at("openai/gpt-image-1.5", "")]),
            model("ears", &[at("deepgram/nova-3", "")]),
            model("mouth", &[at("deepgram/aura-2-thalia-en", ", price = { per_character = 0.00003 }")]),
            model("teller", &[at("elevenlabs/eleven_multilingual_v2", "")]),
            model("scribe", &[at("elevenlabs/scribe_v1", "")]),
            model("command", &[at("cohere/command-a-03-2025", "")]),
            model("thinker", &[at("openai/gpt-5.2", "")]),
            model("foundry", &[at("azure_ai/claude-sonnet-4-5", "")]),
        ];
        let models = models.join("");
        let gateway = Gateway::start(&format!(
            "[auth]\nmaster_key = \"{MASTER}\"\n[pass_through]\n{pass_through}\n{models}"
        ));
        let budgets = json!([{"limit_usd": "1000", "window": "total", "hard": hard}]);
        let form = json!({"name": "k", "routes": ["/v1/*"], "budgets": budgets});
        let made = gateway.post("/admin/v1/keys").header("authorization", &format!("Bearer {MASTER}"));
        let made = made.body(form.to_string()).send().await;
        assert_eq!(made.status, 201, "{}", made.text());
        let word = |name: &str| made.json()[name].as_str().unwrap().to_owned();
        let (id, key) = (word("id"), word("key"));
        Self { gateway, upstream, id, key }
    }

    /// Calls, and gives the row of the call.
    pub(crate) async fn row(&self, path: &str, body: &Value) -> Value {
        self.row_of(path, "application/json", body.to_string().into_bytes()).await
    }

    /// Calls.
    pub(crate) async fn call(&self, path: &str, kind: &str, body: Vec<u8>) -> Reply {
        let call = self.gateway.post(path).header("authorization", &format!("Bearer {}", self.key));
        call.header("content-type", kind).body(body).send().await
    }

    /// The same with a body of any kind.
    pub(crate) async fn row_of(&self, path: &str, kind: &str, body: Vec<u8>) -> Value {
        let reply = self.call(path, kind, body).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        self.rows().await[0].clone()
    }

    /// The rows of the key, the latest first.
    pub(crate) async fn rows(&self) -> Vec<Value> {
        let rows = self.gateway.call(Method::GET, &format!("/admin/v1/requests?key_id={}", self.id));
        let rows = rows.header("authorization", &format!("Bearer {MASTER}")).send().await.json();
        rows["data"].as_array().unwrap().clone()
    }
}

/// Model, tokens in, tokens out.
pub(crate) fn used(row: &Value) -> (&str, u64, u64) {
    let count = |name: &str| row[name].as_u64().unwrap_or_default();
    (row["model"].as_str().unwrap_or_default(), count("prompt_tokens"), count("completion_tokens"))
}

pub(crate) fn dollars(row: &Value) -> f64 {
    row["cost_usd"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn binary_streams_tell_what_they_used() {
    let stand = Stand::start().await;
    let path = "/v1/bedrock/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream";
    let event =
        |name: &str, payload: Value| event_stream::message("event", name, payload.to_string().as_bytes());
    let binary = |events: Vec<Vec<u8>>| {
        let script =
            Script::status(200).header("content-type", "application/vnd.amazon.eventstream").chunked();
        // Cut where no message ends.
        events.concat().chunks(7).fold(script, |script, piece| script.chunk(piece.to_vec()))
    };
    let counts = json!({"inputTokens": 30, "outputTokens": 12, "totalTokens": 42});
    stand.upstream.always(binary(vec![
        event("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": "Hi"}})),
        event("metadata", json!({"usage": counts, "metrics": {}})),
    ]));
    let found = stand.row(path, &json!({"messages": []})).await;
    assert_eq!(used(&found), ("claude", 30, 12), "{found}");
    assert!(dollars(&found) > 0.0 && dollars(&found) < 0.01, "{found}");

    let path = path.replace("converse-stream", "invoke-with-response-stream");
    let counts = json!({"amazon-bedrock-invocationMetrics": {"inputTokenCount": 8, "outputTokenCount": 3}});
    let bytes = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, counts.to_string());
    stand.upstream.always(binary(vec![event("chunk", json!({"bytes": bytes}))]));
    let found = stand.row(&path, &json!({"anthropic_version": "bedrock-2023-05-31"})).await;
    assert_eq!(used(&found), ("claude", 8, 3), "{found}");

    let path = path.replace("invoke-with-response-stream", "invoke");
    let told = Script::json(&json!({"embedding": [0.5]}));
    let told = told.header("x-amzn-bedrock-input-token-count", "9");
    stand.upstream.always(told.header("x-amzn-bedrock-output-token-count", "1"));
    let found = stand.row(&path, &json!({"inputText": "Hi"})).await;
    assert_eq!(used(&found), ("claude", 9, 1), "{found}");

    // A body in the model's own words, which are not those of conversations.
    let told =
        Script::json(&json!({"type": "message", "usage": {"input_tokens": 900, "output_tokens": 200}}));
    let told = told.header("x-amzn-bedrock-input-token-count", "900");
    stand.upstream.always(told.header("x-amzn-bedrock-output-token-count", "200"));
    let found = stand.row(&path, &json!({"anthropic_version": "bedrock-2023-05-31"})).await;
    assert_eq!(used(&found), ("claude", 900, 200), "{found}");
}

#[tokio::test]
async fn lines_and_lists_tell_what_they_used() {
    let stand = Stand::start().await;
    let lines = Script::status(200).header("content-type", "application/x-ndjson").chunked();
    let lines =
        lines.chunk("{\"model\":\"llama3.2\",\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"do");
    let lines = lines.chunk("ne\":false}\n{\"model\":\"llama3.2\",\"done\":true,\"done_reason\":\"stop\",");
    stand.upstream.always(lines.chunk("\"prompt_eval_count\":21,\"eval_count\":4}"));
    let found = stand.row("/v1/ollama/api/chat", &json!({"model": "llama3.2", "messages": []})).await;
    assert_eq!(used(&found), ("llama", 21, 4), "{found}");

    let piece = |output: u64| {
        json!({"candidates": [{"content": {"parts": [{"text": "a"}]}}], "modelVersion": "gemini-2.5-flash",
            "usageMetadata": {"promptTokenCount": 6, "candidatesTokenCount": output, "totalTokenCount": 6 + output}})
    };
    stand.upstream.always(Script::json(&json!([piece(1), piece(5)])));
    let path = "/v1/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent";
    let found = stand.row(path, &json!({"contents": [{"parts": [{"text": "Hi"}]}]})).await;
    assert_eq!(used(&found), ("flash", 6, 5), "{found}");
}

#[tokio::test]
async fn speech_and_pictures_are_paid_by_what_was_asked_for() {
    let stand = Stand::start().await;
    stand.upstream.always(Script::status(200).header("content-type", "audio/mpeg").body(vec![1; 3000]));
    let speech = json!({"model": "tts-1", "voice": "alloy", "input": "a".repeat(1000)});
    let found = stand.row("/v1/openai/audio/speech", &speech).await;
    // 15 dollars for a million characters.
    assert_eq!((found["model"].as_str(), dollars(&found)), (Some("voice"), 0.015), "{found}");

    let picture = json!({"url": "https://a.example/1.png"});
    stand.upstream.always(Script::json(&json!({"created": 1, "data": [picture]})));
    let ask = json!({"model": "gpt-image-1.5", "prompt": "A lighthouse.", "size": "1024x1024"});
    let found = stand.row("/v1/openai/images/generations", &ask).await;
    assert_eq!((found["model"].as_str(), dollars(&found)), (Some("painter"), 0.009), "{found}");
}
