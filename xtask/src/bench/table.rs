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

    /// The ratios of the rounds, whose median counts and not the ratio of the medians: the two figures of one round were
    /// taken side by side. Above 1 means that the gateway is the dearer one.
    fn ratios(&self) -> Vec<f64> {
        let bare = self.values(|who| who == Who::Bare).unwrap_or_default();
        let gateway = self.values(Who::is_gateway).unwrap_or_default();
        let more_is_better = self.row.measure.more_is_better();
        let ratio =
            |(gateway, bare): (&f64, &f64)| if more_is_better { bare / gateway } else { gateway / bare };
        gateway.iter().zip(bare).map(ratio).collect()
    }

    /// What the gateway added in each round.
    fn added(&self) -> Vec<f64> {
        let gateway = self.values(Who::is_gateway).unwrap_or_default();
        let without = self.values(|who| who == Who::Direct);
        let without = without.or_else(|| self.values(|who| who == Who::Bare)).unwrap_or_default();
        gateway.iter().zip(without).map(|(gateway, without)| gateway - without).collect()
    }

    /// The figures that the target is about.
    fn reached(&self) -> Vec<f64> {
        match self.row.target {
            Target::Ratio(_) => self.ratios(),
            Target::AtMost(_) => self.values(Who::is_gateway).unwrap_or_default().to_vec(),
            Target::AddedMicros(_) => self.added(),
            Target::None => Vec::new(),
        }
    }

    /// The ratio, or what was added where the target is about that, and how far off it may be.
    fn compared(&self) -> String {
        let added = matches!(self.row.target, Target::AddedMicros(_));
        let values = if added { self.added() } else { self.ratios() };
        if values.is_empty() {
            return "–".to_owned();
        }
        let (middle, error) = (median(&values), error(&values));
        if added { format!("{middle:+.1} ± {error:.1} µs") } else { format!("{middle:.2} ± {error:.2}×") }
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
        "Medians of {rounds} interleaved rounds, each with the standard error of what is compared: the ratio of gateway \
         to bare, or to what the title says (above 1 is dearer), or the difference.\n\n"
    );
    out.push_str("| scenario | figure | direct | bare | nginx | gateway | compared | target | result |\n");
    out.push_str("|---|---|---:|---:|---:|---:|---:|---:|---|\n");
    let mut missed = 0_usize;
    for line in &samples.lines {
        let (target, limit) = line.target();
        let reached = line.reached();
        let result = match limit {
            Some(limit) if !reached.is_empty() && median(&reached) <= limit => "pass",
            Some(_) if !reached.is_empty() => {
                missed += 1;
                "MISS"
            }
            _ => "",
        };
        let compared = line.compared();
        // Writing to a string can't fail.
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {compared} | {target} | {result} |",
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

/// The standard error of a median, from how far the values lie from it: robust, as the median itself.
fn error(values: &[f64]) -> f64 {
    let middle = median(values);
    let off: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    // Of a normal distribution: the deviation is 1.4826 times the median of these, and a median's error 1.2533 times
    // that of a mean.
    1.2533 * 1.4826 * median(&off) / (values.len().max(1) as f64).sqrt()
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
    fn errors_shrink_with_rounds_and_ignore_what_is_far_off() {
        let values = |rounds: usize| [9.0, 10.0, 11.0, 10.0, 1000.0].repeat(rounds);
        let (few, many) = (error(&values(1)), error(&values(100)));
        assert!((few - 0.83).abs() < 0.01 && (many - 0.083).abs() < 0.001, "{few} {many}");
        assert!(error(&[]).abs() < 1e-9);
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
        assert!(
            ["1.50 ± 0.43×", "2.50 ± 0.00×", "+700.0 ± 0.0 µs"].iter().all(|cell| text.contains(cell)),
            "{text}"
        );
    }
}
