//! `llmctl audit`: who administered what.

use serde_json::Value;

use super::{Admin, Query, show_list, text};
use crate::args::AuditArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Shows the log, the newest first.
pub(crate) async fn audit(args: &AuditArgs, out: &mut Output) -> Result<Exit, Failure> {
    let AuditArgs { list, object, actor, from, to } = args;
    let query = Query::default()
        .and("object", object.as_deref())
        .and("actor", actor.as_deref())
        .and("from", from.as_deref())
        .and("to", to.as_deref());
    let entries = Admin::at(&list.at).await?.list("/audit", &query, list.limit).await?;
    let header = ["AT", "ACTOR", "ACTION", "OBJECT", "REFUSED"];
    let row = |entry: &Value| {
        ["/at", "/actor", "/action", "/object", "/refused"].map(|pointer| text(entry, pointer))
    };
    show_list(list, &entries, (header, row), out)?;
    Ok(Exit::Ok)
}
