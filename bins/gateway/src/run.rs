//! From arguments to a serving gateway, and to its orderly end.

use std::sync::Arc;

use anyhow::Context as _;
use llm_config::{Config, Known, ProcessEnv};
use llm_gateway::{Gateway, ServeOptions, assemble, serve, tls};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Args;
use crate::exit::Failure;
use crate::log;

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let config = config(args)?;
    log::start(&config.telemetry.log)?;
    // Worker threads: as many as cores, or TOKIO_WORKER_THREADS.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve_until_signal(args, config))
}

async fn serve_until_signal(args: &Args, config: Config) -> Result<(), Failure> {
    let assembled = if args.demo { assemble::demo(&config) } else { assemble::gateway(&config) };
    let (snapshot, transport) = assembled.map_err(|error| Failure::Config(error.to_string()))?;
    let acceptor = match &config.server.tls {
        Some(files) => {
            Some(tls::acceptor(&files.cert, &files.key).map_err(|error| Failure::Config(error.to_string()))?)
        }
        None => None,
    };
    let address = config.server.listen;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: choose another with --listen"))
        .map_err(Failure::Listen)?;
    let address = listener.local_addr()?;
    let scheme = if acceptor.is_some() { "https" } else { "http" };
    tracing::info!(models = snapshot.model_count(), "listening on {scheme}://{address}");
    if args.demo {
        greet(&format!("{scheme}://{address}"));
    }
    let options = ServeOptions {
        max_connections: config.server.max_connections,
        header_timeout: config.server.header_timeout,
        idle_timeout: config.server.idle_timeout,
        drain_timeout: config.server.drain_timeout,
    };
    let gateway = Arc::new(Gateway::new(snapshot, transport));
    serve(listener, acceptor, gateway, &options, stop_signal()?).await?;
    tracing::info!("stopped");
    Ok(())
}

/// The configuration: a file, the models named, or everything that has a key.
fn config(args: &Args) -> Result<Config, Failure> {
    let providers = assemble::providers();
    let known = Known { providers: &providers };
    let mut config = match &args.config {
        Some(path) => {
            let (config, warnings) = Config::load(path, &ProcessEnv, known)
                .map_err(|report| Failure::Config(report.to_string()))?;
            for warning in warnings {
                eprintln!("{warning}");
            }
            config
        }
        None => {
            let config = Config::from_models(args.model.iter().map(String::as_str));
            config
                .check("--model", &ProcessEnv, known)
                .map_err(|report| Failure::Config(report.to_string()))?;
            config
        }
    };
    if let Some(listen) = args.listen {
        config.server.listen = listen;
    }
    if config.exposed_without_key() {
        let listen = config.server.listen;
        return Err(Failure::Config(format!(
            "refusing to listen on {listen} without a master key: anyone who can reach it could spend \
             your money. Set auth.master_key, or listen on 127.0.0.1"
        )));
    }
    Ok(config)
}

/// What to try first.
fn greet(base: &str) {
    eprintln!(
        "\nThe demo answers without keys or network. Try:\n\n  curl {base}/v1/chat/completions \\\n    \
         -H 'content-type: application/json' \\\n    \
         -d '{{\"model\": \"mock/echo\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello!\"}}]}}'\n"
    );
}

/// Resolves at SIGTERM or SIGINT.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
