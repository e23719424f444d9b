//! The built-in provider: answers without a key, a model or a network.
//!
//! It is there so that the first request on a fresh machine works and tests need no account. It follows
//! the request as a model would (tools that must be called, JSON by a schema, limits, stop texts,
//! several answers) and always answers the same, so that what it says can be asserted. Sampling
//! options have no effect, as there is nothing to sample.

mod embed;
mod ignored;
mod media;
mod rerank;
mod schema;

use llm_types::chat::{
    ChatRequest, Format, Message, Part, Reasoning, Role, Text, Tool, ToolCall, ToolCallKind, ToolChoice,
    ToolKind,
};
use llm_types::{
    ApiError, Call, Choice, ErrorKind, EventSink, Finish, FinishKind, Flow, Output, Reply, Result, Usage,
};
use sha2::{Digest, Sha256};

pub use self::ignored::ignored;
use crate::estimate;

/// The most answers that one call gets.
const CHOICE_LIMIT: u32 = 128;
/// The most characters of the last message that are echoed.
const ECHO_CHARS: usize = 2000;
/// What a model says to a text.
type Talk = fn(&str) -> String;

/// The models, and what each says.
const MODELS: [(&str, Talk); 3] = [("echo", echo), ("lorem", lorem), ("reasoner", echo)];
const LOREM: &str = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor \
    incididunt ut labore et dolore magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation \
    ullamco laboris nisi ut aliquip ex ea commodo consequat. ";

/// Answers a call.
///
/// # Errors
/// [`ErrorKind::NotFound`] for a model it does not have, [`ErrorKind::BadRequest`] for a request that no
/// provider would take: no messages, a tool choice that names no tool, too many answers.
pub fn answer(call: &Call) -> Result<Reply> {
    match call {
        Call::Chat(request) => chat(request),
        other => Err(crate::codec::cannot("mock", other.op())),
    }
}

/// Answers a call of any operation that it has.
///
/// # Errors
/// As [`answer`].
pub fn output(call: &Call) -> Result<Output> {
    match call {
        Call::Embed(request) => embed::embed(request).map(|vectors| Output::Embed(Box::new(vectors))),
        Call::Rerank(request) => rerank::rerank(request).map(|ranking| Output::Rerank(Box::new(ranking))),
        Call::Transcribe(request) => {
            media::transcribe(request).map(|heard| Output::Transcript(Box::new(heard)))
        }
        Call::Speak(request) => media::speak(request).map(|said| Output::Speech(Box::new(said))),
        Call::Image(request) => media::draw(request).map(|images| Output::Images(Box::new(images))),
        Call::Moderate(request) => media::moderate(request).map(|found| Output::Moderation(Box::new(found))),
        Call::Chat(_) | Call::CountTokens(_) => answer(call).map(Output::from),
    }
}

/// Sends an answer as a stream of at least five deltas.
pub fn stream(reply: &Reply, sink: &mut dyn EventSink) -> Flow {
    crate::replay::replay(reply, sink)
}

fn chat(request: &ChatRequest) -> Result<Reply> {
    let talk = model(&request.model)?;
    let last = request.messages.iter().rev().find(|message| matches!(message.role, Role::User | Role::Tool));
    let asked = match last {
        Some(message) => said(message),
        None if request.messages.is_empty() => {
            return Err(
                ApiError::bad_request("`messages` is empty: send at least one").with_param("messages")
            );
        }
        None => String::new(),
    };
    let n = request.output.n.unwrap_or(1);
    if !(1..=CHOICE_LIMIT).contains(&n) {
        return Err(ApiError::bad_request(format!("`n` must be from 1 to {CHOICE_LIMIT}")).with_param("n"));
    }
    let id = id(request, &asked);
    let (parts, finish) = match forced_tool(request)? {
        Some(tool) => (vec![tool_call(tool, &id)], FinishKind::ToolCalls.into()),
        None => spoken(request, talk(&asked), &asked),
    };
    let output = estimate::tokens_of(&parts).saturating_mul(u64::from(n));
    let reasoning = estimate::reasoning_tokens(&parts).saturating_mul(u64::from(n));
    let choice =
        |index| Choice { index, parts: parts.clone(), finish: Some(finish.clone()), ..Choice::default() };
    Ok(Reply {
        id,
        model: request.model.clone(),
        choices: (0..n).map(choice).collect(),
        usage: Some(Usage {
            input: estimate::prompt_tokens(request),
            output: output.saturating_sub(reasoning),
            reasoning,
            estimated: true,
            ..Usage::default()
        }),
        ..Reply::default()
    })
}

fn model(name: &str) -> Result<Talk> {
    MODELS.iter().find(|(known, _)| *known == name).map(|(_, talk)| *talk).ok_or_else(|| {
        let names: Vec<&str> = MODELS.iter().map(|(name, _)| *name).collect();
        let message = format!("there is no built-in model `{name}`: use one of {}", names.join(", "));
        ApiError::new(ErrorKind::NotFound, message).with_param("model")
    })
}

fn echo(asked: &str) -> String {
    let mut kept: String = asked.chars().take(ECHO_CHARS).collect();
    if kept.len() < asked.len() {
        kept.push('…');
    }
    if kept.is_empty() {
        return "This is the built-in demo provider; no model was called. You sent no text.".to_owned();
    }
    format!("This is the built-in demo provider; no model was called. You said: {kept}")
}

fn lorem(_: &str) -> String {
    format!("This is the built-in demo provider; no model was called. {}", LOREM.repeat(4).trim_end())
}

/// The text of a message; of a tool's message, that of its results.
fn said(message: &Message) -> String {
    let mut out = message.text();
    for part in &message.parts {
        if let Part::ToolResult(result) = part {
            out.push_str(&Part::text_of(&result.parts));
        }
    }
    out
}

/// A spoken answer in the form, and within the limits, that the request asks for.
fn spoken(request: &ChatRequest, text: String, asked: &str) -> (Vec<Part>, Finish) {
    let text = match &request.output.format {
        None | Some(Format::Text) => text,
        Some(Format::JsonObject) => schema::object("answer", &text),
        Some(Format::JsonSchema(wanted)) => schema::example(wanted.schema.as_deref()),
    };
    let mut parts = Vec::new();
    let mut left = request.limits.output_tokens();
    if request.model == "reasoner" {
        let thought = format!("The user wrote {} characters. I will repeat them.", asked.chars().count());
        let (thought, cut) = within(&thought, &mut left);
        parts.push(Part::Reasoning(Reasoning { text: thought, ..Reasoning::default() }));
        if cut {
            return (parts, FinishKind::Length.into());
        }
    }
    let (text, stop) = before_stop(text, &request.limits.stop);
    let (text, cut) = within(&text, &mut left);
    parts.push(Part::Text(Text::new(text)));
    let finish = match stop {
        _ if cut => FinishKind::Length.into(),
        stop => Finish { stop_sequence: stop, ..Finish::from(FinishKind::Stop) },
    };
    (parts, finish)
}

/// As much of a text as the tokens left allow, and whether it was cut.
fn within(text: &str, left: &mut Option<u64>) -> (String, bool) {
    let Some(left) = left else {
        return (text.to_owned(), false);
    };
    let kept = estimate::first(text, *left);
    *left = left.saturating_sub(estimate::tokens(kept));
    (kept.to_owned(), kept.len() < text.len())
}

/// The text before the first stop text, and which one that is.
fn before_stop(mut text: String, stops: &[String]) -> (String, Option<String>) {
    let found = stops
        .iter()
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| text.find(stop.as_str()).map(|at| (at, stop.clone())))
        .min_by_key(|(at, _)| *at);
    match found {
        Some((at, stop)) => {
            text.truncate(at);
            (text, Some(stop))
        }
        None => (text, None),
    }
}

/// The tool that the request insists on. Once its result is there the answer is spoken, so that a loop
/// that keeps its choice ends.
fn forced_tool(request: &ChatRequest) -> Result<Option<&Tool>> {
    let tools = &request.tooling.tools;
    let by_name = |name: &str| tools.iter().find(|tool| tool.name() == Some(name));
    let wrong = |message: String| ApiError::bad_request(message).with_param("tool_choice");
    let (tool, wanted) = match &request.tooling.choice {
        None | Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Allowed { required: false, .. }) => {
            return Ok(None);
        }
        Some(ToolChoice::Required) => {
            (tools.iter().find(|tool| tool.name().is_some()), "any tool".to_owned())
        }
        Some(ToolChoice::Function(name) | ToolChoice::Custom(name)) => (by_name(name), format!("`{name}`")),
        Some(ToolChoice::Allowed { required: true, names }) => {
            (names.iter().find_map(|name| by_name(name)), format!("one of {}", names.join(", ")))
        }
    };
    let tool =
        tool.ok_or_else(|| wrong(format!("`tool_choice` asks for {wanted}, but `tools` has it not")))?;
    let answered = request.messages.last().is_some_and(|message| message.role == Role::Tool);
    Ok(Some(tool).filter(|_| !answered))
}

fn tool_call(tool: &Tool, id: &str) -> Part {
    let (name, arguments, kind) = match &tool.kind {
        ToolKind::Function { name, description: _, parameters, strict: _ } => {
            (name.clone(), schema::example(parameters.as_deref()), ToolCallKind::Function)
        }
        ToolKind::Custom { name, description: _, format: _ } => {
            (name.clone(), "demo input".to_owned(), ToolCallKind::Custom)
        }
        ToolKind::Hosted { dialect: _, kind, json: _ } => {
            (kind.clone(), String::new(), ToolCallKind::Function)
        }
    };
    let id = format!("call_{}", id.trim_start_matches("mock-"));
    Part::ToolCall(ToolCall { id, name, arguments, kind, ..ToolCall::default() })
}

/// The same id for the same question in the same conversation.
fn id(request: &ChatRequest, asked: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(request.model.as_bytes());
    hash.update(request.messages.len().to_le_bytes());
    hash.update(asked.as_bytes());
    let digest = hash.finalize();
    let hex: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("mock-{hex}")
}

#[cfg(test)]
mod tests;
