//! Addresses and headers of calls; keys stay out of sight.

use bytes::Bytes;
use http::Method;

use super::*;
use crate::codec::Memo;

fn env(name: &str) -> Option<String> {
    let pairs = [
        ("OPENAI_API_KEY", "sk-env"),
        ("OPENAI_ORG_ID", "org-env"),
        ("ANTHROPIC_API_KEY", "ant-env"),
        ("AZURE_API_KEY", "az-env"),
        ("AZURE_API_BASE", "https://r.openai.azure.com"),
        ("GEMINI_API_KEY", "gem-env"),
        ("GROQ_API_KEY", "gsk-env"),
        ("OPENROUTER_API_KEY", "or-env"),
        ("OR_SITE_URL", "https://site.example"),
        ("MY_HEADER", "from-env"),
    ];
    pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
}

fn build(options: &TargetOptions) -> Result<Target> {
    Target::new(options, ProviderTable::builtin(), &env)
}

fn call(target: &Target, path: &str, headers: &[(&'static str, &'static str)]) -> Request<Segments> {
    let headers = headers.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v)));
    let wire = WireRequest {
        method: Method::POST,
        path: path.to_owned(),
        headers: headers.collect(),
        body: Segments::from(b"{}".to_vec()),
        memo: Memo::default(),
    };
    target.request(wire).unwrap()
}

fn sent(request: &Request<Segments>) -> Vec<String> {
    // The same for all calls.
    assert_eq!(request.headers()[http::header::ACCEPT_ENCODING], "identity");
    let own = request.headers().iter().filter(|(name, _)| *name != http::header::ACCEPT_ENCODING);
    let mut list: Vec<String> = own.map(|(k, v)| format!("{k}: {}", v.to_str().unwrap())).collect();
    list.sort();
    list
}

fn options(model: &str, headers: &[(&str, &str)]) -> TargetOptions {
    let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    TargetOptions { headers, ..TargetOptions::new(model) }
}

#[test]
fn calls_are_addressed() {
    let check = |options: &TargetOptions, path: &str, uri: &str, headers: &[&str]| {
        let request = call(&build(options).unwrap(), path, &[("content-type", "application/json")]);
        assert_eq!(request.uri().to_string(), uri);
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.body().to_bytes().as_ref(), b"{}");
        let mut expect: Vec<&str> = headers.to_vec();
        expect.push("content-type: application/json");
        expect.sort_unstable();
        assert_eq!(sent(&request), expect);
    };
    let chat = "/chat/completions";
    check(
        &TargetOptions::new("gpt-4o"),
        chat,
        "https://api.openai.com/v1/chat/completions",
        &["authorization: Bearer sk-env", "openai-organization: org-env"],
    );
    let mut own = TargetOptions::new("openai/gpt-4o");
    own.organization = Some("org-own".to_owned());
    own.project = Some("proj-own".to_owned());
    own.api_key = Some(Secret::new("sk-own"));
    own.api_base = Some("http://127.0.0.1:9/v1/".to_owned());
    check(
        &own,
        chat,
        "http://127.0.0.1:9/v1/chat/completions",
        &["authorization: Bearer sk-own", "openai-organization: org-own", "openai-project: proj-own"],
    );
    check(
        &TargetOptions::new("claude-sonnet-4-5"),
        "/v1/messages",
        "https://api.anthropic.com/v1/messages",
        &["x-api-key: ant-env"],
    );
    check(
        &TargetOptions::new("gemini/gemini-2.5-pro"),
        "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
        &["x-goog-api-key: gem-env"],
    );
    check(
        &TargetOptions::new("azure/o_series/my-o3"),
        chat,
        "https://r.openai.azure.com/openai/deployments/my-o3/chat/completions?api-version=2025-02-01-preview",
        &["api-key: az-env"],
    );
    check(
        &TargetOptions { api_version: Some("v1".to_owned()), ..TargetOptions::new("azure/d") },
        chat,
        "https://r.openai.azure.com/openai/v1/chat/completions",
        &["api-key: az-env"],
    );
    check(
        &options("openrouter/auto", &[("X-Title", "mine"), ("x-extra", "os.environ/MY_HEADER")]),
        chat,
        "https://openrouter.ai/api/v1/chat/completions",
        &[
            "authorization: Bearer or-env",
            "http-referer: https://site.example",
            "x-extra: from-env",
            "x-title: mine",
        ],
    );
}

#[test]
fn a_known_base_brings_its_row_and_its_key() {
    let api_base = Some("https://api.groq.com/openai/v1".to_owned());
    let target = build(&TargetOptions { api_base, ..TargetOptions::new("openai/llama") }).unwrap();
    assert_eq!(target.provider(), "groq");
    assert_eq!(sent(&call(&target, "/x", &[])), ["authorization: Bearer gsk-env"]);
}

#[test]
fn no_header_replaces_the_key() {
    let target = build(&TargetOptions::new("openai/gpt-4o")).unwrap();
    let request = call(
        &target,
        "/x",
        &[("authorization", "Bearer client"), ("x-api-key", "client"), ("cookie", "a=b")],
    );
    assert_eq!(sent(&request), ["authorization: Bearer sk-env", "openai-organization: org-env"]);
    let check = |headers: &[(&str, &str)], expect: &str| {
        let error = build(&options("openai/gpt-4o", headers)).unwrap_err();
        assert!(error.message.contains(expect), "{error}");
        assert!(!format!("{error:?}").contains("planted"), "{error:?}");
    };
    check(&[("Authorization", "planted")], "carries the api_key");
    check(&[("Host", "planted")], "is set for each call");
    check(&[("content-length", "planted")], "is set for each call");
    check(&[("x y", "planted")], "is not a header name");
    check(&[("x-y", "planted\u{7}x")], "holds characters");
}

#[test]
fn a_server_without_a_key_may_get_a_header_of_its_own() {
    let mut options = options("hosted_vllm/m", &[("authorization", "Basic abc")]);
    options.api_base = Some("http://v:8000/v1".to_owned());
    let request = call(&build(&options).unwrap(), "/chat/completions", &[]);
    assert_eq!(sent(&request), ["authorization: Basic abc"]);
}

#[test]
fn betas_of_all_sides_are_joined() {
    let mut options = options("claude-sonnet-4-5", &[("anthropic-beta", "mine, shared")]);
    options.api_key = Some(Secret::new("sk-ant-oat-1"));
    let request = call(&build(&options).unwrap(), "/v1/messages", &[("anthropic-beta", "codec,shared")]);
    assert_eq!(
        sent(&request),
        ["anthropic-beta: codec,shared,mine,oauth-2025-04-20", "authorization: Bearer sk-ant-oat-1"]
    );
}

#[test]
fn what_is_missing_is_said_with_the_provider() {
    let check = |options: &TargetOptions, expect: &str| {
        assert_eq!(build(options).unwrap_err().to_string(), expect);
    };
    check(
        &TargetOptions::new("mistral/m"),
        "mistral: set MISTRAL_API_KEY or MISTRAL_AZURE_API_KEY, or give the deployment an api_key",
    );
    check(
        &TargetOptions::new("litellm_proxy/m"),
        "litellm_proxy: set LITELLM_PROXY_API_BASE or give the deployment an api_base",
    );
    let project = Some("os.environ/NOPE".to_owned());
    check(
        &TargetOptions { project, ..TargetOptions::new("openai/m") },
        "openai: set NOPE: the deployment's project refers to it",
    );
    let organization = Some("o".to_owned());
    check(
        &TargetOptions { organization, ..TargetOptions::new("groq/m") },
        "groq: no organization is known there: remove it, or set the header that carries it",
    );
}

#[test]
fn no_form_of_debug_shows_a_secret() {
    let mut options = options("openai/gpt-4o", &[("x-token", "planted-header")]);
    options.api_key = Some(Secret::new("planted-key"));
    options.api_base = Some("https://h/v1?key=planted-query".to_owned());
    let target = build(&options).unwrap();
    let request = call(&target, "/chat/completions", &[]);
    assert_eq!(request.headers()["authorization"], "Bearer planted-key");
    assert_eq!(request.headers()["x-token"], "planted-header");
    for shown in [
        format!("{target:?}"),
        format!("{target:#?}"),
        format!("{options:?}"),
        format!("{:?}", request.headers()),
    ] {
        assert!(!shown.contains("planted"), "{shown}");
    }
    assert!(format!("{target:?}").contains("https://h/v1"), "{target:?}");
}

#[test]
fn the_fingerprint_changes_with_each_setting_and_with_nothing_else() {
    let of = |options: &TargetOptions| build(options).unwrap().fingerprint();
    let plain = TargetOptions::new("openai/gpt-4o");
    assert_eq!(of(&plain), of(&plain.clone()));
    let others = [
        TargetOptions::new("openai/gpt-4o-mini"),
        TargetOptions { api_key: Some(Secret::new("other")), ..plain.clone() },
        TargetOptions { api_base: Some("http://h/v1".to_owned()), ..plain.clone() },
        TargetOptions { organization: Some("o".to_owned()), ..plain.clone() },
        options("openai/gpt-4o", &[("x-a", "b")]),
    ];
    for other in &others {
        assert_ne!(of(&plain), of(other), "{other:?}");
    }
}

#[test]
fn the_built_in_provider_needs_no_network() {
    let target = build(&TargetOptions::new("mock/echo")).unwrap();
    assert_eq!((target.dialect(), target.host()), (Dialect::Mock, None));
    let wire = WireRequest {
        method: Method::POST,
        path: "/".to_owned(),
        headers: HeaderMap::new(),
        body: Segments::default(),
        memo: Memo::default(),
    };
    assert!(target.request(wire).unwrap_err().message.contains("without a network"));
}

#[test]
fn providers_are_configured_by_key_or_by_address() {
    let check = |name: &str, env: Env<'_>, expect: bool| {
        let spec = ProviderTable::builtin().get(name).unwrap();
        assert_eq!(is_configured(spec, env), expect, "{name}");
    };
    check("openai", &env, true);
    check("mistral", &env, false);
    check("azure", &env, true);
    check("ollama", &env, false);
    check("ollama", &|name| (name == "OLLAMA_API_BASE").then(|| "http://h:11434".to_owned()), true);
    check("cloudflare", &|name| (name == "CLOUDFLARE_API_KEY").then(|| "k".to_owned()), false);
    check("mock", &env, false);
}

#[test]
fn what_a_provider_repeats_of_a_key_is_concealed() {
    let mut options = TargetOptions::new("openai/gpt-4o");
    options.api_key = Some(Secret::new("sk-planted-key"));
    options.headers.insert("x-team".into(), "a".into());
    let target = Target::new(&options, ProviderTable::builtin(), &|_| None).unwrap();
    let mut error = ApiError::upstream(ErrorKind::Auth, "a wrong key: sk-planted-key.");
    error.body = Some("{\"key\":\"sk-planted-key\"}".into());
    target.conceal(&mut error);
    assert_eq!(error.message, "a wrong key: [redacted].");
    assert_eq!(error.body.as_deref(), Some(&b"{\"key\":\"[redacted]\"}"[..]));
    assert!(target.repeats_secret(b"data: {\"m\":\"sk-planted-key\"}"));
    assert!(!target.repeats_secret(b"data: {\"m\":\"sk-planted-\"}"));
}

#[test]
fn who_signs_and_how_is_concealed_in_failures() {
    let mut options = TargetOptions::new("bedrock/amazon.nova-lite-v1:0");
    options.region = Some("us-east-1".to_owned());
    options.aws = Some(AwsOptions {
        access_key_id: Some(Secret::new("AKIAPLANTED0KEY0ID00")),
        secret_access_key: Some(Secret::new("planted-secret-half")),
        ..AwsOptions::default()
    });
    let target = Target::new(&options, ProviderTable::builtin(), &|_| None).unwrap();
    let signature = "0123456789abcdef".repeat(4);
    let words = format!(
        "Authorization header requires 'x'. Authorization=AWS4-HMAC-SHA256 Credential=AKIAPLANTED0KEY0ID00/20261123/\
         us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature={signature}"
    );
    let mut error = ApiError::upstream(ErrorKind::Auth, words.as_str());
    error.body = Some(format!("{{\"message\":\"{words}\"}}").into());
    target.conceal(&mut error);
    let body = String::from_utf8_lossy(error.body.as_deref().unwrap());
    for text in [error.message.as_str(), &*body] {
        assert!(!text.contains("PLANTED") && !text.contains(&signature), "{text}");
        assert!(text.contains("Credential=[redacted]/20261123"), "{text}");
    }
}

/// Called with a key in its address, another in a header.
fn addressed(query: &str) -> Target {
    let mut options = TargetOptions::new("openai/gpt-4o");
    options.api_key = Some(Secret::new("sk-planted-key"));
    options.api_base = Some(format!("http://h/v1?{query}"));
    Target::new(&options, ProviderTable::builtin(), &|_| None).unwrap()
}

#[test]
fn what_a_provider_repeats_of_a_key_in_its_address_is_concealed() {
    let target = addressed("api-version=2024-06-01-preview&token=planted%2Fin%2Bquery&on=true");
    let words = "no planted%2Fin%2Bquery (planted/in+query) of 2024-06-01-preview is true";
    let mut error = ApiError::upstream(ErrorKind::Auth, words);
    target.conceal(&mut error);
    assert_eq!(error.message, "no [redacted] ([redacted]) of 2024-06-01-preview is true");
    assert!(target.repeats_secret(b"x planted/in+query"));
    assert!(addressed("planted-alone").repeats_secret(b"x planted-alone"));
    assert!(!addressed("api-version=2024-06-01-preview").repeats_secret(b"2024-06-01-preview"));
}

#[test]
fn a_key_is_seen_wherever_it_is_cut() {
    let target = addressed("token=planted-in-query");
    let through = |text: &str, size: usize| {
        let (mut screen, mut out) = (Screen::default(), Vec::new());
        for chunk in text.as_bytes().chunks(size) {
            match screen.pass(&target, Bytes::copy_from_slice(chunk)) {
                Some(bytes) => out.extend_from_slice(&bytes),
                None => return Err(String::from_utf8(out).unwrap()),
            }
        }
        out.extend_from_slice(&screen.rest());
        Ok(String::from_utf8(out).unwrap())
    };
    for size in 1..40 {
        for key in ["sk-planted-key", "planted-in-query"] {
            let text = format!("an answer that says {key}, and more");
            let out = through(&text, size).unwrap_err();
            assert!("an answer that says ".starts_with(&out), "{size}: {out}");
        }
        // What only begins like one comes out in the end, whole.
        for text in ["a sk-planted-", "ssk-planted-kekey sk-sk-planted-ke", "planted-in-quer", ""] {
            assert_eq!(through(text, size).as_deref(), Ok(text), "{size}");
        }
    }
}

#[test]
fn the_documented_base_leads_models_that_are_beside_it_too() {
    let at = |model: &str, base: Option<&str>| {
        let options = TargetOptions {
            api_base: base.map(str::to_owned),
            api_key: Some(Secret::new("k")),
            ..TargetOptions::new(model)
        };
        call(&build(&options).unwrap(), "/x", &[]).uri().to_string()
    };
    let (order, chat) = ("deepinfra/Qwen/Qwen3-Reranker-0.6B", "deepinfra/Qwen/Qwen3");
    assert_eq!(at(order, None), "https://api.deepinfra.com/v1/x");
    assert_eq!(at(order, Some("https://api.deepinfra.com/v1/openai/")), "https://api.deepinfra.com/v1/x");
    assert_eq!(at(order, Some("http://127.0.0.1:9/v1")), "http://127.0.0.1:9/v1/x");
    assert_eq!(at(chat, Some("http://127.0.0.1:9/v1/openai")), "http://127.0.0.1:9/v1/openai/x");
}
