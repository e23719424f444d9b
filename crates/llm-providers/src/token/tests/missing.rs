//! What is missing or wrong is said when the configuration is read, and no secret with it.

use super::*;
use crate::target::is_configured;
use crate::token::OauthOptions;

const GEMINI: &str = "vertex_ai/gemini-2.5-flash";

fn of(model: &str) -> TargetOptions {
    TargetOptions::new(model)
}

#[test]
fn what_is_missing_is_named() {
    let check = |options: TargetOptions, env: &[(&str, &str)], expect: &str| {
        let error = target(&options, env).unwrap_err();
        assert!(error.message.contains(expect), "{error}");
        assert!(!format!("{error:?}").contains("planted"), "{error:?}");
    };
    let inline =
        |json: Value| TargetOptions { credentials: Some(Secret::new(json.to_string())), ..of(GEMINI) };
    check(of(GEMINI), &[], "VERTEXAI_PROJECT");
    let file = TargetOptions { credentials: Some(Secret::new("/nowhere/key.json")), ..of(GEMINI) };
    check(file, &[], "credentials names /nowhere/key.json, which cannot be read");
    check(
        of(GEMINI),
        &[("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere")],
        "GOOGLE_APPLICATION_CREDENTIALS names",
    );
    check(inline(json!({"type": "service_account", "private_key": "planted"})), &[], "give the JSON file");
    check(inline(json!({"type": "gdch_service_account"})), &[], "`gdch_service_account` cannot be used");
    let reference = TargetOptions { credentials: Some(Secret::new("os.environ/NOPE")), ..of(GEMINI) };
    check(reference, &[], "set NOPE");
    check(TargetOptions { location: Some("e.vil/".into()), ..of(GEMINI) }, &[], "write `global`");
    check(
        TargetOptions { location: Some("eu".into()), ..of("openai/m") },
        &[("OPENAI_API_KEY", "k")],
        "no location",
    );
    let base = |model| TargetOptions { api_base: Some("https://h".into()), ..of(model) };
    check(base("azure/m"), &[], "AZURE_CLIENT_SECRET");
    check(base("azure/m"), &[("AZURE_CLIENT_SECRET", "planted")], "set AZURE_TENANT_ID");
    let half = OauthOptions { client_secret: Some(Secret::new("planted")), ..OauthOptions::default() };
    check(TargetOptions { oauth: Some(half), ..base("databricks/m") }, &[], "set both DATABRICKS_CLIENT_ID");
    check(base("databricks/m"), &[], "set DATABRICKS_API_KEY");
    check(base("watsonx/m"), &[], "set WATSONX_APIKEY");
    check(
        base("snowflake/m"),
        &[("SNOWFLAKE_PRIVATE_KEY", "planted")],
        "set SNOWFLAKE_ACCOUNT_ID and SNOWFLAKE_USER",
    );
}

#[tokio::test]
async fn secrets_go_out_only_where_nobody_listens() {
    let world = World::new();
    let mut account = account("http://tokens.example", "plain");
    let credentials = |account: &Value| Some(Secret::new(account.to_string()));
    let options = TargetOptions { credentials: credentials(&account), ..TargetOptions::default() };
    let target = world.target(GEMINI, options, &[]).unwrap();
    let error = world.call(&target).await.unwrap_err();
    check_error(&error, ErrorKind::Auth, &["must begin with https://"], &["BEGIN"]);
    account["private_key"] = json!("-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----");
    let options = TargetOptions { credentials: credentials(&account), ..TargetOptions::default() };
    let target = world.target(GEMINI, options, &[]).unwrap();
    let error = world.call(&target).await.unwrap_err();
    check_error(&error, ErrorKind::Auth, &["must be an RSA key"], &["planted"]);
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let world = World::new();
    let user = json!({"type": "authorized_user", "client_id": "c", "client_secret": "planted-client-secret",
        "refresh_token": "planted-refresh", "project_id": "p", "token_uri": format!("{}/token", world.upstream.url())});
    let options = TargetOptions { credentials: Some(Secret::new(user.to_string())), ..of(GEMINI) };
    assert!(!format!("{options:?}").contains("planted"), "{options:?}");
    let target = world.target(GEMINI, options, &[]).unwrap();
    // A giver that repeats what it was asked with.
    let echo = json!({"error": "invalid_grant", "error_description": "bad token planted-refresh"});
    world.upstream.push_for("/token", Script::status(400).json_body(&echo));
    let error = world.call(&target).await.unwrap_err();
    check_error(&error, ErrorKind::Auth, &["bad token [redacted]"], &["planted"]);
    let other = world.vertex("shows");
    world.gives("planted-token", 3600);
    assert_eq!(world.call(&other).await.unwrap(), "Bearer planted-token");
    let wire = WireRequest {
        method: Method::POST,
        path: "/x".to_owned(),
        headers: HeaderMap::new(),
        body: Segments::from(b"{}".to_vec()),
        memo: Memo::default(),
    };
    let request = other.request(wire).unwrap();
    let shown = format!("{target:?} {other:?} {request:?}");
    assert!(!shown.contains("planted"), "{shown}");
    // A provider that repeats the token it was called with.
    let mut error = ApiError::new(ErrorKind::Auth, "bad token planted-token");
    other.conceal(&mut error);
    assert_eq!(error.message, "bad token [redacted]");
    assert!(other.repeats_secret(b"x planted-token y"));
}

#[test]
fn accounts_and_settings_tell_targets_apart() {
    let with = |name: &str| {
        let text = account("https://oauth2.googleapis.com", name).to_string();
        target(&TargetOptions { credentials: Some(Secret::new(text)), ..of(GEMINI) }, &[]).unwrap()
    };
    let (one, other) = (with("one"), with("other"));
    assert_ne!(one.account(), other.account());
    assert_ne!(one.fingerprint(), other.fingerprint());
    assert_eq!(one.account(), with("one").account());
}

#[test]
fn a_row_is_configured_when_its_tokens_can_be_got() {
    let check = |name: &str, env: &[(&str, &str)], expect: bool| {
        let row = ProviderTable::builtin().get(name).unwrap();
        let env: HashMap<&str, &str> = env.iter().copied().collect();
        let found = is_configured(row, &|name| env.get(name).map(|value| (*value).to_owned()));
        assert_eq!(found, expect, "{name} {env:?}");
    };
    let account = account("https://h", "x").to_string();
    check("vertex_ai", &[], false);
    check("vertex_ai", &[("GOOGLE_CLOUD_PROJECT", "p")], false);
    check("vertex_ai", &[("VERTEX_CREDENTIALS", &account)], true);
    check("vertex_ai", &[("VERTEX_CREDENTIALS", "/nowhere")], false);
    check("vertex_ai", &[("GCE_METADATA_HOST", "h")], false);
    check("vertex_ai", &[("GCE_METADATA_HOST", "h"), ("GOOGLE_CLOUD_PROJECT", "p")], true);
    let azure = [("AZURE_API_BASE", "https://r"), ("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c")];
    check("azure", &azure, false);
    check("azure", &[&azure[..], &[("AZURE_CLIENT_SECRET", "s")]].concat(), true);
    check("watsonx", &[("WATSONX_REGION", "eu-de")], false);
    check("watsonx", &[("WATSONX_REGION", "eu-de"), ("WATSONX_APIKEY", "k")], true);
}
