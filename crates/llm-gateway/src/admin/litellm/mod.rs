//! The routes of LiteLLM's proxy that tools already speak: `/key/…`, `/team/…`, `/spend/logs`, in its shapes.
//!
//! They are another spelling of the admin API: a body is put into its words, checked by its forms, and faults are
//! told in the words of whoever asked. What LiteLLM has and this gateway has not is a clear 400 where it would
//! matter, never silence. A key is named by its secret, by the secret's SHA-256 or by its id; its `token` is the SHA-256.

mod body;
mod budget;
mod key;
mod shape;
mod spend;
mod team;

use http::Response;
use llm_admin::keys::Stand;
use llm_types::Result;

use super::Visit;
use crate::body::ClientBody;

/// One of the routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lite {
    KeyGenerate,
    KeyInfo,
    KeyUpdate,
    KeyDelete,
    KeyBlock,
    KeyUnblock,
    KeyList,
    TeamNew,
    TeamInfo,
    SpendLogs,
}

pub(super) async fn run(visit: &Visit<'_>, what: Lite) -> Result<Response<ClientBody>> {
    match what {
        Lite::KeyGenerate => key::generate(visit).await,
        Lite::KeyInfo => key::info(visit).await,
        Lite::KeyUpdate => key::update(visit).await,
        Lite::KeyDelete => key::delete(visit).await,
        Lite::KeyBlock => key::stands(visit, Stand::Blocked).await,
        Lite::KeyUnblock => key::stands(visit, Stand::Good).await,
        Lite::KeyList => key::list(visit).await,
        Lite::TeamNew => team::new(visit).await,
        Lite::TeamInfo => team::info(visit).await,
        Lite::SpendLogs => spend::logs(visit).await,
    }
}
