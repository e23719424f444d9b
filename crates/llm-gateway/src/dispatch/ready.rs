//! A call, written for one deployment.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use llm_providers::codec::{Asked, ClientCodec, EncodeCx, Memo, ReplyCx, ServerCodec, VectorsAsked};
use llm_providers::mark::Mark;
use llm_providers::target::Target;
use llm_providers::transport::RequestBody;
use llm_providers::{batch, dialect, mock};
use llm_router::Deployment;
use llm_types::{ApiError, Call, Changes, Dialect, ErrorKind, Head, Op, Output, Result};

use super::Dispatch;
use super::send::parts::{Parts, without_parts};
use crate::attempt::Attempt;
use crate::backend::Backend;
use crate::tokens;

/// What the client asks: its bytes, and the neutral form once somebody had to read them.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) head: Head,
    pub(crate) call: Option<Call>,
    /// The neutral form says something else than the bytes.
    pub(super) rewritten: bool,
    /// The longest answer that the client allows, in tokens, once somebody had to know.
    limit: OnceLock<Option<u64>>,
}

impl Default for Asking {
    fn default() -> Self {
        Self::new(Head::empty(), None)
    }
}

impl From<Head> for Asking {
    fn from(head: Head) -> Self {
        Self::new(head, None)
    }
}

impl Asking {
    fn new(head: Head, call: Option<Call>) -> Self {
        Self { head, call, rewritten: false, limit: OnceLock::new() }
    }

    /// The same bytes, with a neutral form that says something else.
    pub(super) fn rewritten(&self, call: Call) -> Self {
        Self { rewritten: true, ..Self::new(self.head.clone(), Some(call)) }
    }

    /// The longest answer that the client allows, in tokens.
    pub(crate) fn limit(&self, codec: &dyn ServerCodec, asked: &Asked) -> Option<u64> {
        *self.limit.get_or_init(|| codec.gist(&self.head, asked).max_output)
    }

    /// The request in the neutral form, read once.
    pub(crate) fn call(&mut self, codec: &dyn ServerCodec, asked: &Asked) -> Result<&mut Call> {
        if self.call.is_none() {
            self.call = Some(codec.decode_shared(self.head.body(), asked)?);
        }
        self.call.as_mut().ok_or_else(|| ApiError::new(ErrorKind::Internal, "the request was not read"))
    }
}

/// A call that can go to one deployment.
pub(super) struct Ready {
    pub(super) way: Way,
    pub(super) asks: Asks,
    pub(super) changes: Changes,
}

/// A call that is paid for: nothing else is sent.
pub(super) struct Paid {
    pub(super) ready: Ready,
    pub(super) attempt: Attempt,
}

/// How it is answered.
pub(super) enum Way {
    /// Here: by the built-in provider, or by an estimate.
    Here(Output),
    /// By a provider.
    Wire {
        codec: &'static dyn ClientCodec,
        request: Box<http::Request<RequestBody>>,
        memo: Memo,
        /// The answer goes through as it comes.
        pass: bool,
        /// What does not fit into the first request: asked beside it, and answered with it.
        more: Option<Box<Parts>>,
    },
}

/// Whom it asks, and what the answer's form depends on.
#[derive(Clone)]
pub(super) struct Asks {
    pub(super) target: Arc<Target>,
    /// What is spoken there.
    pub(super) dialect: Dialect,
    /// What ids of its answers carry, where they have to say who made them and for whom.
    pub(super) mark: Option<Arc<Mark>>,
    /// The deprecated form of tools.
    legacy: bool,
    /// How many vectors are to come, and how they are written; `None`: that is between client and provider.
    pub(super) vectors: Option<VectorsAsked>,
    /// The client's body.
    body: Bytes,
}

impl Asks {
    /// The client's body.
    pub(super) const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The model that an answer names, where it is another than was asked for.
    pub(super) fn served(&self, name: &str) -> Option<Arc<str>> {
        (name != self.target.model()).then(|| name.into())
    }
}

impl Dispatch {
    /// Writes the call for a deployment.
    pub(super) fn ready(
        &self,
        deployment: &Deployment<Backend>,
        star: Option<&str>,
        asking: &mut Asking,
    ) -> Result<Ready> {
        let op = self.asked.op;
        let target = deployment.target.target(star)?;
        let dialect = target.dialect_for(op, self.asked.dialect);
        let keepers = self.snapshot.owners.speaking(dialect);
        let seal = || self.snapshot.tenants.as_ref().map(|tenants| tenants.seal(&self.principal));
        let keepers = keepers.filter(|_| self.asked.dialect == Some(dialect));
        let mark = keepers.and_then(|keepers| keepers.mark(deployment, seal()));
        if op == Op::CountTokens && !target.spec().offers(op, target.model()) {
            let length = asking.head.body().len();
            let call = asking.call(self.codec, &self.asked)?;
            let count = tokens::count(target.model(), call, Some(length))?;
            let mut changes = Changes::default();
            if count.estimated {
                changes.altered("input_tokens", "estimated: the provider does not count tokens");
            }
            let output = Output::Tokens(count);
            let asks = self.asks((target, dialect, mark), asking);
            return Ok(Ready { way: Way::Here(output), asks, changes });
        }
        if op != Op::CountTokens {
            offered(op, &target).map_err(elsewhere)?;
        }
        let Some(codec) = dialect::client(dialect) else {
            self.check_bound(dialect, asking).map_err(elsewhere)?;
            let call = asking.call(self.codec, &self.asked)?;
            call.set_model(target.model());
            let mut changes = self.left_out.clone();
            mock::ignored(call, &mut changes);
            self.check_strict(&changes)?;
            let output = mock::output(call)?;
            let asks = Asks { vectors: self.vectors(asking), ..self.asks((target, dialect, mark), asking) };
            return Ok(Ready { way: Way::Here(output), asks, changes });
        };
        let (mut way, changes) = self.write(codec, dialect, &target, asking)?;
        if let Way::Wire { more: Some(parts), .. } = &mut way {
            parts.go_to(deployment);
        }
        let mut asks = self.asks((target, dialect, mark), asking);
        if matches!(way, Way::Wire { pass: false, .. }) {
            asks.vectors = self.vectors(asking);
        }
        Ok(Ready { way, asks, changes })
    }

    fn asks(&self, who: (Arc<Target>, Dialect, Option<Arc<Mark>>), asking: &Asking) -> Asks {
        let (target, dialect, mark) = who;
        let legacy = matches!(&asking.call, Some(Call::Chat(request)) if request.tooling.legacy);
        Asks { target, dialect, mark, legacy, vectors: None, body: asking.head.body().clone() }
    }

    /// The same of a call whose answer was to be passed on, and turns out to be in another form than was asked for.
    pub(super) fn anew(&self, asks: &Asks) -> Asks {
        let head = Head::scan(asks.body.clone()).ok();
        let vectors = head.and_then(|head| self.codec.vectors_asked(&head));
        Asks { vectors, ..asks.clone() }
    }

    /// What a request for vectors asks for.
    fn vectors(&self, asking: &Asking) -> Option<VectorsAsked> {
        match &asking.call {
            Some(Call::Embed(request)) => {
                Some(VectorsAsked { inputs: request.inputs.len(), encoding: request.encoding })
            }
            None if self.asked.op == Op::Embed => self.codec.vectors_asked(&asking.head),
            _ => None,
        }
    }

    /// Writes the call on the wire: the client's own bytes where both sides speak one dialect.
    fn write(
        &self,
        codec: &'static dyn ClientCodec,
        dialect: Dialect,
        target: &Target,
        asking: &mut Asking,
    ) -> Result<(Way, Changes)> {
        if let Some(most) = self.too_many(target, asking)? {
            let parts = batch::Split::Vectors(self.parts(asking, target.model(), most)?);
            return self.write_parts(codec, target, parts, self.left_out.clone());
        }
        if let Some((parts, changes)) = self.pictures(dialect, target, asking)? {
            return self.write_parts(codec, target, parts, changes);
        }
        let mut changes = self.left_out.clone();
        let spec = target.spec();
        let same =
            self.asked.dialect == Some(dialect) && self.snapshot.guards.is_empty() && !asking.rewritten;
        let mut cx = EncodeCx { spec, model: target.model(), asked: &self.asked, changes: &mut changes };
        let spliced = if same { codec.splice(&asking.head, &mut cx)? } else { None };
        let wire = match spliced {
            Some(wire) => wire,
            None => {
                changes = self.left_out.clone();
                self.check_bound(dialect, asking).map_err(elsewhere)?;
                let call = asking.call(self.codec, &self.asked)?;
                call.set_model(target.model());
                let mut cx =
                    EncodeCx { spec, model: target.model(), asked: &self.asked, changes: &mut changes };
                codec.encode(call, &mut cx).map_err(elsewhere)?
            }
        };
        self.check_strict(&changes)?;
        let memo = wire.memo.clone();
        let request = Box::new(target.request(wire)?.map(RequestBody::from));
        let pass = same && target.answers_verbatim(dialect) && !memo.rewrites() && !self.goes_on(dialect);
        Ok((Way::Wire { codec, request, memo, pass, more: None }, changes))
    }

    /// The most inputs that a provider takes of a request for vectors that holds more.
    fn too_many(&self, target: &Target, asking: &Asking) -> Result<Option<usize>> {
        let (spec, model) = (target.spec(), target.model());
        // What is shorter than its commas cannot hold so many, and nobody has to count.
        let most = spec.embed_inputs(model).filter(|most| asking.head.body().len() / 2 > *most);
        if self.asked.op != Op::Embed || most.is_none() {
            return Ok(None);
        }
        self.vectors(asking).map_or(Ok(None), |vectors| batch::most(vectors.inputs, spec, model))
    }

    /// A request for more pictures than their provider makes at once, in parts, and what is otherwise then.
    fn pictures(
        &self,
        dialect: Dialect,
        target: &Target,
        asking: &mut Asking,
    ) -> Result<Option<(batch::Split, Changes)>> {
        let (spec, model) = (target.spec(), target.model());
        let Some(most) = spec.max_images(dialect, model).filter(|_| self.asked.op.is_picture()) else {
            return Ok(None);
        };
        // A form says it to nobody but who reads all of it.
        let plain = asking.call.is_none() && !asking.head.members().is_empty();
        if plain && asking.head.read::<u32>("n")?.is_none_or(|n| n <= most) {
            return Ok(None);
        }
        let Call::Image(call) = asking.call(self.codec, &self.asked)? else { return Ok(None) };
        let Some(mut pictures) = batch::Pictures::of(call, spec, model)? else { return Ok(None) };
        let mut changes = self.left_out.clone();
        pictures.tell(&mut changes);
        Ok(Some((batch::Split::Pictures(pictures), changes)))
    }

    /// Writes the first part of a call, once it is known that all can be written.
    fn write_parts(
        &self,
        codec: &'static dyn ClientCodec,
        target: &Target,
        mut parts: batch::Split,
        mut changes: Changes,
    ) -> Result<(Way, Changes)> {
        let (spec, model) = (target.spec(), target.model());
        parts
            .try_each(|call| {
                let mut cx = EncodeCx { spec, model, asked: &self.asked, changes: &mut changes };
                codec.encode(call, &mut cx).map(drop)
            })
            .map_err(elsewhere)?;
        self.check_strict(&changes)?;
        let mut parts = Parts::new(codec, parts);
        let Some(first) = parts.next(target, &self.asked).transpose()? else {
            return Err(without_parts());
        };
        let (request, memo) = parts.begin(first);
        Ok((
            Way::Wire { codec, request: Box::new(request), memo, pass: false, more: Some(Box::new(parts)) },
            changes,
        ))
    }

    /// A request for vectors in parts. The body is what its inputs are read from, bit by bit, unless somebody has
    /// changed them: then the neutral form is.
    fn parts(&self, asking: &mut Asking, model: &str, most: usize) -> Result<batch::Parts> {
        if !asking.rewritten && self.snapshot.guards.is_empty() {
            // It can be read again.
            asking.call = None;
            if let Some(mut unread) = self.codec.vectors_unread(asking.head.body())? {
                model.clone_into(&mut unread.call.model);
                return Ok(batch::Parts::unread(unread, most));
            }
        }
        match asking.call(self.codec, &self.asked)?.clone() {
            Call::Embed(mut call) => {
                model.clone_into(&mut call.model);
                Ok(batch::Parts::new(call, most))
            }
            _ => Err(without_parts()),
        }
    }

    /// Refuses in strict mode what would be lost.
    fn check_strict(&self, changes: &Changes) -> Result<()> {
        if !self.snapshot.strict || !changes.any_dropped() {
            return Ok(());
        }
        let message = format!("strict mode refuses what would be lost: {}", changes.header());
        Err(elsewhere(ApiError::new(ErrorKind::UnsupportedParam, message)))
    }

    /// Refuses what only providers of the client's dialect can do, where the one that is asked speaks another.
    fn check_bound(&self, dialect: Dialect, asking: &Asking) -> Result<()> {
        if self.asked.dialect == Some(dialect) || self.codec.also(&asking.head).contains(&dialect) {
            return Ok(());
        }
        self.codec.bound(&asking.head)?.map_or(Ok(()), Err)
    }

    /// How the client wants its answer.
    pub(super) fn reply_cx(&self, asks: &Asks) -> ReplyCx {
        ReplyCx {
            include_usage: self.peek.include_usage,
            legacy_functions: asks.legacy,
            model: self.peek.model.clone(),
            id: self.request_id.to_string(),
            created: super::send::unix_now(),
            form: self.peek.form,
            vectors: asks.vectors.map(|asked| asked.encoding).unwrap_or_default(),
            upstream: Some(asks.dialect),
            op: Some(self.asked.op),
            request: asks.body.clone(),
            mark: asks.mark.clone(),
        }
    }
}

/// A refusal that is about this deployment: another one may be able to take the request.
pub(super) fn elsewhere(mut error: ApiError) -> ApiError {
    error.should_retry = Some(true);
    error
}

/// Refuses an operation that a provider does not offer.
fn offered(op: Op, target: &Target) -> Result<()> {
    let spec = target.spec();
    // A conversation can be had by several; which of them a model has is the row's business.
    let converses = |op: &Op| matches!(op, Op::Chat | Op::Completion | Op::Responses | Op::Messages);
    let talks = || op == Op::Chat && spec.operations.iter().any(converses);
    if talks() || spec.offers(op, target.model()) {
        return Ok(());
    }
    let (provider, model) = (target.provider(), target.model());
    let message = format!("{provider} offers no {op} for `{model}`: choose a model of a provider that does");
    Err(ApiError::bad_request(message).with_param("model"))
}
