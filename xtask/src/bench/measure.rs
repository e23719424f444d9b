//! Starts the programs, puts load on them, and notes what it cost.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use llm_testkit::load::{self, Summary, Target};
use llm_testkit::{Program, Ready, Running, proc, process};
use tokio::runtime::Runtime;

use super::contender::Who;
use super::plan::{FRESH, GAP_MS, Load, Measure, Request, SCENARIOS, Scenario};
use super::table::Samples;
use super::{Binaries, Scratch};

/// Where the proxy under test runs, alone.
const PROXY_CORE: usize = 0;
/// Where upstream and load run.
const LOAD_CORE: usize = 1;
/// How long a fresh process rests before its memory is read.
const REST: Duration = Duration::from_millis(300);
/// Before each turn a contender is put to work for this part of the turn's time, which does not count.
const WARM_UP_SHARE: u32 = 4;
/// A contender's time in a round is so many turns, forth and back: the machine is faster in one second than in the next.
const TURNS: u32 = 4;
/// How long a fresh process may take to answer.
const START_UP_LIMIT: Duration = Duration::from_secs(10);
/// How long a process may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The running programs.
pub(super) struct Session {
    binaries: Binaries,
    scratch: Scratch,
    pinned: bool,
    runtime: Runtime,
    upstream: Running,
    contenders: Vec<Who>,
    proxies: Vec<(Who, Running)>,
    bodies: BTreeMap<(Who, String), PathBuf>,
    /// Which contender begins moves on with it, so that none is always first.
    round: usize,
    disturbance: Disturbance,
}

/// What the proxies ran, and waited for their core although they could have run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Disturbance {
    ran: Duration,
    waited: Duration,
}

impl Disturbance {
    /// The share of waiting, from 0 to 1. A proxy that is alone on its core waits next to nothing.
    pub(super) fn share(self) -> f64 {
        let all = (self.ran + self.waited).as_secs_f64();
        if all > 0.0 { self.waited.as_secs_f64() / all } else { 0.0 }
    }
}

impl Session {
    /// `time` is how long a scenario takes; a paced stream takes twice that, for it has few gaps.
    pub(super) fn open(
        binaries: Binaries,
        contenders: Vec<Who>,
        pinned: bool,
        time: Duration,
    ) -> anyhow::Result<Self> {
        let paced_chunks = 2 * time.as_millis() / u128::from(GAP_MS);
        let scratch = Scratch::new()?;
        let listen = process::free_addr()?;
        let program = Program::new(&binaries.upstream)
            .args(["--listen", &listen.to_string(), "--gap-ms", &GAP_MS.to_string()])
            .args(["--paced-chunks", &paced_chunks.to_string()])
            .ready(Ready::Port);
        let upstream = pin(program, pinned, LOAD_CORE).start(listen).context("can't start the upstream")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self {
            binaries,
            scratch,
            pinned,
            runtime,
            upstream,
            contenders,
            proxies: Vec::new(),
            bodies: BTreeMap::new(),
            round: 0,
            disturbance: Disturbance::default(),
        })
    }

    fn start(&self, who: Who) -> anyhow::Result<Running> {
        let listen = process::free_addr()?;
        self.program(who, listen)?.start(listen).with_context(|| format!("can't start {who:?}"))
    }

    /// Starts every contender, anew where it runs, but for those that take minutes to start.
    pub(super) fn start_anew(&mut self) -> anyhow::Result<()> {
        let (stay, go): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.proxies).into_iter().partition(|(who, _)| who.is_slow_to_start());
        self.proxies = stay;
        for (_, running) in go {
            running.stop(STOP_LIMIT)?;
        }
        for who in self.contenders.clone() {
            if !self.proxies.iter().any(|(running, _)| *running == who) {
                let running = self.start(who)?;
                self.proxies.push((who, running));
            }
        }
        Ok(())
    }

    pub(super) fn disturbance(&self) -> Disturbance {
        self.disturbance
    }

    fn program(&self, who: Who, listen: SocketAddr) -> anyhow::Result<Program> {
        let program = who.program(&self.binaries, &self.scratch, listen, self.upstream.addr())?;
        Ok(pin(program, self.pinned, PROXY_CORE))
    }

    /// Opens connection pools and touches memory before anything counts.
    pub(super) fn warm_up(&mut self, wanted: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        let mut nowhere = Samples::default();
        self.round += 1;
        SCENARIOS
            .iter()
            .filter(|scenario| scenario.request != Request::Paced && wanted(scenario.title))
            .try_for_each(|scenario| self.measure(scenario, Duration::from_millis(200), &mut nowhere))
    }

    /// The turns of every contender.
    pub(super) fn measure(
        &mut self,
        scenario: &'static Scenario,
        time: Duration,
        samples: &mut Samples,
    ) -> anyhow::Result<()> {
        if scenario.wants_direct() {
            let summary = self.load(Who::Direct, self.upstream.addr(), scenario, time)?;
            let spent = Spent { load: summary, ..Spent::default() };
            for row in scenario.rows {
                samples.add(scenario.title, row, Who::Direct, spent.value(row.measure));
            }
        }
        let mut order: Vec<(Who, SocketAddr, u32)> =
            self.proxies.iter().map(|(who, running)| (*who, running.addr(), running.pid())).collect();
        order.retain(|(who, _, _)| who.takes_part(scenario.request));
        let count = order.len().max(1);
        order.rotate_left(self.round % count);
        // A percentile needs the whole time at once.
        let turns = if scenario.rows.iter().all(|row| row.measure.is_summed()) { TURNS } else { 1 };
        let mut spent: BTreeMap<Who, Spent> = BTreeMap::new();
        for _ in 0..turns {
            for (who, addr, pid) in &order {
                spent.entry(*who).or_default().add(self.turn((*who, *addr, *pid), scenario, time / turns)?);
            }
            order.reverse();
        }
        for (who, spent) in spent {
            self.disturbance.ran += spent.cpu;
            self.disturbance.waited += spent.waited;
            for row in scenario.rows {
                samples.add(scenario.title, row, who.column(), spent.value(row.measure));
            }
        }
        Ok(())
    }

    /// One turn of a contender.
    fn turn(
        &mut self,
        (who, addr, pid): (Who, SocketAddr, u32),
        scenario: &'static Scenario,
        time: Duration,
    ) -> anyhow::Result<Spent> {
        // The others' turns have taken its memory out of the caches; a long stream warms up by itself.
        if scenario.request != Request::Paced {
            self.load(who, addr, scenario, time / WARM_UP_SHARE)?;
        }
        // Not every kernel counts waiting; then none is reported.
        let waited = || proc::wait_time(pid).unwrap_or_default();
        let before = (proc::cpu_time(pid)?, waited());
        let load = self.load(who, addr, scenario, time)?;
        let cpu = proc::cpu_time(pid)?.saturating_sub(before.0);
        let (waited, resident) = (waited().saturating_sub(before.1), proc::resident_bytes(pid)?);
        Ok(Spent { load, cpu, waited, resident, turns: 1 })
    }

    /// Starts two more processes of each contender: one is measured until it has answered and rested, one is asked
    /// nothing.
    pub(super) fn measure_fresh(&mut self, samples: &mut Samples) -> anyhow::Result<()> {
        let contenders = self.proxies.iter().map(|(who, _)| *who);
        let contenders: Vec<Who> = contenders.filter(|who| who.takes_part(Request::Chat)).collect();
        for who in contenders {
            let listen = process::free_addr()?;
            let body = who.body(Request::Chat).to_string();
            let target = Target::post(listen, who.path(Request::Chat), body.as_bytes());
            let running = self.program(who, listen)?.spawn(listen)?;
            self.runtime.block_on(first_answer(&target, &running))?;
            let took = running.started().elapsed();
            std::thread::sleep(REST);
            let used = proc::resident_bytes(running.pid())?;
            running.stop(STOP_LIMIT)?;
            // Another one, which nobody asks anything.
            let listen = process::free_addr()?;
            let running = self.program(who, listen)?.spawn(listen)?;
            self.runtime.block_on(listening(listen, &running))?;
            std::thread::sleep(REST);
            let resident = proc::resident_bytes(running.pid())?;
            for row in FRESH.rows {
                let value = match row.measure {
                    Measure::Resident => resident as f64 / 1e6,
                    Measure::ResidentUsed => used as f64 / 1e6,
                    _ => took.as_secs_f64() * 1e3,
                };
                samples.add(FRESH.title, row, who, value);
            }
            running.stop(STOP_LIMIT)?;
        }
        Ok(())
    }

    /// Runs the load generator once.
    fn load(
        &mut self,
        who: Who,
        addr: SocketAddr,
        scenario: &Scenario,
        time: Duration,
    ) -> anyhow::Result<Summary> {
        let key = (who, format!("{:?}", scenario.request));
        let body = match self.bodies.get(&key) {
            Some(path) => path.clone(),
            None => {
                let text = who.body(scenario.request).to_string();
                let path = self.scratch.write(&format!("{:?}-{}.json", key.0, key.1), &text)?;
                self.bodies.insert(key, path.clone());
                path
            }
        };
        let mut command = if self.pinned {
            let mut command = Command::new("taskset");
            command.args(["-c", &LOAD_CORE.to_string()]).arg(&self.binaries.load);
            command
        } else {
            Command::new(&self.binaries.load)
        };
        command.args(["--addr", &addr.to_string(), "--path", who.path(scenario.request)]);
        command.arg("--body").arg(body);
        command.args(["--millis", &time.as_millis().to_string(), "--gap-ms", &GAP_MS.to_string()]);
        match scenario.load {
            Load::Connections(count) => command.args(["--connections", &count.to_string()]),
            Load::Rate(rate) => command.args(["--rate", &rate.to_string()]),
        };
        let output = command.output().context("can't start the load generator")?;
        let summary: Summary = serde_json::from_slice(&output.stdout).with_context(|| {
            format!("the load generator failed: {}", String::from_utf8_lossy(&output.stderr))
        })?;
        if summary.errors > 0 || summary.requests == 0 {
            let why = summary.first_error.unwrap_or_default();
            bail!("{}: {who:?} failed {} of its requests: {why}", scenario.title, summary.errors);
        }
        Ok(summary)
    }
}

fn pin(program: Program, pinned: bool, core: usize) -> Program {
    if pinned { program.pin(core) } else { program }
}

async fn listening(addr: SocketAddr, running: &Running) -> anyhow::Result<()> {
    while running.started().elapsed() < START_UP_LIMIT {
        if tokio::net::TcpStream::connect(addr).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bail!("not listening in {START_UP_LIMIT:?}:\n{}", running.logs())
}

async fn first_answer(target: &Target, running: &Running) -> anyhow::Result<()> {
    while running.started().elapsed() < START_UP_LIMIT {
        if let Ok((200, _)) = load::once(target).await {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    bail!("no answer in {START_UP_LIMIT:?}:\n{}", running.logs())
}

/// What a contender did, and what it cost.
#[derive(Default)]
struct Spent {
    /// Sums; but for the rate, which is a mean, and what only one turn can tell: the last one's.
    load: Summary,
    cpu: Duration,
    /// For its core.
    waited: Duration,
    /// After the last turn, in bytes.
    resident: u64,
    turns: u32,
}

impl Spent {
    fn add(&mut self, other: Self) {
        let (ours, theirs) = (f64::from(self.turns), f64::from(other.turns));
        let rate = (self.load.per_second * ours + other.load.per_second * theirs) / (ours + theirs);
        self.load = Summary {
            requests: self.load.requests + other.load.requests,
            events: self.load.events + other.load.events,
            per_second: rate,
            ..other.load
        };
        self.cpu += other.cpu;
        self.waited += other.waited;
        self.resident = other.resident;
        self.turns += other.turns;
    }

    fn value(&self, measure: Measure) -> f64 {
        let each = |count: u64| self.cpu.as_secs_f64() * 1e6 / count.max(1) as f64;
        match measure {
            Measure::CpuPerRequest => each(self.load.requests),
            Measure::CpuPerEvent => each(self.load.events),
            Measure::Throughput => self.load.per_second,
            Measure::P50 => self.load.p50_us,
            Measure::P99 => self.load.p99_us,
            Measure::GapP99 => self.load.gap_deviation_p99_us,
            Measure::GapMax => self.load.gap_deviation_max_us,
            Measure::ResidentUsed => self.resident as f64 / 1e6,
            // These come from a fresh process or none, not from a load.
            Measure::Resident | Measure::StartUp | Measure::Report => 0.0,
        }
    }
}
