//! The database of a gateway, administered without the gateway.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http::Method;
use llm_admin::{Action, Answer, Configured, Registry, Visit};
use llm_config::{Config, Env, Known};
use llm_governance::{Directory, Gate};
use llm_store::{SqlReports, SqlStore};
use llm_types::{ApiError, ErrorKind, Result};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::exit::Failure;
use crate::known;

/// Who acts, for the audit log.
const ACTOR: &str = "llmctl";

/// A database that is administered: a gateway that runs on it takes changes over as it does another gateway's.
#[derive(Debug)]
pub(crate) struct Database {
    store: SqlStore,
    registry: Registry,
    /// What the configuration file defines, where one was named.
    config: Option<Config>,
    /// Set when everybody is read.
    loaded: OnceCell<()>,
}

impl Database {
    /// The database at this address, `sqlite:FILE` or `postgres://…`.
    pub(crate) async fn at(url: &str) -> std::result::Result<Self, Failure> {
        Self::open(url, None).await
    }

    /// The database that a configuration names in `[store]`.
    pub(crate) async fn of(file: &Path, env: &dyn Env) -> std::result::Result<Self, Failure> {
        let known = Known { providers: &known::providers() };
        let (config, _) = Config::load(file, env, known).map_err(|report| Failure::Usage(report.into()))?;
        let store = config.store.as_ref().map(|store| store.url.clone());
        let url =
            store.with_context(|| format!("{} has no [store]", file.display())).map_err(Failure::Usage)?;
        Self::open(url.expose(), Some(config)).await
    }

    async fn open(url: &str, config: Option<Config>) -> std::result::Result<Self, Failure> {
        // Opened, it would be made, and a mistyped name would look like a gateway without keys.
        if let Some(file) = llm_config::store_file(url)
            && !Path::new(file).exists()
        {
            return Err(Failure::Usage(anyhow!("there is no database `{file}`: a gateway makes it")));
        }
        let store = SqlStore::open(url).await.map_err(|error| {
            let kind =
                if llm_config::store_file(url).is_some() { ErrorKind::Api } else { ErrorKind::Connection };
            ApiError::new(kind, error.to_string()).with_source(error)
        })?;
        let gate = Gate::new(Arc::new(Directory::leasing()));
        let reports = Arc::new(SqlReports::reading(store.clone()));
        let registry = Registry::kept(gate, Arc::new(store.clone()), reports);
        Ok(Self { store, registry, config, loaded: OnceCell::new() })
    }

    /// Reads everybody, once.
    async fn load(&self) -> Result<()> {
        let load = async || -> Result<()> {
            self.registry.load(&self.store).await.map_err(llm_admin::refused)?;
            let Some(config) = &self.config else { return Ok(()) };
            let configured = Configured::of(config).map_err(llm_admin::refused)?;
            self.registry.configure(configured).map_err(llm_admin::refused)
        };
        self.loaded.get_or_try_init(load).await.copied()
    }

    /// What a gateway would answer to this call of its admin API; `path` is below that.
    pub(crate) async fn call(&self, method: &Method, path: &str, body: Bytes) -> Result<Value> {
        let path = format!("/admin/v1{path}");
        let (path, query) = path.split_once('?').map_or((&*path, None), |(path, query)| (path, Some(query)));
        let Some((action, id)) = llm_admin::find(method, path) else {
            return Err(ApiError::new(ErrorKind::NotFound, format!("{method} {path} needs a gateway")));
        };
        if !matches!(action, Action::Usage | Action::Audit) {
            self.load().await?;
        }
        let visit = Visit { registry: &self.registry, id, query, body, by: ACTOR.to_owned() };
        let answer = visit.run(action).await;
        if let (Err(error), Some(word)) = (&answer, action.word()) {
            let object = |id: &str| match id {
                "" => action.kind().to_owned(),
                id => format!("{}:{id}", action.kind()),
            };
            visit.log(word, object, Some(error)).await;
        }
        let Answer { status: _, body } = answer?;
        serde_json::from_slice(&body).map_err(|error| ApiError::new(ErrorKind::Api, error.to_string()))
    }
}
