//! One of the answers while its chunks come in.
//!
//! Neighbouring texts of one kind are one part; a signature closes it, because it covers no more than
//! the part that it stands on.

use std::borrow::Cow;

use llm_types::chat::{LogProbs, Opaque, TokenLogProb, ToolCallKind};
use llm_types::{ApiError, Delta, Dialect, ErrorKind, Event, Extra, Finish, PartStart, RawValue, Str};
use uuid::Uuid;

use super::super::wire;
use super::finish::{self, Called};
use super::ground::Sources;
use super::open::{Kind, Open};
use super::turn::{Out, Stop};
use super::usage::Lookups;
use crate::dialect::custom;

/// One of the answers.
#[derive(Debug)]
pub(super) struct Candidate {
    index: u32,
    open: Option<Open>,
    /// How many parts began.
    parts: u32,
    /// How many bytes of text are in complete parts.
    text_before: usize,
    sources: Sources,
    called: Called,
    /// Why it ended, in the provider's word.
    finish: Option<String>,
}

impl Candidate {
    /// Nothing came yet.
    pub(super) fn new(index: u32) -> Self {
        Self {
            index,
            open: None,
            parts: 0,
            text_before: 0,
            sources: Sources::default(),
            called: Called::Nothing,
            finish: None,
        }
    }

    /// Whether the provider said why it ended.
    pub(super) fn is_complete(&self) -> bool {
        self.finish.is_some()
    }

    /// What was looked up for it.
    pub(super) fn lookups(&self) -> Lookups {
        self.sources.lookups()
    }

    /// Reads what a chunk holds of it.
    pub(super) fn read(&mut self, candidate: wire::Candidate<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let wire::Candidate {
            content,
            finish_reason,
            finish_message,
            index: _,
            grounding_metadata,
            citation_metadata,
            logprobs_result,
            extra,
        } = candidate;
        for part in content.and_then(|content| content.parts).into_iter().flatten() {
            self.part(part, out)?;
        }
        if let Some(logprobs) = logprobs_result {
            self.delta(Delta::LogProbs(Cow::Owned(probabilities(logprobs))), out)?;
        }
        let mut members = extra.to_extra();
        if let Some(message) = finish_message {
            set_text(&mut members, "finishMessage", message.as_str());
        }
        if let Some(json) = grounding_metadata {
            self.sources.ground(json);
            members.set("groundingMetadata", json.to_owned());
        }
        if let Some(json) = citation_metadata {
            self.sources.recite(json);
            members.set("citationMetadata", json.to_owned());
        }
        if let Some(reason) = finish_reason {
            self.finish = Some(finish::word(&reason));
        }
        if members.is_empty() {
            return Ok(());
        }
        let members = Cow::Owned(members);
        out.event(Event::Opaque { choice: Some(self.index), dialect: Dialect::Gemini, members })
    }

    fn part(&mut self, part: wire::Part<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        if part.function_call.is_some() {
            return self.call(part, out);
        }
        let only_text = part.inline_data.is_none()
            && part.file_data.is_none()
            && part.function_response.is_none()
            && (part.text.is_some() || part.extra.is_empty());
        if only_text {
            return self.text(part, out);
        }
        let thought = part.thought.unwrap_or_default();
        let kind = part.inline_data.as_ref().and_then(|blob| blob.mime_type.as_ref());
        match kind.map(Str::as_str) {
            Some(kind) if !thought && kind.starts_with("image/") => self.image(part, out),
            Some(kind) if !thought && kind.starts_with("audio/") => self.audio(part, out),
            _ => self.opaque(&part, out),
        }
    }

    fn text(&mut self, part: wire::Part<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let wire::Part { text, thought, thought_signature, extra, .. } = part;
        let text = text.unwrap_or_default().0;
        if text.is_empty() && thought_signature.is_none() && extra.is_empty() {
            return Ok(());
        }
        let kind = if thought.unwrap_or_default() { Kind::Reasoning } else { Kind::Text };
        self.open(kind, out)?;
        let Some(open) = &mut self.open else { return Ok(()) };
        let text = open.carry.join(text);
        if kind == Kind::Text {
            open.text.push_str(&text);
        }
        open.signed |= thought_signature.is_some();
        if !text.is_empty() {
            let delta = if kind == Kind::Text { Delta::Text(text) } else { Delta::Reasoning(text) };
            self.delta(delta, out)?;
        }
        self.marks(thought_signature, &extra, out)
    }

    /// The signature of the open part, and its members that no field names.
    fn marks(
        &mut self,
        signature: Option<Str<'_>>,
        extra: &llm_types::Members<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Stop> {
        if let Some(signature) = signature {
            self.delta(Delta::Signature(signature.0), out)?;
        }
        if extra.is_empty() {
            return Ok(());
        }
        self.delta(Delta::Extra(Cow::Owned(extra.to_extra())), out)
    }

    fn call(&mut self, part: wire::Part<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let wire::Part { function_call, thought_signature, extra, .. } = part;
        let call = function_call.unwrap_or_default();
        if call.partial_args.is_some() || call.will_continue == Some(true) {
            return Err(failed("the upstream streams arguments in pieces, which nobody asked for"));
        }
        let Some(name) = call.name.filter(|name| !name.as_str().is_empty()) else {
            return Err(failed("the upstream calls a function without a name"));
        };
        self.called = Called::Functions;
        let id = call.id.filter(|id| !id.as_str().is_empty()).map_or_else(minted, |id| id.0);
        let name = out.memo.client_name(name.as_str());
        let kind = out.memo.call_kind(name);
        let start = PartStart::ToolCall { id, name: Cow::Borrowed(name), kind };
        self.begin(start, out)?;
        let arguments = call.args.as_ref().map_or("{}", |args| args.get());
        let arguments = match kind {
            ToolCallKind::Custom => custom::input(arguments),
            _ => compact(arguments),
        };
        // Before the arguments: where a client gets the signature with the call's id, that goes out first.
        self.marks(thought_signature, &extra, out)?;
        self.delta(Delta::ToolArgs(arguments), out)?;
        self.end(out)
    }

    fn image(&mut self, part: wire::Part<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let wire::Part { inline_data, thought_signature, extra, .. } = part;
        let blob = inline_data.unwrap_or_default();
        let media_type = blob.mime_type.map(|kind| kind.0).unwrap_or_default();
        self.begin(PartStart::Image { media_type }, out)?;
        self.delta(Delta::Data(blob.data.map(|data| data.0).unwrap_or_default()), out)?;
        self.media_members(extra.to_extra(), thought_signature.as_ref(), out)?;
        self.end(out)
    }

    /// Sound. Raw samples of neighbouring parts are one part; a sound file stands for itself.
    fn audio(&mut self, part: wire::Part<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let wire::Part { inline_data, thought_signature, extra, .. } = part;
        let blob = inline_data.unwrap_or_default();
        let media_type = blob.mime_type.map(Str::into_string).unwrap_or_default();
        let goes_on = self.open.as_ref().is_some_and(|open| open.media_type.as_deref() == Some(&media_type));
        let mut members = extra.to_extra();
        if !goes_on {
            self.begin(PartStart::Audio { id: Cow::Borrowed("") }, out)?;
            set_text(&mut members, "mimeType", &media_type);
        }
        let raw = is_raw_sound(&media_type);
        let data = blob.data.map(|data| data.0).unwrap_or_default();
        if let Some(open) = &mut self.open {
            let joined = open
                .samples
                .join(&data)
                .ok_or_else(|| failed("the upstream's sound is not base64"))?
                .into_owned();
            open.media_type = raw.then_some(media_type);
            if !joined.is_empty() {
                self.delta(Delta::Data(Cow::Owned(joined)), out)?;
            }
        }
        self.media_members(members, thought_signature.as_ref(), out)?;
        if raw { Ok(()) } else { self.end(out) }
    }

    fn media_members(
        &mut self,
        mut members: Extra,
        signature: Option<&Str<'_>>,
        out: &mut Out<'_>,
    ) -> Result<(), Stop> {
        if let Some(signature) = signature {
            set_text(&mut members, "thoughtSignature", signature.as_str());
        }
        if members.is_empty() {
            return Ok(());
        }
        self.delta(Delta::Extra(Cow::Owned(members)), out)
    }

    /// A piece that only this dialect understands (`executableCode`, `toolCall`, …), whole.
    fn opaque(&mut self, part: &wire::Part<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let json = serde_json::value::to_raw_value(part)
            .map_err(|_| failed("a part of the upstream's answer cannot be kept"))?;
        let kind = if part.inline_data.is_some() {
            "inlineData"
        } else if part.file_data.is_some() {
            "fileData"
        } else if part.function_response.is_some() {
            "functionResponse"
        } else {
            part.extra.iter().next().map_or("part", |(name, _)| name)
        };
        let opaque = Opaque { dialect: Dialect::Gemini, kind: kind.to_owned(), json };
        self.begin(PartStart::Opaque(Cow::Owned(opaque)), out)?;
        self.end(out)
    }

    /// The body is over. `blocked`: why the prompt was refused, if it was.
    pub(super) fn close(&mut self, blocked: Option<&Finish>, out: &mut Out<'_>) -> Result<(), Stop> {
        self.end(out)?;
        if self.sources.is_waiting() {
            // Sources that came behind their text: a part of their own holds them.
            self.begin(PartStart::Text, out)?;
            let text_before = usize::MAX;
            self.cite("", text_before, out)?;
            self.end(out)?;
        }
        let finish = match (&self.finish, blocked) {
            (Some(word), _) => Some(finish::finish(word, self.called)),
            (None, blocked) => blocked.cloned(),
        };
        match finish {
            None => Ok(()),
            Some(finish) => out.event(Event::Finish { choice: self.index, finish }),
        }
    }

    /// Makes a part of this kind the open one.
    fn open(&mut self, kind: Kind, out: &mut Out<'_>) -> Result<(), Stop> {
        if self.open.as_ref().is_some_and(|open| open.kind == kind && !open.signed) {
            return Ok(());
        }
        self.begin(if kind == Kind::Text { PartStart::Text } else { PartStart::Reasoning }, out)
    }

    /// Ends the open part and begins another.
    fn begin(&mut self, start: PartStart<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        self.end(out)?;
        let part = self.parts;
        self.parts = self.parts.saturating_add(1);
        self.open = Some(Open::new(part, Kind::of(&start)));
        out.event(Event::PartStart { choice: self.index, part, start })
    }

    /// Ends the open part, if there is one: what it held back goes out first.
    fn end(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let (half, samples) = (open.carry.finish(), open.samples.finish());
        open.text.push_str(half);
        let (part, kind) = (open.part, open.kind);
        if !half.is_empty() {
            let half = Cow::Borrowed(half);
            self.delta(if kind == Kind::Text { Delta::Text(half) } else { Delta::Reasoning(half) }, out)?;
        }
        if !samples.is_empty() {
            self.delta(Delta::Data(Cow::Owned(samples)), out)?;
        }
        if kind == Kind::Text && self.sources.is_waiting() {
            let text = self.open.as_mut().map(|open| std::mem::take(&mut open.text)).unwrap_or_default();
            self.cite(&text, self.text_before, out)?;
            self.text_before += text.len();
        } else if kind == Kind::Text {
            self.text_before += self.open.as_ref().map_or(0, |open| open.text.len());
        }
        self.open = None;
        out.event(Event::PartEnd { choice: self.index, part })
    }

    /// The sources that wait, on the open text part.
    fn cite(&mut self, text: &str, text_before: usize, out: &mut Out<'_>) -> Result<(), Stop> {
        for citation in self.sources.take(text, text_before) {
            self.delta(Delta::Citation(Cow::Owned(citation)), out)?;
        }
        Ok(())
    }

    /// A piece of the open part, else of the last one.
    fn delta(&mut self, delta: Delta<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        let part = self.open.as_ref().map_or(self.parts.saturating_sub(1), |open| open.part);
        out.event(Event::Delta { choice: self.index, part, delta })
    }
}

fn failed(message: &str) -> Stop {
    Stop::Failed(ApiError::upstream(ErrorKind::UpstreamFormat, message))
}

/// An id for a call that the provider gave none.
fn minted<'a>() -> Cow<'a, str> {
    Cow::Owned(format!("call_{}", Uuid::new_v4().simple()))
}

fn is_raw_sound(media_type: &str) -> bool {
    let kind = media_type.split(';').next().unwrap_or_default();
    kind.eq_ignore_ascii_case("audio/l16") || kind.eq_ignore_ascii_case("audio/pcm")
}

fn set_text(members: &mut Extra, name: &str, text: &str) {
    if let Ok(json) = serde_json::to_string(text).map(RawValue::from_string).and_then(|json| json) {
        members.set(name, json);
    }
}

fn probabilities(logprobs: wire::Logprobs<'_>) -> LogProbs {
    let mut places = logprobs.top_candidates.unwrap_or_default().into_iter();
    let chosen = logprobs.chosen_candidates.unwrap_or_default().into_iter().map(|token| {
        let top = places.next().and_then(|place| place.candidates).unwrap_or_default();
        TokenLogProb { top: top.into_iter().map(probability).collect(), ..probability(token) }
    });
    LogProbs { content: chosen.collect(), refusal: Vec::new() }
}

fn probability(token: wire::Token<'_>) -> TokenLogProb {
    TokenLogProb {
        token: token.token.unwrap_or_default().0.into_lossy().into_owned(),
        logprob: token.log_probability.unwrap_or_default(),
        bytes: None,
        top: Vec::new(),
    }
}

/// JSON without the blanks between its tokens: answers come indented.
fn compact(json: &str) -> Cow<'_, str> {
    if !json.contains(['\n', ' ', '\t', '\r']) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    let (mut in_text, mut escaped) = (false, false);
    for c in json.chars() {
        if in_text {
            in_text = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if matches!(c, ' ' | '\n' | '\t' | '\r') {
            continue;
        } else {
            in_text = c == '"';
        }
        out.push(c);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_between_tokens_go() {
        let check = |json: &str, expect: &str| assert_eq!(compact(json), expect);
        check("{\"a\":1}", "{\"a\":1}");
        check("{\n  \"a b\": [1, \"c \\\" d\\\\\", 2 ]\n}", "{\"a b\":[1,\"c \\\" d\\\\\",2]}");
    }
}
