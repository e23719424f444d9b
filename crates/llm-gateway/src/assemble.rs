//! From a configuration to what runs: the only wiring.

mod price;
mod routing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use llm_config::{
    Config, Deployment as DeploymentConfig, Model as ModelConfig, Records as RecordsConfig,
    Router as RouterConfig,
};
use llm_cost::{Catalogue, PriceBook};
use llm_providers::aws::AwsOptions;
use llm_providers::credential::process_env;
use llm_providers::table::ProviderTable;
use llm_providers::target::{TargetOptions, is_configured};
use llm_providers::token::OauthOptions;
use llm_providers::transport::{HyperOptions, HyperTransport, Transport};
use llm_router::{Deployment, Group, Router, RouterBuilder, Standing};
use llm_types::{ApiError, Dialect, ProviderSpec, Result};

use crate::backend::Backend;
use crate::cache::Answers;
use crate::fetch::MediaFetch;
use crate::files::Shelf;
use crate::jwt::Issuers;
use crate::owner::Owners;
use crate::proxy::Proxies;
use crate::record::Records;
use crate::shared::Shared;
use crate::snapshot::{ModelEntry, ModelPolicy, Snapshot};
use crate::spool::Spool;
use crate::tenant::Tenants;

pub(crate) use self::routing::window;

/// Looks an environment variable up.
pub type Env = fn(&str) -> Option<String>;

/// The built-in provider rows, for checking a configuration.
#[must_use]
pub fn providers() -> Vec<ProviderSpec> {
    ProviderTable::builtin().iter().map(|spec| ProviderSpec::clone(spec)).collect()
}

/// What a configuration decides, and the way out. Must be called within a tokio runtime.
///
/// Without `models`, every `provider/model` is served. A deployment whose key is missing does not stop the
/// gateway: calls to it are a 401 that names the variable.
///
/// # Errors
/// When the models cannot be told apart, or the HTTP client cannot be set up.
pub fn gateway(config: &Config) -> Result<(Snapshot, Arc<dyn Transport>)> {
    Ok((snapshot(config, process_env, None)?, transport(config)?))
}

/// The built-in `mock/` models and nothing else. Must be called within a tokio runtime.
///
/// # Errors
/// As [`gateway`].
pub fn demo(config: &Config) -> Result<(Snapshot, Arc<dyn Transport>)> {
    let mocks = ProviderTable::builtin().iter().filter(|spec| spec.dialect == Dialect::Mock);
    let names = mocks.flat_map(|spec| spec.models.iter().map(|model| format!("{}/{model}", spec.name)));
    let models = Config::from_models(names).models;
    gateway(&Config { models, ..config.clone() })
}

/// What a configuration decides, with an environment to look keys up in.
///
/// What was learned in the `previous` snapshot goes on: health, counters and limits of deployments whose settings
/// did not change, drains, prompts' beginnings, the retry budget, the connection to Redis, kept answers. So do its
/// guards.
///
/// # Errors
/// When two models have one name, a price makes no sense, or Redis cannot have the address given.
pub fn snapshot(config: &Config, env: Env, previous: Option<&Snapshot>) -> Result<Snapshot> {
    assembled(config, env, previous, None)
}

/// The same as [`snapshot`], with another price map than the previous one's.
///
/// # Errors
/// As [`snapshot`].
pub(crate) fn repriced(config: &Config, env: Env, previous: &Snapshot, map: Catalogue) -> Result<Snapshot> {
    assembled(config, env, Some(previous), Some(map))
}

fn assembled(
    config: &Config,
    env: Env,
    previous: Option<&Snapshot>,
    map: Option<Catalogue>,
) -> Result<Snapshot> {
    let table = Arc::new(table(config));
    let prices = price::book(config, &table, map, previous)?;
    let mut assembly = Assembly {
        config,
        table: &table,
        prices: &prices,
        env,
        previous,
        groups: Vec::new(),
        aliases: Vec::new(),
        models: Vec::new(),
        policies: HashMap::new(),
    };
    if config.models.is_empty() {
        assembly.everything();
    } else {
        config.models.iter().for_each(|model| assembly.model(model));
    }
    let Assembly { groups, aliases, models, policies, .. } = assembly;
    let builder = Router::builder().default_fallbacks(config.router.fallbacks.iter().map(String::as_str));
    let shared = Shared::of(config.redis.as_ref(), previous.and_then(|previous| previous.shared.as_ref()))?;
    let builder = match &shared {
        Some(shared) => builder.cooldown_store(shared.cooldowns()),
        None => builder,
    };
    let router = groups.into_iter().fold(builder, RouterBuilder::group);
    let router = aliases.into_iter().fold(router, |router, (alias, model)| router.alias(alias, model));
    let router =
        router.build().map_err(|error| ApiError::bad_request(error.to_string()).with_source(error))?;
    let server = &config.server;
    Ok(Snapshot {
        owners: Owners::of(&router, config.files.dir.is_some()),
        router,
        models,
        tenants: Tenants::of(config),
        master_key: config.auth.master_key.clone(),
        issuers: Issuers::of(config, previous.and_then(|previous| previous.issuers.as_ref()))?,
        proxies: Proxies::of(&server.trusted_proxies)?,
        max_body: server.max_body,
        spool: Spool::of(server.spool.as_deref()).or_before(previous.map(|previous| &previous.spool)),
        request_timeout: server.request_timeout,
        max_in_flight: server.max_in_flight,
        strict: server.strict,
        webhook: config.alerts.webhook.clone(),
        cors: server.cors.as_ref().map(|cors| cors.origins.clone()).unwrap_or_default(),
        chosen: !config.models.is_empty(),
        health_check: config.router.health_check,
        shared,
        cache: Answers::of(&config.cache, previous.and_then(|previous| previous.cache.as_ref())),
        pass_through: config.pass_through.clone(),
        shelf: Shelf::of(&config.files)?,
        fetch: MediaFetch::of(&config.fetch, previous.and_then(|previous| previous.fetch.as_ref()))?,
        guards: previous.map(|previous| previous.guards.clone()).unwrap_or_default(),
        policy: ModelPolicy { affinity: config.router.affinity, mid_stream: config.router.mid_stream },
        policies,
        prices,
        clamp_output: config.server.clamp_output,
        price_map: config.price_map.clone(),
        records: records(config.router.records, previous),
    })
}

/// Room for the latest decisions; those there are stay, unless there is to be another number of them.
fn records(settings: RecordsConfig, previous: Option<&Snapshot>) -> Arc<Records> {
    let records = Records::new(settings.keep, settings.sample, settings.per_second);
    Arc::new(match previous {
        Some(previous) => records.going_on(&previous.records),
        None => records,
    })
}

fn table(config: &Config) -> ProviderTable {
    let builtin = ProviderTable::builtin();
    let own = config
        .providers
        .iter()
        .map(|provider| provider.spec(builtin.get(&provider.name).map(|spec| &**spec)));
    builtin.with(own.collect())
}

fn transport(config: &Config) -> Result<Arc<dyn Transport>> {
    let upstream = &config.upstream;
    let extra_ca = upstream.extra_ca.as_ref().map(|path| {
        std::fs::read(path).map_err(|error| {
            let message = format!("upstream.extra_ca: {} cannot be read: {error}", path.display());
            ApiError::bad_request(message).with_source(error)
        })
    });
    let options = HyperOptions {
        connect_timeout: upstream.connect_timeout,
        idle_timeout: upstream.pool_idle_timeout,
        max_idle_per_host: upstream.pool_max_idle_per_host,
        extra_ca: extra_ca.transpose()?,
        guard: None,
    };
    Ok(Arc::new(HyperTransport::new(&options)?))
}

struct Assembly<'a> {
    config: &'a Config,
    table: &'a Arc<ProviderTable>,
    prices: &'a PriceBook,
    env: Env,
    previous: Option<&'a Snapshot>,
    groups: Vec<Group<Backend>>,
    aliases: Vec<(String, String)>,
    models: Vec<ModelEntry>,
    policies: HashMap<Box<str>, ModelPolicy>,
}

impl Assembly<'_> {
    /// A model of the configuration.
    fn model(&mut self, model: &ModelConfig) {
        let deployments: Vec<_> =
            model.deployments.iter().map(|deployment| self.deployment(deployment)).collect();
        let owner = deployments.first().map(|deployment| deployment.target.provider.to_string());
        self.list(&model.name, owner.as_deref().unwrap_or_default(), model.deployments.first());
        let router = model.router(&self.config.router);
        let policy = ModelPolicy { affinity: router.affinity, mid_stream: router.mid_stream };
        if model.affinity.is_some() || model.mid_stream.is_some() {
            self.policies.insert(model.name.as_str().into(), policy);
        }
        self.group(&model.name, &router, deployments);
        for alias in &model.aliases {
            self.aliases.push((alias.clone(), model.name.clone()));
        }
    }

    /// Every model of every provider, by its full name and by the bare names that belong to one.
    fn everything(&mut self) {
        let table = Arc::clone(self.table);
        let router = ModelConfig::new("").router(&self.config.router);
        for spec in table.iter().filter(|spec| spec.dialect != Dialect::Mock) {
            let prefixes = std::iter::once(&spec.name).chain(&spec.aliases);
            let full = prefixes.map(|prefix| (format!("{prefix}/*"), format!("{prefix}/*")));
            let bare = spec.bare_names.iter().filter(|glob| glob.matches('*').count() <= 1);
            let bare = bare.map(|glob| (glob.clone(), format!("{}/{glob}", spec.name)));
            for (name, model) in full.chain(bare) {
                let mut deployment = DeploymentConfig::new(model);
                deployment.id = format!("{name}/1");
                let deployment = self.deployment(&deployment);
                self.group(&name, &router, vec![deployment]);
            }
            if is_configured(spec, &self.env) {
                self.list_all(spec);
            }
        }
    }

    /// Puts a model on the list; a wildcard as the models that its provider is known to have.
    fn list(&mut self, name: &str, owner: &str, first: Option<&DeploymentConfig>) {
        let prefix = first.and_then(|deployment| deployment.model.strip_suffix("/*"));
        match prefix.and_then(|prefix| self.table.get(prefix)).filter(|_| name.contains('*')).cloned() {
            Some(spec) => {
                let named = |model: &String| ModelEntry {
                    id: name.replacen('*', model, 1),
                    owned_by: spec.name.clone(),
                };
                self.models.extend(spec.models.iter().map(named));
            }
            None => self.models.push(ModelEntry { id: name.to_owned(), owned_by: owner.to_owned() }),
        }
    }

    fn list_all(&mut self, spec: &ProviderSpec) {
        let entry =
            |model: &String| ModelEntry { id: format!("{}/{model}", spec.name), owned_by: spec.name.clone() };
        self.models.extend(spec.models.iter().map(entry));
    }

    fn group(&mut self, name: &str, router: &RouterConfig, deployments: Vec<Deployment<Backend>>) {
        let deployments = self.carry_over(name, deployments);
        let group = Group::new(name, routing::retries(router), deployments)
            .with_strategy(routing::strategy(router))
            .with_cooldown(routing::cooldown(router))
            .with_fallbacks(routing::fallbacks(router));
        self.groups.push(match self.group_before(name) {
            Some(before) => {
                group.with_prefixes(Arc::clone(&before.prefixes)).with_budget(Arc::clone(&before.budget))
            }
            None => group,
        });
    }

    /// The group that has had this name so far.
    fn group_before(&self, name: &str) -> Option<&Group<Backend>> {
        self.previous?.router.groups().find(|group| *group.name == *name).map(|group| &**group)
    }

    /// Goes on with what was learned of the deployments of a group. A deployment is who it was by its id and settings;
    /// ids come from places in a list, so one that has neither is looked for by its settings among those of the group
    /// that are nobody's. One with other settings begins anew, but stays drained: that is somebody's decision, and not
    /// about its settings.
    fn carry_over(&self, name: &str, deployments: Vec<Deployment<Backend>>) -> Vec<Deployment<Backend>> {
        let Some(router) = self.previous.map(|previous| &previous.router) else { return deployments };
        let same = |one: &Deployment<Backend>, other: &Deployment<Backend>| {
            one.id == other.id && one.fingerprint == other.fingerprint
        };
        let before = self.group_before(name).map(|group| &group.deployments[..]).unwrap_or_default();
        let mut free: Vec<&Arc<Deployment<Backend>>> =
            before.iter().filter(|old| !deployments.iter().any(|new| same(new, old))).collect();
        let mut gone_on = Vec::with_capacity(deployments.len());
        for deployment in deployments {
            let kept = router.stats_of(&deployment.id, deployment.fingerprint).or_else(|| {
                let moved = free.iter().position(|old| old.fingerprint == deployment.fingerprint)?;
                Some(Arc::clone(&free.swap_remove(moved).stats))
            });
            gone_on.push((kept.is_some(), deployment.with_stats(kept)));
        }
        let drained = |old: &Deployment<Backend>| old.stats.standing(Instant::now()) == Standing::Drained;
        let stays_drained = |new: &Deployment<Backend>| {
            let old = router.deployment(&new.id).and_then(|(group, index)| group.get(index));
            // Somebody of its group that has moved took it along.
            let is_here = |old: &Arc<Deployment<Backend>>| before.iter().any(|one| Arc::ptr_eq(one, old));
            let is_free = |old: &Arc<Deployment<Backend>>| free.iter().any(|one| Arc::ptr_eq(one, old));
            old.is_some_and(|old| drained(old) && (is_free(old) || !is_here(old)))
        };
        for (_, new) in gone_on.iter().filter(|(is_known, _)| !is_known) {
            if stays_drained(new) {
                new.stats.drain(true);
            }
        }
        gone_on.into_iter().map(|(_, deployment)| deployment).collect()
    }

    fn deployment(&self, deployment: &DeploymentConfig) -> Deployment<Backend> {
        let backend = Backend::new(&deployment.id, self.options(deployment), self.table, self.env);
        if let Some(error) = backend.fault() {
            // Without configured models every provider is there, most of them without a key.
            if !self.config.models.is_empty() {
                tracing::warn!(deployment = deployment.id, %error, "this deployment cannot be called");
            }
        }
        let fingerprint = backend.fingerprint();
        let mut built = Deployment::new(deployment.id.as_str(), fingerprint, backend)
            .labelled(deployment.model.as_str())
            .weighing(deployment.weight);
        built.timeout = deployment.timeout;
        built.facts = routing::facts(deployment, &built.target, self.prices);
        built.tags = deployment.tags.iter().map(|tag| tag.as_str().into()).collect();
        built
    }

    /// Where a deployment's calls go: its own settings, then those of its `[[providers]]` row.
    fn options(&self, deployment: &DeploymentConfig) -> TargetOptions {
        let prefix = deployment.model.split_once('/').map(|(prefix, _)| prefix).unwrap_or_default();
        let row = self.config.provider(prefix);
        TargetOptions {
            model: deployment.model.clone(),
            api_key: deployment.api_key.clone().or_else(|| row.and_then(|row| row.api_key.clone())),
            api_base: deployment.api_base.clone(),
            api_version: deployment
                .api_version
                .clone()
                .or_else(|| row.and_then(|row| row.api_version.clone())),
            organization: deployment.organization.clone(),
            project: deployment.project.clone(),
            region: deployment.region.clone(),
            location: deployment.location.clone(),
            credentials: deployment.credentials.clone(),
            oauth: deployment.oauth.as_ref().map(|oauth| OauthOptions {
                tenant_id: oauth.tenant_id.clone(),
                client_id: oauth.client_id.clone(),
                client_secret: oauth.client_secret.clone(),
            }),
            aws: deployment.aws.as_ref().map(|aws| AwsOptions {
                access_key_id: aws.access_key_id.clone(),
                secret_access_key: aws.secret_access_key.clone(),
                session_token: aws.session_token.clone(),
                profile: aws.profile.clone(),
                role_arn: aws.role_arn.clone(),
            }),
            headers: deployment
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), value.expose().to_owned()))
                .collect(),
        }
    }
}
