//! What a call is, as far as its path and its body tell: read for access, limits and money, never changed.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use llm_providers::codec::{Asked, EncodeCx, OwnCall, ServerCodec};
use llm_providers::target::Target;
use llm_providers::{dialect, own_api};
use llm_types::{Call, Changes, Dialect, Head, Op, Usage};

use crate::front::{self, Front};

/// What is known of a call.
#[derive(Debug)]
pub(super) struct Reading {
    /// Our own front at this path: its dialect is that of the call.
    pub(super) front: Option<(&'static Front, &'static dyn ServerCodec)>,
    pub(super) asked: Asked,
    /// The body, where it is a JSON object.
    pub(super) head: Option<Head>,
    /// The model, as the provider calls it.
    pub(super) model: Option<String>,
    /// Whether it changes or makes anything.
    pub(super) acts: bool,
    /// What its provider's dialect knows of it, where it is no front's.
    own: Option<(Dialect, OwnCall)>,
    /// What of query or body would have the answer sent elsewhere, if it is sound.
    elsewhere: Option<&'static str>,
}

/// Whether a body is read whole: JSON is, so that what it asks for is known. Everything else goes on as it comes.
pub(super) fn is_read(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    match kind {
        Some(kind) => kind.starts_with(b"application/json"),
        None => *method == Method::POST && front::like(&own_api::plain_path(path)).is_some(),
    }
}

/// The model that a member of a body names.
fn named_in(head: &Head, member: &str) -> Option<String> {
    head.read::<String>(member).ok().flatten().filter(|model| !model.is_empty())
}

impl Reading {
    /// Reads what can be read.
    pub(super) fn of(
        method: &Method,
        (path, query): (&str, Option<&str>),
        headers: &HeaderMap,
        body: Option<&Bytes>,
    ) -> Self {
        // A name within the path may hold a slash of its own.
        let plain = own_api::plain_path(path);
        let found = front::like(path).or_else(|| front::like(&plain)).filter(|_| *method == Method::POST);
        let named = found.as_ref().map(|(_, named)| named.clone()).unwrap_or_default();
        let front = found.and_then(|(front, _)| Some((front, front.codec().ok()?)));
        let op = front.map_or(Op::Chat, |(front, _)| front.op);
        let asked = Asked {
            op,
            dialect: front.map(|(front, _)| front.dialect),
            model: named.model.as_ref().map(ToString::to_string),
            stream: named.stream,
            query: None,
            headers: headers.clone(),
            files: Vec::new(),
        };
        let head = body.filter(|body| !body.is_empty()).and_then(|body| Head::scan(body.clone()).ok());
        let acts = !matches!(*method, Method::GET | Method::HEAD | Method::DELETE);
        // The paths of our own fronts have no model, except where that was read.
        let is_theirs = acts && front.is_none();
        let in_path = || if is_theirs { own_api::model(path) } else { None };
        let in_body = || named_in(head.as_ref()?, "model");
        let in_query = || if is_theirs { own_api::model_in(&plain, query?) } else { None };
        let model = asked.model.clone().or_else(in_path).or_else(in_body).or_else(in_query);
        let model = model.filter(|model| !model.is_empty());
        let elsewhere = own_api::answered_elsewhere(query, head.as_ref());
        Self { front, asked, head, model, acts, own: None, elsewhere }
    }

    /// The same at a provider that speaks this dialect, and takes the model from this member where that is not `model`.
    pub(super) fn at(mut self, (spoken, member): (Dialect, Option<&str>), path: &str) -> Self {
        if let Some(member) = member.filter(|_| self.acts) {
            // What stands in `model` says nothing there.
            let in_path = own_api::model(path).filter(|_| self.front.is_none());
            self.model = in_path.or_else(|| named_in(self.head.as_ref()?, member));
        }
        let body = self.head.as_ref().map(|head| head.body().as_ref());
        let codec = dialect::client(spoken).filter(|_| self.acts && self.front.is_none());
        if let Some(own) = codec.and_then(|codec| codec.own(&own_api::plain_path(path), body)) {
            self.asked.op = own.op;
            self.model = own.model.clone().or(self.model);
            self.own = Some((spoken, own));
        }
        self
    }

    /// Whether it is about sound or pictures, which are not sold by the text that is sent.
    pub(super) fn is_media(&self) -> bool {
        self.asked.op.is_picture() || matches!(self.asked.op, Op::Transcribe | Op::Translate | Op::Speech)
    }

    /// What has its answer sent elsewhere.
    pub(super) fn elsewhere(&self) -> Option<&'static str> {
        self.elsewhere.filter(|_| self.acts && self.is_media())
    }

    /// Whether a stream is asked for, as far as path and body tell; of a path that is nobody's it may always be one.
    pub(super) fn streams(&self) -> bool {
        let told = || self.head.as_ref()?.read::<bool>("stream").ok().flatten();
        self.asked.stream.or_else(told).unwrap_or(self.front.is_none())
    }

    /// How many bytes of a prompt there are, for an estimate of what nobody counts.
    pub(super) fn prompt_bytes(&self) -> usize {
        match (&self.front, &self.head) {
            (Some(_), Some(head)) => head.body().len(),
            _ => 0,
        }
    }

    /// The longest answer that the caller allows, in tokens.
    pub(super) fn limit(&self) -> Option<u64> {
        let ((_, codec), head) = (self.front.as_ref()?, self.head.as_ref()?);
        codec.gist(head, &self.asked).max_output
    }

    /// Tokens that limits count until the true number is known.
    pub(super) fn expected_tokens(&self) -> u64 {
        if self.asked.op == Op::CountTokens {
            return 0;
        }
        let prompt = u64::try_from(self.prompt_bytes() / 4).unwrap_or(u64::MAX);
        prompt.saturating_add(self.limit().unwrap_or_default())
    }

    /// The call in the neutral form, where its dialect is known.
    pub(super) fn call(&self) -> Option<Call> {
        if let Some((_, own)) = &self.own {
            return own.call.clone();
        }
        let ((_, codec), head) = (self.front.as_ref()?, self.head.as_ref()?);
        codec.decode(head.body(), &self.asked).ok()
    }

    /// What an answer uses of which its provider says nothing, as far as the request tells: the characters of speech,
    /// the number of pictures.
    pub(super) fn implied(&self, target: &Target) -> Option<Usage> {
        let spoken = self.front.map(|(front, _)| front.dialect).or_else(|| Some(self.own.as_ref()?.0))?;
        if !(self.asked.op == Op::Speech || self.asked.op.is_picture()) {
            return None;
        }
        let (call, codec) = (self.call()?, dialect::client(spoken)?);
        let mut changes = Changes::default();
        let model = self.model.as_deref().unwrap_or_else(|| target.model());
        let mut cx = EncodeCx { spec: target.spec(), model, asked: &self.asked, changes: &mut changes };
        codec.encode(&call, &mut cx).ok()?.memo.used().cloned()
    }
}
