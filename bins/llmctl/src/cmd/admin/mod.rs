//! What administers a gateway, or the database behind it: keys, groups, budgets, limits, usage, the audit
//! log.
//!
//! Answers are shown as they come with `--json`; tables show the members that people look for.

mod audit;
mod body;
mod budgets;
mod forecast;
mod groups;
mod keys;
mod limits;
mod usage;

use bytes::Bytes;
use http::Method;
use llm_config::ProcessEnv;
use llm_providers::transport::ReqwestTransport;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

pub(super) use audit::audit;
pub(super) use budgets::budgets;
pub(super) use groups::groups;
pub(super) use keys::keys;
pub(super) use limits::limits;
pub(super) use usage::usage;

use super::health::gateway;
use crate::args::{Kept, ListArgs};
use crate::ask::send;
use crate::exit::Failure;
use crate::input::database::Database;
use crate::input::gateway::Gateway;
use crate::output::Output;

/// How many items a page has.
const PAGE: usize = 500;

/// What is administered.
#[derive(Debug)]
enum Admin {
    /// A gateway, by its admin API.
    Gateway(Gateway, ReqwestTransport),
    /// A database, by the same calls in this process.
    Database(Box<Database>),
}

impl Admin {
    async fn at(kept: &Kept) -> Result<Self, Failure> {
        let Kept { at, database, config } = kept;
        Ok(match (database, config) {
            (Some(url), _) => Self::Database(Box::new(Database::at(url).await?)),
            (None, Some(file)) => Self::Database(Box::new(Database::of(file, &ProcessEnv).await?)),
            (None, None) => Self::Gateway(gateway(at)?, ReqwestTransport::new()?),
        })
    }

    /// Asks for something below the admin API.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        match self {
            Self::Gateway(gateway, transport) => {
                let url = format!("{}{path}", gateway.admin_base());
                Ok(send(gateway, transport, (method, &url), body).await?)
            }
            Self::Database(database) => Ok(database.call(&method, path, body).await?),
        }
    }

    async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::GET, path, None).await
    }

    /// The items of a list, page after page, at most so many.
    async fn list(&self, path: &str, query: &Query, most: usize) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = (most - items.len()).min(PAGE).to_string();
            let query = query.clone().and("limit", Some(&page)).and("cursor", cursor.as_deref());
            let mut answer = self.get(&format!("{path}{query}")).await?;
            if let Some(Value::Array(data)) = answer.get_mut("data").map(Value::take) {
                items.extend(data);
            }
            cursor = answer.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() || items.len() >= most {
                return Ok(items);
            }
        }
    }
}

/// The query of an address; names stand as they are.
#[derive(Debug, Clone, Default)]
struct Query(Vec<(String, String)>);

impl Query {
    fn and(mut self, name: &str, value: Option<&str>) -> Self {
        self.0.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }
}

impl std::fmt::Display for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (nth, (name, value)) in self.0.iter().enumerate() {
            let sign = if nth == 0 { '?' } else { '&' };
            write!(f, "{sign}{name}={}", encoded(value))?;
        }
        Ok(())
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Shows a list in the form that is asked for.
fn show_list<const N: usize>(
    list: &ListArgs,
    items: &[Value],
    (header, row): ([&str; N], impl Fn(&Value) -> [String; N]),
    out: &mut Output,
) -> Result<(), Failure> {
    if out.json {
        return out.json(&items);
    }
    let rows: Vec<_> = items.iter().map(row).collect();
    match list.csv {
        true => out.csv(&header, &rows),
        false => out.table(header, rows),
    }
}

/// A member as a person reads it.
fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let words =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
            words.collect::<Vec<_>>().join(",")
        }
        Some(other) => other.to_string(),
    }
}

/// An object, a member on each line.
fn show_one(value: &Value, out: &mut Output) -> Result<(), Failure> {
    if out.json {
        return out.json(value);
    }
    let mut rows = Vec::new();
    flat(value, "", &mut rows);
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, value) in rows {
        writeln!(out.out, "{name:width$}  {value}")?;
    }
    Ok(())
}

/// The members that are not empty, by their paths.
fn flat(value: &Value, path: &str, rows: &mut Vec<(String, String)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Null => {}
        Value::Object(members) => members.iter().for_each(|(name, value)| flat(value, &below(name), rows)),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().enumerate().for_each(|(nth, item)| flat(item, &format!("{path}[{nth}]"), rows));
        }
        Value::Array(items) if items.is_empty() => {}
        other => rows.push((path.to_owned(), text(other, ""))),
    }
}
