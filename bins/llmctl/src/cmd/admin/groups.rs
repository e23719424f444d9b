//! `llmctl teams`, `users` and `organisations`.

use http::Method;
use serde_json::Value;

use super::keys::{budgets, done};
use super::{Admin, Query, body, encoded, show_list, show_one, text};
use crate::args::{GroupsCommand, OneArgs};
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Carries a command out; `kind` is as the API calls the list.
pub(crate) async fn groups(kind: &str, command: &GroupsCommand, out: &mut Output) -> Result<Exit, Failure> {
    match command {
        GroupsCommand::List { list, organisation, name } => {
            let path = format!("/{kind}");
            let query =
                Query::default().and("organisation_id", organisation.as_deref()).and("name", name.as_deref());
            let items = Admin::at(&list.at).await?.list(&path, &query, list.limit).await?;
            show_list(list, &items, table(), out)?;
        }
        GroupsCommand::Create { id, terms, at } => {
            let mut body = body::terms(terms)?;
            if let Some(id) = id {
                body.insert("id".to_owned(), id.as_str().into());
            }
            let made =
                Admin::at(at).await?.call(Method::POST, &format!("/{kind}"), Some(&body.into())).await?;
            done(&made, "made", out)?;
        }
        GroupsCommand::Show(one) => show_one(&order(kind, one, Method::GET, "").await?, out)?,
        GroupsCommand::Update { id, terms, at } => {
            let path = format!("/{kind}/{}", encoded(id));
            let body = body::terms(terms)?.into();
            show_one(&Admin::at(at).await?.call(Method::PATCH, &path, Some(&body)).await?, out)?;
        }
        GroupsCommand::Delete(one) => done(&order(kind, one, Method::DELETE, "").await?, "deleted", out)?,
        GroupsCommand::Block(one) => done(&order(kind, one, Method::POST, "/block").await?, "blocked", out)?,
        GroupsCommand::Unblock(one) => {
            done(&order(kind, one, Method::POST, "/unblock").await?, "let in again", out)?;
        }
    }
    Ok(Exit::Ok)
}

async fn order(kind: &str, one: &OneArgs, method: Method, what: &str) -> Result<Value, Failure> {
    Admin::at(&one.at).await?.call(method, &format!("/{kind}/{}{what}", encoded(&one.id)), None).await
}

fn table() -> ([&'static str; 6], impl Fn(&Value) -> [String; 6]) {
    let header = ["ID", "NAME", "ORGANISATION", "MODELS", "BUDGETS", "STATE"];
    let row = |group: &Value| {
        let blocked = group.get("blocked") == Some(&Value::Bool(true));
        [
            text(group, "/id"),
            text(group, "/name"),
            text(group, "/organisation_id"),
            text(group, "/models"),
            budgets(group),
            if blocked { "blocked" } else { "good" }.to_owned(),
        ]
    };
    (header, row)
}
