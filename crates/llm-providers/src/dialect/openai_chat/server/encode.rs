//! A whole answer as `chat.completion`.

use std::borrow::Cow;

use llm_types::chat::{
    Audio, Citation, File, LogProbs, Media, Opaque, Part, Reasoning, Sealed, TokenLogProb, ToolCall,
    ToolCallKind,
};
use llm_types::{Choice, Dialect, Finish, FinishKind, RawValue, Reply, Str};
use serde::Serialize;

use super::super::wire::{
    self, Annotation, Arguments, Bytes, Count, CustomCall, FunctionCall, Lossy, OrNull, ReplyContent,
    ReplyMessage, ThinkingBlock, Token, UrlCitation, Word, Written,
};
use super::usage;
use crate::codec::ReplyCx;

/// What OpenAI has no member for: `provider_specific_fields`.
#[derive(Debug, Default, Serialize)]
pub(super) struct Fields<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) opaque: Vec<Written<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thought_signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) citations: Vec<Written<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) files: Vec<FileOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) native_finish_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stop_sequence: Option<&'a str>,
}

impl Fields<'_> {
    /// Whether there is nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        self.opaque.is_empty()
            && self.thought_signature.is_none()
            && self.citations.is_empty()
            && self.files.is_empty()
            && self.native_finish_reason.is_none()
            && self.stop_sequence.is_none()
    }

    /// Adds why an answer ended, as far as OpenAI's words do not say it.
    pub(super) fn finish<'a>(finish: &'a Finish, into: &mut Fields<'a>) {
        let Finish { kind: _, native, stop_sequence } = finish;
        into.native_finish_reason = native.as_deref();
        into.stop_sequence = stop_sequence.as_deref();
    }
}

/// A part of another dialect, with the dialect's name, so that it finds its way back.
#[derive(Debug, Serialize)]
pub(super) struct OpaqueOut<'a> {
    dialect: Dialect,
    kind: &'a str,
    json: &'a RawValue,
}

impl<'a> From<&'a Opaque> for OpaqueOut<'a> {
    fn from(opaque: &'a Opaque) -> Self {
        let Opaque { dialect, kind, json } = opaque;
        Self { dialect: *dialect, kind, json }
    }
}

/// A file that the model made.
#[derive(Debug, Serialize)]
pub(super) struct FileOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct ImageOut<'a> {
    r#type: &'static str,
    index: usize,
    image_url: AddressOut<'a>,
}

#[derive(Serialize)]
struct AddressOut<'a> {
    url: &'a str,
}

/// The `images` entry of a picture at `url`.
pub(super) fn image(index: usize, url: &str) -> Option<Written<'static>> {
    Written::json(&ImageOut { r#type: "image_url", index, image_url: AddressOut { url } })
}

/// The whole answer.
pub(super) fn reply(reply: &Reply, cx: &ReplyCx) -> Vec<u8> {
    serde_json::to_vec(&completion(reply, cx)).unwrap_or_default()
}

fn completion<'a>(reply: &'a Reply, cx: &'a ReplyCx) -> wire::Completion<'a> {
    let Reply { id, model, created, choices, usage, service_tier, system_fingerprint, origin, extra } = reply;
    let mut completion = wire::Completion {
        id: Some(Word::from(if id.is_empty() { &*cx.id } else { id })),
        object: Some(Word::from("chat.completion")),
        created: Some(Count(created.unwrap_or(cx.created))),
        model: Some(Word::from(if model.is_empty() { &*cx.model } else { model })),
        choices: Some(choices.iter().map(|one| choice(one, *origin, cx)).collect()),
        usage: usage.as_ref().map(usage::usage),
        service_tier: service_tier.as_deref().map(Word::from),
        system_fingerprint: system_fingerprint.as_deref().map(Word::from),
        ..wire::Completion::default()
    };
    if *origin == Some(Dialect::OpenaiChat) {
        completion.extra = extra.members();
    }
    completion
}

fn choice<'a>(choice: &'a Choice, origin: Option<Dialect>, cx: &ReplyCx) -> wire::Choice<'a> {
    let Choice { index, parts, finish, logprobs, extra, message_extra } = choice;
    let calls = parts.iter().filter(|part| matches!(part, Part::ToolCall(_))).count();
    let kind = finish.as_ref().map(|finish| finish.kind).unwrap_or_default();
    let mut message = message(parts, finish.as_ref(), cx);
    let mut out = wire::Choice {
        index: Some(Count(u64::from(*index))),
        logprobs: Some(OrNull(logprobs.as_ref().map(log_probs))),
        finish_reason: Some(Word(Cow::Borrowed(finish_word(kind, calls, cx)))),
        ..wire::Choice::default()
    };
    if origin == Some(Dialect::OpenaiChat) {
        for (name, value) in message_extra.members().iter() {
            message.extra.push(Cow::Owned(name.to_owned()), value);
        }
        out.extra = extra.members();
    }
    out.message = Some(message);
    out
}

/// OpenAI's word. An answer that called tools ended for that, whatever the upstream says.
pub(super) fn finish_word(kind: FinishKind, calls: usize, cx: &ReplyCx) -> &'static str {
    match kind {
        FinishKind::Stop if calls > 0 && cx.legacy_functions => "function_call",
        FinishKind::Stop if calls > 0 => "tool_calls",
        FinishKind::Stop => "stop",
        FinishKind::Length => "length",
        FinishKind::ToolCalls if cx.legacy_functions => "function_call",
        FinishKind::ToolCalls => "tool_calls",
        FinishKind::ContentFilter => "content_filter",
    }
}

/// What is gathered from the parts of one answer.
#[derive(Default)]
struct Gather<'a> {
    text: String,
    has_text: bool,
    /// Where the last text begins, in characters.
    base: u64,
    refusal: String,
    thoughts: String,
    message: ReplyMessage<'a>,
    images: Vec<Written<'a>>,
    annotations: Vec<Written<'a>>,
    blocks: Vec<ThinkingBlock<'a>>,
    calls: Vec<wire::ToolCall<'a>>,
    fields: Fields<'a>,
}

fn message<'a>(parts: &'a [Part], finish: Option<&'a Finish>, cx: &ReplyCx) -> ReplyMessage<'a> {
    let mut gather = Gather::default();
    for part in parts {
        gather.part(part, cx);
    }
    if let Some(finish) = finish {
        Fields::finish(finish, &mut gather.fields);
    }
    let Gather { text, has_text, base: _, refusal, thoughts, message, .. } = gather;
    let list = |list: Vec<Written<'a>>| Some(list).filter(|list| !list.is_empty());
    let content = has_text.then_some(ReplyContent::Text(Lossy(Cow::Owned(text))));
    ReplyMessage {
        role: Some(Word::from("assistant")),
        content: Some(OrNull(content)),
        refusal: Some(OrNull((!refusal.is_empty()).then_some(Lossy(Cow::Owned(refusal))))),
        reasoning_content: (!thoughts.is_empty()).then_some(Lossy(Cow::Owned(thoughts))),
        thinking_blocks: Some(gather.blocks).filter(|blocks| !blocks.is_empty()),
        tool_calls: Some(gather.calls).filter(|calls| !calls.is_empty()),
        images: list(gather.images),
        annotations: list(gather.annotations),
        provider_specific_fields: if gather.fields.is_empty() { None } else { Written::json(&gather.fields) },
        ..message
    }
}

impl<'a> Gather<'a> {
    fn part(&mut self, part: &'a Part, cx: &ReplyCx) {
        match part {
            Part::Text(text) => {
                self.base = chars(&self.text);
                self.text.push_str(&text.text);
                self.has_text = true;
                if text.signature.is_some() {
                    self.fields.thought_signature = text.signature.as_deref();
                }
            }
            Part::Refusal(refusal) => self.refusal.push_str(&refusal.text),
            Part::Reasoning(reasoning) => {
                self.thoughts.push_str(&reasoning.text);
                self.blocks.extend(thinking_block(reasoning, cx.upstream));
            }
            Part::ToolCall(call) if cx.legacy_functions => {
                // The deprecated form has room for one call.
                self.message.function_call.get_or_insert_with(|| function_call(call));
            }
            Part::ToolCall(call) => self.calls.push(tool_call(call)),
            Part::Audio(audio) => self.message.audio = Some(sound(audio)),
            Part::Image(image_part) => {
                let url = image_part.media.to_url().unwrap_or_default();
                self.images.extend(image(self.images.len(), &url));
            }
            Part::File(file) => self.fields.files.push(file_out(file)),
            Part::Citation(source) => {
                match citation(source, self.base, chars(&self.text)) {
                    Cited::Annotation(json) => self.annotations.extend(json),
                    Cited::Other(json) => self.fields.citations.extend(json),
                };
            }
            Part::Opaque(opaque) => self.fields.opaque.extend(Written::json(&OpaqueOut::from(opaque))),
            // A model does not answer its own calls.
            Part::ToolResult(_) => {}
        }
    }
}

fn chars(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

/// A signature or encrypted thoughts as clients get them: the blocks are Anthropic's, so its own stay as they
/// are, and those of any other provider say whose they are.
pub(super) fn sealed(text: &str, upstream: Option<Dialect>) -> Cow<'_, str> {
    match upstream {
        None | Some(Dialect::Anthropic) => Cow::Borrowed(text),
        Some(dialect) => Sealed::wrap(text, dialect),
    }
}

fn thinking_block(reasoning: &Reasoning, upstream: Option<Dialect>) -> Option<ThinkingBlock<'_>> {
    let Reasoning { text, signature, redacted, origin, extra: _ } = reasoning;
    let upstream = origin.or(upstream);
    if let Some(data) = redacted {
        return Some(ThinkingBlock {
            kind: Some(Str::from("redacted_thinking")),
            data: Some(Str(sealed(data, upstream))),
            ..ThinkingBlock::default()
        });
    }
    signature.as_ref().map(|signature| ThinkingBlock {
        kind: Some(Str::from("thinking")),
        thinking: Some(Lossy(Cow::Borrowed(text))),
        signature: Some(Str(sealed(signature, upstream))),
        ..ThinkingBlock::default()
    })
}

/// Arguments as clients parse them: no arguments are an empty object.
fn arguments(call: &ToolCall) -> Arguments<'_> {
    let text = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
    Arguments(Cow::Borrowed(text))
}

fn function_call(call: &ToolCall) -> FunctionCall<'_> {
    FunctionCall {
        name: Some(Str::from(&call.name)),
        arguments: Some(arguments(call)),
        ..FunctionCall::default()
    }
}

fn tool_call(call: &ToolCall) -> wire::ToolCall<'_> {
    let ToolCall { id, name, arguments, kind, signature, cache: _, extra } = call;
    let fields = Fields { thought_signature: signature.as_deref(), ..Fields::default() };
    let mut out = wire::ToolCall {
        id: Some(Str::from(id)),
        provider_specific_fields: if fields.is_empty() { None } else { Written::json(&fields) },
        extra: extra.members(),
        ..wire::ToolCall::default()
    };
    match kind {
        ToolCallKind::Custom => {
            out.kind = Some(Str::from("custom"));
            out.custom = Some(CustomCall {
                name: Some(Str::from(name)),
                input: Some(Lossy(Cow::Borrowed(arguments))),
                ..CustomCall::default()
            });
        }
        ToolCallKind::Function | ToolCallKind::LegacyFunction => {
            out.kind = Some(Str::from("function"));
            out.function = Some(function_call(call));
        }
    }
    out
}

fn sound(audio: &Audio) -> wire::Audio<'_> {
    let Audio { media, format: _, transcript, id, expires_at, cache: _, extra } = audio;
    let data = match media {
        Some(Media::Base64 { data, .. }) => data.as_str(),
        _ => "",
    };
    wire::Audio {
        id: Some(Str::from(id.as_deref().unwrap_or_default())),
        data: Some(Str::from(data)),
        transcript: Some(Lossy(Cow::Borrowed(transcript.as_deref().unwrap_or_default()))),
        expires_at: expires_at.map(Count),
        extra: extra.members(),
    }
}

fn file_out(file: &File) -> FileOut<'_> {
    let File { media, filename, media_type: _, cache: _, extra: _ } = file;
    let (file_id, file_data) = match media {
        Media::FileId(id) => (Some(id.as_str()), None),
        Media::Text(text) => (None, Some(Cow::Borrowed(text.as_str()))),
        Media::Url(_) | Media::Base64 { .. } => (None, media.to_url().map(Cow::Owned)),
    };
    FileOut { filename: filename.as_deref(), file_id, file_data }
}

/// Where a source is shown.
pub(super) enum Cited<'a> {
    /// In `annotations`.
    Annotation(Option<Written<'a>>),
    /// In `provider_specific_fields.citations`: OpenAI has no form for it.
    Other(Option<Written<'a>>),
}

/// A source, as a source of the characters `base..end` of the whole text where it does not say which.
pub(super) fn citation(source: &Citation, base: u64, end: u64) -> Cited<'_> {
    let Citation { url, title, start, end: source_end, quote, native } = source;
    if let Some((Dialect::OpenaiChat, json)) = native {
        return Cited::Annotation(Some(Written::from(&**json)));
    }
    let Some(url) = url else {
        return Cited::Other(match native {
            Some((_, json)) => Some(Written::from(&**json)),
            None => Written::json(&SourceOut { title: title.as_deref(), quote: quote.as_deref() }),
        });
    };
    let text = |text: &'_ str| Lossy(Cow::Owned(text.to_owned()));
    Cited::Annotation(Written::json(&Annotation {
        kind: Some(Str::from("url_citation")),
        url_citation: Some(UrlCitation {
            start_index: Some(Count(start.map_or(base, |at| base.saturating_add(at)))),
            end_index: Some(Count(source_end.map_or(end, |at| base.saturating_add(at)))),
            url: Some(text(url)),
            title: Some(text(title.as_deref().unwrap_or_default())),
            content: quote.as_deref().map(text),
            ..UrlCitation::default()
        }),
        ..Annotation::default()
    }))
}

#[derive(Serialize)]
struct SourceOut<'a> {
    title: Option<&'a str>,
    quote: Option<&'a str>,
}

/// Log probabilities.
pub(super) fn log_probs(log_probs: &LogProbs) -> wire::LogProbs<'_> {
    let LogProbs { content, refusal } = log_probs;
    fn list(list: &[TokenLogProb]) -> Option<Vec<Token<'_>>> {
        (!list.is_empty()).then(|| list.iter().map(token).collect())
    }
    wire::LogProbs {
        content: Some(OrNull(list(content))),
        refusal: Some(OrNull(list(refusal))),
        ..wire::LogProbs::default()
    }
}

fn token(token_prob: &TokenLogProb) -> Token<'_> {
    let TokenLogProb { token: text, logprob, bytes, top } = token_prob;
    Token {
        token: Some(Lossy(Cow::Borrowed(text))),
        // JSON has no infinity; this is OpenAI's word for "not among the likeliest".
        logprob: Some(if logprob.is_finite() { *logprob } else { -9999.0 }),
        bytes: Some(OrNull(bytes.clone().map(Bytes))),
        top_logprobs: Some(top.iter().map(token).collect()),
        ..Token::default()
    }
}
