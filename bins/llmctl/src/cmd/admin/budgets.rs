//! `llmctl budgets`.

use http::Method;
use llm_types::PicoUsd;
use serde_json::{Value, json};

use super::keys::done;
use super::{Admin, Query, body, encoded, forecast, show_list, show_one, text};
use crate::args::{BudgetsCommand, OneArgs};
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Carries a command out.
pub(crate) async fn budgets(command: &BudgetsCommand, out: &mut Output) -> Result<Exit, Failure> {
    match command {
        BudgetsCommand::List { list, scope } => {
            let query = Query::default().and("scope", scope.as_deref());
            let items = Admin::at(&list.at).await?.list("/budgets", &query, list.limit).await?;
            show_list(list, &items, table(), out)?;
        }
        BudgetsCommand::Create { scope, budget, fallbacks, at } => {
            let mut body = body::budget(budget)?;
            body.insert("scope".to_owned(), scope.as_str().into());
            if !fallbacks.is_empty() {
                body.insert("fallbacks".to_owned(), json!(fallbacks));
            }
            let made = Admin::at(at).await?.call(Method::POST, "/budgets", Some(&body.into())).await?;
            done(&made, "made", out)?;
        }
        BudgetsCommand::Show(one) => show_one(&order(one, Method::GET).await?, out)?,
        BudgetsCommand::Update { id, limit_usd, fallbacks, at } => {
            let mut body = json!({});
            if let Some(limit) = limit_usd {
                body["limit_usd"] = limit.as_str().into();
            }
            if !fallbacks.is_empty() {
                body["fallbacks"] = json!(fallbacks);
            }
            let path = format!("/budgets/{}", encoded(id));
            show_one(&Admin::at(at).await?.call(Method::PATCH, &path, Some(&body)).await?, out)?;
        }
        BudgetsCommand::Delete(one) => done(&order(one, Method::DELETE).await?, "deleted", out)?,
        BudgetsCommand::Release(one) => {
            let path = format!("/budgets/{}/release_unknown", encoded(&one.id));
            let released = Admin::at(&one.at).await?.call(Method::POST, &path, None).await?;
            done(&released, &format!("{} USD released", text(&released, "/released_usd")), out)?;
            waiting(&released, out)?;
        }
        BudgetsCommand::Forecast { list, scope } => {
            let query = Query::default().and("scope", scope.as_deref());
            forecast::run(&Admin::at(&list.at).await?, list, &query, out).await?;
        }
    }
    Ok(Exit::Ok)
}

/// Says what is not released yet, and why.
fn waiting(released: &Value, out: &mut Output) -> Result<(), Failure> {
    let amount = text(released, "/waiting_usd");
    if amount.parse().is_ok_and(|amount: PicoUsd| amount > PicoUsd::ZERO) {
        let until = match text(released, "/waiting_until").as_str() {
            "" => "for server.request_timeout after its lease".to_owned(),
            until => format!("until {until}"),
        };
        writeln!(out.err, "{amount} USD not yet: a gateway that had leased it may be heard of {until}")?;
    }
    Ok(())
}

async fn order(one: &OneArgs, method: Method) -> Result<Value, Failure> {
    Admin::at(&one.at).await?.call(method, &format!("/budgets/{}", encoded(&one.id)), None).await
}

fn table() -> ([&'static str; 8], impl Fn(&Value) -> [String; 8]) {
    let header =
        ["ID", "LIMIT USD", "SPENT USD", "RESERVED USD", "UNKNOWN USD", "LEFT USD", "ENDS", "FALLBACKS"];
    let row = |budget: &Value| {
        [
            text(budget, "/id"),
            text(budget, "/limit_usd"),
            text(budget, "/spend/spent_usd"),
            text(budget, "/spend/reserved_usd"),
            text(budget, "/spend/unknown_usd"),
            text(budget, "/spend/left_usd"),
            text(budget, "/spend/end"),
            text(budget, "/fallbacks"),
        ]
    };
    (header, row)
}
