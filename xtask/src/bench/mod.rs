//! `cargo xtask bench`: what the gateway costs over a bare proxy on the same stack.
//!
//! Ratios measured in one run, because absolute figures of two machines, or of one machine on two days,
//! can't be compared. The proxy under test is alone on core 0 with one worker thread; upstream and load
//! share core 1. Contenders take short turns, forth and back, in many rounds, so that a slow second hits them all; each
//! is warm before its turn counts, and a figure is the median of its rounds. Each round has processes of its own: where memory happens
//! to lie in one makes it some percent slower or faster for as long as it runs.

mod contender;
mod measure;
mod plan;
mod report;
mod table;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use llm_testkit::proc;

use contender::Who;
use measure::Session;
use table::Samples;

/// How many rounds a result needs before it means something.
const FULL_ROUNDS: usize = 15;

/// The share of waiting for a core above which others were at work on it.
const QUIET_SHARE: f64 = 0.05;

/// Measures CPU per request, throughput, latency, stream cost, memory and start-up.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Two short rounds: shows that it works, proves nothing.
    #[arg(long)]
    quick: bool,
    /// Interleaved rounds; each figure is their median.
    #[arg(long, default_value_t = FULL_ROUNDS)]
    rounds: usize,
    /// Milliseconds of load per scenario, contender and round.
    #[arg(long, default_value_t = 500)]
    millis: u64,
    /// Only scenarios whose title holds this text.
    #[arg(long)]
    only: Option<String>,
    /// Fails when a target is missed.
    #[arg(long)]
    check: bool,
    /// Leaves nginx out, even where it is installed.
    #[arg(long)]
    no_nginx: bool,
    /// Also measures a gateway that has so many keys in its store; a million takes some minutes to make.
    #[arg(long, default_value_t = 0)]
    keys: u64,
    /// Also makes so many usage rows and takes reports over them; ten million take some minutes to make.
    #[arg(long, default_value_t = 0)]
    rows: u64,
    /// Puts the bare proxy in the gateway's place: every ratio must then be about 1.
    #[arg(long, hide = true)]
    self_test: bool,
}

/// The programs that take part.
#[derive(Debug)]
struct Binaries {
    gateway: PathBuf,
    bare: PathBuf,
    upstream: PathBuf,
    load: PathBuf,
    /// Where many keys are asked for.
    keys: Option<contender::Keys>,
    /// What makes rows and takes reports.
    reports: PathBuf,
}

/// Runs the benchmark and prints its table.
///
/// # Errors
/// When a program can't be built or started, a request fails, or, with `--check`, a target is missed.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let binaries = build(&args)?;
    let binaries_of_reports = binaries.reports.clone();
    let pinned = proc::can_pin();
    if pinned {
        proc::pin_self(1)?;
    } else {
        note("there is no taskset or no second core: nothing is pinned, so the figures are rough")?;
    }
    let (rounds, millis) = if args.quick { (2, 400) } else { (args.rounds.max(1), args.millis) };
    let time = Duration::from_millis(millis);
    let started = Instant::now();
    let mut session = Session::open(binaries, contenders(&args), pinned, time)?;
    let mut samples = Samples::default();
    let wanted = |title: &str| args.only.as_ref().is_none_or(|text| title.contains(text.as_str()));
    for round in 1..=rounds {
        session.start_anew()?;
        session.warm_up(wanted)?;
        note(&format!("round {round} of {rounds}, {} s so far", started.elapsed().as_secs()))?;
        for scenario in plan::SCENARIOS.iter().filter(|scenario| wanted(scenario.title)) {
            session.measure(scenario, time, &mut samples)?;
        }
        if wanted(plan::FRESH.title) {
            session.measure_fresh(&mut samples)?;
        }
    }
    if args.rows > 0 {
        report::measure(&binaries_of_reports, args.rows, &mut samples)?;
    }
    let (text, missed) = table::render(&samples, rounds);
    let share = session.disturbance().share();
    let verdict =
        if share > QUIET_SHARE { "the machine was busy: latency and gaps prove nothing" } else { "quiet" };
    writeln!(
        std::io::stdout(),
        "{text}\nThe proxies waited for their core {:.1} % of the time: {verdict}.",
        share * 100.0
    )?;
    if args.check && missed > 0 {
        bail!("{missed} targets are missed: see the table");
    }
    Ok(())
}

fn contenders(args: &Args) -> Vec<Who> {
    let gateway = if args.self_test { Who::SelfTest } else { Who::Gateway };
    let mut all = vec![Who::Bare, gateway, Who::Plain, Who::Routed, Who::Unrecorded, Who::Recorded];
    all.extend([Who::Unmetered, Who::Metered]);
    if !args.no_nginx && proc::in_path("nginx") {
        all.insert(1, Who::Nginx);
    }
    if args.keys > 0 {
        all.extend([Who::Few, Who::Many]);
    }
    all
}

/// Builds everything in release mode and says where it lies.
fn build(args: &Args) -> anyhow::Result<Binaries> {
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
    let release = metadata.target_directory.into_std_path_buf().join("release");
    cargo_build(&["-p", "llm-testkit", "--examples"])?;
    if !args.self_test {
        cargo_build(&["-p", "gateway"])?;
    }
    if args.keys > 0 || args.rows > 0 {
        cargo_build(&["-p", "llm-store", "--example", "usage_report"])?;
    }
    let example = |name: &str| release.join("examples").join(name);
    let keys = contender::Keys { program: example("usage_report"), count: args.keys };
    Ok(Binaries {
        gateway: release.join("gateway"),
        bare: example("bare_proxy"),
        upstream: example("scripted_upstream"),
        load: example("load"),
        keys: (args.keys > 0).then_some(keys),
        reports: example("usage_report"),
    })
}

fn cargo_build(what: &[&str]) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status =
        Command::new(cargo).args(["build", "--release"]).args(what).status().context("can't run cargo")?;
    if !status.success() {
        bail!("cargo build --release {} failed", what.join(" "));
    }
    Ok(())
}

fn note(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stderr(), "bench: {text}")?)
}

/// A folder that goes away with the run.
#[derive(Debug)]
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new() -> anyhow::Result<Self> {
        Self::of("run")
    }

    fn of(what: &str) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("gateway-bench-{}-{what}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("can't create {}", path.display()))?;
        Ok(Self { path })
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))?;
        Ok(path)
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind lies in the temporary folder.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
