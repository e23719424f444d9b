//! `llmctl keys`.

use http::Method;
use serde_json::{Value, json};

use super::{Admin, Query, body, encoded, show_list, show_one, text};
use crate::args::{KeysCommand, OneArgs};
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Carries a command out.
pub(crate) async fn keys(command: &KeysCommand, out: &mut Output) -> Result<Exit, Failure> {
    match command {
        KeysCommand::List { list, team, user, organisation, name } => {
            let query = Query::default()
                .and("team_id", team.as_deref())
                .and("user_id", user.as_deref())
                .and("organisation_id", organisation.as_deref())
                .and("name", name.as_deref());
            let keys = Admin::at(&list.at).await?.list("/keys", &query, list.limit).await?;
            show_list(list, &keys, table(), out)?;
        }
        KeysCommand::Create { key, at } => {
            let made = Admin::at(at).await?.call(Method::POST, "/keys", Some(&body::key(key)?)).await?;
            secret(&made, out)?;
        }
        KeysCommand::Show(one) => show_one(&order(one, Method::GET, "", None).await?, out)?,
        KeysCommand::Update { id, key, at } => {
            let path = format!("/keys/{}", encoded(id));
            let changed = Admin::at(at).await?.call(Method::PATCH, &path, Some(&body::key(key)?)).await?;
            show_one(&changed, out)?;
        }
        KeysCommand::Delete(one) => {
            let gone = order(one, Method::DELETE, "", None).await?;
            done(&gone, "deleted", out)?;
        }
        KeysCommand::Rotate { one, grace } => {
            let body = grace.as_ref().map(|grace| json!({"grace": grace}));
            let rotated = order(one, Method::POST, "/rotate", body.as_ref()).await?;
            secret(&rotated, out)?;
        }
        KeysCommand::Block(one) => {
            done(&order(one, Method::POST, "/block", None).await?, "blocked", out)?;
        }
        KeysCommand::Unblock(one) => {
            done(&order(one, Method::POST, "/unblock", None).await?, "let in again", out)?;
        }
    }
    Ok(Exit::Ok)
}

async fn order(one: &OneArgs, method: Method, what: &str, body: Option<&Value>) -> Result<Value, Failure> {
    Admin::at(&one.at).await?.call(method, &format!("/keys/{}{what}", encoded(&one.id)), body).await
}

fn table() -> ([&'static str; 9], impl Fn(&Value) -> [String; 9]) {
    let header = ["ID", "NAME", "HINT", "TEAM", "USER", "MODELS", "BUDGETS", "EXPIRES", "STATE"];
    let row = |key: &Value| {
        let ends = key.get("expires_at").and_then(Value::as_str).and_then(|time| time.parse().ok());
        let state = match ends.is_some_and(|ends: jiff::Timestamp| ends <= jiff::Timestamp::now()) {
            _ if key.get("blocked") == Some(&Value::Bool(true)) => "blocked",
            true => "expired",
            false => "good",
        };
        [
            text(key, "/id"),
            text(key, "/name"),
            text(key, "/hint"),
            text(key, "/team_id"),
            text(key, "/user_id"),
            text(key, "/models"),
            budgets(key),
            text(key, "/expires_at"),
            state.to_owned(),
        ]
    };
    (header, row)
}

/// `25.00/day,100.00/month`.
pub(super) fn budgets(owner: &Value) -> String {
    let list = owner.get("budgets").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let one = |budget: &Value| format!("{}/{}", text(budget, "/limit_usd"), text(budget, "/window"));
    list.iter().map(one).collect::<Vec<_>>().join(",")
}

/// A key with its secret: that alone is on standard output, so that it can be piped.
fn secret(key: &Value, out: &mut Output) -> Result<(), Failure> {
    if out.json {
        return out.json(key);
    }
    writeln!(out.err, "{}: keep the secret, it is not shown again", text(key, "/id"))?;
    Ok(writeln!(out.out, "{}", text(key, "/key"))?)
}

/// What became of something.
pub(super) fn done(answer: &Value, what: &str, out: &mut Output) -> Result<(), Failure> {
    match out.json {
        true => out.json(answer),
        false => Ok(writeln!(out.out, "{}: {what}", text(answer, "/id"))?),
    }
}
