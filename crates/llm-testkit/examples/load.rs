//! Sends load to a server and prints what came of it as one line of JSON.
//!
//! A program of its own, so that it is compiled with optimisation and tied to a core, whatever starts it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use llm_testkit::load::{self, Target};

#[derive(Parser)]
struct Args {
    /// The server.
    #[arg(long)]
    addr: SocketAddr,
    /// The path to post to.
    #[arg(long)]
    path: String,
    /// A file with the JSON to post.
    #[arg(long)]
    body: PathBuf,
    /// Connections that are kept busy.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Requests per second, whether or not earlier ones are answered; in place of `--connections`.
    #[arg(long)]
    rate: Option<u32>,
    /// How long.
    #[arg(long, default_value_t = 2000)]
    millis: u64,
    /// The expected gap between two events of a stream.
    #[arg(long, default_value_t = 0)]
    gap_ms: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let target = Target::post(args.addr, &args.path, &std::fs::read(&args.body)?);
    let time = Duration::from_millis(args.millis);
    let report = match args.rate {
        Some(rate) => load::fixed_rate(&target, rate, time).await,
        None => load::closed_loop(&target, args.connections, time).await,
    };
    let summary = report.summary(Duration::from_millis(args.gap_ms));
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&summary)?)?;
    Ok(())
}
