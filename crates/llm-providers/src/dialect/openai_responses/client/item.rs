//! The conversation as items.
//!
//! One turn of an assistant becomes several items, in the order in which the model produced them: its
//! thoughts, its text, its calls. A first system message that is one plain text goes into `instructions`,
//! which the model sees first anyway; any other stays a message at its place, so that neither the order nor
//! the prefix by which prompts are cached changes from turn to turn.

use llm_types::chat::{
    Message, Opaque, Part, Reasoning, Role, Sealed, Text, ToolCall, ToolCallKind, ToolResult,
};
use llm_types::{Dialect, Members, Result, Str};

use super::super::wire::{
    self, CallOutput, CustomToolCall, FunctionCall, Item, Lossy, MessageItem, Parts, Raw, ReasoningItem,
    TextPart,
};
use super::encode::Writer;
use super::part;
use crate::dialect::path::Path;

/// `instructions` and `input`.
///
/// # Errors
/// When a part cannot be said here and must not be lost.
pub(super) fn items<'a>(
    writer: &mut Writer<'_, '_>,
    messages: &'a [Message],
) -> Result<(Option<Str<'a>>, Vec<Item<'a>>)> {
    let root = Path::Root;
    let list = root.key("messages");
    let instructions = messages.first().and_then(instructions).filter(|_| !writer.row.drops("instructions"));
    let mut items = Items { list: Vec::with_capacity(messages.len()), messages };
    for (index, message) in messages.iter().enumerate().skip(usize::from(instructions.is_some())) {
        let path = list.index(index);
        if message.name.is_some() {
            writer.dropped(&path.key("name"), "the Responses API does not name who speaks");
        }
        match message.role {
            Role::Assistant => items.assistant(writer, message, &path)?,
            Role::System | Role::Developer | Role::User | Role::Tool => {
                items.plain(writer, message, &path)?
            }
        }
    }
    Ok((instructions.map(Str::from), items.list))
}

/// The text of a message that says nothing but one text.
fn instructions(message: &Message) -> Option<&str> {
    let Message { role, parts, name, extra } = message;
    let [Part::Text(Text { text, cache: None, signature: None, extra: more })] = &**parts else {
        return None;
    };
    let system = matches!(role, Role::System | Role::Developer);
    (system && name.is_none() && extra.is_empty() && more.is_empty()).then_some(text)
}

/// The items so far.
struct Items<'a> {
    list: Vec<Item<'a>>,
    /// The whole conversation: a result has to know its call.
    messages: &'a [Message],
}

impl<'a> Items<'a> {
    /// A message of anyone but the model. Results of tools become items of their own.
    fn plain(&mut self, writer: &mut Writer<'_, '_>, message: &'a Message, path: &Path<'_>) -> Result<()> {
        let Message { role, parts, name: _, extra } = message;
        let content = path.key("content");
        let mut body = Vec::new();
        for (index, one) in parts.iter().enumerate() {
            let place = content.index(index);
            match one {
                Part::ToolResult(result) => self.result(writer, result, path)?,
                Part::Opaque(opaque) if is_own(opaque) && !opaque.kind.starts_with("input_") => {
                    self.flush(*role, &mut body, Members::default());
                    self.opaque(opaque);
                }
                _ if *role == Role::Tool => writer.dropped(&place, "such a part has no place here"),
                _ => body.extend(part::input(writer, one, &place)?),
            }
        }
        let extra = writer.extras(extra, path, &[]);
        if body.is_empty() && parts.is_empty() && *role != Role::Tool {
            body.push(part::text(""));
        }
        self.flush(*role, &mut body, extra);
        Ok(())
    }

    /// Ends the message that is put together, if it holds anything.
    fn flush(&mut self, role: Role, body: &mut Vec<wire::Part<'a>>, extra: Members<'a>) {
        if body.is_empty() {
            return;
        }
        let role = match role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        self.list.push(Item::Message(MessageItem {
            role: Some(Str::from(role)),
            content: Some(content(std::mem::take(body))),
            extra,
            ..MessageItem::default()
        }));
    }

    fn opaque(&mut self, opaque: &'a Opaque) {
        let Opaque { dialect: _, kind, json } = opaque;
        self.list.push(Item::Other(Str::from(kind), Raw::from(&**json)));
    }

    fn assistant(
        &mut self,
        writer: &mut Writer<'_, '_>,
        message: &'a Message,
        path: &Path<'_>,
    ) -> Result<()> {
        let Message { role, parts, name: _, extra } = message;
        let content = path.key("content");
        let mut body = Vec::new();
        let mut phase = None;
        for (index, one) in parts.iter().enumerate() {
            let place = content.index(index);
            let said = part::said(writer, one, &place);
            if let Some(said) = said {
                // Texts of different phases are different messages.
                if !body.is_empty() && phase != said.phase {
                    self.say(&mut body, phase.take());
                }
                phase = said.phase;
                body.push(said.part);
                continue;
            }
            match one {
                // It belongs to the text before it, and was written by the model into its own copy.
                Part::Citation(_) => {}
                Part::Reasoning(reasoning) => {
                    self.say(&mut body, phase.take());
                    self.list.extend(thoughts(writer, reasoning, &place));
                }
                Part::ToolCall(call) => {
                    self.say(&mut body, phase.take());
                    self.list.push(tool_call(writer, call, &path.key("tool_calls").index(index)));
                }
                Part::Opaque(opaque) if is_own(opaque) => {
                    self.say(&mut body, phase.take());
                    self.opaque(opaque);
                }
                Part::ToolResult(result) => {
                    self.say(&mut body, phase.take());
                    self.result(writer, result, path)?;
                }
                _ => writer.dropped(&place, "the model's own turns hold text, thoughts and calls here"),
            }
        }
        let extra = writer.extras(extra, path, &[]);
        if !extra.is_empty() && !body.is_empty() {
            self.flush(*role, &mut body, extra);
        }
        self.say(&mut body, phase);
        Ok(())
    }

    /// Ends what the model said so far.
    fn say(&mut self, body: &mut Vec<wire::Part<'a>>, phase: Option<Str<'a>>) {
        let before = self.list.len();
        self.flush(Role::Assistant, body, Members::default());
        if let (true, Some(Item::Message(message))) = (self.list.len() > before, self.list.last_mut()) {
            message.phase = phase;
        }
    }

    fn result(&mut self, writer: &mut Writer<'_, '_>, result: &'a ToolResult, path: &Path<'_>) -> Result<()> {
        let ToolResult { call_id, name: _, parts, is_error, cache, extra } = result;
        if *is_error == Some(true) {
            writer.dropped(&path.key("is_error"), "the Responses API cannot say that a tool failed");
        }
        writer.cache(cache.as_ref(), path);
        let list = path.key("content");
        let mut body = Vec::new();
        for (index, one) in parts.iter().enumerate() {
            body.extend(part::input(writer, one, &list.index(index))?);
        }
        let output = match body.is_empty() {
            true => Parts::Text(Lossy::default()),
            false => content(body),
        };
        let custom = self.calls().any(|call| call.id == *call_id && call.kind == ToolCallKind::Custom);
        let (kind, item): (_, fn(CallOutput<'a>) -> Item<'a>) = match custom {
            true => ("custom_tool_call_output", Item::CustomOutput),
            false => ("function_call_output", Item::FunctionOutput),
        };
        self.list.push(item(CallOutput {
            kind: Some(Str::from(kind)),
            call_id: Some(Str::from(call_id)),
            output: Some(output),
            extra: writer.extras(extra, path, &[]),
            ..CallOutput::default()
        }));
        Ok(())
    }

    fn calls(&self) -> impl Iterator<Item = &'a ToolCall> {
        self.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
            Part::ToolCall(call) => Some(call),
            _ => None,
        })
    }
}

/// Whether a piece is of this dialect.
pub(super) fn is_own(opaque: &Opaque) -> bool {
    opaque.dialect == Dialect::OpenaiResponses
}

/// Content as it is written: a string where that says everything.
fn content(mut parts: Vec<wire::Part<'_>>) -> Parts<'_> {
    let plain = match parts.as_mut_slice() {
        [wire::Part::InputText(TextPart { text: Some(text), extra, .. })] if extra.is_empty() => {
            Some(std::mem::take(text))
        }
        [wire::Part::OutputText(wire::OutputText { text: Some(text), extra, annotations: None, .. })]
            if extra.is_empty() =>
        {
            Some(std::mem::take(text))
        }
        _ => None,
    };
    plain.map_or(Parts::List(parts), Parts::Text)
}

/// Thoughts go back to the provider that encrypted them; as text only where the provider wants that.
fn thoughts<'a>(writer: &mut Writer<'_, '_>, reasoning: &'a Reasoning, path: &Path<'_>) -> Option<Item<'a>> {
    let Reasoning { text, signature, redacted, origin, extra } = reasoning;
    let sealed = signature.as_deref().or(redacted.as_deref());
    let own = sealed.and_then(|data| match (Sealed::read(data), origin) {
        (Some(sealed), _) => Some(sealed).filter(|sealed| sealed.dialect == Dialect::OpenaiResponses),
        (None, Some(Dialect::OpenaiResponses)) => {
            Some(Sealed { dialect: Dialect::OpenaiResponses, id: "", data })
        }
        (None, _) => None,
    });
    if sealed.is_some() && own.is_none() {
        writer.dropped(&path.key("signature"), "the thoughts are sealed by another provider");
    }
    let texts = |kind: &'static str| {
        let part = TextPart { kind: Some(Str::from(kind)), text: Some(lossy(text)), ..TextPart::default() };
        if text.is_empty() { Vec::new() } else { vec![part] }
    };
    let mut item = ReasoningItem { kind: Some(Str::from("reasoning")), ..ReasoningItem::default() };
    if writer.replays() {
        item.summary = Some(Vec::new());
        item.content = Some(texts("reasoning_text"));
    } else {
        item.summary = Some(texts("summary_text"));
    }
    match own {
        Some(Sealed { dialect: _, id, data }) => {
            item.id = Some(id).filter(|id| !id.is_empty()).map(Str::from);
            item.encrypted_content = Some(Str::from(data));
        }
        None if writer.replays() && !text.is_empty() => {}
        // A client of this API sends back what its provider gave.
        None if writer.said && origin.is_none() && sealed.is_none() && !text.is_empty() => {}
        None => {
            if !text.is_empty() && sealed.is_none() {
                writer.dropped(path, "the Responses API takes back thoughts that it encrypted only");
            }
            return None;
        }
    }
    item.extra = writer.extras(extra, path, &[]);
    Some(Item::Reasoning(item))
}

fn tool_call<'a>(writer: &mut Writer<'_, '_>, call: &'a ToolCall, path: &Path<'_>) -> Item<'a> {
    let ToolCall { id, name, arguments, kind, signature, cache, extra } = call;
    if signature.is_some() {
        writer.dropped(&path.key("signature"), "the signature is of another provider");
    }
    writer.cache(cache.as_ref(), path);
    let extra = writer.extras(extra, path, &[]);
    let (call_id, name) = (Some(Str::from(id)), Some(Str::from(name)));
    match kind {
        ToolCallKind::Custom => Item::CustomCall(CustomToolCall {
            kind: Some(Str::from("custom_tool_call")),
            call_id,
            name,
            input: Some(lossy(arguments)),
            extra,
            ..CustomToolCall::default()
        }),
        ToolCallKind::Function | ToolCallKind::LegacyFunction => Item::FunctionCall(FunctionCall {
            kind: Some(Str::from("function_call")),
            call_id,
            name,
            arguments: Some(lossy(if arguments.is_empty() { "{}" } else { arguments })),
            extra,
            ..FunctionCall::default()
        }),
    }
}

fn lossy(text: &str) -> Lossy<'_> {
    Lossy(std::borrow::Cow::Borrowed(text))
}
