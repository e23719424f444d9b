//! `/admin/v1/config`: which configuration is in place, and what became of later ones.

use std::sync::Arc;

use http::{Response, StatusCode};
use llm_config::{Diagnostic, DiagnosticJson};
use llm_types::{ApiError, ErrorKind, Result};
use serde::Serialize;

use super::Visit;
use crate::body::ClientBody;
use crate::health::unix;
use crate::reload::{Deployments, ReloadError, Reloaded};
use crate::{reload, respond};

#[derive(Serialize)]
struct ConfigView<'a> {
    /// `null`: the gateway was not started from a file.
    file: Option<String>,
    /// Counts the configurations that were in place, from 1.
    generation: u64,
    /// Since when this one is, in Unix seconds.
    since: Option<u64>,
    models: usize,
    warnings: Vec<DiagnosticJson<'a>>,
    /// Keys that have changed and wait for a restart.
    restart_needed: &'a [&'static str],
    /// Why the newest file is not in place.
    refused: Option<RefusedView<'a>>,
}

#[derive(Serialize)]
struct RefusedView<'a> {
    /// When that was found, in Unix seconds.
    at: u64,
    /// As `llmctl config check` prints it.
    message: String,
    diagnostics: Vec<DiagnosticJson<'a>>,
}

#[derive(Serialize)]
struct ReloadView<'a> {
    generation: u64,
    changed: bool,
    /// What says something else in it.
    tables: &'a [&'static str],
    deployments: DeploymentsView<'a>,
    restart_needed: &'a [&'static str],
    warnings: Vec<DiagnosticJson<'a>>,
}

#[derive(Serialize)]
struct DeploymentsView<'a> {
    kept: usize,
    added: &'a [Arc<str>],
    changed: &'a [Arc<str>],
    removed: &'a [Arc<str>],
}

/// How things stand.
pub(super) fn get(visit: &Visit<'_>) -> Response<ClientBody> {
    let reloads = visit.gateway.reloads();
    let state = reloads.state();
    let state = state.as_deref();
    let refused = state.and_then(|state| state.refused.as_ref()).map(|(at, error)| RefusedView {
        at: unix(*at),
        message: error.to_string(),
        diagnostics: match error {
            ReloadError::Invalid(report) => rows(report.diagnostics()),
            _ => Vec::new(),
        },
    });
    let view = ConfigView {
        file: reloads.file().map(|file| file.path().display().to_string()),
        generation: state.map_or(1, |state| state.generation),
        since: state.map(|state| unix(state.since)),
        models: visit.snapshot.model_count(),
        warnings: state.map(|state| rows(&state.warnings)).unwrap_or_default(),
        restart_needed: state.map(|state| state.restart.as_slice()).unwrap_or_default(),
        refused,
    };
    respond::value(StatusCode::OK, &view)
}

/// Reads the file again and puts it in place.
///
/// # Errors
/// 422 when the file cannot be used, with everything that is wrong with it; 409 when there is none.
pub(super) async fn reload(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let done = reload::reload(visit.gateway, reload::Cause { what: "an admin", by: &visit.by })
        .await
        .map_err(|error| {
            let (kind, code) = match error {
                ReloadError::NoFile => (ErrorKind::Conflict, "no_config_file"),
                ReloadError::Broken => (ErrorKind::Internal, "reload_failed"),
                _ => (ErrorKind::Unprocessable, "invalid_config"),
            };
            ApiError::new(kind, error.to_string()).with_code(code)
        })?;
    let Reloaded { generation, changed, tables, deployments, restart, warnings } = &done;
    let Deployments { kept, added, changed: anew, removed } = deployments;
    let view = ReloadView {
        generation: *generation,
        changed: *changed,
        tables,
        deployments: DeploymentsView { kept: *kept, added, changed: anew, removed },
        restart_needed: restart,
        warnings: rows(warnings),
    };
    Ok(respond::value(StatusCode::OK, &view))
}

fn rows(diagnostics: &[Diagnostic]) -> Vec<DiagnosticJson<'_>> {
    diagnostics.iter().map(Diagnostic::json).collect()
}
