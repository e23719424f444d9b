//! Reports over many usage rows: made by the example of llm-store that also times them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::contender::Who;
use super::plan::REPORTS;
use super::table::Samples;
use super::{Scratch, note};

/// Makes rows in a store of their own, and notes what the slowest report takes.
pub(super) fn measure(program: &Path, rows: u64, samples: &mut Samples) -> anyhow::Result<()> {
    note(&format!("{rows} usage rows are made"))?;
    let scratch = Scratch::of("rows")?;
    let url = format!("sqlite:{}", scratch.path.join("rows.db").display());
    let output = Command::new(program).args([&url, "fill", &rows.to_string()]).output()?;
    ensure!(output.status.success(), "no rows: {}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout)?;
    let slowest = slowest(&said).with_context(|| format!("no times of reports in: {said}"))?;
    REPORTS.rows.iter().for_each(|row| samples.add(REPORTS.title, row, Who::Gateway, slowest));
    Ok(())
}

/// The longest median, in milliseconds.
fn slowest(said: &str) -> Option<f64> {
    let medians = said.lines().filter_map(|line| {
        let (_, rest) = line.split_once("median ")?;
        rest.split_once(" ms")?.0.parse::<f64>().ok()
    });
    medians.reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_report_counts() {
        let said = "wrote 5\nday x model: 1 lines over 5 rows, median 12.5 ms, worst 20.0 ms\n\
                    team: 1 lines over 5 rows, median 3.0 ms, worst 90.0 ms\n";
        assert_eq!(slowest(said), Some(12.5));
        assert_eq!(slowest("nothing"), None);
    }
}
