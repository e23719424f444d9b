//! `llmctl usage`: what was used and what it cost, with a bar for each line.

use serde_json::Value;

use super::{Admin, Query, text};
use crate::args::UsageArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// How long the longest bar is, in characters.
const BAR: f64 = 24.0;
/// Parts of a character, from an eighth to seven.
const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Shows a report.
pub(crate) async fn usage(args: &UsageArgs, out: &mut Output) -> Result<Exit, Failure> {
    let UsageArgs { at, from, to, tz, by, only, csv } = args;
    let mut query = Query::default().and("from", from.as_deref()).and("to", to.as_deref());
    query = query.and("tz", tz.as_deref()).and("group_by", Some(&by.join(",")));
    for pair in only {
        let (word, value) = pair.split_once('=').ok_or_else(|| {
            Failure::Usage(anyhow::anyhow!("`--only {pair}` needs a value, such as team=search"))
        })?;
        query = query.and(word, Some(value));
    }
    let report = Admin::at(at).await?.get(&format!("/usage{query}")).await?;
    if out.json {
        out.json(&report)?;
        return Ok(Exit::Ok);
    }
    show(&report, *csv, out)?;
    Ok(Exit::Ok)
}

fn show(report: &Value, csv: bool, out: &mut Output) -> Result<(), Failure> {
    let lines = report.get("data").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let words: Vec<String> =
        text(report, "/group_by").split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    if csv {
        return values(&words, lines, out);
    }
    let most = lines.iter().map(cost).fold(0.0, f64::max);
    let title = words.join("/").to_uppercase();
    let header =
        [title.as_str(), "COST USD", "REQUESTS", "ERRORS", "INPUT", "CACHED", "OUTPUT", "MEAN MS", ""];
    let row = |line: &Value, name: String, bar: String| {
        [
            name,
            text(line, "/cost_usd"),
            text(line, "/requests"),
            text(line, "/errors"),
            sum(line, &["/input_tokens", "/cache_read_tokens", "/cache_write_tokens"]),
            text(line, "/cache_read_tokens"),
            sum(line, &["/output_tokens", "/reasoning_tokens"]),
            text(line, "/mean_latency_ms"),
            bar,
        ]
    };
    let name = |line: &Value| {
        let value = |word: &String| match text(line, &format!("/group/{word}")) {
            empty if empty.is_empty() => "-".to_owned(),
            value => value,
        };
        words.iter().map(value).collect::<Vec<_>>().join("/")
    };
    let mut rows: Vec<_> = lines.iter().map(|line| row(line, name(line), bar(cost(line), most))).collect();
    if let Some(total) = report.get("total") {
        rows.push(row(total, "total".to_owned(), String::new()));
    }
    out.table(header, rows)
}

/// The sums of a line, as the API calls them.
const SUMS: [&str; 14] = [
    "cost_usd",
    "requests",
    "attempts",
    "errors",
    "cache_hits",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "other_tokens",
    "unpriced",
    "mean_latency_ms",
    "mean_first_token_ms",
];

/// A column for each thing that the report is divided by, and for each sum.
fn values(words: &[String], lines: &[Value], out: &mut Output) -> Result<(), Failure> {
    let header: Vec<_> = words.iter().map(String::as_str).chain(SUMS).collect();
    let row = |line: &Value| -> Vec<String> {
        let group = words.iter().map(|word| text(line, &format!("/group/{word}")));
        group.chain(SUMS.iter().map(|sum| text(line, &format!("/{sum}")))).collect()
    };
    let rows: Vec<_> = lines.iter().map(row).collect();
    out.csv(&header, &rows)
}

fn cost(line: &Value) -> f64 {
    text(line, "/cost_usd").parse().unwrap_or_default()
}

fn sum(line: &Value, members: &[&str]) -> String {
    let numbers = members.iter().filter_map(|member| line.pointer(member)?.as_u64());
    numbers.sum::<u64>().to_string()
}

/// A bar as long as its share of the most.
fn bar(value: f64, most: f64) -> String {
    if most <= 0.0 || value <= 0.0 {
        return String::new();
    }
    // At least an eighth of a character: there is something.
    let eighths = (value / most * BAR * 8.0).round().max(1.0);
    let whole = (eighths / 8.0).floor();
    let part = PARTS.iter().zip(0_u8..).find(|(_, n)| (eighths - whole * 8.0 - f64::from(*n)).abs() < 0.5);
    let full = std::iter::repeat_n("█", (0_u8..=24).rfind(|n| f64::from(*n) <= whole).unwrap_or(0).into());
    full.chain(part.map(|(part, _)| *part)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::output::testing::output;

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!(bar(1.0, 1.0).chars().count(), 24);
        assert_eq!(bar(0.5, 1.0), "█".repeat(12));
        assert_eq!(bar(0.000_001, 1.0), "▏");
        assert_eq!(bar(1.5, 24.0), "█▌");
        assert_eq!((bar(0.0, 1.0), bar(0.0, 0.0)), (String::new(), String::new()));
    }

    #[test]
    fn a_report_is_a_table_or_values() {
        let line = |name: &str, cost: &str| {
            json!({"group": {"team": name, "model": "m,1"}, "cost_usd": cost, "requests": 2, "errors": 0,
                "input_tokens": 10, "cache_read_tokens": 5, "cache_write_tokens": 0, "output_tokens": 7,
                "reasoning_tokens": 1, "mean_latency_ms": 20.5})
        };
        let report = json!({"group_by": ["team", "model"], "data": [line("a", "2.00"), line("", "1.00")],
            "total": line("x", "3.00")});
        let (mut out, shown, _) = output(false);
        show(&report, false, &mut out).unwrap();
        let table = shown.text();
        let lines: Vec<_> =
            table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[1], format!("a/m,1 2.00 2 0 15 5 8 20.5 {}", "█".repeat(24)));
        assert_eq!(lines[2], format!("-/m,1 1.00 2 0 15 5 8 20.5 {}", "█".repeat(12)));
        assert_eq!(lines[3], "total 3.00 2 0 15 5 8 20.5");
        let (mut out, shown, _) = output(false);
        show(&report, true, &mut out).unwrap();
        let values = shown.text();
        assert!(values.starts_with("team,model,cost_usd,requests,attempts,errors,"), "{values}");
        assert_eq!(values.lines().nth(1), Some("a,\"m,1\",2.00,2,,0,,10,5,0,7,1,,,20.5,"));
        let columns = values.lines().next().map(|header| header.split(',').count());
        assert!(!values.starts_with(',') && columns == Some(2 + SUMS.len()), "{values}");
    }
}
