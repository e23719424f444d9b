//! Bases as people write them, and the URLs of calls behind them.

use super::*;

#[test]
fn what_is_not_a_base_url_is_refused_with_a_reason() {
    let check = |text: &str, expect: &str| {
        let error = Base::parse(text).unwrap_err();
        assert!(error.message.contains(expect), "{text}: {error}");
    };
    check("", "is not a URL");
    check("api.openai.com/v1", "is not a URL");
    check("localhost", "must begin with");
    check("ftp://host/", "must begin with");
    check("https://me:secret@host/v1", "user name or password");
    check("https://", "is not a URL");
    check("https://h ost/", "is not a URL");
}

#[test]
fn plain_bases_take_the_path_once() {
    let check = |base: &str, path: &str, expect: &str| {
        let route = Route::new(UrlForm::Plain, Base::parse(base).unwrap(), "m", None).unwrap();
        assert_eq!(route.uri(path).unwrap().to_string(), expect, "{base} {path}");
    };
    check("https://api.openai.com/v1", "/chat/completions", "https://api.openai.com/v1/chat/completions");
    check("https://h/v1/", "/chat/completions", "https://h/v1/chat/completions");
    check("https://h/v1/chat/completions", "/chat/completions", "https://h/v1/chat/completions");
    check("http://h:8000", "/chat/completions", "http://h:8000/chat/completions");
    check("http://h/p?key=1", "/x?alt=sse", "http://h/p/x?key=1&alt=sse");
    check("https://api.anthropic.com", "/v1/messages", "https://api.anthropic.com/v1/messages");
    check("https://h/anthropic", "/v1/messages", "https://h/anthropic/v1/messages");
    check("https://h/anthropic/v1", "/v1/messages", "https://h/anthropic/v1/messages");
    check("https://h/v1/messages", "/v1/messages", "https://h/v1/messages");
    check("https://h/v1/messages/", "/v1/messages/count_tokens", "https://h/v1/messages/count_tokens");
    check(
        "https://h/v1beta",
        "/v1beta/models/m:generateContent",
        "https://h/v1beta/models/m:generateContent",
    );
    // Only whole segments count as the same.
    check("https://h/xv1", "/v1/messages", "https://h/xv1/v1/messages");
}

#[test]
fn v1_is_added_where_it_is_missing() {
    let check = |base: &str, expect: &str| {
        let route = Route::new(UrlForm::AddV1, Base::parse(base).unwrap(), "m", None).unwrap();
        assert_eq!(route.uri("/chat/completions").unwrap().to_string(), expect, "{base}");
    };
    check("https://router.huggingface.co/v1", "https://router.huggingface.co/v1/chat/completions");
    check(
        "https://e.endpoints.huggingface.cloud",
        "https://e.endpoints.huggingface.cloud/v1/chat/completions",
    );
    check("https://h/novita/v3/openai", "https://h/novita/v3/openai/chat/completions");
    check("http://localhost:11434/", "http://localhost:11434/v1/chat/completions");
    check("http://h/v1/chat/completions", "http://h/v1/chat/completions");
    for base in ["http://box:11434", "http://box:11434/", "http://box:11434/v1"] {
        let route = Route::new(UrlForm::WithoutV1, Base::parse(base).unwrap(), "m", None).unwrap();
        assert_eq!(route.uri("/api/chat").unwrap(), "http://box:11434/api/chat", "{base}");
    }
    let route = Route::new(UrlForm::AddV1, Base::parse("http://tei:8080").unwrap(), "m", None).unwrap();
    assert_eq!(route.uri("/rerank").unwrap().to_string(), "http://tei:8080/rerank");
    assert_eq!(route.uri("/v1/messages").unwrap().to_string(), "http://tei:8080/v1/messages");
}

#[test]
fn foundry_has_the_order_of_documents_elsewhere() {
    let check = |base: &str, expect: &str| {
        let base = Base::parse(base).unwrap();
        let route = Route::new(UrlForm::AzureFoundry, base, "m", Some("2024-05-01-preview")).unwrap();
        assert_eq!(route.uri("/rerank").unwrap().to_string(), expect);
    };
    check("https://r.services.ai.azure.com", "https://r.services.ai.azure.com/providers/cohere/v2/rerank");
    check("https://m.eastus.models.ai.azure.com", "https://m.eastus.models.ai.azure.com/v1/rerank");
}

#[test]
fn azure_urls() {
    let check = |base: &str, version: Option<&str>, path: &str, expect: &str| {
        let base = Base::parse(base).unwrap();
        let route = Route::new(UrlForm::AzureDeployment, base, "my gpt", version).unwrap();
        assert_eq!(route.uri(path).unwrap().to_string(), expect);
    };
    let chat = "/chat/completions";
    let old = Some("2025-02-01-preview");
    check(
        "https://r.openai.azure.com/",
        old,
        chat,
        "https://r.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=2025-02-01-preview",
    );
    check(
        "https://apim/p",
        old,
        chat,
        "https://apim/p/openai/deployments/my%20gpt/chat/completions?api-version=2025-02-01-preview",
    );
    check(
        "https://r.openai.azure.com/openai",
        old,
        chat,
        "https://r.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=2025-02-01-preview",
    );
    check(
        "https://r/?api-version=2024-06-01",
        old,
        chat,
        "https://r/openai/deployments/my%20gpt/chat/completions?api-version=2024-06-01",
    );
    check("https://r", old, "/files", "https://r/openai/files?api-version=2025-02-01-preview");
    let responses = "/responses";
    check("https://r", old, responses, "https://r/openai/v1/responses");
    check(
        "https://r/openai",
        Some("2025-04-01-preview"),
        responses,
        "https://r/openai/responses?api-version=2025-04-01-preview",
    );
    check("https://r", Some("preview"), responses, "https://r/openai/v1/responses?api-version=preview");
    check("https://r", Some("v1"), chat, "https://r/openai/v1/chat/completions");
    check("https://r", Some("latest"), chat, "https://r/openai/v1/chat/completions");
    check("https://r", Some("preview"), chat, "https://r/openai/v1/chat/completions?api-version=preview");
    check("https://r/openai/v1/", old, chat, "https://r/openai/v1/chat/completions");
    let none = Route::new(UrlForm::AzureDeployment, Base::parse("https://r").unwrap(), "m", None);
    assert!(none.unwrap_err().message.contains("api_version"));
}

#[test]
fn foundry_urls() {
    let check = |base: &str, expect: &str| {
        let base = Base::parse(base).unwrap();
        let route = Route::new(UrlForm::AzureFoundry, base, "m", Some("2024-05-01-preview")).unwrap();
        assert_eq!(route.uri("/chat/completions").unwrap().to_string(), expect);
    };
    // As in recordings/azure.
    check(
        "https://r.services.ai.azure.com",
        "https://r.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
    );
    check(
        "https://r.services.ai.azure.com/models",
        "https://r.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
    );
    check(
        "https://r.services.ai.azure.com/openai/v1",
        "https://r.services.ai.azure.com/openai/v1/chat/completions",
    );
    check("https://x.models.ai.azure.com", "https://x.models.ai.azure.com/v1/chat/completions");
}

#[test]
fn foundry_has_anthropics_models_elsewhere() {
    let expect = "https://r.services.ai.azure.com/anthropic/v1/messages";
    let paths = [
        "",
        "/",
        "/anthropic",
        "/anthropic/v1",
        "/anthropic/v1/messages",
        "/models",
        "/openai/v1/",
        "/openai",
    ];
    for path in paths {
        let base = Base::parse(&format!("https://r.services.ai.azure.com{path}")).unwrap();
        let route = Route::new(UrlForm::AzureAnthropic, base, "m", Some("2024-05-01-preview")).unwrap();
        assert_eq!(route.uri("/v1/messages").unwrap().to_string(), expect, "{path}");
    }
}

#[test]
fn a_base_is_known_by_host_and_whole_segments() {
    let check = |text: &str, known: &str, expect: bool| {
        let below = Base::parse(text).unwrap().is_at_or_below(&Base::parse(known).unwrap());
        assert_eq!(below, expect, "{text} {known}");
    };
    check("https://api.groq.com/openai/v1/", "https://api.groq.com/openai/v1", true);
    check("https://API.groq.com:443/openai/v1/x", "https://api.groq.com/openai/v1", true);
    check("https://api.groq.com/openai/v10", "https://api.groq.com/openai/v1", false);
    check("https://api.groq.com.evil.example/openai/v1", "https://api.groq.com/openai/v1", false);
    check("https://evil.example/api.groq.com/openai/v1", "https://api.groq.com/openai/v1", false);
    check("https://api.groq.com:8443/openai/v1", "https://api.groq.com/openai/v1", false);
    check("https://api.groq.com", "https://api.groq.com/openai/v1", false);
}
