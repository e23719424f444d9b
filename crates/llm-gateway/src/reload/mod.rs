//! Another configuration while the gateway runs.
//!
//! A new file is read, checked and assembled to the end before anything changes; then one pointer is swapped.
//! Requests keep the snapshot they began with, and what was learned of deployments that did not change goes on
//! in the new one ([`crate::assemble::snapshot`]). A file that cannot be used changes nothing: the reason is
//! in the log, in `GET /admin/v1/config`, and `/health/ready` says that there is one.

mod file;
mod fixed;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwapOption;
use llm_admin::Deed;
use llm_config::{Config, Diagnostic, Report};
use llm_cost::Catalogue;
use llm_governance::report::AuditEntry;
use llm_providers::credential::process_env;
use llm_types::ApiError;
use parking_lot::Mutex;
use serde_json::json;

pub use self::file::{ConfigFile, Loaded};
pub(crate) use self::watch::watch;

use self::file::Marks;
use crate::assemble;
use crate::gateway::Gateway;
use crate::snapshot::Snapshot;

/// Where the configuration came from, and what became of later ones.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    /// `None`: the gateway was not started from a file.
    origin: Option<Origin>,
    state: ArcSwapOption<State>,
    /// One at a time: the file and an admin may ask at once.
    turn: Mutex<()>,
}

#[derive(Debug)]
struct Origin {
    file: ConfigFile,
    /// What the process began with: listener and client are made of it for good.
    started: Config,
}

/// How things stand with the configuration.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// What is in place.
    pub(crate) config: Arc<Config>,
    /// Counts the configurations that were in place, from 1.
    pub(crate) generation: u64,
    /// Since when it is.
    pub(crate) since: SystemTime,
    /// What is doubtful about it.
    pub(crate) warnings: Vec<Diagnostic>,
    /// The keys that have changed and wait for a restart.
    pub(crate) restart: Vec<&'static str>,
    /// Why the newest file is not in place, and when that was found.
    pub(crate) refused: Option<(SystemTime, ReloadError)>,
    marks: Marks,
}

/// Why a configuration is not used.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// There is no file.
    #[error("the gateway was not started from a file: start it with --config to be able to reload")]
    NoFile,
    /// The file is invalid.
    #[error("{0}")]
    Invalid(Report),
    /// Others could call without a key.
    #[error("auth.master_key must stay set: the gateway listens on {0}, where others can reach it")]
    Exposed(std::net::SocketAddr),
    /// The file says nothing, as one does that was cut short while it was written.
    #[error("the file is empty: the old configuration stays in place; write the whole file anew")]
    Empty,
    /// Whoever reaches the gateway could call without a key from now on.
    #[error("auth.master_key is gone from the file: restart the gateway to run it without keys")]
    Keyless,
    /// It cannot be put into effect.
    #[error("{0}")]
    Unusable(ApiError),
    /// The work did not end.
    #[error("the configuration was not read to its end: send SIGHUP to try again")]
    Broken,
}

/// What a reload has done.
#[derive(Debug, Clone, Default)]
pub struct Reloaded {
    /// Counts the configurations that were in place, from 1.
    pub generation: u64,
    /// Whether another configuration is in place now.
    pub changed: bool,
    /// The tables of the file that say something else.
    pub tables: Vec<&'static str>,
    /// Deployments by what became of them.
    pub deployments: Deployments,
    /// The keys that have changed and wait for a restart.
    pub restart: Vec<&'static str>,
    /// What is doubtful about the configuration.
    pub warnings: Vec<Diagnostic>,
}

/// What became of deployments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployments {
    /// How many go on with their health and their counters.
    pub kept: usize,
    /// The ids of new ones.
    pub added: Vec<Arc<str>>,
    /// The ids of those with another key, address or model, which begin anew.
    pub changed: Vec<Arc<str>>,
    /// The ids of those that are gone.
    pub removed: Vec<Arc<str>>,
}

impl Reloads {
    /// What was loaded from this file is in place.
    pub(crate) fn of(file: ConfigFile, loaded: Loaded) -> Self {
        let Loaded { config, warnings, marks } = loaded;
        let state = State {
            config: Arc::new(config.clone()),
            generation: 1,
            since: SystemTime::now(),
            warnings,
            restart: Vec::new(),
            refused: None,
            marks,
        };
        Self {
            origin: Some(Origin { file, started: config }),
            state: ArcSwapOption::from_pointee(state),
            turn: Mutex::default(),
        }
    }

    /// How things stand; `None`: there is no file.
    pub(crate) fn state(&self) -> Option<Arc<State>> {
        self.state.load_full()
    }

    /// The file.
    pub(crate) fn file(&self) -> Option<&ConfigFile> {
        self.origin.as_ref().map(|origin| &origin.file)
    }

    /// Reads the file again. Blocks: it reads files.
    fn run(&self, gateway: &Gateway) -> Result<Reloaded, ReloadError> {
        let _turn = self.turn.lock();
        let (Some(origin), Some(before)) = (&self.origin, self.state()) else {
            return Err(ReloadError::NoFile);
        };
        let (result, marks) = origin.file.read();
        let mut state = State { marks, ..State::clone(&before) };
        let outcome = result
            .map_err(ReloadError::Invalid)
            .and_then(|(config, warnings)| take(gateway, origin, (config, warnings), &mut state));
        state.refused = outcome.as_ref().err().map(|error| (SystemTime::now(), error.clone()));
        self.state.store(Some(Arc::new(state)));
        outcome
    }
}

/// Puts a configuration in place.
fn take(
    gateway: &Gateway,
    origin: &Origin,
    (config, warnings): (Config, Vec<Diagnostic>),
    state: &mut State,
) -> Result<Reloaded, ReloadError> {
    if is_empty(origin, &config) && *state.config != config {
        return Err(ReloadError::Empty);
    }
    let restart = fixed::changed(&origin.started, &config);
    // Whatever the file says now: the listener stays where it is.
    let mut effective = config.clone();
    effective.server.listen = origin.started.server.listen;
    if effective.exposed_without_key() {
        return Err(ReloadError::Exposed(effective.server.listen));
    }
    if state.config.auth.master_key.is_some() && effective.auth.master_key.is_none() {
        return Err(ReloadError::Keyless);
    }
    let mut deployments = Deployments::default();
    let tables = tables(&state.config, &config);
    let changed = *state.config != config;
    if changed {
        let previous = gateway.snapshot();
        let snapshot = assemble::snapshot(&effective, process_env, Some(&previous));
        let snapshot = snapshot.map_err(ReloadError::Unusable)?;
        gateway.configure(&effective).map_err(ReloadError::Unusable)?;
        deployments = compare(&previous, &snapshot);
        gateway.replace(snapshot);
        // Not before: a configuration that is refused changes nothing.
        let now = Instant::now();
        gateway.snapshot().router.groups().for_each(|group| group.end_cooldowns(now));
        state.config = Arc::new(config);
        state.generation += 1;
        state.since = SystemTime::now();
    }
    state.restart.clone_from(&restart);
    state.warnings.clone_from(&warnings);
    Ok(Reloaded { generation: state.generation, changed, tables, deployments, restart, warnings })
}

/// Whether nothing is said: what the command line says is not the file's.
fn is_empty(origin: &Origin, config: &Config) -> bool {
    let mut empty = Config::default();
    empty.server.listen = origin.file.listening_on().unwrap_or(empty.server.listen);
    *config == empty
}

/// Puts what is in place together anew, with another price map. Blocks.
///
/// # Errors
/// When the gateway was not started from a file, so that there is nothing to put together.
pub(crate) fn reprice(gateway: &Gateway, map: Catalogue) -> Result<(), ApiError> {
    let reloads = gateway.reloads();
    let _turn = reloads.turn.lock();
    let Some(state) = reloads.state() else {
        return Err(ApiError::bad_request(ReloadError::NoFile.to_string()));
    };
    let previous = gateway.snapshot();
    let snapshot = assemble::repriced(&state.config, process_env, &previous, map)?;
    gateway.replace(snapshot);
    Ok(())
}

fn compare(old: &Snapshot, new: &Snapshot) -> Deployments {
    let mut found = Deployments::default();
    for deployment in new.deployments() {
        match old.router.deployment(&deployment.id).and_then(|(group, index)| group.get(index)) {
            None => found.added.push(Arc::clone(&deployment.id)),
            Some(before) if before.fingerprint == deployment.fingerprint => found.kept += 1,
            Some(_) => found.changed.push(Arc::clone(&deployment.id)),
        }
    }
    let gone = old.deployments().filter(|deployment| new.router.deployment(&deployment.id).is_none());
    found.removed = gone.map(|deployment| Arc::clone(&deployment.id)).collect();
    found
}

/// Who has the configuration read again, and why.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cause<'a> {
    /// For the log.
    pub(crate) what: &'a str,
    /// For the audit log.
    pub(crate) by: &'a str,
}

/// Reads the configuration file again and puts it in place; tells the log and the audit log what came of it.
///
/// # Errors
/// Why the old configuration stays in place.
pub(crate) async fn reload(gateway: &Arc<Gateway>, cause: Cause<'_>) -> Result<Reloaded, ReloadError> {
    let own = Arc::clone(gateway);
    let outcome = tokio::task::spawn_blocking(move || own.reloads().run(&own)).await;
    let outcome = outcome.unwrap_or(Err(ReloadError::Broken));
    note(gateway, cause, &outcome).await;
    match &outcome {
        Ok(done) => tell(done, cause.what),
        Err(error) => {
            let cause = cause.what;
            tracing::error!(cause, "the new configuration is not used, the old one stays in place\n{error}");
        }
    }
    outcome
}

/// Writes it to the audit log. Values are none of its business: there may be secrets among them.
async fn note(gateway: &Gateway, Cause { what, by }: Cause<'_>, outcome: &Result<Reloaded, ReloadError>) {
    let after = outcome.as_ref().ok().map(|done| {
        let Reloaded { generation, tables, .. } = done;
        json!({"cause": what, "generation": generation, "tables": tables}).to_string()
    });
    let refused = outcome.as_ref().err().map(ToString::to_string);
    let entry = Deed { by, action: "reload" }.plain("config".to_owned());
    let entry = AuditEntry { after, refused, ..entry };
    if let Err(error) = gateway.governance().reports().note(entry).await {
        tracing::error!(%error, by, "the audit log could not be written");
    }
}

/// The tables of which the second configuration says something else.
fn tables(old: &Config, new: &Config) -> Vec<&'static str> {
    macro_rules! compared {
        ($($table:ident),*) => {
            [$((stringify!($table), old.$table != new.$table)),*]
        };
    }
    let all = compared![
        server,
        auth,
        alerts,
        router,
        upstream,
        store,
        redis,
        cache,
        pass_through,
        files,
        fetch,
        telemetry,
        providers,
        prices,
        price_map,
        models,
        keys,
        teams,
        users,
        organisations,
        budgets,
        limits
    ];
    all.into_iter().filter(|(_, changed)| *changed).map(|(table, _)| table).collect()
}

fn tell(done: &Reloaded, cause: &str) {
    let Reloaded { generation, changed, tables, deployments, restart, warnings } = done;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    for key in restart {
        tracing::warn!(key, "this setting has changed and takes effect only after a restart");
    }
    if !changed {
        tracing::info!(cause, "the configuration was read again and says the same");
        return;
    }
    let Deployments { kept, added, changed, removed } = deployments;
    tracing::info!(
        cause,
        generation,
        tables = %tables.join(" "),
        kept,
        added = %added.join(" "),
        changed = %changed.join(" "),
        removed = %removed.join(" "),
        "configuration reloaded"
    );
}
