//! Calls that are signed with credentials which nobody wrote down: profiles, web identity, containers, instances, and
//! roles that are assumed with a key. Every giver is on loopback.

use std::path::Path;

use llm_testkit::{Received, Script, Upstream};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{Gateway, Options, PATIENCE, chat, llmctl, model};

const SESSION: &str = "planted-session-token-of-the-chain";
const SECRET: &str = "planted-secret-of-the-chain";

/// Bedrock at `upstream`, with what the deployment says of its credentials.
fn deployment(upstream: &Upstream, aws: &str) -> String {
    let url = upstream.url();
    model(
        "signed",
        &[format!(
            "{{ model = \"bedrock/amazon.nova-lite-v1:0\", api_base = \"{url}\", region = \"us-east-1\"{aws} }}"
        )],
    )
}

/// A provider that answers, on a machine that has no credentials of its own.
fn world(upstream: &Upstream, aws: &str, home: &Path) -> Options {
    let answer = json!({"output": {"message": {"role": "assistant", "content": [{"text": "Hello!"}]}},
        "stopReason": "end_turn", "usage": {"inputTokens": 2, "outputTokens": 1, "totalTokens": 3}});
    upstream.on("/model/*", move |_| Script::json(&answer));
    let nowhere = home.join("nowhere");
    Options::config(format!("[telemetry.log]\nlevel = \"debug\"\n{}", deployment(upstream, aws)))
        .env("HOME", home.to_str().unwrap())
        .env("AWS_CONFIG_FILE", nowhere.to_str().unwrap())
        .env("AWS_SHARED_CREDENTIALS_FILE", nowhere.to_str().unwrap())
        .env("AWS_EC2_METADATA_DISABLED", "true")
}

/// Asks until there are credentials: the first calls are told to come again.
async fn asked(gateway: &Gateway) {
    let answered = async {
        loop {
            let reply = gateway.chat(&chat("signed")).await;
            if reply.status == 200 {
                return;
            }
            assert_eq!(reply.status, 503, "{}\n{}", reply.text(), gateway.logs());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, answered).await.expect("credentials in time");
}

/// As whom the last call was signed, and what went with it.
fn signed(upstream: &Upstream) -> (String, Option<String>) {
    let sent = upstream.requests().into_iter().rfind(|sent| sent.path().starts_with("/model/")).unwrap();
    let credential = sent.header("authorization").unwrap().split("Credential=").nth(1).unwrap();
    let session = sent.header("x-amz-security-token").map(str::to_owned);
    (credential.split('/').next().unwrap().to_owned(), session)
}

fn clean(gateway: &Gateway) {
    let logs = gateway.logs();
    assert!(!logs.contains("planted"), "{logs}");
}

fn given(id: &str) -> Value {
    json!({"Code": "Success", "LastUpdated": "2026-01-01T00:00:00Z", "Type": "AWS-HMAC", "AccessKeyId": id,
        "SecretAccessKey": SECRET, "Token": SESSION, "Expiration": "2099-01-01T00:00:00Z"})
}

/// What the service that gives roles answers.
fn role(action: &str, id: &str) -> Script {
    let answer = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><AssumedRoleUser>\
         <AssumedRoleId>A:llm-gateway</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/x/llm-gateway</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>\
         <SessionToken>{SESSION}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
         </{action}Result></{action}Response>"
    );
    Script::status(200).header("content-type", "text/xml").body(answer)
}

#[tokio::test]
async fn a_profile_of_a_file_signs() {
    let (upstream, home) = (Upstream::start().unwrap(), tempfile::tempdir().unwrap());
    let file = home.path().join("credentials");
    let text = format!(
        "[default]\naws_access_key_id = AKIDDEFAULT\naws_secret_access_key = {SECRET}\n\
         [work]\naws_access_key_id = AKIDWORK\naws_secret_access_key = {SECRET}\n"
    );
    std::fs::write(&file, text).unwrap();
    for (aws, id) in [(", aws = { profile = \"work\" }", "AKIDWORK"), ("", "AKIDDEFAULT")] {
        let options = world(&upstream, aws, home.path());
        let gateway = options.env("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()).start();
        asked(&gateway).await;
        assert_eq!(signed(&upstream), (id.to_owned(), None));
        clean(&gateway);
    }
    // Who makes one call waits for the credentials.
    let ran = llmctl(&["chat", "-m", "bedrock/amazon.nova-lite-v1:0", "Hello!"])
        .env("HOME", home.path().to_str().unwrap())
        .env("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap())
        .env("AWS_PROFILE", "work")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_BEDROCK_RUNTIME_ENDPOINT", &upstream.url());
    assert_eq!(ran.run().good(), "Hello!\n");
    assert_eq!(signed(&upstream), ("AKIDWORK".to_owned(), None));
}

#[tokio::test]
async fn a_container_and_an_instance_give_credentials() {
    let (upstream, home) = (Upstream::start().unwrap(), tempfile::tempdir().unwrap());
    upstream.on("/container", |asked| match asked.header("authorization") {
        Some("planted-container-token") => Script::json(&given("AKIDCONTAINER")),
        _ => Script::status(401).json_body(&json!({"code": "x", "message": "y"})),
    });
    let container = world(&upstream, "", home.path())
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/container", upstream.url()))
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "planted-container-token")
        .start();
    asked(&container).await;
    assert_eq!(signed(&upstream), ("AKIDCONTAINER".to_owned(), Some(SESSION.to_owned())));
    clean(&container);

    // The second version of the protocol: a token first, which every question carries.
    upstream.on("/latest/api/token", |asked| match &*asked.method {
        "PUT" => {
            let ttl = ("x-aws-ec2-metadata-token-ttl-seconds", "21600");
            Script::status(200).header(ttl.0, ttl.1).body("planted-metadata-token")
        }
        _ => Script::status(405),
    });
    let about = |asked: &Received, answer: Script| match asked.header("x-aws-ec2-metadata-token") {
        Some("planted-metadata-token") => answer,
        _ => Script::status(401),
    };
    for path in
        ["/latest/meta-data/iam/security-credentials", "/latest/meta-data/iam/security-credentials-extended"]
    {
        for (path, name) in
            [(path.to_owned(), true), (format!("{path}/"), true), (format!("{path}/machine"), false)]
        {
            upstream.on(&path, move |asked| {
                let answer = match name {
                    true => Script::status(200).body("machine"),
                    false => Script::json(&given("AKIDINSTANCE")),
                };
                about(asked, answer)
            });
        }
    }
    let instance = world(&upstream, "", home.path())
        .env("AWS_EC2_METADATA_DISABLED", "false")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &upstream.url())
        .start();
    asked(&instance).await;
    assert_eq!(signed(&upstream), ("AKIDINSTANCE".to_owned(), Some(SESSION.to_owned())));
    clean(&instance);
}

#[tokio::test]
async fn roles_are_assumed_with_a_key_and_with_a_web_identity() {
    let (upstream, home) = (Upstream::start().unwrap(), tempfile::tempdir().unwrap());
    upstream.on("/", |asked| {
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        match () {
            () if body.contains("Action=AssumeRoleWithWebIdentity")
                && body.contains("planted-web-identity") =>
            {
                role("AssumeRoleWithWebIdentity", "AKIDWEB")
            }
            () if body.contains("Action=AssumeRole&") => role("AssumeRole", "AKIDROLE"),
            () => Script::status(400),
        }
    });
    let role_arn = "arn:aws:iam::1:role/x";
    let key = format!(
        ", aws = {{ access_key_id = \"AKIDKEY\", secret_access_key = \"{SECRET}\", role_arn = \"{role_arn}\" }}"
    );
    let gateway = world(&upstream, &key, home.path()).env("AWS_ENDPOINT_URL_STS", &upstream.url()).start();
    asked(&gateway).await;
    assert_eq!(signed(&upstream), ("AKIDROLE".to_owned(), Some(SESSION.to_owned())));
    // The role was asked for with the key.
    let questions = upstream.requests().into_iter().filter(|sent| sent.path() == "/");
    let first = questions.last().unwrap();
    assert!(first.header("authorization").unwrap().contains("Credential=AKIDKEY/"), "{first:?}");
    clean(&gateway);
    // A key that is corrected under its name is asked with at once, and not when the old answer ends.
    gateway.configure(&deployment(&upstream, &key.replace(SECRET, "planted-corrected-secret")));
    gateway.signal("HUP");
    timeout(PATIENCE, async {
        while upstream.requests().iter().filter(|sent| sent.path() == "/").count() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the corrected key is asked with");

    let token = home.path().join("token");
    std::fs::write(&token, "planted-web-identity").unwrap();
    let web = world(&upstream, "", home.path())
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap())
        .env("AWS_ROLE_ARN", role_arn)
        .env("AWS_ENDPOINT_URL_STS", &upstream.url())
        .start();
    asked(&web).await;
    assert_eq!(signed(&upstream), ("AKIDWEB".to_owned(), Some(SESSION.to_owned())));
    clean(&web);
}

#[tokio::test]
async fn a_machine_without_credentials_says_so() {
    let (upstream, home) = (Upstream::start().unwrap(), tempfile::tempdir().unwrap());
    let gateway = world(&upstream, ", aws = { profile = \"nobody\" }", home.path()).start();
    let refused = async {
        loop {
            let reply = gateway.chat(&chat("signed")).await;
            if reply.status != 503 {
                return reply.error(401);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let error = timeout(PATIENCE, refused).await.expect("an answer in time");
    error.says(&["no AWS credentials were found", "profile"]);
    assert!(upstream.requests().is_empty());
}
