//! A tool as most providers can take it: a function with a schema.

use std::borrow::Cow;

use llm_types::chat::{Tool, ToolChoice, ToolKind};
use llm_types::{ApiError, Changes, Dialect, Extra, RawValue, Result};
use serde::Deserialize;

use super::anthropic::schema::{self, Input};
use super::custom;

/// What is offered.
#[derive(Debug)]
pub(super) enum Offer<'r, T> {
    /// A tool in the dialect's own words.
    Own(T),
    Function(Function<'r>),
}

/// A function, or what stands for one.
#[derive(Debug)]
pub(super) struct Function<'r> {
    pub(super) name: &'r str,
    pub(super) description: Option<&'r str>,
    /// Of an object, always.
    pub(super) parameters: Option<Cow<'r, RawValue>>,
    /// Whether calls have to keep to the schema, where the client says so.
    pub(super) strict: bool,
}

/// Where a tool is offered.
#[derive(Debug)]
pub(super) struct Offering<'c> {
    pub(super) dialect: Dialect,
    /// Why something is left out that has no counterpart.
    pub(super) no_counterpart: &'static str,
    /// Takes what is dropped or altered.
    pub(super) changes: &'c mut Changes,
}

impl Offering<'_> {
    /// A tool by its place in the request; `None`: it cannot be offered. Whether it is cached is left to the caller.
    ///
    /// # Errors
    /// When its schema is not an object, or a tool in the dialect's own words is none.
    pub(super) fn offer<'r, T: Deserialize<'r>>(
        &mut self,
        index: usize,
        tool: &'r Tool,
    ) -> Result<Option<Offer<'r, T>>> {
        let Tool { kind, cache: _, extra } = tool;
        self.leave_out(index, extra);
        Ok(Some(match kind {
            ToolKind::Hosted { dialect, kind: _, json } if *dialect == self.dialect => {
                Offer::Own(serde_json::from_str(json.get()).map_err(|error| {
                    ApiError::bad_request(format!("not a tool: {error}"))
                        .with_param(format!("tools[{index}]"))
                })?)
            }
            ToolKind::Hosted { dialect, kind, json: _ } => {
                let why = format!("`{kind}` is run by providers of the {dialect} dialect only");
                self.changes.dropped(format!("tools[{index}]"), why);
                return Ok(None);
            }
            ToolKind::Function { name, description, parameters, strict } => Offer::Function(Function {
                name,
                description: description.as_deref(),
                parameters: self.parameters(index, parameters.as_deref())?,
                strict: *strict == Some(true),
            }),
            ToolKind::Custom { name, description, format } => {
                self.changes.altered(format!("tools[{index}]"), "sent as a function with one text, `input`");
                if format.is_some() {
                    self.changes.dropped(format!("tools[{index}].custom.format"), self.no_counterpart);
                }
                let parameters = custom::schema().map(Cow::Owned);
                Offer::Function(Function {
                    name,
                    description: description.as_deref(),
                    parameters,
                    strict: false,
                })
            }
        }))
    }

    fn leave_out(&mut self, index: usize, extra: &Extra) {
        for (name, _) in extra.iter() {
            self.changes.dropped(format!("tools[{index}].{name}"), self.no_counterpart);
        }
    }

    /// The schema of a function's arguments, which must be there.
    fn parameters<'r>(
        &mut self,
        index: usize,
        parameters: Option<&'r RawValue>,
    ) -> Result<Option<Cow<'r, RawValue>>> {
        let Some(parameters) = parameters.filter(|raw| raw.get() != "null") else {
            return Ok(schema::empty_input().map(Cow::Owned));
        };
        let path = || format!("tools[{index}].function.parameters");
        let input = schema::input(parameters).map_err(|_| {
            ApiError::bad_request("a tool's parameters must be a JSON Schema object").with_param(path())
        })?;
        Ok(Some(match input {
            Input::AsItIs => Cow::Borrowed(parameters),
            Input::Completed(schema) => Cow::Owned(schema),
            Input::Wrapped(schema) => {
                self.changes.altered(path(), "not the schema of an object: sent under the member `values`");
                Cow::Owned(schema)
            }
        }))
    }
}

/// Whether the choice is among others: where no single one can be named, only it is offered.
pub(super) fn is_left_out(tool: &Tool, choice: Option<&ToolChoice>) -> bool {
    let named = |wanted: &str| tool.name() == Some(wanted);
    match choice {
        Some(ToolChoice::Function(name) | ToolChoice::Custom(name)) => !named(name),
        Some(ToolChoice::Allowed { names, required: _ }) => !names.iter().any(|name| named(name)),
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required) | None => false,
    }
}
