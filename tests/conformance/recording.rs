//! Every recording through the whole gateway: an OpenAI client asks, the recorded provider answers.

use llm_gateway::Settlement;
use llm_testkit::conformance::{Case, facts_of_openai_reply};
use llm_testkit::player::{Cut, Player};
use llm_testkit::{Recording, Usage};
use llm_types::Usage as Counted;

use crate::lab::{Answer, Lab};
use crate::provider::{auth, deployment_for};
use crate::rule::unexplained;
use crate::tally::{Tally, recordings};

#[tokio::test]
async fn every_exchange_goes_through_the_gateway() {
    let lab = Lab::start().await;
    let mut tally = Tally::default();
    for case in Case::all(&recordings()) {
        tally.note(&case.recording, play(&lab, &case, Cut::Events).await);
    }
    tally.close();
}

#[tokio::test]
async fn every_stream_goes_through_the_gateway_in_any_pieces() {
    let lab = Lab::start().await;
    let mut tally = Tally::default();
    let streams = recordings().filter(Recording::is_stream);
    for case in Case::all(&streams) {
        for cut in [Cut::Whole, Cut::EveryByte, Cut::InUsage] {
            let problems = play(&lab, &case, cut).await;
            let named = problems.into_iter().map(|problem| format!("{cut:?}: {problem}"));
            tally.note(&case.recording, named.collect());
        }
    }
    tally.close();
}

/// Plays one recording, and says what is wrong.
async fn play(lab: &Lab, case: &Case, cut: Cut) -> Vec<String> {
    let player = Player::start(&case.recording, cut).unwrap();
    lab.deploy(deployment_for(&case.recording), player.addr());
    let answer = lab.chat(&case.request_for("m")).await;
    let mut problems = reply_problems(case, &answer);
    problems.extend(book_problems(lab, case));
    problems.extend(request_problems(lab, case, &player, &answer));
    problems
}

/// What the client got, against what the recording states.
fn reply_problems(case: &Case, answer: &Answer) -> Vec<String> {
    let recorded = &case.recording.response;
    if !recorded.is_success() {
        return error_problems(case, answer);
    }
    if answer.status != 200 || !answer.whole {
        return vec![format!("reply: status {}, whole: {}, {}", answer.status, answer.whole, answer.text())];
    }
    let mut expect = case.facts.clone();
    let stream = case.recording.is_stream();
    if stream && case.request.pointer("/stream_options/include_usage") != Some(&true.into()) {
        // A client that did not ask for the usage does not get an event with it.
        expect.usage = None;
    }
    let actual = facts_of_openai_reply(&answer.body);
    let mut problems = expect.differences(&actual);
    if stream && !answer.text().ends_with("data: [DONE]\n\n") {
        problems.push("the stream does not end with [DONE]".to_owned());
    }
    problems.into_iter().map(|problem| format!("reply: {problem}")).collect()
}

fn error_problems(case: &Case, answer: &Answer) -> Vec<String> {
    let recorded = case.recording.response.status;
    // Anthropic's own code for an overload.
    let expect = if recorded == 529 { 503 } else { recorded };
    let mut problems = Vec::new();
    if answer.status.as_u16() != expect {
        problems.push(format!("error: status {} for the recorded {recorded}", answer.status));
    }
    let (said, shown) = (case.facts.error.clone().unwrap_or_default(), facts_of_openai_reply(&answer.body).error);
    if said.is_empty() || !shown.as_ref().is_some_and(|shown| shown.contains(&said)) {
        problems.push(format!("error: the message {said:?} became {shown:?}"));
    }
    problems
}

/// What the books say was used.
fn book_problems(lab: &Lab, case: &Case) -> Vec<String> {
    let settlements = lab.settlements();
    let (expect, actual) = match settlements.as_slice() {
        [Settlement::Settled(usage)] => (case.facts.usage, usage.as_ref().map(counts)),
        [Settlement::Received(None)] if !case.recording.response.is_success() => return Vec::new(),
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
fn request_problems(lab: &Lab, case: &Case, player: &Player, answer: &Answer) -> Vec<String> {
    let mut problems = Vec::new();
    let (name, value) = auth(&case.recording);
    let received = player.received();
    if received.as_ref().and_then(|received| received.header(name)) != Some(&value) {
        problems.push(format!("request: the key is not in the header `{name}`"));
    }
    let host = lab.meant().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
    let recorded = case.recording.request.url.split("://").nth(1).and_then(|rest| rest.split('/').next());
    // `<provider>.recorded` stands for a source that had not stored the host.
    if recorded.is_some_and(|recorded| !recorded.ends_with(".recorded") && recorded != host) {
        problems.push(format!("request: host: expected {recorded:?}, got {host}"));
    }
    problems.extend(player.request_differences().into_iter().map(|problem| format!("request: {problem}")));
    unexplained(case, answer.changes(), problems)
}
