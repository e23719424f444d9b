//! What each giver is asked, and what comes of its answer.

use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::*;
use crate::token::OauthOptions;

/// The header and the claims of a token that the test's key signed.
fn signed(token: &str) -> (Value, Value) {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("three parts: {token}") };
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, KEY.public_key().as_ref());
    key.verify(format!("{header}.{claims}").as_bytes(), &bytes(signature)).expect("a good signature");
    (serde_json::from_slice(&bytes(header)).unwrap(), serde_json::from_slice(&bytes(claims)).unwrap())
}

/// A file that is removed with the test.
pub(super) struct File(pub(super) std::path::PathBuf);

impl File {
    pub(super) fn of(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("llm-tokens-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn a_service_account_signs_for_itself() {
    let world = World::new();
    world.gives("t-1", 3599);
    let target = world.vertex("signs");
    assert_eq!(world.call(&target).await.unwrap(), "Bearer t-1");
    let question = world.questions().remove(0);
    let form = form(&question);
    assert_eq!(question.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let (header, claims) = signed(&form["assertion"]);
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"}));
    assert_eq!(claims["iss"], "signs@p.iam.gserviceaccount.com");
    assert_eq!(claims["aud"], format!("{}/token", world.upstream.url()));
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3600);
    let call = world.calls().remove(0);
    assert_eq!(call.header("x-goog-user-project"), None);
}

#[tokio::test]
async fn credentials_are_found_in_order() {
    let world = World::new();
    let url = world.upstream.url();
    let file = File::of("own.json", &account(&url, "file").to_string());
    let user = json!({"type": "authorized_user", "client_id": "client", "client_secret": "planted-client-secret",
        "refresh_token": "planted-refresh-token", "quota_project_id": "quota", "token_uri": format!("{url}/token")});
    let home = File::of("home", "");
    std::fs::remove_file(&home.0).unwrap();
    std::fs::create_dir_all(home.0.join(".config/gcloud")).unwrap();
    std::fs::write(home.0.join(".config/gcloud/application_default_credentials.json"), user.to_string())
        .unwrap();
    let at_home = ("HOME", home.path());
    let host = world.upstream.addr().to_string();
    let metadata = ("GCE_METADATA_HOST", host.as_str());
    let project = ("GOOGLE_CLOUD_PROJECT", "p");
    let model = "vertex_ai/gemini-2.5-flash";
    // (environment, who asks)
    let inline = account(&url, "inline").to_string();
    let signs = [
        (vec![("VERTEXAI_CREDENTIALS", inline.as_str()), at_home], "inline@"),
        (vec![("GOOGLE_APPLICATION_CREDENTIALS", file.path()), at_home, metadata], "file@"),
    ];
    for (env, issuer) in signs {
        world.gives("t", 3600);
        let target = world.target(model, TargetOptions::default(), &env).unwrap();
        world.call(&target).await.unwrap();
        let (_, claims) = signed(&form(world.questions().last().unwrap())["assertion"]);
        assert!(claims["iss"].as_str().unwrap().starts_with(issuer), "{claims}");
    }
    world.gives("t-user", 3600);
    let target = world.target(model, TargetOptions::default(), &[at_home, metadata, project]).unwrap();
    assert_eq!(world.call(&target).await.unwrap(), "Bearer t-user");
    let asked = form(world.questions().last().unwrap());
    assert_eq!(
        (asked["grant_type"].as_str(), asked["refresh_token"].as_str()),
        ("refresh_token", "planted-refresh-token")
    );
    assert_eq!(world.calls().last().unwrap().header("x-goog-user-project"), Some("quota"));
    let path = "/computeMetadata/v1/instance/service-accounts/default/token";
    world.upstream.push_for(path, gift("t-machine", 3600));
    let target = world.target(model, TargetOptions::default(), &[metadata, project]).unwrap();
    assert_eq!(world.call(&target).await.unwrap(), "Bearer t-machine");
    assert_eq!(world.at(path)[0].header("metadata-flavor"), Some("Google"));
    std::fs::remove_dir_all(&home.0).unwrap();
}

#[tokio::test]
async fn a_file_is_read_again_for_each_token() {
    let world = World::new();
    world.gives("t-1", 2);
    world.gives("t-2", 3600);
    let file = File::of("rotated.json", &account(&world.upstream.url(), "first").to_string());
    let options = TargetOptions { credentials: Some(Secret::new(file.path())), ..TargetOptions::default() };
    let target = world.target("vertex_ai/gemini-2.5-flash", options, &[]).unwrap();
    world.call(&target).await.unwrap();
    std::fs::write(&file.0, account(&world.upstream.url(), "second").to_string()).unwrap();
    until(async || world.call(&target).await.unwrap() == "Bearer t-2").await;
    let (_, claims) = signed(&form(&world.questions()[1])["assertion"]);
    assert!(claims["iss"].as_str().unwrap().starts_with("second@"), "{claims}");
}

#[tokio::test]
async fn azure_takes_a_secret_or_a_federated_token() {
    let world = World::new();
    let url = world.upstream.url();
    let path = "/tenant-1/oauth2/v2.0/token";
    let chat = "/openai/deployments/d/chat/completions";
    world.upstream.on(path, |_| gift("t-azure", 3600));
    world.upstream.on(chat, |_| Script::json(&json!({})));
    let file = File::of("federated", "planted-federated-token\n");
    let base =
        [("AZURE_AUTHORITY_HOST", url.as_str()), ("AZURE_TENANT_ID", "tenant-1"), ("AZURE_CLIENT_ID", "app")];
    let secret = [("AZURE_CLIENT_SECRET", "planted-secret")];
    let federated = [("AZURE_FEDERATED_TOKEN_FILE", file.path())];
    let own = OauthOptions {
        tenant_id: Some("tenant-1".to_owned()),
        client_id: Some("own-app".to_owned()),
        client_secret: Some(Secret::new("os.environ/MINE")),
    };
    let own = TargetOptions { oauth: Some(own), ..TargetOptions::default() };
    let key = [("AZURE_API_KEY", "key"), ("MINE", "own-secret")];
    let scope = "https://cognitiveservices.azure.com/.default";
    for (options, env, member, value, client) in [
        (TargetOptions::default(), [&base[..], &secret].concat(), "client_secret", "planted-secret", "app"),
        (
            TargetOptions::default(),
            [&base[..], &federated].concat(),
            "client_assertion",
            "planted-federated-token",
            "app",
        ),
        (own, [&base[..], &key].concat(), "client_secret", "own-secret", "own-app"),
    ] {
        let target = world.target("azure/d", options, &env).unwrap();
        assert_eq!(
            sent(&world, &target, "/chat/completions", chat).await,
            [("authorization", "Bearer t-azure")]
        );
        let asked = form(world.at(path).last().unwrap());
        assert_eq!(
            (asked[member].as_str(), asked["scope"].as_str(), asked["client_id"].as_str()),
            (value, scope, client)
        );
    }
    let target =
        world.target("azure/d", TargetOptions::default(), &[&base[..], &secret, &key].concat()).unwrap();
    assert_eq!(sent(&world, &target, "/chat/completions", chat).await, [("api-key", "key")]);
}

/// The headers with a key that a call arrives with.
async fn sent(
    world: &World,
    target: &Target,
    path: &str,
    arrives: &str,
) -> Vec<(&'static str, &'static str)> {
    let wire = WireRequest {
        method: Method::POST,
        path: path.to_owned(),
        headers: HeaderMap::new(),
        body: Segments::from(b"{}".to_vec()),
        memo: Memo::default(),
    };
    let request = target.request(wire).unwrap().map(RequestBody::from);
    let (head, _) = world.transport.send(request).await.unwrap().into_parts();
    assert!(
        head.status.is_success(),
        "{}: {:?}",
        head.status,
        world.upstream.requests().last().map(|r| r.path().to_owned())
    );
    let call = world.at(arrives).pop().unwrap();
    ["authorization", "api-key"]
        .into_iter()
        .filter_map(|name| Some((name, &*call.header(name)?.to_owned().leak())))
        .collect()
}

#[tokio::test]
async fn a_databricks_principal_asks_its_workspace() {
    let world = World::new();
    let (path, chat) = ("/oidc/v1/token", "/serving-endpoints/chat/completions");
    world.upstream.on(path, |_| gift("t-bricks", 3600));
    world.upstream.on(chat, |_| Script::json(&json!({})));
    let api_base = Some(format!("{}/serving-endpoints", world.upstream.url()));
    let options = TargetOptions { api_base, ..TargetOptions::default() };
    let env = [("DATABRICKS_CLIENT_ID", "principal"), ("DATABRICKS_CLIENT_SECRET", "planted-secret")];
    let target = world.target("databricks/m", options, &env).unwrap();
    assert_eq!(
        sent(&world, &target, "/chat/completions", chat).await,
        [("authorization", "Bearer t-bricks")]
    );
    let question = world.at(path).remove(0);
    let basic = format!("Basic {}", STANDARD.encode("principal:planted-secret"));
    assert_eq!(question.header("authorization"), Some(basic.as_str()));
    assert_eq!(form(&question)["scope"], "all-apis");
}

#[tokio::test]
async fn a_key_of_ibm_is_exchanged_and_a_token_is_not() {
    let world = World::new();
    let url = format!("{}/identity/token", world.upstream.url());
    let chat = "/ml/v1/text/chat";
    world.upstream.on("/identity/token", |_| gift("t-ibm", 3600));
    world.upstream.on(chat, |_| Script::json(&json!({})));
    let iam = ("WATSONX_IAM_URL", url.as_str());
    for (env, expect) in [
        (("WATSONX_APIKEY", "planted-key"), "Bearer t-ibm"),
        (("WATSONX_TOKEN", "ready"), "Bearer ready"),
        (("WATSONX_ZENAPIKEY", "zen"), "ZenApiKey zen"),
    ] {
        let target = world.target("watsonx/ibm/granite", TargetOptions::default(), &[iam, env]).unwrap();
        assert_eq!(sent(&world, &target, chat, chat).await, [("authorization", expect)]);
    }
    let asked = world.at("/identity/token");
    assert_eq!(asked.len(), 1);
    assert_eq!(form(&asked[0])["apikey"], "planted-key");
}

#[tokio::test]
async fn a_snowflake_user_signs_without_asking_anybody() {
    let world = World::new();
    let chat = "/chat/completions";
    world.upstream.on(chat, |_| Script::json(&json!({})));
    let key = pem();
    let env = [("SNOWFLAKE_ACCOUNT_ID", "acc.eu"), ("SNOWFLAKE_USER", "me"), ("SNOWFLAKE_PRIVATE_KEY", &key)];
    let target = world.target("snowflake/m", TargetOptions::default(), &env).unwrap();
    let [(_, bearer)] = sent(&world, &target, chat, chat).await[..] else { panic!("one header") };
    let (_, claims) = signed(bearer.strip_prefix("Bearer ").unwrap());
    let public: aws_lc_rs::encoding::PublicKeyX509Der<'_> = KEY.public_key().as_der().unwrap();
    let print = STANDARD.encode(Sha256::digest(public.as_ref()));
    assert_eq!(
        (claims["sub"].as_str(), claims["iss"].as_str()),
        (Some("ACC.ME"), Some(&*format!("ACC.ME.SHA256:{print}")))
    );
    let kind = "x-snowflake-authorization-token-type";
    assert_eq!(world.at(chat)[0].header(kind), Some("KEYPAIR_JWT"));
    let options = TargetOptions { api_key: Some(Secret::new("pat/token-1")), ..TargetOptions::default() };
    let target = world.target("snowflake/m", options, &[]).unwrap();
    assert_eq!(sent(&world, &target, chat, chat).await, [("authorization", "Bearer token-1")]);
    assert_eq!(world.at(chat)[1].header(kind), Some("PROGRAMMATIC_ACCESS_TOKEN"));
}
