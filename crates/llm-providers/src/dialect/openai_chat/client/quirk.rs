//! What a provider's row demands of the top-level members: edits over the bytes of a body.
//!
//! There is one implementation for a body of the client and for one that we wrote, because a quirk that
//! held on one way only would be a bug that shows by chance.

use std::borrow::Cow;

use llm_types::{Changes, Edits, Head, MessageQuirk, ProviderSpec, Quirks, Str};

/// The quirks that hold for one call.
#[derive(Debug)]
pub(super) struct Row<'a> {
    provider: &'a str,
    model: &'a str,
    /// The provider's own, then those of the rules that apply.
    quirks: Vec<&'a Quirks>,
}

impl<'a> Row<'a> {
    /// The quirks for the model of `cx` at this effort.
    pub(super) fn new(spec: &'a ProviderSpec, model: &'a str, effort: Option<&'a str>) -> Self {
        Self { provider: &spec.name, model, quirks: spec.quirks_for(model, effort).collect() }
    }

    /// Whether messages have to respect this.
    pub(super) fn has(&self, quirk: MessageQuirk) -> bool {
        self.quirks.iter().any(|quirks| quirks.messages.contains(&quirk))
    }

    /// Whether the provider does not take this member.
    pub(super) fn drops(&self, name: &str) -> bool {
        self.quirks.iter().any(|quirks| quirks.drop.iter().any(|drop| drop == name))
    }

    /// Whether the row has its own word for this member, so that it is not foreign there. A row that
    /// takes a member that OpenAI does not know (`thinking`) renames it to itself.
    pub(super) fn takes(&self, name: &str) -> bool {
        self.quirks.iter().any(|quirks| quirks.rename.contains_key(name)) && !self.drops(name)
    }

    /// The model as the body names it.
    pub(super) fn model(&self) -> Cow<'a, str> {
        let prefix = self.quirks.iter().rev().find_map(|quirks| quirks.model_prefix.as_deref());
        match prefix {
            Some(prefix) if !self.model.starts_with(prefix) => Cow::Owned(format!("{prefix}{}", self.model)),
            _ => Cow::Borrowed(self.model),
        }
    }

    /// Why something is dropped.
    pub(super) fn why(&self) -> String {
        format!("not supported by {}", self.provider)
    }

    /// Edits the members of `head` as the row demands.
    pub(super) fn apply(&self, head: &Head, edits: &mut Edits, changes: &mut Changes) {
        let untouched = |quirks: &&Quirks| {
            quirks.drop.is_empty()
                && quirks.rename.is_empty()
                && quirks.clamp.is_empty()
                && quirks.words.is_empty()
        };
        if self.quirks.iter().all(untouched) {
            return;
        }
        for member in head.members() {
            self.member(head, member.name(), edits, changes);
        }
    }

    fn member(&self, head: &Head, name: &str, edits: &mut Edits, changes: &mut Changes) {
        let value = head.get(name).unwrap_or_default();
        if self.drops(name) {
            edits.remove(head, name);
            // Where usage cannot be asked for, the gateway reports what the provider sends anyway.
            if value != b"null" && name != "stream_options" {
                changes.dropped(name.to_owned(), self.why());
            }
            return;
        }
        if let Some(to) = self.quirks.iter().rev().find_map(|quirks| quirks.rename.get(name)) {
            if to != name && head.get(to).is_some() && !self.drops(to) {
                if name != "max_completion_tokens" {
                    edits.remove(head, name);
                    changes.dropped(name.to_owned(), format!("`{to}` is given too"));
                    return;
                }
                // The newer of OpenAI's two limits is the one that counts.
                edits.remove(head, to);
                changes.dropped(to.clone(), format!("`{name}` is given too"));
            }
            if to != name {
                edits.rename(head, name, to);
            }
        }
        self.clamp(head, name, edits, changes);
        self.word(head, name, edits, changes);
    }

    fn clamp(&self, head: &Head, name: &str, edits: &mut Edits, changes: &mut Changes) {
        let bounds = self.quirks.iter().rev().find_map(|quirks| quirks.clamp.get(name));
        let Some([low, high]) = bounds else {
            return;
        };
        let Some(number) = head.get(name).and_then(|json| serde_json::from_slice::<f64>(json).ok()) else {
            return;
        };
        let within = number.max(*low).min(*high);
        if !(*low..=*high).contains(&number) {
            let json = if within.fract() == 0.0 { format!("{within:.0}") } else { within.to_string() };
            edits.set(head, name, json.into_bytes());
            let why = format!("{} takes {low} to {high}", self.provider);
            changes.altered(name.to_owned(), why);
        }
    }

    fn word(&self, head: &Head, name: &str, edits: &mut Edits, changes: &mut Changes) {
        let mut words = self.quirks.iter().rev().filter_map(|quirks| quirks.words.get(name)).peekable();
        if words.peek().is_none() {
            return;
        }
        let Some(word) = head.get(name).and_then(|json| serde_json::from_slice::<Str<'_>>(json).ok()) else {
            return;
        };
        if let Some(to) = words.find_map(|words| words.get(word.as_str())) {
            edits.set(head, name, serde_json::to_vec(to).unwrap_or_default());
            changes.altered(name.to_owned(), format!("{} says `{to}`", self.provider));
        }
    }
}

/// What becomes of a top-level member that is not OpenAI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// It was for the gateway, which has read it.
    Gateway,
    /// It belongs to another provider.
    Other,
}

/// Whether a top-level member is known to be no business of an OpenAI-compatible provider.
pub(super) fn foreign(name: &str) -> Option<Foreign> {
    match name {
        "fallbacks" | "tags" | "drop_params" => Some(Foreign::Gateway),
        "extra_headers" | "extra_body" | "context_management" | "thinking" | "cache_control" => {
            Some(Foreign::Other)
        }
        _ => None,
    }
}
