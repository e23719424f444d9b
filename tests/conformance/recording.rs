//! Every recording through the whole gateway: a client of each front asks, the recorded provider answers.
//!
//! An OpenAI client's request is compared with the recorded one in full (see `rule`); a client of the front
//! that the recording was made for is in `native`.

use std::collections::BTreeSet;

use llm_testkit::conformance::{Case, differences};
use llm_testkit::player::{Cut, Player};
use llm_testkit::{Recording, Recordings, Usage};
use llm_types::Usage as Counted;

use crate::bedrock;
use crate::fact::{booked, told};
use crate::front::{CHAT, FRONTS, Front};
use crate::lab::{Answer, Lab, reported};
use crate::order::disorder;
use crate::provider::{address, auth};
use crate::rule::{expected, idle};
use crate::tally::{Tally, recordings};

/// The rules that were needed.
pub(crate) type Used = BTreeSet<&'static str>;

#[tokio::test]
async fn every_exchange_goes_through_the_gateway() {
    let lab = Lab::start().await;
    let (mut tally, mut used) = (Tally::default(), Used::default());
    for case in Case::all(&recordings()) {
        tally.note(&case.recording, play(&lab, &case, Cut::Events, &mut used).await);
    }
    let shared = Recordings::shared().unwrap().is_some();
    if shared {
        tally.covers_what_it_must();
    }
    tally.close();
    if shared {
        assert_eq!(idle(&used), Vec::<&str>::new(), "rules that no recording needs");
    }
}

#[tokio::test]
async fn every_stream_goes_through_the_gateway_in_any_pieces() {
    let lab = Lab::start().await;
    let mut tally = Tally::default();
    let streams = recordings().filter(Recording::is_stream);
    for case in Case::all(&streams) {
        for cut in [Cut::Whole, Cut::EveryByte, Cut::InUsage] {
            let problems = play(&lab, &case, cut, &mut Used::default()).await;
            let named = problems.into_iter().map(|problem| format!("{cut:?}: {problem}"));
            tally.note(&case.recording, named.collect());
        }
    }
    tally.close();
}

#[tokio::test]
async fn every_exchange_goes_through_the_other_fronts() {
    let lab = Lab::start().await;
    let mut tally = Tally::default();
    for front in FRONTS.iter().filter(|front| front.name != CHAT.name) {
        for case in Case::all(&recordings()) {
            let Some(request) = case.request_at(front.name) else { continue };
            // A file that only its provider knows by an id has no address for another front's client.
            if case.recording.operation != front.name && case.request.to_string().contains("file_id") {
                continue;
            }
            let stream = case.recording.is_stream();
            let player = Player::start(&case.recording, Cut::Events).unwrap();
            lab.deploy_for(&case.recording, player.addr());
            let answer = lab.call(front, &front.body(&request, stream), stream).await;
            let mut problems = reply_problems(front, &case, &answer, true);
            problems.extend(book_problems(&lab, &case));
            let named = problems.into_iter().map(|problem| format!("{}: {problem}", front.name));
            tally.note(&case.recording, named.collect());
        }
    }
    tally.close();
}

/// Plays one recording, and says what is wrong.
pub(crate) async fn play(lab: &Lab, case: &Case, cut: Cut, used: &mut Used) -> Vec<String> {
    let player = Player::start(&case.recording, cut).unwrap();
    lab.deploy_for(&case.recording, player.addr());
    let answer = lab.chat(&case.request_for("m")).await;
    // A client that did not ask for the usage does not get an event with it.
    let usage = !case.recording.is_stream()
        || case.request.pointer("/stream_options/include_usage") == Some(&true.into());
    let mut problems = reply_problems(&CHAT, case, &answer, usage);
    problems.extend(book_problems(lab, case));
    problems.extend(request_problems(lab, case, &player, used));
    problems
}

/// What the client got, against what the recording states.
fn reply_problems(front: &Front, case: &Case, answer: &Answer, usage: bool) -> Vec<String> {
    if !case.recording.response.is_success() {
        return error_problems(front, case, answer);
    }
    if answer.status != 200 || !answer.whole {
        return vec![format!("reply: status {}, whole: {}, {}", answer.status, answer.whole, answer.text())];
    }
    let mut expect = told(front, case);
    if !usage {
        expect.usage = None;
    }
    let mut problems = expect.differences(&front.facts(&answer.body));
    if case.recording.is_stream() && !front.ends(&answer.text()) {
        problems.push("the stream has no clean end".to_owned());
    }
    // What goes through as it comes is in the provider's own order.
    if case.recording.is_stream() && front.name != case.recording.operation {
        problems.extend(disorder(front, &answer.text()));
    }
    problems.into_iter().map(|problem| format!("reply: {problem}")).collect()
}

fn error_problems(front: &Front, case: &Case, answer: &Answer) -> Vec<String> {
    let recorded = case.recording.response.status;
    let expect = match recorded {
        // Anthropic's own code for an overload.
        529 if front.name != "messages" => 503,
        // The Responses API's way to say that there is no such model.
        400 if case.recording.response.bytes().windows(15).any(|text| text == b"model_not_found") => 404,
        // Google's word for a key that is none.
        400 if case.recording.response.bytes().windows(15).any(|text| text == b"API_KEY_INVALID") => 401,
        other => other,
    };
    let mut problems = Vec::new();
    if answer.status.as_u16() != expect {
        problems.push(format!("error: status {} for the recorded {recorded}", answer.status));
    }
    let (said, shown) = (case.facts.error.clone().unwrap_or_default(), front.facts(&answer.body).error);
    if said.is_empty() || !shown.as_ref().is_some_and(|shown| shown.contains(&said)) {
        problems.push(format!("error: the message {said:?} became {shown:?}"));
    }
    problems
}

/// What the books say was used.
fn book_problems(lab: &Lab, case: &Case) -> Vec<String> {
    let rows = lab.booked();
    let (expect, actual) = match rows.as_slice() {
        // Zeros for an answer are not counted ones: it is estimated.
        [row] if row.error.is_none() => {
            (booked(case).filter(|usage| *usage != Usage::default()), reported(row).map(counts))
        }
        [row] if !case.recording.response.is_success() && row.cost.is_zero() => return Vec::new(),
        other => return vec![format!("books: {other:?}")],
    };
    if expect == actual { Vec::new() } else { vec![format!("books: expected {expect:?}, got {actual:?}")] }
}

fn counts(usage: &Counted) -> Usage {
    Usage {
        prompt: usage.prompt_tokens(),
        completion: usage.completion_tokens(),
        total: usage.total_tokens(),
        cached: usage.cache_read,
        reasoning: usage.reasoning,
    }
}

/// What was sent to the provider, against what the recorded client sent.
fn request_problems(lab: &Lab, case: &Case, player: &Player, used: &mut Used) -> Vec<String> {
    let Some(received) = player.received() else { return vec!["request: none came".to_owned()] };
    let mut problems = Vec::new();
    let mut compare = |what: &str, expect: &str, actual: &str| {
        if expect != actual {
            problems.push(format!("request: {what}: expected {expect:?}, got {actual:?}"));
        }
    };
    let (name, value) = auth(&case.recording);
    compare(name, &value, received.header(name).unwrap_or_default());
    let meant = lab.meant().unwrap_or_default();
    let expect = address(&case.recording);
    if let Some(host) = expect.host {
        compare("host", &host, meant.host().unwrap_or_default());
    }
    compare("method", &case.recording.request.method, &received.method);
    compare("path", &expect.path, received.path());
    compare("query", &expect.query, received.query());
    let body = match case.recording.operation.as_str() {
        "converse" => bedrock::differences(case, &received.json()),
        _ => differences(&expected(case, used), &received.json()),
    };
    problems.extend(body.into_iter().map(|problem| format!("request: {problem}")));
    problems
}
