//! The parameters of queries: what each action takes, for those who check it and for those who describe it.
//!
//! A parameter that nobody knows is refused. A filter with a slip in its name would else show, or sum up, everything.

use llm_types::{ApiError, Result};
use serde_json::{Value, json};

use crate::action::{Action, Verb};
use crate::form::{moment, wrong};
use crate::query::pairs;

/// A parameter of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// As it is written.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// What it may be.
    pub kind: Kind,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text, but none.
    Text,
    /// Any text; none stands for those that have none.
    Group,
    /// A moment or a day.
    Moment,
    /// From 1 to 1000.
    Count,
    /// Yes or no; alone it means yes.
    Flag,
    /// One of these.
    Words(&'static [&'static str]),
}

/// The most items of a page.
const MOST: usize = 1000;
/// The words of a flag.
const FLAG: [&str; 6] = ["true", "1", "yes", "false", "0", "no"];

/// At most so many.
pub const LIMIT: Parameter = Parameter { name: "limit", about: "At most so many.", kind: Kind::Count };
/// The next page.
pub const CURSOR: Parameter = text("cursor", "`next_cursor` of the page before.");
/// Not before.
pub const FROM: Parameter = Parameter { name: "from", about: "Not before.", kind: Kind::Moment };
/// Before.
pub const TO: Parameter = Parameter { name: "to", about: "Before.", kind: Kind::Moment };

const GROUP_BY: Parameter = text(
    "group_by",
    "Some of day, hour, model (as it was asked for), model_served (as its provider calls what answered), provider, deployment, key, team, user, organisation, tag, with commas.",
);
const TZ: Parameter =
    text("tz", "Whose days they are, also in `from` and `to`: Europe/Berlin. UTC's by default.");
/// What a report is narrowed to: whatever it can be divided by.
const ONLY: [&str; 13] = [
    "day",
    "hour",
    "model",
    "model_asked",
    "model_served",
    "served",
    "provider",
    "deployment",
    "key",
    "team",
    "user",
    "organisation",
    "tag",
];

/// A text.
#[must_use]
pub const fn text(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, about, kind: Kind::Text }
}

impl Kind {
    /// In the words of JSON Schema.
    #[must_use]
    pub fn schema(self) -> Value {
        match self {
            Self::Text => json!({ "type": "string", "minLength": 1 }),
            Self::Group => json!({ "type": "string" }),
            Self::Moment => json!({ "type": "string", "format": "date-time" }),
            Self::Count => json!({ "type": "integer", "minimum": 1, "maximum": MOST }),
            Self::Flag => json!({ "type": "boolean" }),
            Self::Words(words) => json!({ "type": "string", "enum": words }),
        }
    }

    /// What is wrong with a value.
    fn problem(self, value: &str) -> Option<String> {
        let one_of = |words: &[&str]| format!("must be one of {}", words.join(", "));
        match self {
            Self::Group => None,
            Self::Text => value.is_empty().then(|| "needs a value: leave it out to ask for all".to_owned()),
            Self::Moment => moment(value).is_none().then(|| {
                "must be a moment as RFC 3339 writes it, such as 2026-11-21T08:00:00Z, or a day, such as 2026-11-21"
                    .to_owned()
            }),
            Self::Count => {
                let good = value.parse().is_ok_and(|count: usize| (1..=MOST).contains(&count));
                (!good).then(|| format!("must be a number from 1 to {MOST}"))
            }
            Self::Flag => (!value.is_empty() && !FLAG.contains(&value)).then(|| one_of(&FLAG)),
            Self::Words(words) => (!words.contains(&value)).then(|| one_of(words)),
        }
    }
}

/// Whether a query has nothing but these, each once, with values that can be read.
///
/// # Errors
/// 400 for the first fault.
pub fn check(query: Option<&str>, known: &[Parameter]) -> Result<()> {
    names(query, known)?;
    for (name, value) in pairs(query) {
        let parameter = known.iter().find(|parameter| parameter.name == name);
        if let Some(problem) = parameter.and_then(|parameter| parameter.kind.problem(&value)) {
            return Err(wrong(&name, problem));
        }
    }
    Ok(())
}

/// Whether a query has nothing but these, each once.
///
/// # Errors
/// 400 for the first fault.
pub fn names(query: Option<&str>, known: &[Parameter]) -> Result<()> {
    let mut seen: Vec<String> = Vec::new();
    for (name, _) in pairs(query) {
        if !known.iter().any(|parameter| parameter.name == name) {
            let shown: String = name.chars().take(64).filter(|c| !c.is_control()).collect();
            let names: Vec<_> = known.iter().map(|parameter| parameter.name).collect();
            let help = match names.is_empty() {
                true => "none is taken here".to_owned(),
                false => format!("known are {}", names.join(", ")),
            };
            let message = format!("there is no parameter `{shown}`: {help}");
            return Err(ApiError::bad_request(message).with_param(shown).with_code("unknown_parameter"));
        }
        if seen.iter().any(|before| *before == name) {
            return Err(wrong(&name, "is there twice: send it once"));
        }
        seen.push(name.into_owned());
    }
    Ok(())
}

impl Action {
    /// What its query may have.
    #[must_use]
    pub fn parameters(self) -> Vec<Parameter> {
        let only = |names: &[&'static str]| {
            names.iter().map(|name| text(name, "Of this alone.")).collect::<Vec<_>>()
        };
        let list = |names: &[&'static str]| [vec![LIMIT, CURSOR], only(names)].concat();
        match self {
            Self::Usage => {
                let about = "Of this alone; empty for what has none.";
                let group = |name: &&'static str| Parameter { name, about, kind: Kind::Group };
                [vec![FROM, TO, TZ, GROUP_BY], ONLY.iter().map(group).collect()].concat()
            }
            Self::Audit => [vec![LIMIT, CURSOR, FROM, TO], only(&["object", "actor"])].concat(),
            Self::Keys(Verb::List) => list(&["team_id", "user_id", "organisation_id", "name"]),
            Self::Groups(_, Verb::List) => list(&["organisation_id", "name"]),
            Self::Budgets(Verb::List) => list(&["scope"]),
            Self::Limits(Verb::List) => list(&[]),
            Self::Keys(_) | Self::Groups(..) | Self::Budgets(_) | Self::Limits(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_governance::report::GroupBy;

    #[test]
    fn what_is_not_known_is_refused_and_what_is_known_is_listed() {
        let check = |query: &str, param: Option<&str>, says: &str| {
            let found = check(Some(query), &Action::Audit.parameters());
            match (found, param) {
                (Ok(()), None) => {}
                (Err(error), Some(param)) => {
                    assert_eq!(error.param.as_deref(), Some(param), "{query}: {error}");
                    assert!(error.message.contains(says), "{query}: {error}");
                }
                (found, _) => panic!("{query}: {found:?}"),
            }
        };
        check("", None, "");
        check("&&", None, "");
        check("limit=5&from=2026-11-21&object=team:a", None, "");
        check("from=2026-11-21T00:00:00%2B01:00", None, "");
        check("from=2026-11-21T00:00:00+01:00", None, "");
        check("key=x", Some("key"), "known are limit, cursor, from, to, object, actor");
        check("%6Bey=x", Some("key"), "known are");
        check("limit=5&limit=6", Some("limit"), "twice");
        check("limit=0", Some("limit"), "1 to 1000");
        check("limit", Some("limit"), "1 to 1000");
        check("object=", Some("object"), "needs a value");
        check("from=noon", Some("from"), "RFC 3339");
        let error = super::check(Some("a=1"), &[]).unwrap_err();
        assert!(error.message.contains("none is taken"), "{error}");
    }

    #[test]
    fn a_report_is_narrowed_to_whatever_it_is_divided_by() {
        let names: Vec<_> = GroupBy::ALL.iter().flat_map(|by| by.names()).copied().collect();
        assert_eq!(ONLY[..], names);
    }
}
