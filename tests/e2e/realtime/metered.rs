//! What a session's responses count, what they cost, and what becomes of one that there is no room for.

use http::Method;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{MASTER, Provider, Socket, admin, config, hear, key, kinds, refusal, rows, say, session};
use crate::harness::{Gateway, PATIENCE};

const WHOLE: [&str; 3] = ["response.created", "response.text.delta", "response.done"];

fn create(how: &str) -> Value {
    json!({"type": "response.create", "event_id": "mine", "response": {"instructions": how}})
}

/// A hard budget. A response may cost 1.29 dollars, and costs 0.32.
fn budget(limit: &str) -> Value {
    json!([{"limit_usd": limit, "window": "total", "hard": true}])
}

/// Asks for a response, and hears it to its end.
async fn answered(socket: &mut Socket) {
    say(socket, create("")).await;
    assert_eq!(kinds(socket, 3).await, WHOLE);
}

/// The next event is an error about that of the client, and the session goes on.
async fn refused(socket: &mut Socket, code: &str) {
    let event = hear(socket).await.unwrap();
    let error = &event["error"];
    let told =
        [&event["type"], &error["code"], &error["event_id"]].map(|text| text.as_str().unwrap_or_default());
    assert_eq!(told, ["error", code, "mine"], "{event}");
    let other = json!({"type": "session.update", "session": {}});
    say(socket, other.clone()).await;
    assert_eq!(hear(socket).await.unwrap(), other);
}

async fn patch(gateway: &Gateway, id: &str, body: Value) {
    let changed = admin(gateway, Method::PATCH, &format!("/admin/v1/keys/{id}"), &body.to_string()).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
}

#[tokio::test]
async fn each_response_is_a_request_and_the_session_outlasts_a_refusal() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&config(&provider));
    let (id, own) = key(&gateway, json!({"name": "one", "limits": {"rpm": 2, "parallel": 1}})).await;
    let mut socket = session(&gateway, &own).await;
    answered(&mut socket).await;
    // One that uses nothing is a request as well.
    say(&mut socket, create("nothing")).await;
    assert_eq!(kinds(&mut socket, 2).await, ["response.created", "response.done"]);
    say(&mut socket, create("")).await;
    refused(&mut socket, "rate_limit_exceeded").await;
    assert_eq!(provider.count("response.create").await, 2, "the third goes no further");
    assert_eq!(rows(&gateway, &id, 2).await.len(), 2);
    // What holds is what holds today; the session has its place among those under way as before.
    patch(&gateway, &id, json!({"limits": {"rpm": 600, "parallel": 1}})).await;
    answered(&mut socket).await;
    let bearer = format!("Bearer {own}");
    let (code, body) = refusal(&gateway, "/v1/realtime?model=voice", &[("authorization", &bearer)]).await;
    assert!(code == 429 && body.contains("at once"), "{code} {body}");
}

#[tokio::test]
async fn tokens_of_a_response_count_when_it_ends() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&config(&provider));
    // Each response has 10,100 tokens: after the first there is no room until they have flowed off.
    let (_, own) = key(&gateway, json!({"name": "one", "limits": {"tpm": 5_000, "parallel": 1}})).await;
    let mut socket = session(&gateway, &own).await;
    answered(&mut socket).await;
    say(&mut socket, create("")).await;
    refused(&mut socket, "rate_limit_exceeded").await;
    // Its place among those under way is free when it is over.
    socket.close(None).await.unwrap();
    provider.wait_closed().await;
    let bearer = format!("Bearer {own}");
    let (code, body) = refusal(&gateway, "/v1/realtime?model=voice", &[("authorization", &bearer)]).await;
    assert!(code == 429 && body.contains("tokens a minute"), "{code} {body}");
}

#[tokio::test]
async fn money_is_there_before_a_response_is_asked_for() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&config(&provider));
    let (id, own) = key(&gateway, json!({"name": "one", "budgets": budget("1.50")})).await;
    let mut socket = session(&gateway, &own).await;
    answered(&mut socket).await;
    // What it cost is gone from the budget, which has no room for another one now.
    say(&mut socket, create("")).await;
    refused(&mut socket, "budget_exceeded").await;
    assert_eq!(provider.count("response.create").await, 1);
    let bearer = format!("Bearer {own}");
    let (code, _) = refusal(&gateway, "/v1/realtime?model=voice", &[("authorization", &bearer)]).await;
    assert_eq!(code, 402);
    patch(&gateway, &id, json!({"budgets": budget("3.00")})).await;
    // Two at once need the money for both, and one that is refused costs nothing.
    say(&mut socket, create("hold")).await;
    assert_eq!(kinds(&mut socket, 1).await, WHOLE[..1]);
    say(&mut socket, create("hold")).await;
    assert_eq!(kinds(&mut socket, 1).await, WHOLE[..1]);
    say(&mut socket, create("hold")).await;
    refused(&mut socket, "budget_exceeded").await;
    for running in ["resp_3", "resp_2"] {
        say(&mut socket, json!({"type": "response.finish", "response_id": running})).await;
        assert_eq!(hear(&mut socket).await.unwrap()["response"]["id"], running);
    }
    let rows = rows(&gateway, &id, 3).await;
    let costs: Vec<_> = rows.iter().map(|row| (row["cost_usd"].as_str().unwrap(), &row["overrun"])).collect();
    assert_eq!(costs, [("0.3216", &json!(false)); 3], "{rows:?}");
    answered(&mut socket).await;
}

#[tokio::test]
async fn who_leaves_in_the_middle_of_a_response_pays_for_it() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&config(&provider));
    let (id, own) = key(&gateway, json!({"name": "two", "budgets": budget("5.00")})).await;
    let mut socket = session(&gateway, &own).await;
    say(&mut socket, create("hold")).await;
    assert_eq!(kinds(&mut socket, 1).await, WHOLE[..1]);
    drop(socket);
    let rows = rows(&gateway, &id, 1).await;
    assert_eq!(rows[0]["cost_usd"], "0.3216", "{rows:?}");
    assert!(provider.count("response.cancel").await > 0);
}

#[tokio::test]
async fn what_the_provider_refuses_gives_back_its_money() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&config(&provider));
    let (id, own) = key(&gateway, json!({"name": "one", "budgets": budget("3.00")})).await;
    let mut socket = session(&gateway, &own).await;
    say(&mut socket, create("refuse")).await;
    refused(&mut socket, "refused").await;
    // An event without a name has none in its error either.
    say(&mut socket, json!({"type": "response.create", "response": {"instructions": "refuse"}})).await;
    assert_eq!(hear(&mut socket).await.unwrap()["error"]["event_id"], Value::Null);
    answered(&mut socket).await;
    let rows = rows(&gateway, &id, 3).await;
    let mut told: Vec<_> =
        rows.iter().map(|row| (row["status"].as_u64(), row["cost_usd"].as_str().unwrap())).collect();
    told.sort_unstable();
    assert_eq!(told, [(Some(200), "0.3216"), (Some(400), "0.00"), (Some(400), "0.00")], "{rows:?}");
    // One that the provider began by itself before that goes on.
    say(&mut socket, create("overtake")).await;
    assert_eq!(kinds(&mut socket, 1).await, WHOLE[..1]);
    refused(&mut socket, "refused").await;
    say(&mut socket, json!({"type": "response.finish"})).await;
    assert_eq!(kinds(&mut socket, 1).await, WHOLE[2..]);
    // What cannot be told from one that asks is not passed on.
    say(&mut socket, json!({"type": "session.update"})).await;
    hear(&mut socket).await.unwrap();
    let twice = r#"{"type":"session.update","type":"response.create"}"#;
    super::send(&mut socket, twice).await;
    assert_eq!(hear(&mut socket).await.unwrap()["type"], "error");
    assert_eq!(provider.count("response.create").await, 4);
}

#[tokio::test]
async fn a_response_that_the_provider_begins_is_let_in_or_cancelled_and_booked() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&config(&provider));
    for terms in [json!({"limits": {"rpm": 2}}), json!({"budgets": budget("1.65")})] {
        let (id, own) = key(&gateway, terms.clone()).await;
        let mut socket = session(&gateway, &own).await;
        say(&mut socket, json!({"type": "response.begin"})).await;
        assert_eq!(kinds(&mut socket, 1).await, WHOLE[..1]);
        say(&mut socket, json!({"type": "response.finish"})).await;
        assert_eq!(kinds(&mut socket, 1).await, WHOLE[2..]);
        answered(&mut socket).await;
        // There is no room for a third, which begins nevertheless.
        let cancelled = provider.count("response.cancel").await;
        say(&mut socket, json!({"type": "response.begin"})).await;
        assert_eq!(kinds(&mut socket, 3).await, ["response.created", "error", "response.done"], "{terms}");
        assert_eq!(provider.count("response.cancel").await, cancelled + 1);
        let rows = rows(&gateway, &id, 3).await;
        let costs: Vec<_> = rows.iter().map(|row| row["cost_usd"].as_str().unwrap()).collect();
        assert_eq!(costs, ["0.3216"; 3], "{terms}: {rows:?}");
        say(&mut socket, create("")).await;
        assert_eq!(hear(&mut socket).await.unwrap()["type"], "error", "{terms}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_good_any_more_ends_the_session() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&config(&provider));
    for how in ["block", "delete"] {
        let (id, own) = key(&gateway, json!({"name": how})).await;
        let mut socket = session(&gateway, &own).await;
        answered(&mut socket).await;
        let path = format!("/admin/v1/keys/{id}");
        let done = match how {
            "block" => admin(&gateway, Method::POST, &format!("{path}/block"), "").await,
            _ => admin(&gateway, Method::DELETE, &path, "").await,
        };
        assert_eq!(done.status, 200, "{}", done.text());
        say(&mut socket, create("")).await;
        assert_eq!(hear(&mut socket).await.unwrap()["type"], "error", "{how}");
        assert_eq!(hear(&mut socket).await, Err(CloseCode::Policy), "{how}");
        timeout(PATIENCE, provider.wait_closed()).await.unwrap();
    }
    assert_eq!(provider.count("response.create").await, 2);
    // The master key is nobody's, and has no end.
    let mut socket = session(&gateway, MASTER).await;
    answered(&mut socket).await;
    answered(&mut socket).await;
}

fn listen(model: Value) -> Value {
    let settings = json!({"audio": {"input": {"transcription": model}}});
    json!({"type": "session.update", "event_id": "mine", "session": settings})
}

/// What the provider says of a piece of sound: it repeats what is said to it.
async fn spoken(socket: &mut Socket, item: &str, usage: Value) -> Vec<String> {
    let kind = "conversation.item.input_audio_transcription.completed";
    say(socket, json!({"type": "input_audio_buffer.committed", "item_id": item})).await;
    say(socket, json!({"type": kind, "item_id": item, "transcript": "Hello", "usage": usage})).await;
    kinds(socket, 2).await
}

#[tokio::test]
async fn transcripts_of_what_is_said_are_paid_by_the_model_that_writes_them() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&config(&provider));
    // A response may cost 1.29 dollars, and a transcript of an hour by whisper-1 0.36.
    let (id, own) = key(&gateway, json!({"name": "one", "budgets": budget("1.30")})).await;
    let mut socket = session(&gateway, &own).await;
    say(&mut socket, listen(json!({"model": "nobody-knows-it"}))).await;
    let error = hear(&mut socket).await.unwrap();
    assert!(error["type"] == "error" && error["error"]["event_id"] == "mine", "{error}");
    assert!(
        error["error"]["message"].as_str().unwrap().contains("transcription by `nobody-knows-it`"),
        "{error}"
    );
    assert_eq!(provider.count("session.update").await, 0, "it goes no further");
    say(&mut socket, listen(json!({"model": "whisper-1"}))).await;
    assert_eq!(kinds(&mut socket, 1).await, ["session.update"]);
    spoken(&mut socket, "item_1", json!({"type": "duration", "seconds": 60})).await;
    say(&mut socket, listen(json!({"model": "gpt-4o-transcribe"}))).await;
    assert_eq!(kinds(&mut socket, 1).await, ["session.update"]);
    let tokens = json!({"type": "tokens", "input_tokens": 1000, "output_tokens": 100,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 1000}});
    spoken(&mut socket, "item_2", tokens).await;
    let rows = rows(&gateway, &id, 2).await;
    let mut told: Vec<_> = rows
        .iter()
        .map(|row| (row["served_model"].as_str().unwrap(), row["cost_usd"].as_str().unwrap()))
        .collect();
    told.sort_unstable();
    assert_eq!(told, [("gpt-4o-transcribe", "0.0035"), ("whisper-1", "0.006")], "{rows:?}");
    // What is left does not reach for one more behind it: they are turned off.
    patch(&gateway, &id, json!({"budgets": budget("0.38")})).await;
    say(&mut socket, listen(Value::Null)).await;
    assert_eq!(kinds(&mut socket, 1).await, ["session.update"]);
    say(&mut socket, listen(json!({"model": "whisper-1"}))).await;
    assert_eq!(kinds(&mut socket, 1).await, ["session.update"]);
    say(&mut socket, json!({"type": "input_audio_buffer.committed", "item_id": "item_3"})).await;
    let heard = kinds(&mut socket, 4).await;
    assert!(heard.iter().any(|kind| kind == "error"), "{heard:?}");
    assert_eq!(heard.iter().filter(|kind| *kind == "session.update").count(), 2, "{heard:?}");
}

#[tokio::test]
async fn transcripts_cost_what_the_provider_says_whenever_it_writes_them() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&config(&provider));
    let (id, own) = key(&gateway, json!({"name": "one", "budgets": budget("9")})).await;
    let mut socket = session(&gateway, &own).await;
    let minute = json!({"type": "duration", "seconds": 60});
    say(&mut socket, listen(json!({"model": "whisper-1"}))).await;
    kinds(&mut socket, 1).await;
    // Told twice, and told of sound that was handed in before they were turned off.
    spoken(&mut socket, "item_1", minute.clone()).await;
    spoken(&mut socket, "item_1", minute.clone()).await;
    say(&mut socket, listen(Value::Null)).await;
    kinds(&mut socket, 1).await;
    spoken(&mut socket, "item_2", minute).await;
    let rows_of = |most| rows(&gateway, &id, most);
    let costs = |rows: &[Value]| -> Vec<String> {
        rows.iter().map(|row| row["cost_usd"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(costs(&rows_of(3).await), ["0.006"; 3]);
    drop(socket);

    // What a provider does not do costs nothing; what it has begun costs what it was let in for.
    let (id, own) = key(&gateway, json!({"name": "two", "budgets": budget("9")})).await;
    for confirmed in [false, true] {
        let mut socket = session(&gateway, &own).await;
        say(&mut socket, listen(json!({"model": "whisper-1"}))).await;
        kinds(&mut socket, 1).await;
        if confirmed {
            let settings = json!({"input_audio_transcription": {"model": "whisper-1"}});
            say(&mut socket, json!({"type": "session.updated", "session": settings})).await;
            kinds(&mut socket, 1).await;
        }
        say(&mut socket, json!({"type": "input_audio_buffer.committed", "item_id": "item_3"})).await;
        kinds(&mut socket, 1).await;
        drop(socket);
    }
    let paid = costs(&rows(&gateway, &id, 1).await);
    assert!(paid.len() == 1 && paid[0].starts_with("0.36"), "{paid:?}");
}

async fn repeated(socket: &mut Socket, event: Value) {
    say(socket, event.clone()).await;
    assert_eq!(hear(socket).await.unwrap()["type"], event["type"]);
}

/// What the provider says of its settings.
fn settings(model: &str) -> Value {
    json!({"type": "session.updated", "session": {"input_audio_transcription": {"model": model}}})
}

fn committed(item: &str) -> Value {
    json!({"type": "input_audio_buffer.committed", "item_id": item})
}

fn transcript(item: &str, usage: Value) -> Value {
    let kind = "conversation.item.input_audio_transcription.completed";
    json!({"type": kind, "item_id": item, "transcript": "Hello", "usage": usage})
}

fn tokens_of_a_transcript() -> Value {
    json!({"type": "tokens", "input_tokens": 1000, "output_tokens": 100,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 1000}})
}

#[tokio::test]
async fn a_transcript_costs_what_the_model_costs_that_was_told_when_its_sound_was_handed_in() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&config(&provider));
    let (id, own) = key(&gateway, json!({"name": "one", "budgets": budget("9")})).await;
    let mut socket = session(&gateway, &own).await;
    repeated(&mut socket, listen(json!({"model": "whisper-1"}))).await;
    repeated(&mut socket, settings("whisper-1")).await;
    // It wants another one before it has heard of its sound.
    repeated(&mut socket, listen(json!({"model": "gpt-4o-transcribe"}))).await;
    repeated(&mut socket, committed("item_1")).await;
    repeated(&mut socket, settings("gpt-4o-transcribe")).await;
    repeated(&mut socket, committed("item_2")).await;
    repeated(&mut socket, transcript("item_2", tokens_of_a_transcript())).await;
    repeated(&mut socket, transcript("item_1", json!({"type": "duration", "seconds": 60}))).await;
    let rows = rows(&gateway, &id, 2).await;
    let told =
        |row: &Value| [&row["served_model"], &row["cost_usd"]].map(|text| text.as_str().unwrap().to_owned());
    let mut told: Vec<_> = rows.iter().map(told).collect();
    told.sort_unstable();
    assert_eq!(told, [["gpt-4o-transcribe", "0.0035"], ["whisper-1", "0.006"]], "{rows:?}");
}

#[tokio::test]
async fn a_transcript_that_says_nothing_of_its_use_costs_a_soft_budget_what_its_sound_should() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&config(&provider));
    let budgets = json!([{"limit_usd": "9", "window": "total", "hard": false}]);
    let (id, own) = key(&gateway, json!({"name": "one", "budgets": budgets})).await;
    let mut socket = session(&gateway, &own).await;
    repeated(&mut socket, listen(json!({"model": "whisper-1"}))).await;
    repeated(&mut socket, settings("whisper-1")).await;
    // Ten seconds, of 48,000 bytes each; of one nobody says what it used, the other does not come.
    let sound = "A".repeat(480_000 / 3 * 4);
    for item in ["item_1", "item_2"] {
        repeated(&mut socket, json!({"type": "input_audio_buffer.append", "audio": sound})).await;
        repeated(&mut socket, committed(item)).await;
    }
    repeated(&mut socket, transcript("item_1", json!({"seconds": "odd"}))).await;
    drop(socket);
    let rows = rows(&gateway, &id, 2).await;
    let costs: Vec<_> = rows.iter().map(|row| row["cost_usd"].as_str().unwrap()).collect();
    assert!(costs.len() == 2 && costs.iter().all(|cost| cost.starts_with("0.001")), "{rows:?}");
}

#[tokio::test]
async fn transcripts_that_the_limits_have_no_room_for_are_on_again_when_there_is() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&config(&provider));
    let (id, own) = key(&gateway, json!({"name": "one", "limits": {"tpm": 500}})).await;
    let mut socket = session(&gateway, &own).await;
    repeated(&mut socket, listen(json!({"model": "gpt-4o-transcribe", "language": "de"}))).await;
    repeated(&mut socket, settings("gpt-4o-transcribe")).await;
    repeated(&mut socket, committed("item_1")).await;
    repeated(&mut socket, transcript("item_1", tokens_of_a_transcript())).await;
    // The next one has its place, the one behind it has none.
    say(&mut socket, committed("item_2")).await;
    let mut heard = kinds(&mut socket, 4).await;
    heard.sort_unstable();
    assert_eq!(heard, ["error", "input_audio_buffer.committed", "session.update", "session.update"]);
    patch(&gateway, &id, json!({"limits": {"tpm": 1_000_000}})).await;
    say(&mut socket, committed("item_3")).await;
    let mut events = Vec::new();
    for _ in 0..3 {
        events.push(hear(&mut socket).await.unwrap());
    }
    let on = |event: &&Value| event.to_string().contains(r#""language":"de""#);
    assert_eq!(events.iter().filter(on).count(), 2, "{events:?}");
    repeated(&mut socket, committed("item_4")).await;
    repeated(&mut socket, transcript("item_4", tokens_of_a_transcript())).await;
    assert_eq!(rows(&gateway, &id, 2).await.len(), 2);
}

/// As many responses as a session may run at once.
const AT_ONCE: usize = 16;

#[tokio::test]
async fn a_response_beyond_those_at_once_is_cancelled_followed_and_booked() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&config(&provider));
    let (id, own) = key(&gateway, json!({"name": "busy"})).await;
    let mut socket = session(&gateway, &own).await;
    for _ in 0..AT_ONCE {
        say(&mut socket, create("hold")).await;
        assert_eq!(kinds(&mut socket, 1).await, WHOLE[..1]);
    }
    // The client is not let in with another, and nothing of it goes on.
    say(&mut socket, create("hold")).await;
    let event = hear(&mut socket).await.unwrap();
    assert_eq!((&event["type"], &event["error"]["event_id"]), (&json!("error"), &json!("mine")), "{event}");
    assert_eq!(provider.count("response.create").await, AT_ONCE);
    // The provider begins one by itself: it is cancelled, and paid for what it was.
    say(&mut socket, json!({"type": "response.begin"})).await;
    assert_eq!(kinds(&mut socket, 3).await, ["response.created", "error", "response.done"]);
    assert_eq!(provider.count("response.cancel").await, 1);
    assert_eq!(rows(&gateway, &id, 1).await.len(), 1);
    // One that ends makes room.
    say(&mut socket, json!({"type": "response.finish", "response_id": "resp_1"})).await;
    assert_eq!(kinds(&mut socket, 1).await, WHOLE[2..]);
    answered(&mut socket).await;
    for number in 2..=AT_ONCE {
        say(&mut socket, json!({"type": "response.finish", "response_id": format!("resp_{number}")})).await;
        assert_eq!(kinds(&mut socket, 1).await, WHOLE[2..]);
    }
    let rows = rows(&gateway, &id, AT_ONCE + 2).await;
    let costs: Vec<_> = rows.iter().map(|row| row["cost_usd"].as_str().unwrap()).collect();
    assert_eq!(costs, ["0.3216"; AT_ONCE + 2], "{rows:?}");
}
