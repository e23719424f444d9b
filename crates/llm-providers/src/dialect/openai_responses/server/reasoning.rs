//! Reasoning items: the thoughts of this dialect's providers, and what we sealed for others.

use llm_types::chat::{Opaque, Part, Reasoning, Sealed};
use llm_types::{Dialect, RawValue};

use super::super::seal::{self, Carried};
use super::super::wire::{ReasoningItem, TextPart};
use super::item::Turns;

/// Reads one item into the model's turn.
pub(super) fn item(item: ReasoningItem<'_>, turns: &mut Turns) {
    let ReasoningItem { kind: _, id, summary, content, encrypted_content, status: _, extra } = item;
    let mut thoughts = Reasoning { text: text(summary, "\n\n"), ..Reasoning::default() };
    if thoughts.text.is_empty() {
        thoughts.text = text(content, "");
    }
    thoughts.extra = extra.to_extra();
    let id = id.as_ref().map(|id| id.as_str()).unwrap_or_default();
    match encrypted_content.as_ref().map(|text| text.as_str()).filter(|text| !text.is_empty()) {
        None if thoughts.text.is_empty() => {
            // It stands for thoughts that the provider has stored under this id.
            let json = serde_json::value::to_raw_value(&ReasoningItem {
                kind: Some("reasoning".into()),
                id: Some(id.into()).filter(|_| !id.is_empty()),
                summary: Some(Vec::new()),
                ..ReasoningItem::default()
            });
            if let Ok(json) = json {
                opaque(turns, Dialect::OpenaiResponses, "reasoning".to_owned(), json);
            }
        }
        None => {
            // The provider may know them by it.
            if !id.is_empty() {
                let _ = thoughts.extra.set_json("id", &id);
            }
            turns.model().parts.push(Part::Reasoning(thoughts));
        }
        Some(sealed) => match Carried::read(sealed) {
            Some((dialect, carried)) => carry(turns, dialect, carried, thoughts),
            None => {
                let (dialect, signature) = match Sealed::unwrap_text(sealed) {
                    // Our own stream: the id was not known when the item began.
                    Some((dialect, text)) => (Some(dialect), Some(text.to_owned())),
                    None if seal::is_sealed(sealed) => (None, None),
                    None => (Some(Dialect::OpenaiResponses), Some(seal::own(id, sealed))),
                };
                (thoughts.origin, thoughts.signature) = (dialect, signature);
                turns.model().parts.push(Part::Reasoning(thoughts));
            }
        },
    }
}

fn carry(turns: &mut Turns, dialect: Dialect, carried: Carried, mut thoughts: Reasoning) {
    thoughts.origin = Some(dialect);
    match carried {
        Carried::Plain => turns.model().parts.push(Part::Reasoning(thoughts)),
        Carried::Thought { digest, signature } => {
            // A signature over other thoughts than these would be refused.
            if digest == seal::digest(&thoughts.text) {
                thoughts.signature = Some(signature);
            }
            turns.model().parts.push(Part::Reasoning(thoughts));
        }
        Carried::Redacted(data) => {
            thoughts.redacted = Some(data);
            turns.model().parts.push(Part::Reasoning(thoughts));
        }
        Carried::Call { id, signature } => turns.sign_call(id, signature),
        Carried::Text(signature) => turns.sign_text(signature),
        Carried::Part { kind, json } => {
            if let Ok(json) = RawValue::from_string(json) {
                opaque(turns, dialect, kind, json);
            }
        }
    }
}

fn opaque(turns: &mut Turns, dialect: Dialect, kind: String, json: Box<RawValue>) {
    turns.model().parts.push(Part::Opaque(Opaque { dialect, kind, json }));
}

fn text(texts: Option<Vec<TextPart<'_>>>, between: &str) -> String {
    let texts = texts.unwrap_or_default().into_iter().filter_map(|part| part.text);
    texts.map(|text| text.0.into_owned()).collect::<Vec<_>>().join(between)
}
