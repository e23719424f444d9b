//! Fills a database with usage rows and measures reports: `usage_report URL fill|write|keys|load|report COUNT`.
//!
//! `fill` writes rows over 90 days, of 1,000 keys in 50 teams and of 20 models at 5 providers, and reports over them;
//! `write` writes rows of one moment, as a gateway does, and says what a row costs; `keys` keeps keys; `load` loads
//! what there is, as a gateway does, and says what memory it takes;
//! `report` measures reports over whatever there is.

#![expect(clippy::print_stdout, reason = "what it has to say")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use llm_governance::report::{GroupBy, ReportAsk};
use llm_governance::{
    Basis, BudgetId, BudgetWindow, Change, Directory, Key, KeyId, KeyStore as _, Mode, NewKey, Period,
    RowCache, RowItem, RowOwner, RowServed, Scope, UsageRow, Window, Zone,
};
use llm_store::{RowOptions, RowWriter, SqlStore};
use llm_types::{PicoUsd, Usage};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Seconds since 1970 at which the rows end, and how long they go back.
const END: i64 = 1_795_000_000;
const SPAN: i64 = 90 * 86_400;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, what, count] = &*args else {
        eprintln!("usage_report URL fill|write|keys|load|report COUNT");
        return ExitCode::FAILURE;
    };
    let work = async {
        let count = count.parse()?;
        match &**what {
            "fill" => {
                write(url, count, &Spread { over: SPAN, keys: 1_000, teams: 50, models: 20, providers: 5 })
                    .await?;
                report(url, 20).await
            }
            "write" => {
                write(url, count, &Spread { over: 0, keys: 4, teams: 1, models: 1, providers: 1 }).await
            }
            "keys" => keys(url, count).await,
            "load" => load(url).await,
            _ => report(url, count).await,
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(Failed::from).and_then(|runtime| runtime.block_on(work)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// In what rows differ.
struct Spread {
    /// Seconds.
    over: i64,
    keys: usize,
    teams: usize,
    models: usize,
    providers: usize,
}

/// Reports, each so many times.
async fn report(url: &str, times: i64) -> Result<(), Failed> {
    use GroupBy as By;
    let store = SqlStore::open(url).await?;
    let (from, to) = (Timestamp::from_second(END - SPAN)?, Timestamp::from_second(END + 1)?);
    for group_by in [
        vec![By::Day, By::Model],
        vec![By::Model],
        vec![By::Provider, By::Day],
        vec![By::Team],
        vec![By::Day, By::Key],
    ] {
        let ask = ReportAsk { from, to, group_by, only: Vec::new(), zone: Zone::UTC };
        let mut took = Vec::new();
        let mut lines = (0, 0);
        for _ in 0..times.max(1) {
            let started = Instant::now();
            let report = store.usage(&ask).await?;
            took.push(started.elapsed());
            lines = (report.rows.len(), report.rows.iter().map(|row| row.sums.attempts).sum());
        }
        took.sort();
        let names: Vec<_> = ask.group_by.iter().map(|by| by.name()).collect();
        let middle = took.get(took.len() / 2).copied().unwrap_or_default();
        let (lines, rows) = lines;
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        println!(
            "{}: {lines} lines over {rows} rows, median {:.1} ms, worst {:.1} ms",
            names.join(" x "),
            ms(middle),
            ms(took.last().copied().unwrap_or_default())
        );
    }
    Ok(())
}

/// Rows the way a gateway sends them.
async fn write(url: &str, count: i64, spread: &Spread) -> Result<(), Failed> {
    let store = SqlStore::open(url).await?;
    let node = format!("n{}", std::process::id());
    let folder = std::env::temp_dir().join(format!("usage-report-{node}"));
    let (writer, task) = RowWriter::start(&store, RowOptions::new(&folder, &*node))?;
    let task = tokio::spawn(task.run());
    let keys: Vec<_> = (0..spread.keys).map(|nth| KeyId::of_name(&format!("key {nth}"))).collect();
    let names = |kind: &str, most: usize| -> Vec<Arc<str>> {
        (0..most).map(|nth| format!("{kind}{nth}").into()).collect()
    };
    let (teams, models) = (names("team", spread.teams), names("model", spread.models));
    let (served, providers) = (names("served", spread.models), names("provider", spread.providers));
    let (started, cpu) = (Instant::now(), cpu());
    for nth in 0..count {
        // Looks random, and is the same each time.
        let mixed = usize::try_from(nth * 7_919 + nth / 1_000 * 104_729)?;
        let pick = |of: &[Arc<str>]| of.get(mixed % of.len()).cloned().unwrap_or_default();
        let micros = (END - spread.over) * 1_000_000 + nth * (spread.over * 1_000_000 / count).max(1);
        let time = Timestamp::from_microsecond(micros)?;
        let (key, team) = (keys.get(mixed % keys.len()).copied(), pick(&teams));
        let window = |scope: Scope| {
            let window = Window::utc(Period::Day);
            let start = window.span(time).start;
            BudgetWindow { budget: Arc::new(BudgetId { scope, window, mode: Mode::Hard }), start }
        };
        let scopes =
            [Scope::Key(key.unwrap_or(KeyId::of_name(""))), Scope::Team(Arc::clone(&team)), Scope::Global];
        let row = UsageRow {
            request: format!("{node}-{nth:012}").into(),
            attempt: 1,
            time,
            who: RowOwner { key, team: Some(team), ..RowOwner::default() },
            tags: [].into_iter().collect(),
            served: RowServed {
                model_asked: pick(&models),
                model: pick(&served),
                provider: pick(&providers),
                deployment: pick(&models),
            },
            usage: Usage { input: 100, output: 20, ..Usage::default() },
            items: ["input", "output"]
                .map(|class| RowItem { class, count: 100, amount: Some(PicoUsd::from_pico(250_000)) })
                .into_iter()
                .collect(),
            cost: PicoUsd::from_pico(500_000),
            basis: Basis::Reported,
            cost_incomplete: false,
            overrun: false,
            bookings: scopes.into_iter().map(window).collect(),
            latency: Duration::from_millis(750),
            first_token: Some(Duration::from_millis(200)),
            status: 200,
            error: None,
            cache: RowCache::Bypass,
            quality: None,
        };
        drop(writer.try_append(&row));
        // A database that keeps up: nothing is read back from the journal.
        if nth % 8_000 == 7_999 {
            writer.flush(Duration::from_secs(60)).await;
        }
    }
    let appended = started.elapsed();
    let stored = writer.drain(Duration::from_secs(600)).await;
    task.await?;
    let (wall, cpu) = (started.elapsed(), self::cpu() - cpu);
    let status = writer.status();
    println!(
        "{count} rows: appended in {appended:?}, all stored ({stored}) in {wall:?}; {:?} of CPU a row",
        cpu / u32::try_from(count)?
    );
    println!("{status:?}");
    drop(writer);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// Keys: kept.
async fn keys(url: &str, count: i64) -> Result<(), Failed> {
    let store = SqlStore::open(url).await?;
    let started = Instant::now();
    let mut left = count;
    while left > 0 {
        let part = left.min(5_000);
        let key = |_| {
            let new = NewKey::generate()?;
            Ok(Change::PutKey(Box::new(Key::new(KeyId::generate()?, new.hash))))
        };
        let changes = (0..part).map(key).collect::<Result<Vec<_>, llm_governance::Error>>()?;
        store.keep_all(&changes, "usage_report").await?;
        left -= part;
    }
    println!("{count} keys kept in {:?}", started.elapsed());
    Ok(())
}

/// Everybody, as a gateway knows them.
async fn load(url: &str) -> Result<(), Failed> {
    let store = SqlStore::open(url).await?;
    let started = Instant::now();
    let directory = Directory::leasing();
    let (mut next, mut fault) = (directory.replacing(), None);
    let mut each = |change: Change| fault = fault.take().or_else(|| next.add(change).err());
    store.load(&mut each).await?;
    next.finish();
    if let Some(fault) = fault {
        return Err(fault.into());
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap_or_default()
    };
    println!(
        "{} keys loaded in {:?}: {} resident at most, {} now",
        directory.key_count(),
        started.elapsed(),
        memory("VmHWM:"),
        memory("VmRSS:")
    );
    Ok(())
}

/// What this process has used of the processor.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
