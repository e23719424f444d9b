//! Tokens that begin elsewhere: with another issuer's, with a service account that is acted as, with the machine.

use super::givers::File;
use super::*;

const MODEL: &str = "vertex_ai/gemini-2.5-flash";
const ACT: &str = "/v1/projects/-/serviceAccounts/sa@p.iam.gserviceaccount.com:generateAccessToken";

/// Credentials of another issuer; `name` keeps the tokens of tests apart.
fn external(world: &World, name: &str, source: Value) -> Value {
    json!({"type": "external_account", "audience": format!("//iam.googleapis.com/{name}"),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": format!("{}/token", world.upstream.url()),
        "credential_source": source})
}

fn vertex(world: &World, credentials: &Value) -> Result<Target> {
    let credentials = Some(Secret::new(credentials.to_string()));
    let options = TargetOptions { credentials, project: Some("p".to_owned()), ..TargetOptions::default() };
    world.target(MODEL, options, &[])
}

#[tokio::test]
async fn another_issuer_s_token_is_exchanged() {
    let world = World::new();
    let file = File::of("subject", "subject-1\n");
    let in_file = external(&world, "in-file", json!({"file": file.path()}));
    world.gives("t-1", 2);
    world.gives("t-2", 3600);
    let target = vertex(&world, &in_file).unwrap();
    assert_eq!(world.call(&target).await.unwrap(), "Bearer t-1");
    let asked = form(&world.questions()[0]);
    assert_eq!(asked["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!(
        (asked["audience"].as_str(), asked["subject_token"].as_str()),
        ("//iam.googleapis.com/in-file", "subject-1")
    );
    assert_eq!(asked["scope"], "https://www.googleapis.com/auth/cloud-platform");
    // It is read again for the next.
    std::fs::write(&file.0, "subject-2").unwrap();
    until(async || world.call(&target).await.unwrap() == "Bearer t-2").await;
    assert_eq!(form(&world.questions()[1])["subject_token"], "subject-2");
}

#[tokio::test]
async fn a_token_at_an_address_is_got_exchanged_and_acted_with() {
    let world = World::new();
    let source = json!({"url": format!("{}/subject?audience=x", world.upstream.url()), "headers": {"Metadata": "true"},
        "format": {"type": "json", "subject_token_field_name": "id_token"}});
    let mut credentials = external(&world, "at-an-address", source);
    credentials["service_account_impersonation_url"] = format!("{}{ACT}", world.upstream.url()).into();
    world.upstream.on("/subject", |_| Script::json(&json!({"id_token": "subject-3"})));
    world.gives("t-federated", 3600);
    let expires = "2099-01-01T00:00:00Z";
    world.upstream.push_for(ACT, Script::json(&json!({"accessToken": "t-acted", "expireTime": expires})));
    let target = vertex(&world, &credentials).unwrap();
    // However many wait, each question is asked once.
    let calls = (0..5).map(|_| world.call(&target));
    for call in futures_util::future::join_all(calls).await {
        assert_eq!(call.unwrap(), "Bearer t-acted");
    }
    let subject = world.at("/subject").remove(0);
    assert_eq!(subject.header("metadata"), Some("true"));
    assert_eq!(form(&world.questions()[0])["subject_token"], "subject-3");
    let acted = world.at(ACT);
    assert_eq!((acted.len(), world.questions().len(), world.at("/subject").len()), (1, 1, 1));
    assert_eq!(acted[0].header("authorization"), Some("Bearer t-federated"));
    assert_eq!(
        acted[0].json(),
        json!({"scope": ["https://www.googleapis.com/auth/cloud-platform"], "lifetime": "3600s", "delegates": []})
    );
}

#[tokio::test]
async fn a_service_account_is_acted_as() {
    let world = World::new();
    let user = json!({"type": "authorized_user", "client_id": "client", "client_secret": "planted-client-secret",
        "refresh_token": "planted-acting-token", "token_uri": format!("{}/token", world.upstream.url())});
    let credentials = json!({"type": "impersonated_service_account", "delegates": ["d"], "source_credentials": user,
        "service_account_impersonation_url": format!("{}{ACT}", world.upstream.url())});
    let target = vertex(&world, &credentials).unwrap();
    world.gives("t-user", 3600);
    world.upstream.push_for(
        ACT,
        Script::status(403)
            .header("content-type", "application/json")
            .body(r#"{"error": {"code": 403, "message": "no: planted-acting-token", "status": "PERMISSION_DENIED"}}"#),
    );
    let error = world.call(&target).await.unwrap_err();
    let lacks = ["planted-acting-token", "planted-client-secret"];
    check_error(&error, ErrorKind::Auth, &["Google refused", "403"], &lacks);
    assert_eq!(world.at(ACT)[0].json()["delegates"], json!(["d"]));
    assert_eq!(world.at(ACT)[0].header("authorization"), Some("Bearer t-user"));
}

#[test]
fn what_cannot_be_asked_is_said_when_the_configuration_is_read() {
    let world = World::new();
    let check = |credentials: Value, expect: &str| {
        let error = vertex(&world, &credentials).unwrap_err();
        check_error(&error, ErrorKind::Auth, &[expect], &["planted"]);
    };
    let amazon = json!({"environment_id": "aws1", "url": "http://169.254.169.254/planted"});
    check(external(&world, "amazon", amazon), "Amazon's credentials and programs are not asked");
    let program = json!({"executable": {"command": "planted"}});
    check(external(&world, "program", program), "Amazon's credentials and programs are not asked");
    check(external(&world, "nothing", json!({})), "`file` or a `url`");
    let inner = json!({"type": "impersonated_service_account", "service_account_impersonation_url": "https://planted",
        "source_credentials": {"type": "authorized_user"}});
    let mut outer = inner.clone();
    outer["source_credentials"] = inner;
    check(outer, "`impersonated_service_account` cannot be used");
}

#[tokio::test]
async fn a_source_that_holds_no_token_is_said() {
    let world = World::new();
    let file = File::of("empty", "{\"planted\": 1}");
    let source =
        json!({"file": file.path(), "format": {"type": "json", "subject_token_field_name": "token"}});
    let target = vertex(&world, &external(&world, "holds-none", source)).unwrap();
    let error = world.call(&target).await.unwrap_err();
    check_error(&error, ErrorKind::Auth, &["holds no token"], &["planted"]);
    assert!(world.questions().is_empty());
}

#[tokio::test]
async fn azure_asks_the_machine() {
    let world = World::new();
    let url = world.upstream.url();
    let chat = "/openai/deployments/d/chat/completions";
    world.upstream.on(chat, |_| Script::json(&json!({})));
    let call = async |env: &[(&str, &str)]| {
        let target = world.target("azure/d", TargetOptions::default(), env).unwrap();
        let wire = WireRequest {
            method: Method::POST,
            path: "/chat/completions".to_owned(),
            headers: HeaderMap::new(),
            body: Segments::from(b"{}".to_vec()),
            memo: Memo::default(),
        };
        let request = target.request(wire).unwrap().map(RequestBody::from);
        let (head, body) = world.transport.send(request).await.unwrap().into_parts();
        collect(body, 1 << 20).await.unwrap();
        assert!(head.status.is_success(), "{}", head.status);
        world.at(chat).last().unwrap().header(AUTHORIZATION.as_str()).unwrap().to_owned()
    };
    let service = "/msi/token";
    let until = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 3600;
    let given = json!({"access_token": "t-service", "expires_on": until.to_string(), "token_type": "Bearer"});
    world.upstream.push_for(service, Script::json(&given));
    let endpoint = format!("{url}{service}");
    let asked = [
        ("IDENTITY_ENDPOINT", &*endpoint),
        ("IDENTITY_HEADER", "planted-header"),
        ("AZURE_CLIENT_ID", "mine"),
    ];
    assert_eq!(call(&asked).await, "Bearer t-service");
    let question = world.at(service).remove(0);
    assert_eq!(question.header("x-identity-header"), Some("planted-header"));
    let resource = "resource=https%3A%2F%2Fcognitiveservices.azure.com";
    assert!(
        question.target.ends_with(&format!("?api-version=2019-08-01&{resource}&client_id=mine")),
        "{}",
        question.target
    );

    let machine = "/metadata/identity/oauth2/token";
    let given = json!({"access_token": "t-machine", "expires_in": "86399", "expires_on": "1"});
    world.upstream.push_for(machine, Script::json(&given));
    let chosen = ("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential");
    let secret = [("AZURE_CLIENT_SECRET", "unused"), ("AZURE_TENANT_ID", "unused")];
    let host = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", url.as_str());
    assert_eq!(call(&[chosen, host, secret[0], secret[1]]).await, "Bearer t-machine");
    let question = world.at(machine).remove(0);
    assert_eq!((question.header("metadata"), question.header("x-identity-header")), (Some("true"), None));
    assert!(question.target.ends_with(&format!("?api-version=2018-02-01&{resource}")), "{}", question.target);
}
