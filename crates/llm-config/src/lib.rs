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
    Auth, Backoff, BackoffOverride, Config, Cors, Deployment, KeyRule, Log, LogFormat, LogLevel, Model,
    ModelName, Provider, Quirks, Redis, Router, Rule, Server, Strategy, Telemetry, Tls, Upstream,
};
pub use show::show;

#[cfg(test)]
mod tests;
