//! What a provider's row demands of the top-level members: edits over the bytes of a body.
//!
//! There is one implementation for a body of the client and for one that we wrote, because a quirk that
//! held on one way only would be a bug that shows by chance.

use std::borrow::Cow;

use llm_types::{
    Changes, Dialect, Edits, Head, ImageEditForm, ImageSize, MessageQuirk, ProviderSpec, Quirks, ReplyQuirk,
    RerankForm, RerankQuirk, Result, Str, TranscriptFormat,
};

use crate::codec::{EncodeCx, WireRequest};
use crate::url::escape;

/// What decides who is asked for what, and what is paid.
const DECIDED: [&str; 7] = ["model", "messages", "input", "prompt", "query", "documents", "n"];

/// The quirks that hold for one call.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    provider: &'a str,
    model: Cow<'a, str>,
    /// The provider's own, then those of the rules that apply.
    quirks: Vec<&'a Quirks>,
}

impl<'a> Row<'a> {
    /// The quirks for the model of `cx` at this effort, in the row's own dialect.
    pub(crate) fn new(spec: &'a ProviderSpec, model: &'a str, effort: Option<&'a str>) -> Self {
        Self::of(spec.dialect, spec, model, effort)
    }

    /// The quirks in one of the row's dialects. How models are named is the same in all of them.
    pub(crate) fn of(
        dialect: Dialect,
        spec: &'a ProviderSpec,
        model: &'a str,
        effort: Option<&'a str>,
    ) -> Self {
        let prefixes = spec.quirks_for(model, effort).filter_map(|quirks| quirks.model_prefix.as_deref());
        let name = match prefixes.last() {
            Some(prefix) if !model.starts_with(prefix) => Cow::Owned(format!("{prefix}{model}")),
            _ => Cow::Borrowed(model),
        };
        let quirks: Vec<&Quirks> = spec.quirks_in(dialect, model, effort).collect();
        let runner = quirks.iter().rev().find_map(|quirks| quirks.runner);
        let name = runner.and_then(|form| form.name(&name)).map_or(name, Cow::Owned);
        Self { provider: &spec.name, model: name, quirks }
    }

    /// The quirks for vectors in OpenAI's form: those in the row's own dialect, and those that are about vectors alone.
    pub(crate) fn embedding(spec: &'a ProviderSpec, model: &'a str) -> Self {
        let mut row = Self::new(spec, model, None);
        if spec.dialect != Dialect::OpenaiMedia {
            row.quirks.extend(spec.quirks_in(Dialect::OpenaiMedia, model, None));
        }
        row
    }

    /// Whether messages have to respect this.
    pub(crate) fn has(&self, quirk: MessageQuirk) -> bool {
        self.quirks.iter().any(|quirks| quirks.messages.contains(&quirk))
    }

    /// Whether answers are written anew.
    pub(crate) fn normalizes(&self) -> bool {
        self.quirks.iter().any(|quirks| quirks.reply.contains(&ReplyQuirk::Normalize))
    }

    /// Whether requests to order documents have to respect this.
    pub(crate) fn reranks(&self, quirk: RerankQuirk) -> bool {
        self.quirks.iter().any(|quirks| quirks.rerank.contains(&quirk))
    }

    /// The form of requests to order documents; `None`: Cohere's.
    pub(crate) fn rerank_form(&self) -> Option<RerankForm> {
        self.quirks.iter().rev().find_map(|quirks| quirks.rerank_form)
    }

    /// Whether the provider does not take this member.
    pub(crate) fn drops(&self, name: &str) -> bool {
        self.quirks.iter().any(|quirks| quirks.drop.iter().any(|drop| drop == name))
    }

    /// Whether the row has its own word for this member, so that it is not foreign there. A row that
    /// takes a member that OpenAI does not know (`thinking`) renames it to itself.
    pub(crate) fn takes(&self, name: &str) -> bool {
        self.quirks.iter().any(|quirks| quirks.rename.contains_key(name)) && !self.drops(name)
    }

    /// The provider's name of a member, where it has another.
    pub(crate) fn name_of(&self, name: &str) -> Option<&'a str> {
        self.quirks.iter().rev().find_map(|quirks| quirks.rename.get(name)).map(String::as_str)
    }

    /// The model as the body names it.
    pub(crate) fn model(&self) -> Cow<'a, str> {
        self.model.clone()
    }

    /// The provider's word for the text value of a member, where it has another.
    pub(crate) fn word_for(&self, name: &str, word: &str) -> Option<&'a str> {
        let words = self.quirks.iter().rev().filter_map(|quirks| quirks.words.get(name));
        words.filter_map(|words| words.get(word)).map(String::as_str).next()
    }

    /// The path of a call, where it is not the dialect's own.
    pub(crate) fn path(&self, stream: bool) -> Option<String> {
        let template = self.quirks.iter().rev().find_map(|quirks| quirks.path.as_deref())?;
        let word = |names: &str| match names.split_once('|') {
            Some((whole, streamed)) => Some(if stream { streamed } else { whole }.to_owned()),
            None if names == "model_path" => {
                // A name from outside leads nowhere else.
                let down = |segment: &&str| !matches!(*segment, "" | "." | "..");
                Some(self.model.split('/').filter(down).map(escape).collect::<Vec<_>>().join("/"))
            }
            None => (names == "model").then(|| escape(&self.model)),
        };
        let mut out = String::with_capacity(template.len() + self.model.len());
        let mut rest = template;
        while let Some((before, (names, after))) =
            rest.split_once('{').and_then(|(before, after)| Some((before, after.split_once('}')?)))
        {
            out.push_str(before);
            out.push_str(&word(names).unwrap_or_default());
            rest = after;
        }
        out.push_str(rest);
        Some(out)
    }

    /// The provider's name.
    pub(crate) fn provider(&self) -> &'a str {
        self.provider
    }

    /// Why something is dropped.
    pub(crate) fn why(&self) -> String {
        format!("not supported by {}", self.provider)
    }

    /// Whether it demands nothing of the top-level members.
    fn is_plain(&self) -> bool {
        self.quirks.iter().all(|quirks| {
            quirks.drop.is_empty()
                && quirks.rename.is_empty()
                && quirks.clamp.is_empty()
                && quirks.words.is_empty()
                && quirks.set.is_empty()
        })
    }

    /// Edits the members of `head` as the row demands.
    pub(crate) fn apply(&self, head: &Head, edits: &mut Edits, changes: &mut Changes) {
        if self.is_plain() {
            return;
        }
        for member in head.members() {
            self.member(head, member.name(), edits, changes);
        }
        for (name, value) in self.quirks.iter().flat_map(|quirks| &quirks.set) {
            let json = serde_json::to_vec(value).unwrap_or_default();
            if head.get(name).is_some_and(|own| own != json) {
                changes.altered(name.clone(), format!("it is set for {}", self.provider));
            }
            edits.set(head, name, json);
        }
    }

    /// A field of a form as the row has it: its name and its text there; `None`: it is not taken.
    pub(crate) fn field<'f>(
        &'f self,
        name: &'f str,
        text: &'f str,
        changes: &mut Changes,
    ) -> Option<(&'f str, &'f str)> {
        if self.drops(name) {
            changes.dropped(name.to_owned(), self.why());
            return None;
        }
        if let Some(own) = self.decided_by(name) {
            changes.dropped(name.to_owned(), format!("it is what `{own}` is called there"));
            return None;
        }
        let renamed = self.renamed(name);
        let word = self.word_for(name, text);
        if word.is_some_and(str::is_empty) {
            return None;
        }
        if let Some(word) = word.filter(|word| *word != text) {
            changes.altered(name.to_owned(), format!("{} says `{word}`", self.provider));
        }
        Some((renamed.map_or(name, String::as_str), word.unwrap_or(text)))
    }

    /// The fields that every form has there.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.quirks.iter().flat_map(|quirks| &quirks.set).map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The forms in which the provider writes transcripts; `None`: all.
    pub(crate) fn transcripts(&self) -> Option<&'a [TranscriptFormat]> {
        self.quirks.iter().rev().find_map(|quirks| quirks.transcripts.as_deref())
    }

    /// How the size of a picture is said.
    pub(crate) fn image_size(&self) -> Option<ImageSize> {
        self.quirks.iter().rev().find_map(|quirks| quirks.image_size)
    }

    /// How pictures to be changed are sent; `None`: as files of a form.
    pub(crate) fn image_edit(&self) -> Option<ImageEditForm> {
        self.quirks.iter().rev().find_map(|quirks| quirks.image_edit)
    }

    /// What decides who is asked for what, and what is paid, where the provider has this name for it: the client says
    /// that under the name that the gateway reads.
    fn decided_by(&self, name: &str) -> Option<&'a str> {
        let mut renamed = self.quirks.iter().flat_map(|quirks| &quirks.rename);
        let found = renamed.find(|(own, to)| *to == name && *own != name && DECIDED.contains(&own.as_str()));
        found.map(|(own, _)| own.as_str())
    }

    fn renamed(&self, name: &str) -> Option<&'a String> {
        self.quirks.iter().rev().find_map(|quirks| quirks.rename.get(name))
    }

    fn member(&self, head: &Head, name: &str, edits: &mut Edits, changes: &mut Changes) {
        if let Some(own) = self.decided_by(name) {
            edits.remove(head, name);
            changes.dropped(name.to_owned(), format!("it is what `{own}` is called there"));
            return;
        }
        let value = head.get(name).unwrap_or_default();
        if self.drops(name) {
            edits.remove(head, name);
            // Where usage cannot be asked for, the gateway reports what the provider sends anyway.
            if value != b"null" && name != "stream_options" {
                changes.dropped(name.to_owned(), self.why());
            }
            return;
        }
        if let Some(to) = self.renamed(name) {
            if to != name && self.decided_by(to).is_none() && head.get(to).is_some() && !self.drops(to) {
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
        let Some(to) = words.find_map(|words| words.get(word.as_str())) else {
            return;
        };
        // What goes without saying is no loss.
        if to.is_empty() {
            edits.remove(head, name);
        } else {
            edits.set(head, name, serde_json::to_vec(to).unwrap_or_default());
            changes.altered(name.to_owned(), format!("{} says `{to}`", self.provider));
        }
    }
}

/// The path of a call in the row's own dialect, where it is not the dialect's own.
pub(crate) fn path_of(cx: &EncodeCx<'_>, stream: bool) -> Option<String> {
    if cx.spec.quirks_for(cx.model, None).all(|quirks| quirks.path.is_none()) {
        return None;
    }
    Row::new(cx.spec, cx.model, None).path(stream)
}

/// Edits a body that was written in full as the row demands.
///
/// # Errors
/// When what was written is no JSON object.
pub(crate) fn demanded(wire: WireRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    demanded_in(cx.spec.dialect, wire, cx)
}

/// The same for a body in one of the row's dialects.
///
/// # Errors
/// As [`demanded`].
pub(crate) fn demanded_in(dialect: Dialect, wire: WireRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let row = Row::of(dialect, cx.spec, cx.model, None);
    demanded_by(&row, wire, cx)
}

/// The same for a body that has to respect these quirks.
///
/// # Errors
/// As [`demanded`].
pub(crate) fn demanded_by(
    row: &Row<'_>,
    mut wire: WireRequest,
    cx: &mut EncodeCx<'_>,
) -> Result<WireRequest> {
    let model = row.model();
    if row.is_plain() && model == cx.model {
        return Ok(wire);
    }
    let head = Head::scan(wire.body.read()?)?;
    let mut edits = Edits::default();
    if model != cx.model && head.get("model").is_some() {
        edits.set(&head, "model", serde_json::to_vec(&*model).unwrap_or_default());
    }
    row.apply(&head, &mut edits, cx.changes);
    wire.body = edits.apply(&head);
    Ok(wire)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Asked, ClientCodec};
    use crate::dialect;
    use llm_types::chat::{ChatRequest, Message};
    use llm_types::{Call, Dialect};

    #[test]
    fn a_model_in_a_path_stays_below_it() {
        let quirks = Quirks { path: Some("/m/{model_path}/x".to_owned()), ..Quirks::default() };
        let spec = ProviderSpec { quirks, ..ProviderSpec::default() };
        let check = |model: &str, expect: &str| {
            assert_eq!(Row::new(&spec, model, None).path(false).as_deref(), Some(expect), "{model}");
        };
        check("accounts/a/models/b:1", "/m/accounts/a/models/b%3A1/x");
        check("../../v2//files?x=#", "/m/v2/files%3Fx%3D%23/x");
        check("./..", "/m//x");
    }

    #[test]
    fn a_row_s_demands_hold_in_every_dialect() {
        let check = |dialect, drop: &str, path: &[&str]| {
            let mut spec = ProviderSpec { name: "corp".to_owned(), dialect, ..ProviderSpec::default() };
            let mut request = ChatRequest::new([Message::user("Hello!")]);
            request.limits.stop = vec!["END".to_owned()];
            request.sampling.temperature = Some(0.5);
            let call = Call::from(request);
            let codec: &dyn ClientCodec = dialect::client(dialect).unwrap();
            let encode = |spec: &ProviderSpec| {
                let mut changes = Changes::default();
                let mut cx = EncodeCx { spec, model: "m", asked: &Asked::default(), changes: &mut changes };
                let wire = codec.encode(&call, &mut cx).unwrap();
                let body: serde_json::Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
                (path.iter().try_fold(&body, |value, name| value.get(name)).cloned(), changes.header())
            };
            assert!(encode(&spec).0.is_some(), "{dialect}");
            spec.quirks.drop.push(drop.to_owned());
            let (left, changes) = encode(&spec);
            assert_eq!(left, None, "{dialect}");
            assert!(changes.contains(&format!("dropped {drop} (not supported by corp)")), "{changes}");
        };
        check(Dialect::OpenaiChat, "stop", &["stop"]);
        check(Dialect::Anthropic, "stop_sequences", &["stop_sequences"]);
        check(Dialect::Gemini, "generationConfig", &["generationConfig", "temperature"]);
    }

    #[test]
    fn what_a_row_sets_replaces_a_client_s_word_and_says_so() {
        let mut quirks = Quirks::default();
        quirks.set.insert("project_id".to_owned(), "own".to_owned());
        let spec = ProviderSpec { name: "corp".to_owned(), quirks, ..ProviderSpec::default() };
        let check = |body: &'static str, told: &str| {
            let head = Head::scan(body.into()).unwrap();
            let (mut edits, mut changes) = (Edits::default(), Changes::default());
            Row::new(&spec, "m", None).apply(&head, &mut edits, &mut changes);
            let sent: serde_json::Value = serde_json::from_slice(&edits.apply(&head).to_bytes()).unwrap();
            assert_eq!(
                (&sent["project_id"], &*changes.header()),
                (&serde_json::json!("own"), told),
                "{body}"
            );
        };
        check(r#"{"project_id":"other"}"#, "altered project_id (it is set for corp)");
        check(r#"{"project_id":"own"}"#, "");
        check("{}", "");
    }

    #[test]
    fn what_is_decided_here_is_said_under_one_name() {
        let mut quirks = Quirks::default();
        for (own, to) in [("model", "model_id"), ("n", "samples"), ("seed", "random_seed")] {
            quirks.rename.insert(own.to_owned(), to.to_owned());
        }
        let spec = ProviderSpec { name: "corp".to_owned(), quirks, ..ProviderSpec::default() };
        let row = Row::new(&spec, "m", None);
        let sent = |body: &'static str| {
            let head = Head::scan(body.into()).unwrap();
            let (mut edits, mut changes) = (Edits::default(), Changes::default());
            row.apply(&head, &mut edits, &mut changes);
            let lost: Vec<String> = changes.list().iter().map(|change| change.path.to_string()).collect();
            (serde_json::from_slice::<serde_json::Value>(&edits.apply(&head).to_bytes()).unwrap(), lost)
        };
        let check = |body, expect: serde_json::Value, lost: &[&str]| {
            assert_eq!(sent(body), (expect, lost.iter().map(ToString::to_string).collect()), "{body}");
        };
        check(r#"{"model":"m","model_id":"dear"}"#, serde_json::json!({"model_id": "m"}), &["model_id"]);
        check(r#"{"samples":9,"n":1}"#, serde_json::json!({"samples": 1}), &["samples"]);
        check(r#"{"samples":9}"#, serde_json::json!({}), &["samples"]);
        check(r#"{"random_seed":9}"#, serde_json::json!({"random_seed": 9}), &[]);
        check(r#"{"seed":1,"random_seed":9}"#, serde_json::json!({"random_seed": 9}), &["seed"]);
        let mut changes = Changes::default();
        assert_eq!(row.field("model", "m", &mut changes), Some(("model_id", "m")));
        assert_eq!(row.field("model_id", "dear", &mut changes), None);
    }
}
