//! Where a request meets the cache.
//!
//! A [`Visit`] is one request's business with it: what it is looked up under, what the headers say, and whether its
//! answer may be kept. Everything that could go wrong with a cache ends in a request that goes on without it.
//!
//! `request` says which requests have a key, `answer` which answers are good enough for the next one.

mod answer;
mod request;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::AGE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use llm_cache::{Cache, Directives, Entry, Found, Key, MemoryStore, Policy, Scope};
use llm_config::{CacheBackend, CacheScope};
use llm_governance::{RowCache, RowServed};
use llm_providers::codec::ClientCodec;
use llm_types::{Changes, Op};

use crate::body::ClientBody;
use crate::dispatch::{Answer, AnswerBody, Dispatch};
use crate::respond::{self, CHANGES, Labels, Served};

const HEADER: HeaderName = HeaderName::from_static("x-gateway-cache");

/// The cache of a configuration.
#[derive(Debug)]
pub(crate) struct Answers {
    cache: Cache,
    /// What it was made for: another size is another store.
    max_bytes: usize,
}

impl Answers {
    /// The cache that a configuration asks for. Answers that are there stay, unless there is to be another amount of
    /// them.
    pub(crate) fn of(config: &llm_config::Cache, previous: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        let llm_config::Cache { backend, ttl, max_bytes, max_answer, scope, max_temperature } = *config;
        let scope = match scope {
            CacheScope::Key => Scope::Key,
            CacheScope::Team => Scope::Team,
            CacheScope::Global => Scope::Global,
        };
        let policy = Policy { ttl, max_answer, scope, max_temperature };
        let cache = match backend {
            CacheBackend::Off => return None,
            CacheBackend::Memory => match previous.filter(|previous| previous.max_bytes == max_bytes) {
                Some(previous) => previous.cache.with_policy(policy),
                None => Cache::new(Arc::new(MemoryStore::new(max_bytes)), policy),
            },
        };
        Some(Arc::new(Self { cache, max_bytes }))
    }
}

/// One request's business with the cache.
#[derive(Debug)]
pub(crate) struct Visit {
    /// What the headers say; `None`: there is no cache.
    told: Option<&'static str>,
    open: Option<Box<Open>>,
}

/// A request that may be answered, or whose answer may be kept.
#[derive(Debug)]
struct Open {
    answers: Arc<Answers>,
    key: Key,
    directives: Directives,
    op: Op,
    /// Reads answers as this request's client gets them.
    codec: &'static dyn ClientCodec,
}

/// A kept answer.
#[derive(Debug)]
pub(crate) struct Hit {
    found: Found,
}

impl Visit {
    /// Works out under what a request is kept, before anything is sent.
    pub(crate) fn begin(dispatch: &mut Dispatch) -> Self {
        let Some(answers) = dispatch.snapshot.cache.clone() else { return Self { told: None, open: None } };
        Self { told: Some("bypass"), open: Open::of(dispatch, answers).map(Box::new) }
    }

    /// The answer to an equal request, if there is one that this request takes.
    pub(crate) async fn lookup(&mut self) -> Option<Hit> {
        let open = self.open.as_ref().filter(|open| open.directives.may_read())?;
        let found = open.answers.cache.get(&open.key, &open.directives, SystemTime::now()).await;
        let found = found.inspect_err(|error| tracing::warn!(%error, "the cache was not asked")).ok()?;
        self.told = Some(if found.is_some() { "hit" } else { "miss" });
        Some(Hit { found: found? })
    }

    /// What became of it, for the request's rows.
    pub(crate) fn row(&self) -> RowCache {
        match self.told {
            Some("hit") => RowCache::Hit,
            Some("miss") => RowCache::Miss,
            _ => RowCache::Bypass,
        }
    }

    /// Keeps an answer for the next one who asks, if it is good enough. The answer is looked at here; only the store
    /// is waited for.
    pub(crate) fn keep<'v>(&'v self, answer: &Answer) -> impl Future<Output = ()> + Send + use<'v> {
        let entry = self.entry(answer);
        async move {
            let Some((open, entry)) = entry else { return };
            if let Err(error) = open.answers.cache.put(open.key, &open.directives, entry).await {
                tracing::warn!(%error, "the answer was not kept");
            }
        }
    }

    /// What is kept of an answer; `None`: nothing.
    fn entry(&self, answer: &Answer) -> Option<(&Open, Entry)> {
        let open = &**self.open.as_ref()?;
        let AnswerBody::Whole(body, None) = &answer.body else { return None };
        // What another model said is not for those who ask when this one is well again.
        if answer.fallback.is_some() || !open.answers.cache.keeps(&open.directives, body.len()) {
            return None;
        }
        answer::is_good(open.op, open.codec, body).then(|| {
            let changes = answer.changes.header();
            (open, Entry::new(body, SystemTime::now()).with_notes(notes(&answer.labels, &changes)))
        })
    }

    /// Adds the header that tells what became of it.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Some(told) = self.told {
            headers.insert(HEADER, HeaderValue::from_static(told));
        }
    }
}

/// What is said with an answer whenever it is given.
fn notes<'n>(labels: &'n Labels, changes: &'n str) -> impl Iterator<Item = (&'static str, &'n str)> {
    let text = |value: &'n HeaderValue| value.to_str().unwrap_or_default();
    let notes = [
        ("provider", text(&labels.provider)),
        ("deployment", text(&labels.deployment)),
        ("changes", changes),
    ];
    notes.into_iter().filter(|(_, value)| !value.is_empty())
}

impl Hit {
    /// How old the answer is.
    pub(crate) fn age(&self) -> Duration {
        self.found.age
    }

    /// Who gave the answer when it came.
    pub(crate) fn served(&self, dispatch: &Dispatch) -> RowServed {
        let entry = &self.found.entry;
        let note =
            |name: &str| entry.notes().find(|(noted, _)| *noted == name).map_or("", |(_, value)| value);
        let id = note("deployment");
        let mut deployments = dispatch.group.deployments.iter();
        let target =
            deployments.find(|one| &*one.id == id).map(|one| one.target.target(dispatch.star.as_deref()));
        let model_asked: Arc<str> = dispatch.peek.model.as_str().into();
        RowServed {
            model: target
                .and_then(Result::ok)
                .map_or_else(|| Arc::clone(&model_asked), |target| Arc::clone(target.model_name())),
            model_asked,
            provider: note("provider").into(),
            deployment: id.into(),
        }
    }

    /// The answer, with what was said with it when it came: who gave it, and what of the request was lost.
    pub(crate) fn respond(self, model: &str, started: Instant) -> Response<ClientBody> {
        let age = self.age().as_secs();
        let entry = self.found.entry;
        let note =
            |name: &str| entry.notes().find(|(noted, _)| *noted == name).map_or("", |(_, value)| value);
        let labels = Labels::new(note("provider"), note("deployment"));
        let mut response = respond::json(StatusCode::OK, entry.body().clone());
        let headers = response.headers_mut();
        let overhead = started.elapsed();
        let changes = &Changes::default();
        Served { model, labels: &labels, fallback: None, attempts: 0, changes, overhead }.write(headers);
        if !note("changes").is_empty() {
            headers.insert(CHANGES, respond::visible(note("changes")));
        }
        headers.insert(AGE, HeaderValue::from(age));
        headers.insert(HEADER, HeaderValue::from_static("hit"));
        response
    }
}

#[cfg(test)]
mod tests;
