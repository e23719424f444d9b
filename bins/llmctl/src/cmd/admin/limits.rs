//! `llmctl limits`: of everything, tags and models, whoever asks. Those of keys and groups are among their terms.

use http::Method;
use serde_json::{Map, Value};

use super::keys::done;
use super::{Admin, Query, encoded, show_list, show_one, text};
use crate::args::{LimitsCommand, OneArgs};
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Carries a command out.
pub(crate) async fn limits(command: &LimitsCommand, out: &mut Output) -> Result<Exit, Failure> {
    match command {
        LimitsCommand::List(list) => {
            let items = Admin::at(&list.at).await?.list("/limits", &Query::default(), list.limit).await?;
            show_list(list, &items, table(), out)?;
        }
        LimitsCommand::Show(one) => show_one(&order(one, Method::GET).await?, out)?,
        LimitsCommand::Set { scope, rpm, tpm, parallel, clear, at } => {
            let named = [("rpm", *rpm), ("tpm", *tpm), ("parallel", parallel.map(u64::from))];
            let given = named.into_iter().filter_map(|(name, count)| Some((name.to_owned(), count?.into())));
            let lifted = clear.iter().map(|name| (name.clone(), Value::Null));
            let set = set(&Admin::at(at).await?, scope, given.chain(lifted).collect()).await?;
            show_one(&set, out)?;
        }
        LimitsCommand::Delete(one) => done(&order(one, Method::DELETE).await?, "deleted", out)?,
    }
    Ok(Exit::Ok)
}

/// Changes the limits of somebody who has some, else makes them.
async fn set(admin: &Admin, scope: &str, mut body: Map<String, Value>) -> Result<Value, Failure> {
    let path = format!("/limits/{}", encoded(scope));
    match admin.get(&path).await {
        Ok(_) => admin.call(Method::PATCH, &path, Some(&body.into())).await,
        Err(Failure::Call(error)) if error.code.as_deref() == Some("limits_not_found") => {
            body.insert("scope".to_owned(), scope.into());
            admin.call(Method::POST, "/limits", Some(&body.into())).await
        }
        Err(other) => Err(other),
    }
}

async fn order(one: &OneArgs, method: Method) -> Result<Value, Failure> {
    Admin::at(&one.at).await?.call(method, &format!("/limits/{}", encoded(&one.id)), None).await
}

fn table() -> ([&'static str; 4], impl Fn(&Value) -> [String; 4]) {
    let row = |limits: &Value| ["/scope", "/rpm", "/tpm", "/parallel"].map(|member| text(limits, member));
    (["SCOPE", "RPM", "TPM", "PARALLEL"], row)
}
