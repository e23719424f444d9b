//! The items of an answer as parts.

use std::borrow::Cow;

use llm_types::chat::{
    Citation, LogProbs, Opaque, Part, Reasoning, Refusal, Sealed, Text, TokenLogProb, ToolCall, ToolCallKind,
};
use llm_types::{Dialect, Extra, RawValue, Str};

use super::super::wire::{
    self, Annotation, FunctionCall, Item, Lossy, MessageItem, OutputText, Parts, Raw, ReasoningItem, Token,
};

/// What the items of an answer hold.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// The parts, in order.
    pub(super) parts: Vec<Part>,
    /// Log probabilities of the texts.
    pub(super) log_probs: LogProbs,
    /// Whether tools of the caller are called.
    pub(super) calls: bool,
    /// How often the provider searched.
    pub(super) searches: u64,
}

impl Content {
    /// Adds one item.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which it came as.
    pub(super) fn push(&mut self, item: Item<'_>) -> serde_json::Result<()> {
        match item {
            Item::Message(message) => self.message(message),
            Item::Reasoning(item) => self.parts.push(Part::Reasoning(reasoning(item))),
            Item::FunctionCall(call) => {
                self.calls = true;
                self.parts.push(Part::ToolCall(function_call(call)));
            }
            Item::CustomCall(call) => {
                self.calls = true;
                let wire::CustomToolCall { kind: _, id: _, call_id, name, input, status: _, extra } = call;
                self.parts.push(Part::ToolCall(ToolCall {
                    id: own(call_id),
                    name: own(name),
                    arguments: text(input),
                    kind: ToolCallKind::Custom,
                    extra: extra.to_extra(),
                    ..ToolCall::default()
                }));
            }
            Item::Other(kind, raw) => {
                self.searches += u64::from(is_search(kind.as_str()));
                self.parts.push(Part::Opaque(opaque(kind, raw.0.into_owned())));
            }
            // No answer holds these; whatever sends them gets them back as they came.
            Item::FunctionOutput(_) | Item::CustomOutput(_) | Item::Reference(_) => {
                let json = serde_json::value::to_raw_value(&item)?;
                self.parts.push(Part::Opaque(opaque(Str::from("other"), json)));
            }
        }
        Ok(())
    }

    fn message(&mut self, message: MessageItem<'_>) {
        let MessageItem { kind: _, id: _, status: _, role: _, content, phase, extra: _ } = message;
        let phase = phase.as_ref().map(Str::as_str);
        match content {
            None => {}
            Some(Parts::Text(text)) => {
                self.text(OutputText { text: Some(text), ..OutputText::default() }, phase)
            }
            Some(Parts::List(parts)) => parts.into_iter().for_each(|part| self.part(part, phase)),
        }
    }

    fn part(&mut self, part: wire::Part<'_>, phase: Option<&str>) {
        match part {
            wire::Part::OutputText(part) => self.text(part, phase),
            wire::Part::InputText(part) => {
                self.text(OutputText { text: part.text, ..OutputText::default() }, phase);
            }
            wire::Part::Refusal(part) => {
                self.parts.push(Part::Refusal(Refusal { text: text(part.refusal) }));
            }
            wire::Part::ReasoningText(part) => {
                let text = text(part.text);
                self.parts.push(Part::Reasoning(Reasoning { text, ..Reasoning::default() }));
            }
            wire::Part::Other(kind, raw) => {
                self.parts.push(Part::Opaque(opaque(kind, raw.0.into_owned())));
            }
            wire::Part::InputImage(_) | wire::Part::InputFile(_) | wire::Part::InputAudio(_) => {
                if let Ok(json) = serde_json::value::to_raw_value(&part) {
                    self.parts.push(Part::Opaque(opaque(Str::from("input"), json)));
                }
            }
        }
    }

    fn text(&mut self, part: OutputText<'_>, phase: Option<&str>) {
        let OutputText { kind: _, text: words, annotations, logprobs, extra } = part;
        let mut extra = extra.to_extra();
        set_phase(&mut extra, phase);
        self.parts.push(Part::Text(Text { text: text(words), extra, ..Text::default() }));
        let sources = annotations.unwrap_or_default();
        self.parts.extend(sources.iter().map(|raw| Part::Citation(citation(raw))));
        self.log_probs.content.extend(tokens(logprobs.unwrap_or_default()));
    }
}

/// Keeps the phase of a message with its text.
pub(super) fn set_phase(extra: &mut Extra, phase: Option<&str>) {
    if let Some(phase) = phase {
        let _ = extra.set_json("phase", &phase);
    }
}

/// Whether an item of this type is a search that is billed.
pub(super) fn is_search(kind: &str) -> bool {
    kind == "web_search_call"
}

/// An item or part that only this dialect understands.
pub(super) fn opaque(kind: Str<'_>, json: Box<RawValue>) -> Opaque {
    Opaque { dialect: Dialect::OpenaiResponses, kind: kind.into_string(), json }
}

fn own(word: Option<Str<'_>>) -> String {
    word.map(Str::into_string).unwrap_or_default()
}

fn text(text: Option<Lossy<'_>>) -> String {
    text.unwrap_or_default().0.into_owned()
}

fn function_call(call: FunctionCall<'_>) -> ToolCall {
    let FunctionCall { kind: _, id: _, call_id, name, arguments, status: _, extra } = call;
    ToolCall {
        id: own(call_id),
        name: own(name),
        arguments: text(arguments),
        extra: extra.to_extra(),
        ..ToolCall::default()
    }
}

/// Thoughts: the summary, else the thoughts themselves, and what the provider encrypted.
pub(super) fn reasoning(item: ReasoningItem<'_>) -> Reasoning {
    let seal = sealed(&item);
    let ReasoningItem { kind: _, id: _, summary, content, encrypted_content: _, status: _, extra } = item;
    let texts = summary.filter(|list| !list.is_empty()).or(content).unwrap_or_default();
    let texts: Vec<String> = texts.into_iter().map(|part| text(part.text)).collect();
    let origin = seal.as_ref().map(|_| Dialect::OpenaiResponses);
    Reasoning { text: texts.join(BETWEEN), signature: seal, redacted: None, origin, extra: extra.to_extra() }
}

/// What stands between the parts of a summary.
pub(super) const BETWEEN: &str = "\n\n";

/// What the provider encrypted, with its owner's name in front.
pub(super) fn sealed(item: &ReasoningItem<'_>) -> Option<String> {
    let data = item.encrypted_content.as_ref().map(Str::as_str).filter(|data| !data.is_empty())?;
    let id = item.id.as_ref().map(Str::as_str).unwrap_or_default();
    Some(Sealed { dialect: Dialect::OpenaiResponses, id, data }.write())
}

/// A source of a text. What is not a web source is known in its own form, and by its title.
pub(super) fn citation(raw: &Raw<'_>) -> Citation {
    let native = Some((Dialect::OpenaiResponses, raw.0.clone().into_owned()));
    let Ok(annotation) = serde_json::from_str::<Annotation<'_>>(raw.get()) else {
        return Citation { native, ..Citation::default() };
    };
    let Annotation {
        kind: _,
        start_index,
        end_index,
        url,
        title,
        file_id: _,
        filename,
        container_id: _,
        index: _,
        extra: _,
    } = annotation;
    let words = |text: Option<Lossy<'_>>| text.and_then(|text| text.non_empty().map(str::to_owned));
    Citation {
        url: words(url),
        title: words(title).or_else(|| words(filename)),
        start: start_index.map(|count| count.0),
        end: end_index.map(|count| count.0),
        quote: None,
        native,
    }
}

/// Log probabilities.
pub(super) fn tokens(list: Vec<Token<'_>>) -> impl Iterator<Item = TokenLogProb> {
    list.into_iter().map(token)
}

fn token(wire: Token<'_>) -> TokenLogProb {
    let Token { token: text, logprob, bytes, top_logprobs, extra: _ } = wire;
    TokenLogProb {
        token: text.map_or(Cow::Borrowed(""), |text| text.0).into_owned(),
        logprob: logprob.unwrap_or(-9999.0),
        bytes,
        top: top_logprobs.unwrap_or_default().into_iter().map(token).collect(),
    }
}
