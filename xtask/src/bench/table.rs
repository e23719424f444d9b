//! From samples to the table.

use std::fmt::Write as _;

use super::contender::Who;
use super::plan::{Measure, Row, Target};

/// Every figure of every round.
#[derive(Debug, Default)]
pub(super) struct Samples {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    title: &'static str,
    row: &'static Row,
    /// In the order of the rounds.
    values: Vec<(Who, Vec<f64>)>,
}

impl Samples {
    /// Adds the figure of a round.
    pub(super) fn add(&mut self, title: &'static str, row: &'static Row, who: Who, value: f64) {
        let found =
            self.lines.iter_mut().position(|line| line.title == title && line.row.measure == row.measure);
        let at = found.unwrap_or_else(|| {
            self.lines.push(Line { title, row, values: Vec::new() });
            self.lines.len() - 1
        });
        let Some(line) = self.lines.get_mut(at) else { return };
        match line.values.iter_mut().find(|(other, _)| *other == who) {
            Some((_, values)) => values.push(value),
            None => line.values.push((who, vec![value])),
        }
    }
}

impl Line {
    fn values(&self, wanted: impl Fn(Who) -> bool) -> Option<&[f64]> {
        self.values.iter().find(|(who, _)| wanted(*who)).map(|(_, values)| values.as_slice())
    }

    fn cell(&self, wanted: impl Fn(Who) -> bool) -> String {
        self.values(wanted).map_or_else(|| "–".to_owned(), |values| figure(median(values), self.row.measure))
    }

    /// The median of the ratios of the rounds, not the ratio of the medians: the two figures of one
    /// round were taken seconds apart. Above 1 means that the gateway is the dearer one.
    fn ratio(&self) -> Option<f64> {
        let gateway = self.values(Who::is_gateway)?;
        let bare = self.values(|who| who == Who::Bare)?;
        let more_is_better = self.row.measure.more_is_better();
        let ratio =
            |(gateway, bare): (&f64, &f64)| if more_is_better { bare / gateway } else { gateway / bare };
        Some(median(&gateway.iter().zip(bare).map(ratio).collect::<Vec<_>>()))
    }

    /// The figure that the target is about.
    fn reached(&self) -> Option<f64> {
        match self.row.target {
            Target::Ratio(_) => self.ratio(),
            Target::AtMost(_) => self.values(Who::is_gateway).map(median),
            Target::AddedMicros(_) => {
                let gateway = self.values(Who::is_gateway)?;
                let without = self.values(|who| who == Who::Direct);
                let without = without.or_else(|| self.values(|who| who == Who::Bare))?;
                let added = gateway.iter().zip(without).map(|(gateway, without)| gateway - without);
                Some(median(&added.collect::<Vec<_>>()))
            }
            Target::None => None,
        }
    }

    fn target(&self) -> (String, Option<f64>) {
        match self.row.target {
            Target::Ratio(limit) => (format!("≤ {limit}×"), Some(limit)),
            Target::AddedMicros(limit) => (format!("≤ {limit:.0} µs added"), Some(limit)),
            Target::AtMost(limit) => (format!("≤ {limit:.0} {}", self.row.measure.unit()), Some(limit)),
            Target::None => ("–".to_owned(), None),
        }
    }
}

/// The table, and how many targets are missed.
pub(super) fn render(samples: &Samples, rounds: usize) -> (String, usize) {
    let mut out = format!(
        "Medians of {rounds} interleaved rounds; the ratio is gateway to bare, or to what the title says, above 1 is \
         dearer.\n\n"
    );
    out.push_str("| scenario | figure | direct | bare | nginx | gateway | ratio | target | result |\n");
    out.push_str("|---|---|---:|---:|---:|---:|---:|---:|---|\n");
    let mut missed = 0_usize;
    for line in &samples.lines {
        let (target, limit) = line.target();
        let result = match (line.reached(), limit) {
            (Some(reached), Some(limit)) if reached <= limit => "pass",
            (Some(_), Some(_)) => {
                missed += 1;
                "MISS"
            }
            _ => "",
        };
        let ratio = line.ratio().map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}×"));
        // Writing to a string can't fail.
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {ratio} | {target} | {result} |",
            line.title,
            line.row.measure.label(),
            line.cell(|who| who == Who::Direct),
            line.cell(|who| who == Who::Bare),
            line.cell(|who| who == Who::Nginx),
            line.cell(Who::is_gateway),
        );
    }
    (out, missed)
}

fn figure(value: f64, measure: Measure) -> String {
    let digits = if value >= 100.0 { 0 } else { 1 };
    format!("{value:.digits$} {}", measure.unit())
}

/// The middle value; the mean of the two middle ones where their number is even. Zero for none.
fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied().unwrap_or(0.0);
    let lower = values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0.0);
    f64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: Row = Row { measure: Measure::CpuPerRequest, target: Target::Ratio(2.0) };
    const RATE: Row = Row { measure: Measure::Throughput, target: Target::Ratio(2.0) };
    const GAP: Row = Row { measure: Measure::GapP99, target: Target::AddedMicros(1000.0) };

    fn add(samples: &mut Samples, row: &'static Row, who: Who, values: &[f64]) {
        values.iter().for_each(|value| samples.add("x", row, who, *value));
    }

    #[test]
    fn medians() {
        for (values, expect) in [(&[][..], 0.0), (&[3.0], 3.0), (&[3.0, 1.0], 2.0), (&[9.0, 1.0, 2.0], 2.0)] {
            assert!((median(values) - expect).abs() < 1e-9, "{values:?}");
        }
    }

    #[test]
    fn targets_are_met_or_missed() {
        let mut samples = Samples::default();
        add(&mut samples, &CPU, Who::Bare, &[10.0, 10.0, 30.0]);
        add(&mut samples, &CPU, Who::Gateway, &[15.0, 25.0, 33.0]);
        add(&mut samples, &RATE, Who::Bare, &[1000.0]);
        add(&mut samples, &RATE, Who::Gateway, &[400.0]);
        add(&mut samples, &GAP, Who::Direct, &[200.0]);
        add(&mut samples, &GAP, Who::Gateway, &[900.0]);
        let (text, missed) = render(&samples, 3);
        assert_eq!(missed, 1, "{text}");
        let results: Vec<&str> = text.lines().skip(4).filter_map(|line| line.rsplit('|').nth(1)).collect();
        assert_eq!(results, [" pass ", " MISS ", " pass "], "{text}");
        assert!(text.contains("1.50×") && text.contains("2.50×"), "{text}");
    }
}
