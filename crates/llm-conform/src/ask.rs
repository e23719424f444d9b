//! A call for one feature.

use std::time::{Duration, Instant};

use llm_providers::{ChatStream, Client, SpeechStream};
use llm_types::{
    ApiError, Call, Changes, Dialect, ErrorKind, Event, EventSink as _, Op, Output, ReplyBuilder, Result,
    Speech, chat::ChatRequest,
};

use crate::probe::NOBODY;
use crate::{Feature, Finding, Heard, Streamed, Verdict, bulk, judge, scene, session};

/// What a call may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long one feature may take: a call with its stream, a batch, a session.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(60) }
    }
}

/// Asks a model for one feature.
///
/// # Errors
/// When nothing can be found out: no such provider, no key, nobody there.
pub async fn ask(client: &Client, model: &str, feature: &Feature, limits: Limits) -> Result<Finding> {
    let began = Instant::now();
    let call = feature.call();
    let name = match call.model() {
        // Another model of the same provider.
        NOBODY => {
            model.rsplit_once('/').map_or_else(|| NOBODY.to_owned(), |(front, _)| format!("{front}/{NOBODY}"))
        }
        _ => model.to_owned(),
    };
    let late = || {
        let message = format!("no end within {} s", limits.time.as_secs());
        ApiError::new(ErrorKind::Timeout, message)
    };
    let (error, verdict, heard) = match feature.op {
        Op::Batch | Op::Realtime => {
            let found = tokio::time::timeout(limits.time, at_length(client, &name, feature, limits));
            match found.await.unwrap_or_else(|_| Err(late())) {
                Ok(verdict) => (None, verdict, None),
                Err(error) => (Some(error.clone()), judge::refused(feature, &error), None),
            }
        }
        _ => {
            let heard = tokio::time::timeout(limits.time, heard(client, &name, feature, call)).await;
            let heard = heard.unwrap_or_else(|_| failed(late()));
            (heard.output.as_ref().err().cloned(), feature.judge(&heard), Some(heard))
        }
    };
    if let Some(error) = error
        && matches!(
            error.kind,
            ErrorKind::Auth | ErrorKind::Connection | ErrorKind::Payment | ErrorKind::Budget
        )
    {
        return Err(error);
    }
    let usage = heard.as_ref().and_then(Heard::usage);
    Ok(Finding {
        op: feature.op,
        feature: feature.name,
        why: verdict.why().to_owned(),
        changes: heard.as_ref().map(|heard| heard.changes.header()).unwrap_or_default(),
        prompt_tokens: usage.map(llm_types::Usage::prompt_tokens),
        completion_tokens: usage.map(llm_types::Usage::completion_tokens),
        took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        verdict,
    })
}

/// What is no call with an answer.
async fn at_length(client: &Client, model: &str, feature: &Feature, limits: Limits) -> Result<Verdict> {
    match feature.op {
        Op::Batch => bulk::ask(client, model, feature, limits.time).await,
        _ => session::ask(client, model, feature).await,
    }
}

/// The API that an operation is about, where it is not the provider's usual one.
fn words(op: Op) -> Option<Dialect> {
    match op {
        Op::Responses => Some(Dialect::OpenaiResponses),
        Op::Messages => Some(Dialect::Anthropic),
        _ => None,
    }
}

async fn heard(client: &Client, model: &str, feature: &Feature, call: Call) -> Heard {
    if let Some(heard) = scene::played(client, model, feature).await {
        return heard;
    }
    match call {
        Call::Chat(request) => turn(client, model, feature.op, *request).await,
        Call::Speak(request) if feature.name == "stream" => {
            spoken(client.speak_stream(model, *request).await).await
        }
        call => whole(client, model, call).await,
    }
}

/// A conversation turn, or how a text goes on.
pub(crate) async fn turn(client: &Client, model: &str, op: Op, request: ChatRequest) -> Heard {
    let goes_on = op == Op::Completion;
    if request.delivery.stream {
        return streamed(match words(op) {
            Some(words) => client.chat_stream_in(model, request, words).await,
            None if goes_on => client.complete_stream(model, request).await,
            None => client.chat_stream(model, request).await,
        })
        .await;
    }
    let answer = match words(op) {
        Some(words) => client.chat_in(model, request, words).await,
        None if goes_on => client.complete(model, request).await,
        None => client.chat(model, request).await,
    };
    match answer {
        Ok(answer) => Heard { output: Ok(answer.reply.into()), streamed: None, changes: answer.changes },
        Err(error) => failed(error),
    }
}

/// Anything else that is answered whole.
pub(crate) async fn whole(client: &Client, model: &str, call: Call) -> Heard {
    let found = match call {
        Call::Rerank(request) => {
            let answer = client.rerank(model, *request).await;
            answer.map(|answer| (Output::Rerank(Box::new(answer.ranking)), answer.changes))
        }
        other => client.call(model, other).await.map(|answer| (answer.output, answer.changes)),
    };
    match found {
        Ok((output, changes)) => Heard { output: Ok(output), streamed: None, changes },
        Err(error) => failed(error),
    }
}

/// What failed.
pub(crate) fn failed(error: ApiError) -> Heard {
    Heard { output: Err(error), streamed: None, changes: Changes::default() }
}

/// Sound as it comes.
async fn spoken(stream: Result<SpeechStream>) -> Heard {
    let mut stream = match stream {
        Ok(stream) => stream,
        Err(error) => return failed(error),
    };
    let (mut audio, mut streamed) = (Vec::new(), Streamed::default());
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => audio.extend_from_slice(&piece),
            Err(error) => return failed(error),
        }
        streamed.pieces += 1;
    }
    streamed.finished = true;
    let speech =
        Speech { audio: audio.into(), kind: stream.kind().to_owned(), usage: stream.usage().cloned() };
    let output = Ok(Output::Speech(Box::new(speech)));
    Heard { output, streamed: Some(streamed), changes: stream.changes().clone() }
}

async fn streamed(stream: Result<ChatStream>) -> Heard {
    let mut stream = match stream {
        Ok(stream) => stream,
        Err(error) => return failed(error),
    };
    let (mut builder, mut streamed) =
        (ReplyBuilder::default(), Streamed { whole: stream.is_whole(), ..Streamed::default() });
    let mut failure = None;
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Error(error)) | Err(error) => {
                failure = Some(error);
                break;
            }
            Ok(event) => {
                match &event {
                    Event::Delta { .. } => streamed.pieces += 1,
                    Event::Finish { .. } => streamed.finished = true,
                    Event::Usage(_) => streamed.usage = true,
                    _ => {}
                }
                let _ = builder.event(event);
            }
        }
    }
    let output = match failure {
        // That a stream broke off is no refusal.
        Some(mut error) => {
            if streamed.pieces > 0 {
                error.kind = ErrorKind::UpstreamFormat;
            }
            Err(error)
        }
        None => builder.finish().map(Output::from),
    };
    Heard { output, streamed: Some(streamed), changes: stream.changes().clone() }
}

impl Heard {
    /// Whether what was used is our own estimate.
    #[must_use]
    pub(crate) fn is_estimated(&self) -> bool {
        self.usage().is_some_and(|usage| usage.estimated)
    }
}

impl Finding {
    /// Whether something that is claimed does not hold: it failed, or it is among the claims and cannot be done.
    #[must_use]
    pub fn is_against(&self, claims: &[String]) -> bool {
        let claimed = claims.iter().any(|claim| claim == self.feature);
        match self.verdict {
            Verdict::Passed => false,
            Verdict::Failed(_) => true,
            Verdict::Refused(_) | Verdict::Unseen(_) => claimed,
        }
    }
}
