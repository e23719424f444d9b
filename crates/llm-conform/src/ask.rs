//! A call for one feature.

use std::time::{Duration, Instant};

use llm_providers::{ChatStream, Client, SpeechStream};
use llm_types::{
    ApiError, Call, Changes, ErrorKind, Event, EventSink as _, Op, Output, ReplyBuilder, Result, Speech,
};

use crate::probe::NOBODY;
use crate::{Feature, Finding, Heard, Streamed, Verdict};

/// What a call may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long one call may take, its stream included.
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
    let heard = match tokio::time::timeout(limits.time, heard(client, &name, feature, call)).await {
        Ok(heard) => heard,
        Err(_) => {
            let message = format!("no end within {} s", limits.time.as_secs());
            let output = Err(ApiError::new(ErrorKind::Timeout, message));
            Heard { output, streamed: None, changes: Changes::default() }
        }
    };
    if let Err(error) = &heard.output
        && matches!(
            error.kind,
            ErrorKind::Auth | ErrorKind::Connection | ErrorKind::Payment | ErrorKind::Budget
        )
    {
        return Err(error.clone());
    }
    let verdict = feature.judge(&heard);
    let usage = heard.usage();
    Ok(Finding {
        op: feature.op,
        feature: feature.name,
        why: verdict.why().to_owned(),
        changes: heard.changes.header(),
        prompt_tokens: usage.map(llm_types::Usage::prompt_tokens),
        completion_tokens: usage.map(llm_types::Usage::completion_tokens),
        took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        verdict,
    })
}

async fn heard(client: &Client, model: &str, feature: &Feature, call: Call) -> Heard {
    let goes_on = feature.op == Op::Completion;
    let call = match call {
        Call::Chat(request) if request.delivery.stream => {
            let stream = match goes_on {
                true => client.complete_stream(model, *request).await,
                false => client.chat_stream(model, *request).await,
            };
            return streamed(stream).await;
        }
        Call::Speak(request) if feature.name == "stream" => {
            return spoken(client.speak_stream(model, *request).await).await;
        }
        call => call,
    };
    let heard = match call {
        Call::Chat(request) if goes_on => {
            client.complete(model, *request).await.map(|answer| (answer.reply.into(), answer.changes))
        }
        call => whole(client, model, call).await,
    };
    let (output, changes) = match heard {
        Ok((output, changes)) => (Ok(output), changes),
        Err(error) => (Err(error), Changes::default()),
    };
    Heard { output, streamed: None, changes }
}

async fn whole(client: &Client, model: &str, call: Call) -> Result<(Output, Changes)> {
    match call {
        Call::Chat(request) => {
            let answer = client.chat(model, *request).await?;
            Ok((answer.reply.into(), answer.changes))
        }
        Call::Rerank(request) => {
            let answer = client.rerank(model, *request).await?;
            Ok((Output::Rerank(Box::new(answer.ranking)), answer.changes))
        }
        other => {
            let answer = client.call(model, other).await?;
            Ok((answer.output, answer.changes))
        }
    }
}

fn failed(error: ApiError) -> Heard {
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
    let (mut builder, mut streamed) = (ReplyBuilder::default(), Streamed::default());
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
