//! Letting a request in: what its caller may call, how often, and on whose account.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use llm_governance::{Facts, Grant, RowCache, RowOwner};
use llm_types::{ApiError, ErrorKind, Op, Result};
use smallvec::SmallVec;

use crate::dispatch::Dispatch;
use crate::front::Front;
use crate::principal::{Principal, Right};
use crate::respond::Failed;
use crate::ticket::{Account, Ticket};

/// Words that a request's cost is booked under, beside its key's own.
pub(crate) static TAGS: HeaderName = HeaderName::from_static("x-gateway-spend-tags");
/// The most of them, and the longest, in bytes.
const MOST_TAGS: usize = 16;
const LONGEST_TAG: usize = 128;

/// How long an answer is taken to be where nothing bounds it, in tokens: most are shorter. The model's own limit would
/// let in one request at a time.
pub(crate) const USUAL_ANSWER: u64 = 1_000;

/// What a request asks for, as far as its caller may be kept from it.
struct Entry<'r> {
    model: &'r str,
    /// The model's own name, where the client calls it by another: nobody leaves its limits and budgets by that.
    alias_of: Option<&'r str>,
    route: String,
    tags: SmallVec<[Arc<str>; 2]>,
    tokens: u64,
}

impl Entry<'_> {
    fn facts(&self) -> Facts<'_> {
        let Self { model, alias_of, route, tags, tokens } = self;
        Facts { model, alias_of: *alias_of, route, tags, tokens: *tokens, bound: None }
    }
}

impl Dispatch {
    /// Lets the request in and opens its account, where nothing has to be waited for; `None`: limits are shared.
    ///
    /// # Errors
    /// 403 for what the caller may not call, 429 for limits.
    pub(crate) fn admit_here(&self, front: &Front) -> Result<Option<Ticket>, Failed> {
        if self.gateway.governance().is_idle_for(&self.principal.who) {
            return Ok(Some(Ticket::free()));
        }
        let entry = self.entry(front)?;
        let entered = self.gateway.governance().enter_here(&self.principal.who, &entry.facts());
        let grant = entered.transpose().map_err(Failed::refused)?;
        Ok(grant.map(|grant| self.ticket(&entry, grant)))
    }

    /// As [`admit_here`](Self::admit_here), waiting for shared limits.
    ///
    /// # Errors
    /// As that; 503 where they do not answer.
    pub(crate) async fn admit(&self, front: &Front) -> Result<Ticket, Failed> {
        let entry = self.entry(front)?;
        let entered = self.gateway.governance().enter(&self.principal.who, &entry.facts()).await;
        Ok(self.ticket(&entry, entered.map_err(Failed::refused)?))
    }

    fn entry(&self, front: &Front) -> Result<Entry<'_>, Failed> {
        let who = &self.principal.who;
        let tags = tags(&self.principal, self.told(&TAGS))?;
        let model = &*self.peek.model;
        if let Some((member, name)) = self.named_fallbacks().find(|(_, name)| !who.may_call(name)) {
            let message = format!("this key may not fall back to `{name}`: it may not call that model");
            let error = ApiError::new(ErrorKind::Permission, message).with_param(member);
            return Err(error.with_code("model_not_allowed").into());
        }
        let tokens = if self.asked.op == Op::CountTokens { 0 } else { self.expected_tokens() };
        let alias_of = Some(&*self.model).filter(|own| *own != model);
        Ok(Entry { model, alias_of, route: front.route(), tags, tokens })
    }

    fn ticket(&self, entry: &Entry<'_>, grant: Option<Grant>) -> Ticket {
        let who = &self.principal.who;
        let account = Account {
            governance: Arc::clone(self.gateway.governance()),
            prices: Arc::clone(&self.snapshot.prices),
            request_id: Arc::clone(&self.request_id),
            model: entry.model.into(),
            who: RowOwner::from(who),
            tags: who.tags().iter().chain(&entry.tags).cloned().collect(),
            body: self.text_length(&self.asking),
            cache: RowCache::Bypass,
        };
        Ticket::new(account, grant)
    }

    /// Tokens that limits count until the true number is known: of the prompt, and what the answer may have.
    fn expected_tokens(&self) -> u64 {
        let prompt = u64::try_from(self.text_length(&self.asking) / 4).unwrap_or(u64::MAX);
        let answer = self.asking.limit(self.codec, &self.asked);
        let answer = answer.unwrap_or_else(|| if answers(self.asked.op) { USUAL_ANSWER } else { 0 });
        prompt.saturating_add(answer)
    }
}

/// Whether what is asked for is answered in so many words that their number matters.
pub(crate) fn answers(op: Op) -> bool {
    matches!(op, Op::Chat | Op::Completion | Op::Messages | Op::Responses)
}

/// The words that a request's cost is booked under, beside its key's own.
///
/// # Errors
/// 400 for too many of them, or too long ones; 403 for those that are for others.
pub(crate) fn tags(principal: &Principal, told: Option<&HeaderValue>) -> Result<SmallVec<[Arc<str>; 2]>> {
    let Some(value) = told else { return Ok(SmallVec::new()) };
    let bad =
        |what: &str| ApiError::bad_request(format!("the header {TAGS} {what}")).with_param(TAGS.as_str());
    let text = value.to_str().map_err(|_| bad("must be visible ASCII"))?;
    let tags: SmallVec<[Arc<str>; 2]> =
        text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(Arc::from).collect();
    if tags.len() > MOST_TAGS || tags.iter().any(|tag| tag.len() > LONGEST_TAG) {
        return Err(bad("may hold 16 words of 128 bytes each, with commas between them"));
    }
    let all = matches!(principal.right, Right::Master | Right::Open);
    if let Some(tag) = tags.iter().find(|tag| !all && !principal.who.may_mark(tag)) {
        let message = format!(
            "this key may not mark requests with `{tag}`: that has a budget or limits, and is none of the key's tags"
        );
        let error = ApiError::new(ErrorKind::Permission, message).with_param(TAGS.as_str());
        return Err(error.with_code("tag_not_allowed"));
    }
    Ok(tags)
}
