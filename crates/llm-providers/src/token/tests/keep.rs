//! One question for many calls, in time; what failures do.

use std::time::Instant;

use llm_testkit::script::Gate;

use super::*;
use crate::target::Screen;
use crate::token::Tokens;
use crate::token::answer::Given;
use crate::token::{Grant, google};

#[tokio::test]
async fn a_hundred_calls_ask_once() {
    let world = World::new();
    let gate = Gate::new();
    world.upstream.push_for("/token", gift("t-1", 3600).gate_head(&gate));
    let targets: Vec<Target> = (0..4).map(|_| world.vertex("hundred")).collect();
    assert_eq!(world.questions().len(), 0, "nothing is asked before a call wants it");
    let mut calls = futures_util::stream::FuturesUnordered::new();
    for index in 0..100 {
        calls.push(world.call(&targets[index % targets.len()]));
    }
    let opened = async {
        assert!(world.upstream.wait_requests(1, PATIENCE).await);
        gate.open();
    };
    let gathered = async {
        let mut tokens = Vec::new();
        while let Some(token) = futures_util::StreamExt::next(&mut calls).await {
            tokens.push(token.unwrap());
        }
        tokens
    };
    let ((), tokens) = tokio::join!(opened, gathered);
    assert_eq!(tokens.len(), 100);
    assert!(world.calls().iter().all(|call| call.header("authorization") == Some("Bearer t-1")));
    assert_eq!(world.questions().len(), 1);
}

#[tokio::test]
async fn a_token_is_renewed_while_the_old_one_serves() {
    let world = World::new();
    let gate = Gate::new();
    world.gives("t-1", 5);
    world.upstream.push_for("/token", gift("t-2", 3600).gate_head(&gate));
    let target = world.vertex("renewed");
    assert_eq!(world.call(&target).await.unwrap(), "Bearer t-1");
    // Nobody calls, and yet it is renewed: it was used.
    until(async || world.questions().len() == 2).await;
    assert_eq!(world.call(&target).await.unwrap(), "Bearer t-1");
    gate.open();
    until(async || world.call(&target).await.unwrap() == "Bearer t-2").await;
    assert_eq!(world.questions().len(), 2);
}

#[tokio::test]
async fn a_failed_renewal_keeps_the_old_token_until_it_expires() {
    let world = World::new();
    world.gives("t-1", 4);
    let refusal = json!({"error": "invalid_grant", "error_description": "the account is gone"});
    world.upstream.on("/token", move |_| Script::status(400).json_body(&refusal));
    let target = world.vertex("failed");
    assert_eq!(world.call(&target).await.unwrap(), "Bearer t-1");
    until(async || world.questions().len() >= 2).await;
    assert_eq!(world.call(&target).await.unwrap(), "Bearer t-1");
    until(async || world.call(&target).await.is_err()).await;
    let error = world.call(&target).await.unwrap_err();
    let told = ["Google refused", "invalid_grant: the account is gone", "check the credentials"];
    check_error(&error, ErrorKind::Auth, &told, &["t-1", "BEGIN PRIVATE"]);
    // While the refusal is fresh, nothing is asked: the answer would be the same.
    let asked = world.questions().len();
    for _ in 0..20 {
        world.call(&target).await.unwrap_err();
    }
    assert!(world.questions().len() <= asked + 1, "{asked}");
}

#[tokio::test]
async fn what_is_no_token_is_a_passing_failure() {
    let world = World::new();
    for (index, script) in [
        Script::status(200).body("<html>proxy</html>"),
        Script::json(&json!({"token_type": "Bearer"})),
        Script::json(&json!({"access_token": "two\nlines", "expires_in": 60})),
        Script::json(&json!({"access_token": "t-0", "expires_in": 0})),
        Script::status(503).body("busy"),
        Script::status(302).header("location", "http://127.0.0.1:1/steal"),
        Script::garbage("not http"),
        Script::json(&json!({"access_token": "t".repeat(100_000), "expires_in": 60})),
    ]
    .into_iter()
    .enumerate()
    {
        world.upstream.push_for("/token", script);
        let target = world.vertex(&format!("garbage-{index}"));
        let error = world.call(&target).await.unwrap_err();
        // A redirect is not followed: it is a refusal.
        let kind = if index == 5 { ErrorKind::Auth } else { ErrorKind::Unavailable };
        check_error(&error, kind, &["Google"], &["two\nlines", "t-0", "steal"]);
        if index == 0 {
            assert!(error.retry_after.is_some());
            world.gives("t-1", 3600);
            until(async || world.call(&target).await.is_ok_and(|token| token == "Bearer t-1")).await;
        }
    }
}

#[tokio::test]
async fn a_call_that_goes_away_takes_nothing_from_the_others() {
    let world = World::new();
    let gate = Gate::new();
    world.upstream.push_for("/token", gift("t-1", 3600).gate_head(&gate));
    let target = world.vertex("slow");
    let impatient = tokio::time::timeout(Duration::from_millis(300), world.call(&target));
    assert!(impatient.await.is_err(), "the giver is slow");
    let patient = async {
        let token = world.call(&target).await.unwrap();
        assert_eq!(token, "Bearer t-1");
    };
    let opened = async {
        assert!(world.upstream.wait_requests(1, PATIENCE).await);
        gate.open();
    };
    tokio::join!(patient, opened);
    assert_eq!(world.questions().len(), 1);
}

#[test]
fn tokens_outlive_the_runtime_of_the_call_that_asked() {
    let world = World::new();
    world.gives("t-1", 3600);
    let target = world.vertex("runtimes");
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert_eq!(runtime.block_on(async { token_of(&target).await.unwrap() }), "t-1");
    }
    assert_eq!(world.questions().len(), 1);
}

/// The token that a call of this target would be made with.
async fn token_of(target: &Target) -> Result<String> {
    let wire = WireRequest {
        method: Method::POST,
        path: "/x".to_owned(),
        headers: HeaderMap::new(),
        body: Segments::from(b"{}".to_vec()),
        memo: Memo::default(),
    };
    let mut request = target.request(wire)?;
    let transport = || Arc::new(ReqwestTransport::new().unwrap()) as Arc<dyn Transport>;
    let settled = crate::token::settle(&mut request, &transport).await?;
    let (_, held) = settled.expect("it is made with a token");
    Ok(held.token().to_owned())
}

#[tokio::test]
async fn a_token_that_a_provider_refuses_is_got_anew_unless_it_is_new() {
    let grant = Grant::Google(
        google::find(Some(&Secret::new(account("http://127.0.0.1:9", "doubt").to_string())), &|_| None)
            .unwrap(),
    );
    let tokens = Tokens::of(grant).unwrap();
    let given = || Given { token: Secret::new("t-1"), lifetime: Duration::from_secs(3600) };
    let now = Instant::now();
    tokens.learn(Ok(given()), now);
    let young = tokens.current(now).unwrap();
    tokens.doubt(&young, now);
    assert!(tokens.current(now).is_some());
    tokens.learn(Ok(given()), now);
    let later = now + Duration::from_secs(60);
    // Another call's answer about the one before says nothing about this one.
    tokens.doubt(&young, later);
    let old = tokens.current(later).unwrap();
    tokens.doubt(&old, later);
    assert!(tokens.current(later).is_none());
    assert!(!format!("{tokens:?}").contains("t-1"));
}

#[tokio::test]
async fn tokens_that_calls_were_made_with_are_concealed_when_they_are_gone() {
    let world = World::new();
    world.gives("planted-first", 3600);
    let target = world.vertex("gone");
    assert_eq!(world.call(&target).await.unwrap(), "Bearer planted-first");
    let grant = Grant::Google(
        google::find(Some(&Secret::new(account(&world.upstream.url(), "gone").to_string())), &|_| None)
            .unwrap(),
    );
    let tokens = Tokens::of(grant).unwrap();
    let now = Instant::now();
    let check = |held: &[&str]| {
        for token in held {
            let mut error = ApiError::new(ErrorKind::Auth, format!("bad token {token}"));
            error.body = Some(format!("bad token {token}").into());
            target.conceal(&mut error);
            assert_eq!(error.message, "bad token [redacted]");
            assert_eq!(error.body.as_deref(), Some(&b"bad token [redacted]"[..]));
            assert!(target.repeats_secret(format!("x {token} y").as_bytes()), "{token}");
            let (mut screen, (start, rest)) = (Screen::default(), token.split_at(4));
            assert_eq!(screen.pass(&target, start.to_owned().into()).as_deref(), Some(&b""[..]));
            assert!(screen.pass(&target, rest.to_owned().into()).is_none(), "{token}");
        }
    };
    // A provider refuses it, and says it.
    let held = tokens.current(now).unwrap();
    tokens.doubt(&held, now + Duration::from_secs(60));
    assert!(tokens.current(now).is_none());
    check(&["planted-first"]);
    // Another is got while a call with the first goes on.
    let given = |token| Given { token: Secret::new(token), lifetime: Duration::from_secs(3600) };
    tokens.learn(Ok(given("planted-second")), now);
    tokens.learn(Ok(given("planted-third")), now);
    check(&["planted-first", "planted-second", "planted-third"]);
    // What is remembered is bounded.
    tokens.learn(Ok(given("planted-fourth")), now);
    check(&["planted-second", "planted-third", "planted-fourth"]);
    assert!(!target.repeats_secret(b"planted-first"));
}
