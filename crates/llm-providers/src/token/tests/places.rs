//! Where calls that are made with tokens go, and what their bodies say of the account.

use llm_types::chat::{ChatRequest, Message};
use llm_types::{Call, Changes, Dialect};

use super::*;
use crate::codec::{Asked, EncodeCx};
use crate::dialect;

/// A conversation as it goes out: address and body.
fn sent(options: &TargetOptions, env: &[(&str, &str)], stream: bool) -> (String, Value) {
    let target = target(options, env).unwrap();
    let mut request = ChatRequest::new([Message::user("Hi")]);
    request.delivery.stream = stream;
    request.tooling.choice = Some(llm_types::chat::ToolChoice::Auto);
    let mut changes = Changes::default();
    let asked = Asked::default();
    let mut cx =
        EncodeCx { spec: target.spec(), model: target.model(), asked: &asked, changes: &mut changes };
    let wire = dialect::client(target.dialect()).unwrap().encode(&Call::from(request), &mut cx).unwrap();
    let request = target.request(wire).unwrap();
    (request.uri().to_string(), serde_json::from_slice(&request.body().to_bytes()).unwrap())
}

#[test]
fn each_publisher_has_its_place_at_vertex_ai() {
    let google = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1";
    let check = |model: &str, dialect: Dialect, stream: bool, expect: &str| {
        let options = TargetOptions {
            project: Some("p".into()),
            api_key: Some(Secret::new("token")),
            ..TargetOptions::new(model)
        };
        assert_eq!(target(&options, &[]).unwrap().dialect(), dialect, "{model}");
        assert_eq!(sent(&options, &[], stream).0, format!("{google}{expect}"));
    };
    use Dialect::{Anthropic, Gemini, OpenaiChat};
    check(
        "vertex_ai/gemini-2.5-pro",
        Gemini,
        false,
        "/publishers/google/models/gemini-2.5-pro:generateContent",
    );
    check("vertex_ai_beta/gemini/123", Gemini, true, "/endpoints/123:streamGenerateContent?alt=sse");
    check(
        "vertex_ai/publishers/google/models/gemini-3-pro",
        Gemini,
        false,
        "/publishers/google/models/gemini-3-pro:generateContent",
    );
    let claude = "/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict";
    check("vertex_ai/claude-sonnet-4-5@20250929", Anthropic, false, claude);
    let mistral = "/publishers/mistralai/models/mistral-medium-3:";
    check("vertex_ai/mistral-medium-3", OpenaiChat, false, &format!("{mistral}rawPredict"));
    check("vertex_ai/mistral-medium-3", OpenaiChat, true, &format!("{mistral}streamRawPredict"));
    check("vertex_ai/meta/llama-4-maverick", OpenaiChat, true, "/endpoints/openapi/chat/completions");
    check("vertex_ai/openai/gpt-oss-120b-maas", OpenaiChat, false, "/endpoints/openapi/chat/completions");
    check("vertex_ai/openai/5678", OpenaiChat, false, "/endpoints/5678/chat/completions");
}

#[test]
fn project_and_location_are_found_in_order() {
    let account = account("https://h", "order").to_string();
    let credentials = ("VERTEX_CREDENTIALS", account.as_str());
    let check = |options: TargetOptions, env: &[(&str, &str)], expect: &str| {
        let uri = sent(&options, env, false).0;
        assert!(uri.starts_with(expect), "{uri}");
    };
    let plain = || TargetOptions::new("vertex_ai/gemini-2.5-flash");
    let named = [credentials, ("VERTEXAI_PROJECT", "env"), ("VERTEXAI_LOCATION", "global")];
    let regional = "https://us-central1-aiplatform.googleapis.com/v1/projects";
    check(plain(), &[credentials], &format!("{regional}/p/locations/us-central1/"));
    check(plain(), &named, "https://aiplatform.googleapis.com/v1/projects/env/locations/global/");
    let own = TargetOptions {
        project: Some("own".into()),
        location: Some("eu".into()),
        region: Some("asia-south1".into()),
        ..plain()
    };
    check(own, &named, "https://aiplatform.eu.rep.googleapis.com/v1/projects/own/locations/eu/");
    let proxy = TargetOptions { api_base: Some("http://127.0.0.1:9/google".into()), ..plain() };
    check(proxy, &named, "http://127.0.0.1:9/google/v1/projects/env/locations/global/publishers/");
}

#[test]
fn watsonx_names_model_and_project_in_the_body() {
    let env = [("WATSONX_TOKEN", "t"), ("WATSONX_REGION", "eu-de"), ("WATSONX_PROJECT_ID", "from-env")];
    let model = TargetOptions::new("watsonx/ibm/granite");
    let (uri, body) = sent(&model, &env, true);
    assert_eq!(uri, "https://eu-de.ml.cloud.ibm.com/ml/v1/text/chat_stream?version=2024-03-13");
    assert_eq!((&body["model_id"], &body["project_id"]), (&json!("ibm/granite"), &json!("from-env")));
    assert_eq!(body["tool_choice_option"], "auto");
    for name in ["model", "stream", "stream_options", "space_id", "tool_choice"] {
        assert_eq!(body.get(name), None, "{name}: {body}");
    }
    let own = TargetOptions {
        project: Some("own".into()),
        api_version: Some("2025-01-01".into()),
        ..TargetOptions::new("watsonx/ibm/granite")
    };
    let (uri, body) = sent(&own, &env, false);
    assert_eq!(uri, "https://eu-de.ml.cloud.ibm.com/ml/v1/text/chat?version=2025-01-01");
    assert_eq!(body["project_id"], "own");
    let (uri, body) = sent(&TargetOptions::new("watsonx/deployment/d-1"), &env, false);
    assert_eq!(uri, "https://eu-de.ml.cloud.ibm.com/ml/v1/deployments/d-1/text/chat?version=2024-03-13");
    assert_eq!((body.get("model_id"), body.get("model"), body.get("project_id")), (None, None, None));
}
