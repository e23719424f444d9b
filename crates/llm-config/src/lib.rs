#![doc = include_str!("../README.md")]

pub mod env;
pub mod value;

mod check;
mod diag;
mod interpolate;
mod json_schema;
mod later;
mod load;
mod place;
mod schema;
mod show;
mod source;
mod walk;

pub use check::Known;
pub use diag::{Code, Diagnostic, DiagnosticJson, Report, Severity, Style, render_all};
pub use env::{Elsewhere, Env, FixedEnv, ProcessEnv};
pub use json_schema::schema;
pub use schema::{
    Affinity, Alerts, Auth, Aws, Backoff, BackoffOverride, BudgetWindow, Cache, CacheBackend, CacheScope,
    Config, Cooldown, CooldownRule, Cors, Deployment, Fetch, Files, HealthCheck, Jwt, JwtAlgorithm,
    JwtClaims, KeyRule, Log, LogFormat, LogLevel, MidStream, Model, ModelName, ModelPrice, Oauth, Owner,
    OwnerBudget, OwnerLimits, OwnerModelLimits, OwnerTerms, PassThrough, Price, PriceMap, Provider, Quirks,
    Rates, Records, Redis, RedisFailure, RetriesByError, Router, Rule, ScopedBudget, ScopedLimits, Server,
    Store, Strategy, Telemetry, TierPrice, Tls, UnknownTeams, UnknownUsers, Upstream, VirtualKey,
};
pub use show::show;
pub use value::store_url::file as store_file;

#[cfg(test)]
mod tests;
