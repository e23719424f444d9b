//! Logs, to standard error.

use llm_config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// Starts logging. `GATEWAY_LOG` overrides the level of the configuration.
///
/// # Errors
/// When the level is not understood.
pub(crate) fn start(log: &Log) -> anyhow::Result<()> {
    let level = std::env::var("GATEWAY_LOG").unwrap_or_else(|_| log.level.name().to_owned());
    let filter = EnvFilter::try_new(&level)
        .map_err(|error| anyhow::anyhow!("the log level `{level}` is not understood: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).init(),
        LogFormat::Text => builder.with_target(false).init(),
    }
    Ok(())
}
