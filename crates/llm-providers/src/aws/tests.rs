//! Regions, credentials and signatures.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Request;
use llm_types::Segments;

use super::*;
use crate::codec::WireRequest;
use crate::table::ProviderTable;
use crate::target::{Target, TargetOptions};

const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn env(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
    move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
}

fn target(model: &str, options: TargetOptions, env: Env<'_>) -> Result<Target> {
    Target::new(&TargetOptions { model: model.to_owned(), ..options }, ProviderTable::builtin(), env)
}

fn call(target: &Target) -> Request<Segments> {
    let path = format!("/model/{}/converse", crate::url::escape(target.model()));
    let headers =
        [("content-type".parse().unwrap(), "application/json".parse().unwrap())].into_iter().collect();
    let body = Segments::from(Bytes::from_static(b"{}"));
    let memo = crate::codec::Memo::default();
    target.request(WireRequest { method: http::Method::POST, path, headers, body, memo }).unwrap()
}

#[test]
fn the_published_vector_is_signed_alike() {
    // Calculated with botocore 1.42 for the same request.
    let signer = Signer::new(
        Source::fixed(Credentials::new(ID, SECRET, None, None, "test")),
        "us-east-1".to_owned(),
        "bedrock".to_owned(),
    );
    let body = br#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;
    let url = "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse";
    let mut request = Request::post(url)
        .header("content-type", "application/json")
        .header("accept-encoding", "identity")
        .body(Segments::from(Bytes::from_static(body)))
        .unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_689_600);
    signer.sign(&mut request, now).unwrap();
    let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("x-amz-date"), "20250101T000000Z");
    assert_eq!(
        header("authorization"),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20250101/us-east-1/bedrock/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, \
         Signature=9a5aaf311afd8cfc9e3db7ad12db3bc0ee18a954b40494c84572456a4749e384"
    );
    assert!(request.headers()["authorization"].is_sensitive());
}

#[test]
fn regions_are_found_in_order() {
    let set = env(&[("AWS_REGION", "ap-south-1"), ("AWS_DEFAULT_REGION", "eu-west-3")]);
    let check = |region: Option<&str>, model: &str, env: Env<'_>, expect: (Option<&str>, &str)| {
        let place = Place::of(Settings { region, ..Settings::default() }, model, env);
        assert_eq!((place.region.as_deref(), place.model()), expect, "{region:?} {model}");
    };
    let arn = "arn:aws:bedrock:us-west-2:000000000000:inference-profile/us.amazon.nova-lite-v1:0";
    check(Some("eu-central-1"), "us-east-1/m", &set, (Some("eu-central-1"), "m"));
    check(Some("eu"), "us-gov-west-1/m", &set, (Some("us-gov-west-1"), "m"));
    check(None, arn, &set, (Some("us-west-2"), arn));
    check(None, "m", &set, (Some("ap-south-1"), "m"));
    check(None, "meta/m", &set, (Some("ap-south-1"), "meta/m"));
    check(None, "m", &env(&[]), (None, "m"));
}

#[test]
fn the_profile_names_a_region_where_nobody_else_does() {
    let home = std::env::temp_dir().join(format!("llm-aws-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(home.join(".aws")).unwrap();
    let config = "[default]\nregion = eu-north-1 # where we are\noutput = json\n\n[profile work]\ns3 =\n  region = us-west-1\n\
        region=ap-south-1\n[profile ci]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = work\n[profile round]\n\
        source_profile = back\n[profile back]\nsource_profile = round\n[services x]\nregion = us-west-2\n";
    std::fs::write(home.join(".aws/config"), config).unwrap();
    std::fs::write(home.join(".aws/credentials"), "[old]\nregion = sa-east-1\n").unwrap();
    let home = home.to_str().unwrap();
    let check = |variables: &[(&str, &str)], profile: Option<&str>, expect: Option<&str>| {
        let given = [&[("HOME", home)], variables].concat();
        let options = AwsOptions { profile: profile.map(str::to_owned), ..AwsOptions::default() };
        let settings = Settings { aws: Some(&options), ..Settings::default() };
        let env =
            |name: &str| given.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let place = Place::of(settings, "m", &env);
        assert_eq!(place.region.as_deref(), expect, "{variables:?} {profile:?}");
        assert_eq!(place.variable("AWS_REGION").as_deref(), expect, "{variables:?} {profile:?}");
    };
    check(&[], None, Some("eu-north-1"));
    check(&[("AWS_PROFILE", "work")], None, Some("ap-south-1"));
    check(&[("AWS_PROFILE", "work")], Some("default"), Some("eu-north-1"));
    check(&[("AWS_PROFILE", "ci")], None, Some("ap-south-1"));
    check(&[("OWN", "work")], Some("os.environ/OWN"), Some("ap-south-1"));
    check(&[("AWS_REGION", "us-east-1"), ("AWS_PROFILE", "work")], None, Some("us-east-1"));
    check(&[], Some("old"), Some("sa-east-1"));
    check(&[], Some("round"), None);
    check(&[], Some("nobody"), None);
    check(&[("AWS_CONFIG_FILE", "/nowhere")], None, None);
    // It stands in the address, and the calls are signed for it.
    let keys = |name: &str| match name {
        "HOME" => Some(home.to_owned()),
        "AWS_ACCESS_KEY_ID" => Some(ID.to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some(SECRET.to_owned()),
        _ => None,
    };
    let found = target("bedrock/m", TargetOptions::default(), &keys).unwrap();
    assert_eq!(found.host(), Some("bedrock-runtime.eu-north-1.amazonaws.com"));
    std::fs::remove_dir_all(home).unwrap();
}

#[test]
fn urls_hold_the_region_and_the_model() {
    let keys = env(&[("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", SECRET)]);
    let check = |model: &str, expect: &str| {
        let url = call(&target(model, TargetOptions::default(), &keys).unwrap()).uri().to_string();
        assert_eq!(url, expect, "{model}");
    };
    check(
        "bedrock/us-west-2/anthropic.claude-v2:1",
        "https://bedrock-runtime.us-west-2.amazonaws.com/model/anthropic.claude-v2%3A1/converse",
    );
    for way in ["converse", "invoke", "nova", "converse_like"] {
        check(
            &format!("bedrock/{way}/eu-west-1/eu.amazon.nova-lite-v1:0"),
            "https://bedrock-runtime.eu-west-1.amazonaws.com/model/eu.amazon.nova-lite-v1%3A0/converse",
        );
    }
    check(
        "bedrock/cn-north-1/amazon.nova-lite-v1:0",
        "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/amazon.nova-lite-v1%3A0/converse",
    );
    check(
        "bedrock/arn:aws:bedrock:us-east-2:000000000000:application-inference-profile/abc",
        "https://bedrock-runtime.us-east-2.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus-east-2%3A000000000000%3Aapplication-inference-profile%2Fabc/converse",
    );
    let path = "https://bedrock-mantle.us-west-2.api.aws/v1/model/openai.gpt-oss-120b/converse";
    check("bedrock_mantle/us-west-2/openai.gpt-oss-120b", path);
    check("bedrock/mantle/us-west-2/openai.gpt-oss-120b", path);
    let mantle =
        target("bedrock/mantle/us-west-2/openai.gpt-oss-120b", TargetOptions::default(), &keys).unwrap();
    let signed = call(&mantle);
    assert!(signed.headers()["authorization"].to_str().unwrap().contains("/us-west-2/bedrock-mantle/"));
    let own =
        target("bedrock/chat_completions/us-west-2/openai.gpt-oss-20b-1:0", TargetOptions::default(), &keys);
    let own = own.unwrap();
    assert_eq!((own.dialect(), own.model()), (llm_types::Dialect::OpenaiChat, "openai.gpt-oss-20b-1:0"));
    assert_eq!(own.host(), Some("bedrock-runtime.us-west-2.amazonaws.com"));
    let own = TargetOptions {
        api_base: Some("https://vpce-1.bedrock-runtime.eu-north-1.vpce.amazonaws.com".into()),
        ..TargetOptions::default()
    };
    let signed = call(&target("bedrock/m", own, &keys).unwrap());
    assert!(signed.headers()["authorization"].to_str().unwrap().contains("/eu-north-1/bedrock/"));
}

#[test]
fn a_signature_is_for_the_service_of_the_row() {
    let keys =
        env(&[("AWS_REGION", "us-west-2"), ("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", SECRET)]);
    let target = target("sagemaker/my-endpoint", TargetOptions::default(), &keys).unwrap();
    let request = call(&target);
    assert_eq!(request.uri().host(), Some("runtime.sagemaker.us-west-2.amazonaws.com"));
    let signed = request.headers()["authorization"].to_str().unwrap();
    assert!(signed.contains("/us-west-2/sagemaker/aws4_request"), "{signed}");
}

#[test]
fn a_key_is_sent_and_credentials_sign() {
    let bearer = env(&[("AWS_REGION", "us-east-1"), ("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-1")]);
    let both = env(&[
        ("AWS_REGION", "us-east-1"),
        ("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-1"),
        ("AWS_ACCESS_KEY_ID", ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_SESSION_TOKEN", "session-1"),
        ("MINE", SECRET),
    ]);
    let check = |options: TargetOptions, env: Env<'_>, auth: &str, token: Option<&str>| {
        let request = call(&target("bedrock/amazon.nova-lite-v1:0", options, env).unwrap());
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
        assert!(header("authorization").unwrap().starts_with(auth), "{:?}", header("authorization"));
        assert_eq!(header("x-amz-security-token"), token);
        assert_eq!(header("x-amz-date").is_some(), auth.starts_with("AWS4"));
    };
    let aws = |aws: AwsOptions| TargetOptions { aws: Some(aws), ..TargetOptions::default() };
    check(TargetOptions::default(), &bearer, "Bearer bedrock-api-key-1", None);
    check(TargetOptions::default(), &both, "Bearer bedrock-api-key-1", None);
    check(aws(AwsOptions::default()), &both, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/", Some("session-1"));
    let own = AwsOptions {
        access_key_id: Some(Secret::new("AKIDOWN")),
        secret_access_key: Some(Secret::new("os.environ/MINE")),
        ..AwsOptions::default()
    };
    check(aws(own), &both, "AWS4-HMAC-SHA256 Credential=AKIDOWN/", None);
    let key = TargetOptions { api_key: Some(Secret::new("given-key")), ..TargetOptions::default() };
    check(key, &both, "Bearer given-key", None);
}

#[test]
fn what_is_missing_is_named() {
    let check = |options: TargetOptions, env: Env<'_>, expect: &str| {
        let error = target("bedrock/m", options, env).unwrap_err();
        assert!(error.message.contains(expect), "{error}");
        assert!(!format!("{error:?}").contains(SECRET));
    };
    let region = env(&[("AWS_REGION", "us-east-1")]);
    check(TargetOptions::default(), &env(&[]), "AWS_REGION");
    let half = AwsOptions { secret_access_key: Some(Secret::new(SECRET)), ..AwsOptions::default() };
    let half = TargetOptions { aws: Some(half), ..TargetOptions::default() };
    check(half, &region, "both access_key_id and secret_access_key");
    if cfg!(not(feature = "aws-chain")) {
        check(TargetOptions::default(), &region, "AWS_BEARER_TOKEN_BEDROCK");
        let role = AwsOptions { role_arn: Some("arn:aws:iam::1:role/x".into()), ..AwsOptions::default() };
        let role = TargetOptions { aws: Some(role), ..TargetOptions::default() };
        check(role, &region, "feature `aws-chain`");
    }
}

#[test]
fn accounts_differ_and_nothing_shows_a_secret() {
    let region = env(&[("AWS_REGION", "us-east-1")]);
    let with = |id: &str, secret: &str, session: Option<&str>| {
        let aws = AwsOptions {
            access_key_id: Some(Secret::new(id)),
            secret_access_key: Some(Secret::new(secret)),
            session_token: session.map(Secret::new),
            ..AwsOptions::default()
        };
        let options = TargetOptions { aws: Some(aws), ..TargetOptions::default() };
        assert!(!format!("{options:?}").contains(SECRET), "{options:?}");
        target("bedrock/m", options, &region).unwrap()
    };
    let of = |id: &str| with(id, SECRET, None);
    let (one, other) = (of("AKIDONE"), of("AKIDOTHER"));
    assert_ne!(one.account(), other.account());
    assert_ne!(one.fingerprint(), other.fingerprint());
    assert_eq!(one.account(), of("AKIDONE").account());
    assert!(!format!("{one:?}{:?}", call(&one)).contains(SECRET));
    // What was wrong with a key is mended under its name: that is another account, without what was learned of the first.
    let session = with("AKIDONE", SECRET, Some("planted-session-token"));
    for corrected in [with("AKIDONE", "corrected", None), with("AKIDONE", SECRET, Some("x")), session.clone()]
    {
        assert_ne!(one.fingerprint(), corrected.fingerprint());
    }
    assert!(!format!("{session:?}").contains("planted"));
    assert!(session.repeats_secret(b"the token planted-session-token is expired"));
    let mut error = ApiError::new(ErrorKind::Auth, "no: planted-session-token");
    session.conceal(&mut error);
    assert_eq!(error.message, "no: [redacted]");
}

/// A reload with a corrected secret must not go on with the chain of the wrong one.
#[cfg(feature = "aws-chain")]
#[test]
fn a_corrected_secret_is_another_chain() {
    let wanted = |secret: &str, session: Option<&str>| {
        let fixed = Credentials::new(ID, secret, session.map(str::to_owned), None, "test");
        Wanted {
            fixed: Some(fixed),
            profile: None,
            role: Some("r".to_owned()),
            region: "us-east-1".to_owned(),
        }
    };
    let name = wanted(SECRET, None).name();
    assert_eq!(name, wanted(SECRET, None).name());
    assert_ne!(name, wanted("corrected", None).name());
    assert_ne!(name, wanted(SECRET, Some("session")).name());
    assert!(!name.contains(SECRET));
}
