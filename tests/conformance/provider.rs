//! Which deployment of ours stands for a recording: the provider's prefix, its address, its key's header.

use llm_config::{Deployment, Provider};
use llm_providers::name;
use llm_providers::table::ProviderTable;
use llm_testkit::Recording;
use llm_types::Dialect;
use serde_json::json;

use crate::lab::{KEY, deployment};

/// Servers without a row of their own: any compatible server is `hosted_vllm`.
const COMPATIBLE: [&str; 4] = ["llamacpp", "mistralrs", "gpustack", "doubleword"];

/// What has to be configured beside the deployment: OpenAI's kind speak several dialects behind one prefix,
/// and a recorded exchange was had in one of them, whatever the client speaks.
pub(crate) fn rows_for(recording: &Recording) -> Vec<Provider> {
    rows(&recording.operation, &deployment_for(recording))
}

/// The same for a deployment that is to be called by a wire API.
pub(crate) fn rows(operation: &str, deployment: &Deployment) -> Vec<Provider> {
    let rule = match operation {
        "responses" => json!({"models": ["*"], "only": "responses"}),
        "chat" => json!({"models": ["*"], "only": "chat"}),
        _ => return Vec::new(),
    };
    let table = ProviderTable::builtin();
    let row = name::resolve_at(table, &deployment.model, deployment.api_base.as_deref());
    let (row, _) = row.expect("a row for each recording");
    let row = serde_json::from_value(json!({"name": row.name, "rules": [rule]}));
    vec![row.expect("a provider's row")]
}

/// The dialect of a recording's wire API.
pub(crate) fn dialect_of(recording: &Recording) -> Dialect {
    match recording.operation.as_str() {
        "messages" => Dialect::Anthropic,
        "responses" => Dialect::OpenaiResponses,
        "generateContent" => Dialect::Gemini,
        "chat_v2" => Dialect::Cohere,
        "ollama_chat" => Dialect::Ollama,
        "converse" => Dialect::Bedrock,
        _ => Dialect::OpenaiChat,
    }
}

/// The deployment that calls what a recording called.
pub(crate) fn deployment_for(recording: &Recording) -> Deployment {
    let url = recording.request.url.as_str();
    let model = recording.model().unwrap_or_default();
    let responses = recording.operation == "responses";
    let foundry = url.contains(".services.ai.azure.com") && !responses;
    let prefix = match (recording.provider.as_str(), recording.operation.as_str()) {
        ("azure", _) if foundry => "azure_ai",
        ("vertex", _) => "vertex_ai",
        ("gemini", "generateContent") => "gemini",
        // Two rows for one server: what it has of its own, and what it has of OpenAI's.
        ("ollama", "chat") => "ollama_openai",
        // Google's OpenAI-compatible address.
        ("gemini", "chat") => "openai",
        (name, _) if COMPATIBLE.contains(&name) => "hosted_vllm",
        (name, _) => name,
    };
    let mut out = deployment(format!("{prefix}/{}", model.replace("%3A", ":")));
    if prefix == "bedrock" {
        out.region = Some("us-east-1".to_owned());
    }
    if prefix == "azure" && responses {
        out.api_version = Some("v1".to_owned());
        out.api_base = api_base(recording, prefix);
        return out;
    }
    if prefix == "azure" {
        // The deployment is a part of the path; the body's model is whatever the client wrote.
        let named = recording.request.path().split('/').nth(3).unwrap_or_default();
        out.model = format!("azure/{named}");
    }
    if prefix == "vertex_ai" {
        let path = vertex_path(recording);
        let mut parts = path.split('/').skip(3).step_by(2).map(str::to_owned);
        (out.project, out.location) = (parts.next(), parts.next());
    }
    out.api_version = query(recording, "api-version").map(str::to_owned);
    out.api_base = api_base(recording, prefix);
    out
}

/// The path of a call to Vertex AI. Some were recorded in its preview version, which answers alike, and with the
/// location left out.
fn vertex_path(recording: &Recording) -> String {
    recording.request.path().replace("/v1beta1/", "/v1/").replace("<GOOGLE_CLOUD_LOCATION>", "global")
}

/// The base to configure; `None` where the table's own must do.
fn api_base(recording: &Recording, prefix: &str) -> Option<String> {
    let url = recording.request.url.as_str();
    let origin = match url.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.split('/').next().unwrap_or_default()),
        // `<OLLAMA_API_BASE>/chat/completions`: the base as its user had configured it, with `/v1`.
        None => return Some("http://server.recorded/v1".to_owned()),
    };
    let below = recording.request.path().strip_suffix("/chat/completions").unwrap_or_default();
    match prefix {
        "azure" | "azure_ai" => Some(origin),
        "openai" if recording.provider == "gemini" => Some(format!("{origin}{below}")),
        "hosted_vllm" | "huggingface" | "snowflake" | "ollama" | "ollama_openai" => {
            Some(format!("{origin}{below}"))
        }
        _ => None,
    }
}

fn query<'a>(recording: &'a Recording, name: &str) -> Option<&'a str> {
    let pairs = recording.request.query().split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
}

/// Where a call must go.
pub(crate) struct Address {
    /// `None` where the recording does not know.
    pub(crate) host: Option<String>,
    pub(crate) path: String,
    pub(crate) query: String,
}

/// Where a recorded call went, in the address that we use.
pub(crate) fn address(recording: &Recording) -> Address {
    let request = &recording.request;
    let (host, path) = match request.url.split_once("://") {
        Some((_, rest)) => (rest.split(['/', ':']).next(), request.path().to_owned()),
        // The base was `<OLLAMA_API_BASE>`.
        None => (None, format!("/v1{}", request.path())),
    };
    // Switches of a client library, and a key where its header is not used.
    let wanted = |pair: &&str| ["api-version=", "alt="].iter().any(|name| pair.starts_with(name));
    let query = request.query().split('&').filter(wanted).collect::<Vec<_>>().join("&");
    let (host, path) = match (recording.provider.as_str(), host) {
        // Its name until 2025; both answer.
        ("together", _) => (Some("api.together.ai"), path),
        ("vertex", host) => (host, vertex_path(recording)),
        // Some clients do not escape the model, and a region is left out.
        ("bedrock", host) => (
            host.filter(|host| !host.contains(['<', '*']) && !host.ends_with(".recorded")),
            path.replace(':', "%3A"),
        ),
        // `<provider>.recorded` stands for a source that had not stored the host.
        (_, host) => (host.filter(|host| !host.ends_with(".recorded")), path),
    };
    Address { host: host.map(str::to_owned), path, query }
}

/// The header that carries the key, and how.
pub(crate) fn auth(recording: &Recording) -> (&'static str, String) {
    match (recording.provider.as_str(), recording.operation.as_str()) {
        ("anthropic", _) => ("x-api-key", KEY.to_owned()),
        ("gemini", "generateContent") => ("x-goog-api-key", KEY.to_owned()),
        ("azure", _) => ("api-key", KEY.to_owned()),
        _ => ("authorization", format!("Bearer {KEY}")),
    }
}
