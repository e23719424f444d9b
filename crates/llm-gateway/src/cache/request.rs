//! Which requests are looked up, and under what.
//!
//! The key holds whatever decides about the answer: for whom it is kept, the route's dialect and operation, the model
//! and who stands behind it, the headers and the query that reach the provider, and the body. A request has none
//! when it wants a stream, when it goes on from something that one account keeps, or asks for more than an answer.

use std::sync::Arc;

use http::header::CACHE_CONTROL;
use llm_cache::{Directives, Key, KeyBuilder, Owner};
use llm_providers::bearing::Bearing;
use llm_providers::codec::ReplyForm;
use llm_providers::dialect;
use llm_types::{Call, Head, Op};

use super::{Answers, Open};
use crate::dispatch::Dispatch;

/// Our own headers that say who may answer.
const CHOICE: [&str; 2] = ["x-gateway-tags", "x-gateway-region"];

impl Open {
    /// What a request is looked up under; `None`: it goes past the cache.
    pub(super) fn of(dispatch: &mut Dispatch, answers: Arc<Answers>) -> Option<Self> {
        let control = dispatch.asked.headers.get_all(CACHE_CONTROL);
        let directives = Directives::read(control.iter().filter_map(|value| value.to_str().ok()));
        let (may_read, may_keep) = (directives.may_read(), directives.may_keep());
        if !(may_read || may_keep) || !is_plain(dispatch) || !is_cool(dispatch, &answers) {
            return None;
        }
        let codec = dialect::client(dispatch.asked.dialect?)?;
        let key = key(dispatch, &answers)?;
        Some(Self { answers, key, directives, op: dispatch.asked.op, codec })
    }
}

/// Whether a request wants an answer that depends on nothing but itself, and nothing else.
fn is_plain(dispatch: &Dispatch) -> bool {
    let whole = match dispatch.asked.op {
        Op::Chat
        | Op::Messages
        | Op::Responses
        | Op::Completion
        | Op::CountTokens
        | Op::Embed
        | Op::Rerank
        | Op::Moderate => !dispatch.peek.stream,
        Op::Image
        | Op::ImageEdit
        | Op::ImageVariation
        | Op::Speech
        | Op::Transcribe
        | Op::Translate
        | Op::Batch
        | Op::Realtime => false,
    };
    let Bearing { effects, .. } = dispatch.codec.bearing();
    whole
        // Guards may see to it that two callers get two answers.
        && dispatch.snapshot.guards.is_empty()
        && !dispatch.is_kept
        && dispatch.limit.owner.is_none()
        // Something was taken out already, which another request may not have had.
        && dispatch.left_out.is_empty()
        && !effects.iter().any(|name| asks_for(&dispatch.asking.head, name))
}

fn asks_for(head: &Head, name: &str) -> bool {
    head.get(name).is_some_and(|json| json != b"null" && json != b"false")
}

/// Whether the configuration takes the temperature of a conversation. Only where it says something about it does the
/// request have to be read.
fn is_cool(dispatch: &mut Dispatch, answers: &Answers) -> bool {
    if answers.cache.policy().max_temperature.is_none() {
        return true;
    }
    match dispatch.call() {
        Ok(Call::Chat(request)) => answers.cache.takes_temperature(request.sampling.temperature),
        Ok(Call::CountTokens(_) | Call::Embed(_) | Call::Rerank(_) | Call::Moderate(_)) => true,
        Ok(Call::Transcribe(_) | Call::Speak(_) | Call::Image(_)) => false,
        // It is refused where it is read for good.
        Err(_) => false,
    }
}

fn key(dispatch: &Dispatch, answers: &Answers) -> Option<Key> {
    let Dispatch { snapshot, asked, codec, principal, peek, asking, group, star, .. } = dispatch;
    // Whoever has the master key, and whoever needs no key, share theirs.
    let id = principal.who.key_id().map(|id| id.to_string());
    let owner = Owner {
        key: id.as_deref(),
        team: principal.who.team().map(|team| &**team),
        user: principal.who.user().map(|user| &**user),
    };
    let tenant = answers.cache.policy().scope.tenant(owner);
    let form = match peek.form {
        ReplyForm::Usual => "usual",
        ReplyForm::List => "list",
    };
    let mut key = KeyBuilder::new(&tenant, asking.head.body().len())
        .part("front", asked.dialect?.name().as_bytes())
        .part("operation", asked.op.name().as_bytes())
        .part("form", form.as_bytes())
        .part("group", group.name.as_bytes())
        .part("star", star.as_deref().unwrap_or_default().as_bytes())
        // Some answers repeat the name that was asked for.
        .part("model", peek.model.as_bytes())
        .part("query", asked.query.as_deref().unwrap_or_default().as_bytes())
        .part("strict", &[u8::from(snapshot.strict)]);
    // Other deployments, or other settings of one, give other answers.
    for deployment in group.deployments.iter() {
        key = key
            .part("deployment", deployment.id.as_bytes())
            .part("settings", &deployment.fingerprint.to_le_bytes());
    }
    let Bearing { aside, headers, effects: _ } = codec.bearing();
    for name in headers.iter().chain(&CHOICE) {
        for value in asked.headers.get_all(*name) {
            key = key.part(name, value.as_bytes());
        }
    }
    // In strict mode also what would change nothing can be refused.
    let aside = if snapshot.strict { &[] } else { aside };
    let aside: smallvec::SmallVec<[&str; 12]> = ["model"].iter().chain(aside).copied().collect();
    key.request(&asking.head, &aside).ok()
}
