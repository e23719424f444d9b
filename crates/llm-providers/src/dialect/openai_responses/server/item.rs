//! Items to messages.
//!
//! The items of one turn of the model (its thoughts, texts and calls) become one message, in their order; so
//! do neighbouring outputs of tools. Ids and states of items are the API's own bookkeeping: nothing else
//! refers to them, and they are not kept.

use llm_types::chat::{Image, Media, Message, Opaque, Part, Role, Text, ToolCall, ToolCallKind, ToolResult};
use llm_types::{Dialect, Members, Result, Str, wire_struct};

use super::super::wire::{CallOutput, CustomToolCall, FunctionCall, Input, Item, MessageItem, Raw};
use super::{part, reasoning};
use crate::dialect::path::Path;

/// How ids of pictures begin that were not made by the provider's tool of that name.
const PICTURE: &str = "ig_gw_";

wire_struct! {
    /// A picture that the model made.
    struct Picture<'a> {
        kind as "type": Str<'a>,
        id: Str<'a>,
        status: Str<'a>,
        output_format: Str<'a>,
        result: Str<'a>,
    }
}

/// The whole input, behind what is in `messages` already.
pub(super) fn input(input: Option<Input<'_>>, messages: &mut Vec<Message>) -> Result<()> {
    match input {
        None => {}
        Some(Input::Text(text)) => messages.push(Message::user(text.into_string())),
        Some(Input::Items(items)) => {
            let root = Path::Root;
            let list = root.key("input");
            let mut turns = Turns { messages: std::mem::take(messages), signatures: Vec::new() };
            for (index, item) in items.into_iter().enumerate() {
                turns.item(item, &list.index(index))?;
            }
            *messages = turns.messages;
        }
    }
    Ok(())
}

/// The messages so far.
pub(super) struct Turns {
    messages: Vec<Message>,
    /// Signatures over calls that have not come yet: by the call's id.
    signatures: Vec<(String, String)>,
}

impl Turns {
    fn item(&mut self, item: Item<'_>, path: &Path<'_>) -> Result<()> {
        match item {
            Item::Message(message) => self.message(message, path)?,
            Item::FunctionCall(call) => {
                let FunctionCall { kind: _, id, call_id, name, arguments, status: _, extra } = call;
                let arguments = arguments.unwrap_or_default().0.into_owned();
                self.call((call_id.or(id), name), arguments, (ToolCallKind::Function, &extra), path)?;
            }
            Item::CustomCall(call) => {
                let CustomToolCall { kind: _, id, call_id, name, input, status: _, extra } = call;
                let input = input.unwrap_or_default().0.into_owned();
                self.call((call_id.or(id), name), input, (ToolCallKind::Custom, &extra), path)?;
            }
            Item::FunctionOutput(output) | Item::CustomOutput(output) => self.output(output, path)?,
            Item::Reasoning(item) => reasoning::item(item, self),
            Item::Reference(reference) => {
                if let Ok(json) = serde_json::value::to_raw_value(&reference) {
                    self.opaque("item_reference", Raw::from(json));
                }
            }
            Item::Other(kind, raw) => match picture(kind.as_str(), &raw) {
                Some(image) => self.model().parts.push(Part::Image(image)),
                None => self.opaque(kind.as_str(), raw),
            },
        }
        Ok(())
    }

    /// The model's turn that goes on, or a new one.
    pub(super) fn model(&mut self) -> &mut Message {
        self.turn(Role::Assistant)
    }

    fn turn(&mut self, role: Role) -> &mut Message {
        let at = match self.messages.iter().rposition(|_| true) {
            Some(last) if self.messages.get(last).is_some_and(|message| message.role == role) => last,
            _ => {
                self.messages.push(Message::new(role, []));
                self.messages.len() - 1
            }
        };
        &mut self.messages[at]
    }

    fn message(&mut self, item: MessageItem<'_>, path: &Path<'_>) -> Result<()> {
        let MessageItem { kind: _, id: _, status: _, role, content, phase, extra } = item;
        let Some(role) = role else {
            return Err(path.key("role").error("is missing: say who speaks"));
        };
        let role = match role.as_str() {
            "system" => Role::System,
            "developer" => Role::Developer,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => return Err(path.key("role").error("must be system, developer, user or assistant")),
        };
        let mut parts = part::parts(content, &path.key("content"))?;
        if let Some(phase) = &phase {
            for part in &mut parts {
                if let Part::Text(text) = part {
                    // A word can be written.
                    let _ = text.extra.set_json("phase", phase);
                }
            }
        }
        let message = match role {
            Role::Assistant => self.model(),
            role => {
                self.messages.push(Message::new(role, []));
                self.turn(role)
            }
        };
        message.parts.extend(parts);
        for (name, value) in extra.iter() {
            message.extra.set(name, value.to_owned());
        }
        Ok(())
    }

    fn call(
        &mut self,
        (id, name): (Option<Str<'_>>, Option<Str<'_>>),
        arguments: String,
        (kind, extra): (ToolCallKind, &Members<'_>),
        path: &Path<'_>,
    ) -> Result<()> {
        let Some(id) = id.map(Str::into_string) else {
            return Err(path.key("call_id").error("is missing: the call's output refers to it"));
        };
        let Some(name) = name else {
            return Err(path.key("name").error("is missing: name the tool that is called"));
        };
        let signed = self.signatures.iter().position(|(call, _)| *call == id);
        let signature = signed.map(|at| self.signatures.swap_remove(at).1);
        self.model().parts.push(Part::ToolCall(ToolCall {
            id,
            name: name.into_string(),
            arguments,
            kind,
            signature,
            cache: None,
            extra: extra.to_extra(),
        }));
        Ok(())
    }

    fn output(&mut self, item: CallOutput<'_>, path: &Path<'_>) -> Result<()> {
        let CallOutput { kind: _, id: _, call_id, output, status: _, extra } = item;
        let Some(call_id) = call_id else {
            return Err(path.key("call_id").error("is missing: name the call that is answered"));
        };
        let parts = part::parts(output, &path.key("output"))?;
        let result = ToolResult {
            call_id: call_id.into_string(),
            parts,
            extra: extra.to_extra(),
            ..ToolResult::default()
        };
        self.turn(Role::Tool).parts.push(Part::ToolResult(result));
        Ok(())
    }

    /// An item that only a provider of this dialect understands. What its tools answered comes from the
    /// client, everything else from the model.
    fn opaque(&mut self, kind: &str, json: Raw<'_>) {
        let from_client = kind.ends_with("_output") || kind.ends_with("_response");
        let opaque =
            Opaque { dialect: Dialect::OpenaiResponses, kind: kind.to_owned(), json: json.0.into_owned() };
        self.turn(if from_client { Role::User } else { Role::Assistant }).parts.push(Part::Opaque(opaque));
    }

    /// Puts a signature on the call with this id, wherever it is.
    pub(super) fn sign_call(&mut self, id: String, signature: String) {
        let calls = self.messages.iter_mut().rev().flat_map(|message| &mut message.parts);
        for part in calls {
            if let Part::ToolCall(call) = part
                && call.id == id
            {
                call.signature = Some(signature);
                return;
            }
        }
        self.signatures.push((id, signature));
    }

    /// Puts a signature on the text before it, or on an empty one.
    pub(super) fn sign_text(&mut self, signature: String) {
        let parts = &mut self.model().parts;
        match parts.last_mut() {
            Some(Part::Text(text)) if text.signature.is_none() => text.signature = Some(signature),
            _ => parts.push(Part::Text(Text { signature: Some(signature), ..Text::default() })),
        }
    }
}

fn picture(kind: &str, raw: &Raw<'_>) -> Option<Image> {
    if kind != "image_generation_call" {
        return None;
    }
    let Picture { kind: _, id, status: _, output_format, result, extra: _ } =
        serde_json::from_str(raw.get()).ok()?;
    let data = result?.into_string();
    let ours = id?.as_str().starts_with(PICTURE);
    let format = output_format.map(Str::into_string).unwrap_or_default();
    ours.then(|| Image::new(Media::Base64 { media_type: format!("image/{format}"), data }))
}
