//! Bills and comparisons, as text and as JSON.

use std::io::Write as _;

use clap::Parser as _;
use serde_json::{Value, json};

use super::*;
use crate::args::{Args, Command};
use crate::output::testing::output;

/// What is printed: results and remarks.
fn ran(args: &[&str]) -> Result<(String, String), Failure> {
    let line = ["llmctl", "cost"].iter().chain(args);
    let args = Args::try_parse_from(line).unwrap_or_else(|error| panic!("{error}"));
    let (mut out, text, remarks) = output(args.json);
    let Command::Cost(cost) = args.command else { unreachable!() };
    assert_eq!(run(&cost, &mut out)?, Exit::Ok);
    Ok((text.text(), remarks.text()))
}

fn json(args: &[&str]) -> Value {
    let (text, _) = ran(&[args, &["--json"]].concat()).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The words of each line of a table.
fn words(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn counts_are_billed_class_by_class() {
    let args = ["gpt-4o", "--input", "3000", "--cached", "1000", "--output", "500", "--reasoning", "100"];
    let (text, remarks) = ran(&args).unwrap();
    assert_eq!(
        words(&text),
        [
            "CLASS COUNT USD",
            "input 2000 0.005",
            "cache_read 1000 0.00125",
            "output 400 0.004",
            "reasoning 100 0.001",
            "total 0.01125",
        ]
    );
    assert_eq!(remarks, "");
    let told = json(&args);
    assert_eq!(told["total_usd"], "0.01125");
    assert_eq!(told["items"][1], json!({"class": "cache_read", "count": 1000, "usd": "0.00125"}));
    assert_eq!((&told["provider"], &told["tokens"]), (&json!("openai"), &json!("given")));
}

#[test]
fn tiers_and_long_prompts_have_their_prices() {
    let total = |args: &[&str]| json(args)["total_usd"].clone();
    let claude = ["claude-sonnet-4-5", "--input", "1000", "--cache-write", "1000"];
    assert_eq!(total(&claude), "0.00375");
    let long = ["gemini/gemini-2.5-pro", "--input", "200001", "--output", "0"];
    assert_eq!(total(&long), "0.5000025");
    let flex = ["gpt-5", "--input", "1000", "--tier", "flex"];
    assert_eq!(total(&flex), "0.000625");
    // Sold by the second: what a token costs is not known.
    let unknown = ["whisper-1", "--input", "1000"];
    assert_eq!(total(&unknown), Value::Null);
    assert!(ran(&unknown).unwrap().0.contains("unknown"));
}

#[test]
fn a_prompt_is_counted_and_compared() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"Reply with exactly: cobalt").unwrap();
    let path = file.path().to_str().unwrap();
    let others = "openai/gpt-4o,claude-haiku-4-5";
    let args = ["gpt-4o-mini", "--file", path, "--output", "10", "--compare", others];
    let (text, _) = ran(&args).unwrap();
    assert_eq!(
        words(&text),
        [
            "MODEL INPUT OUTPUT TOKENS USD",
            "gpt-4o-mini 12 10 counted 0.0000078",
            "openai/gpt-4o 12 10 counted 0.00013",
            "claude-haiku-4-5 14 10 estimated 0.000064",
        ]
    );
    let told = json(&args);
    assert_eq!((told.as_array().unwrap().len(), &told[2]["tokens"]), (3, &json!("estimated")));
    let (_, remarks) = ran(&["claude-haiku-4-5", "--file", path]).unwrap();
    assert_eq!(remarks, "the prompt is estimated at 14 tokens\n");
    let (_, remarks) = ran(&["gpt-4o-2031-01-01", "--input", "1"]).unwrap();
    assert_eq!(remarks, "gpt-4o-2031-01-01: priced by another release\n");
}

#[test]
fn a_model_without_a_price_hides_no_other() {
    let args = ["gpt-4o-mini", "--input", "1000", "--compare", "nobody/x,gpt-4o"];
    let (text, remarks) = ran(&args).unwrap();
    assert_eq!(
        words(&text),
        [
            "MODEL INPUT OUTPUT TOKENS USD",
            "gpt-4o-mini 1000 0 given 0.00015",
            "nobody/x 1000 0 given unknown",
            "gpt-4o 1000 0 given 0.0025",
        ]
    );
    assert!(remarks.starts_with("nobody/x: it has no price: ") && remarks.lines().count() == 1, "{remarks}");
    let (told, remarks) = ran(&[&args[..], &["--json"]].concat()).unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told[1]["model"], &told[1]["total_usd"]), (&json!("nobody/x"), &Value::Null));
    assert_eq!((&told[1]["provider"], &told[2]["total_usd"]), (&Value::Null, &json!("0.0025")));
    assert!(remarks.starts_with("nobody/x: it has no price"), "{remarks}");
    // The first one is a model among others, too.
    let (text, _) = ran(&["nobody/x", "--input", "1000", "--compare", "gpt-4o"]).unwrap();
    assert_eq!(words(&text).len(), 3);
}

#[test]
fn what_cannot_be_priced_is_said() {
    let check = |args: &[&str], expect: &str| {
        let failure = ran(args).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains(expect), "{args:?}: {failure}");
    };
    check(&["gpt-99", "--input", "1"], "no prices are known of `gpt-99`");
    check(&["gpt-4o", "--input", "5", "--cached", "6"], "which has 5 tokens");
    check(&["gpt-4o", "--input", "5", "--reasoning", "1"], "--reasoning is a part of the answer");
    check(&["gpt-4o", "--file", "/no/such/file"], "/no/such/file");
    check(&["nobody/y", "--input", "1", "--compare", "nobody/x"], "nobody");
    for wrong in [&["cost", "gpt-4o"][..], &["cost", "gpt-4o", "--input", "1", "--file", "x"]] {
        assert!(Args::try_parse_from([&["llmctl"], wrong].concat()).is_err(), "{wrong:?}");
    }
}
