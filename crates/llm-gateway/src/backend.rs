//! What a deployment calls: one model, or whichever model takes the place of a `*`.

use std::collections::HashMap;
use std::sync::Arc;

use llm_providers::table::ProviderTable;
use llm_providers::target::{Target, TargetOptions};
use llm_types::{ApiError, ErrorKind, Result};
use parking_lot::RwLock;

use crate::assemble::Env;
use crate::respond::Labels;
use crate::worst::price;

/// How many models a wildcard remembers the way to; further ones are worked out each time.
const REMEMBERED: usize = 1024;
/// The longest name of a model that is remembered, in bytes.
const REMEMBERED_NAME: usize = 256;

/// What a deployment calls.
#[derive(Debug, Clone)]
pub(crate) struct Backend {
    calls: Calls,
    /// The provider's name.
    pub(crate) provider: Arc<str>,
    /// Its names in headers.
    pub(crate) labels: Labels,
    /// Whether its one model searches without being asked to.
    searches: bool,
}

#[derive(Debug, Clone)]
enum Calls {
    /// Always the same model.
    Model(Arc<Target>),
    /// The model that a request names in place of the `*`.
    Wildcard(Arc<Wildcard>),
    /// Nothing: no call can go out.
    Nothing(ApiError),
}

#[derive(Debug)]
struct Wildcard {
    options: TargetOptions,
    table: Arc<ProviderTable>,
    env: Env,
    known: RwLock<HashMap<Box<str>, Arc<Target>>>,
}

impl Backend {
    /// A backend that calls what `options` say. It is made also when no call can go out: the error is told
    /// to whoever tries.
    pub(crate) fn new(id: &str, options: TargetOptions, table: &Arc<ProviderTable>, env: Env) -> Self {
        let spec = llm_providers::name::resolve(table, &options.model).map(|(spec, _)| spec);
        let provider = spec.as_ref().map_or_else(|_| "unknown".into(), |spec| Arc::from(spec.name.as_str()));
        let labels = Labels::new(&provider, id);
        let calls = if options.model.contains('*') {
            let wildcard =
                Wildcard { options, table: Arc::clone(table), env, known: RwLock::new(HashMap::new()) };
            Calls::Wildcard(Arc::new(wildcard))
        } else {
            match Target::new(&options, table, &env) {
                Ok(target) => Calls::Model(Arc::new(target)),
                Err(error) => Calls::Nothing(error),
            }
        };
        let searches = match &calls {
            Calls::Model(target) => price::searches_unasked(&provider, target.model()),
            Calls::Wildcard(_) | Calls::Nothing(_) => false,
        };
        Self { calls, provider, labels, searches }
    }

    /// Whether a model of it searches as often as it likes without being asked to, and each search is paid.
    pub(crate) fn searches_unasked(&self, target: &Target) -> bool {
        match &self.calls {
            Calls::Model(_) => self.searches,
            Calls::Wildcard(_) | Calls::Nothing(_) => price::searches_unasked(&self.provider, target.model()),
        }
    }

    /// Why no call can go out, if none can.
    pub(crate) fn fault(&self) -> Option<&ApiError> {
        match &self.calls {
            Calls::Nothing(error) => Some(error),
            Calls::Model(_) | Calls::Wildcard(_) => None,
        }
    }

    /// Whether the model is one that requests name in place of a `*`.
    pub(crate) fn is_wildcard(&self) -> bool {
        matches!(self.calls, Calls::Wildcard(_))
    }

    /// A model to ask when none is named: what takes the place of the `*` to make one that the provider is known
    /// to have.
    pub(crate) fn sample(&self) -> Option<String> {
        let Calls::Wildcard(wildcard) = &self.calls else { return None };
        let (head, tail) = wildcard.options.model.split_once('*')?;
        let (spec, _) = llm_providers::name::resolve(&wildcard.table, &wildcard.options.model).ok()?;
        let prefix = head.split_once('/').map_or("", |(prefix, _)| prefix);
        let full = spec.models.iter().map(|model| match prefix {
            "" => model.clone(),
            prefix => format!("{prefix}/{model}"),
        });
        let mut stars = full.filter_map(|name| Some(name.strip_prefix(head)?.strip_suffix(tail)?.to_owned()));
        stars.next()
    }

    /// A number that changes with every setting.
    pub(crate) fn fingerprint(&self) -> u64 {
        match &self.calls {
            Calls::Model(target) => target.fingerprint(),
            Calls::Wildcard(wildcard) => {
                wildcard.target("*").map(|target| target.fingerprint()).unwrap_or_default()
            }
            Calls::Nothing(_) => 0,
        }
    }

    /// A number for the account that calls are made with, whatever the model; `None`: none can go out.
    pub(crate) fn account(&self) -> Option<u64> {
        self.target(Some("*")).ok().map(|target| target.account())
    }

    /// Where a call goes; `star` is what the `*` of the model's name stands for.
    ///
    /// # Errors
    /// When no call can go out, e.g. because there is no key.
    pub(crate) fn target(&self, star: Option<&str>) -> Result<Arc<Target>> {
        match (&self.calls, star) {
            (Calls::Model(target), _) => Ok(Arc::clone(target)),
            (Calls::Nothing(error), _) => Err(error.clone()),
            (Calls::Wildcard(wildcard), Some(star)) => wildcard.target(star),
            (Calls::Wildcard(_), None) => {
                Err(ApiError::new(ErrorKind::NotFound, "name a model in place of the `*`"))
            }
        }
    }
}

impl Wildcard {
    fn target(&self, star: &str) -> Result<Arc<Target>> {
        if let Some(target) = self.known.read().get(star) {
            return Ok(Arc::clone(target));
        }
        let model = self.options.model.replacen('*', star, 1);
        let options = TargetOptions { model, ..self.options.clone() };
        let target = Arc::new(Target::new(&options, &self.table, &self.env)?);
        let mut known = self.known.write();
        if known.len() < REMEMBERED && star.len() <= REMEMBERED_NAME {
            known.insert(star.into(), Arc::clone(&target));
        }
        Ok(target)
    }
}
