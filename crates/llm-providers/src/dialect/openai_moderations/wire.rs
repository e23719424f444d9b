//! Typed structs of the format (<https://platform.openai.com/docs/api-reference/moderations>).

use llm_types::{Members, Raw, RawValue, Str, wire_struct};

use crate::dialect::media::Counts;

wire_struct! {
    /// What is looked at.
    pub(super) struct Request<'a> {
        model: Str<'a>,
        input: Raw<'a>,
    }
}

wire_struct! {
    /// A part of what is looked at.
    pub(super) struct Part<'a> {
        kind as "type": Str<'a>,
        text: Str<'a>,
    }
}

wire_struct! {
    /// What was found.
    pub(super) struct Reply<'a> {
        id: Str<'a>,
        model: Str<'a>,
        results: Vec<Verdict<'a>>,
        usage: Counts<'a>,
        error: &'a RawValue,
    }
}

wire_struct! {
    /// What was found in one text. The names of categories are each provider's own.
    pub(super) struct Verdict<'a> {
        flagged: bool,
        categories: Named<'a>,
        category_scores: Named<'a>,
    }
}

wire_struct! {
    /// Values by the names of categories.
    pub(super) struct Named<'a> {}
}

/// The members that can be read as `T`.
pub(super) fn values<'m, T: serde::Deserialize<'m>>(members: &Members<'m>) -> Vec<(String, T)> {
    let read =
        |(name, json): (&str, &'m RawValue)| Some((name.to_owned(), serde_json::from_str(json.get()).ok()?));
    members.iter().filter_map(read).collect()
}
