//! What a process costs: CPU time and memory, read from `/proc`.
//!
//! From `schedstat` where the kernel has it: `stat` counts in ticks of 10 ms, too coarse for a
//! microsecond per request.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Clock ticks per second in `/proc/<pid>/stat`; 100 on every Linux that this runs on.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time of all live threads of a process, user and kernel.
///
/// # Errors
/// When the process is gone, or this is not Linux.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    match sched_times(pid).map(|(run, _)| run) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => tick_time(pid),
    }
}

/// How long the threads of a process were ready to run and did not get a core. A process that has its
/// core to itself waits next to nothing, so this tells whether a measurement was disturbed.
///
/// # Errors
/// When the process is gone, or the kernel does not count this.
pub fn wait_time(pid: u32) -> io::Result<Duration> {
    sched_times(pid).map(|(_, wait)| wait)
}

/// Running and waiting, of all live threads together.
fn sched_times(pid: u32) -> io::Result<(Duration, Duration)> {
    let (mut run, mut wait) = (Duration::ZERO, Duration::ZERO);
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the read.
        let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else { continue };
        let mut words = text.split_whitespace().map_while(|word| word.parse().ok());
        let (ran, waited) = words.next().zip(words.next()).ok_or_else(|| unreadable("schedstat"))?;
        run += Duration::from_nanos(ran);
        wait += Duration::from_nanos(waited);
    }
    Ok((run, wait))
}

fn tick_time(pid: u32) -> io::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(&stat).ok_or_else(|| unreadable("stat"))
}

/// The name in the second field may hold blanks and brackets, so fields count from its end.
fn parse_stat(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND))
}

/// Resident memory in bytes.
///
/// # Errors
/// When the process is gone, or this is not Linux.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|word| word.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| unreadable("VmRSS"))
}

/// Process ids of the direct children, for programs that do their work in a child.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Whether processes can be tied to cores here: `taskset` is installed and there are two cores.
#[must_use]
pub fn can_pin() -> bool {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    cores > 1 && in_path("taskset")
}

/// Ties all threads of this process, and those that it starts later, to a core.
///
/// # Errors
/// When `taskset` is missing or refuses.
pub fn pin_self(core: usize) -> io::Result<()> {
    let pid = std::process::id().to_string();
    let output = Command::new("taskset").args(["-a", "-c", "-p", &core.to_string(), &pid]).output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(io::Error::other("taskset refuses to pin this process"))
    }
}

/// Whether a program is in `PATH`.
#[must_use]
pub fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}

fn unreadable(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("can't read {what} in /proc"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_from_behind_the_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 25 17 0 0 20 0 1 0 5 6 7";
        assert_eq!(parse_stat(stat), Some(Duration::from_millis(420)));
    }

    #[test]
    fn work_costs_cpu_time_and_memory_is_held() {
        let pid = std::process::id();
        let before = cpu_time(pid).unwrap();
        let until = std::time::Instant::now() + Duration::from_millis(60);
        let mut sum = 0_u64;
        while std::time::Instant::now() < until {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
        }
        let spent = cpu_time(pid).unwrap() - before;
        assert!(spent > Duration::ZERO && spent < Duration::from_secs(10), "{spent:?}");
        assert!(resident_bytes(pid).unwrap() > 100_000);
        assert!(wait_time(pid).is_ok());
        assert!(cpu_time(u32::MAX).is_err() && wait_time(u32::MAX).is_err());
    }
}
