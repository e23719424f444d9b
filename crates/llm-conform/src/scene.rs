//! What takes more than one call: an answer that is gone on from, thoughts that go back, a count beside another.

use llm_providers::Client;
use llm_types::chat::{ChatRequest, Message, Part, Role};
use llm_types::{ApiError, Call, Dialect, ErrorKind, Op, Output};

use crate::ask::{failed, turn, whole};
use crate::{Feature, Heard, Verdict, judge, probe};

/// Asks for a feature that takes several calls; `None`: it takes one.
pub(crate) async fn played(client: &Client, model: &str, feature: &Feature) -> Option<Heard> {
    match (feature.op, feature.name) {
        (Op::Responses, "state") => Some(gone_on(client, model).await),
        (Op::Messages, "thinking") => Some(thought_again(client, model, feature).await),
        (Op::CountTokens, "tools") => Some(counted(client, model, feature).await),
        _ => None,
    }
}

/// A conversation of which the provider keeps the beginning.
async fn gone_on(client: &Client, model: &str) -> Heard {
    const OP: Op = Op::Responses;
    let stored = |text: &str| {
        let mut request = probe::conversation([Message::user(text)]);
        request.origin = Some(Dialect::OpenaiResponses);
        request.delivery.store = Some(true);
        request
    };
    let first = turn(client, model, OP, stored("My boat is red. Answer with one short sentence.")).await;
    let Some(id) = first.reply().map(|reply| reply.id.clone()) else { return first };
    let mut next = stored("Which colour is my boat?");
    match next.extra.set_json("previous_response_id", &id) {
        Ok(()) => turn(client, model, OP, next).await,
        Err(_) => failed(ApiError::new(ErrorKind::Internal, "the id cannot be written")),
    }
}

/// A conversation with thoughts, and what was thought back in the next turn.
async fn thought_again(client: &Client, model: &str, feature: &Feature) -> Heard {
    let Call::Chat(asked) = feature.call() else { return failed(unasked()) };
    let first = turn(client, model, feature.op, (*asked).clone()).await;
    if !matches!(judge::signed(&first), Verdict::Passed) {
        return first;
    }
    let parts: Vec<Part> = first
        .reply()
        .into_iter()
        .flat_map(|reply| &reply.choices)
        .flat_map(|one| one.parts.clone())
        .collect();
    let mut next: ChatRequest = *asked;
    next.messages.push(Message::new(Role::Assistant, parts));
    next.messages.push(Message::user("And in raspberry?"));
    let second = turn(client, model, feature.op, next).await;
    if second.output.is_ok() { first } else { second }
}

/// A prompt with functions, which are to count.
async fn counted(client: &Client, model: &str, feature: &Feature) -> Heard {
    let with = whole(client, model, feature.call()).await;
    let without = match feature.call() {
        Call::CountTokens(mut request) => {
            request.tooling = Default::default();
            whole(client, model, Call::CountTokens(request)).await
        }
        _ => failed(unasked()),
    };
    match (tokens(&with), tokens(&without)) {
        (Some(with), Some(without)) if with <= without => failed(ApiError::upstream(
            ErrorKind::UpstreamFormat,
            format!("{with} tokens with a function, and {without} without it"),
        )),
        (_, None) => without,
        _ => with,
    }
}

fn tokens(heard: &Heard) -> Option<u64> {
    match &heard.output {
        Ok(Output::Tokens(count)) => Some(count.input),
        _ => None,
    }
}

fn unasked() -> ApiError {
    ApiError::new(ErrorKind::Internal, "the feature asks for something else")
}
