//! From arguments to a serving gateway, and to its orderly end.

use std::sync::Arc;

use anyhow::Context as _;
use llm_config::{Config, Known, ProcessEnv, Report};
use llm_gateway::{ConfigFile, Gateway, Loaded, ServeOptions, assemble, serve, tls};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Args;
use crate::exit::Failure;
use crate::{log, memory};

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let start = start(args)?;
    log::start(&start.config.telemetry.log)?;
    // Worker threads: as many as cores, or TOKIO_WORKER_THREADS.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve_until_signal(args, start))
}

/// What the gateway starts with.
struct Start {
    config: Config,
    /// Where the configuration is to be read again.
    file: Option<(ConfigFile, Loaded)>,
}

async fn serve_until_signal(args: &Args, start: Start) -> Result<(), Failure> {
    let Start { config, file } = start;
    let assembled = if args.demo { assemble::demo(&config) } else { assemble::gateway(&config) };
    let (snapshot, transport) = assembled.map_err(|error| Failure::Config(error.to_string()))?;
    let acceptor = match &config.server.tls {
        Some(files) => {
            Some(tls::acceptor(&files.cert, &files.key).map_err(|error| Failure::Config(error.to_string()))?)
        }
        None => None,
    };
    let models = snapshot.model_count();
    // Before anything is told: whoever has read that we listen may send a signal.
    let stop = stop_signal()?;
    let gateway = Gateway::new(snapshot, transport).with_store(&config).await;
    let gateway = gateway.map_err(|error| Failure::Config(error.to_string()))?;
    let gateway = match file {
        Some((file, loaded)) => {
            let gateway = Arc::new(gateway.with_file(file, loaded));
            reload_on_signal(&gateway)?;
            gateway
        }
        None => Arc::new(gateway),
    };
    gateway.configure(&config).map_err(|error| Failure::Config(error.to_string()))?;
    let address = config.server.listen;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: choose another with --listen"))
        .map_err(Failure::Listen)?;
    let address = listener.local_addr()?;
    let scheme = if acceptor.is_some() { "https" } else { "http" };
    tracing::info!(models, "listening on {scheme}://{address}");
    memory::give_back();
    if args.demo {
        greet(&format!("{scheme}://{address}"));
    }
    let options = ServeOptions {
        max_connections: config.server.max_connections,
        header_timeout: config.server.header_timeout,
        idle_timeout: config.server.idle_timeout,
        drain_timeout: config.server.drain_timeout,
    };
    serve(listener, acceptor, gateway, &options, stop).await?;
    tracing::info!("stopped");
    Ok(())
}

/// The configuration: a file, the models named, or everything that has a key.
fn start(args: &Args) -> Result<Start, Failure> {
    let invalid = |report: Report| Failure::Config(report.to_string());
    let start = match &args.config {
        Some(path) => {
            let file = ConfigFile::new(path).listening(args.listen);
            let loaded = file.load().map_err(invalid)?;
            for warning in &loaded.warnings {
                eprintln!("{warning}");
            }
            Start { config: loaded.config.clone(), file: Some((file, loaded)) }
        }
        None => {
            let providers = assemble::providers();
            let mut config = Config::from_models(args.model.iter().map(String::as_str));
            config.check("--model", &ProcessEnv, Known { providers: &providers }).map_err(invalid)?;
            config.server.listen = args.listen.unwrap_or(config.server.listen);
            Start { config, file: None }
        }
    };
    if start.config.exposed_without_key() {
        let listen = start.config.server.listen;
        return Err(Failure::Config(format!(
            "refusing to listen on {listen} without a master key: anyone who can reach it could spend \
             your money. Set auth.master_key, or listen on 127.0.0.1"
        )));
    }
    Ok(start)
}

/// What to try first.
fn greet(base: &str) {
    eprintln!(
        "\nThe demo answers without keys or network. Try:\n\n  curl {base}/v1/chat/completions \\\n    \
         -H 'content-type: application/json' \\\n    \
         -d '{{\"model\": \"mock/echo\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello!\"}}]}}'\n"
    );
}

/// Reads the configuration again at SIGHUP. Without a file there is nothing to read, and the signal ends the
/// process as it does by default: the terminal is gone.
fn reload_on_signal(gateway: &Arc<Gateway>) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let own = Arc::clone(gateway);
    gateway.background(async move {
        while hangup.recv().await.is_some() {
            // The log has the outcome.
            let _ = own.reload("SIGHUP").await;
        }
    });
    Ok(())
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
