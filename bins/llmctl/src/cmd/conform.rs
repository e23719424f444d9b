//! `llmctl conform`: what an endpoint can do, found out by asking it.

mod row;

use std::time::Duration;

use llm_conform::{FEATURES, Feature, Finding, Limits, Verdict, ask};
use llm_cost::Asked;
use llm_providers::estimate;
use llm_types::{Call, ErrorKind, Op, PicoUsd, Usage};
use serde::Serialize;

use crate::args::ConformArgs;
use crate::call::Caller;
use crate::exit::{Exit, Failure};
use crate::input::priced::{book, priced};
use crate::output::Output;

/// What is asked, and what that can take.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Plan {
    /// How many calls are made.
    requests: usize,
    /// Tokens of all prompts, estimated.
    prompt_tokens: u64,
    /// The most tokens of all answers.
    completion_tokens: u64,
    /// What that costs; `null`: the model's prices are not known, or something is asked that is not sold by tokens.
    at_most_usd: Option<PicoUsd>,
}

/// What was found out.
#[derive(Debug, Serialize)]
struct Report<'r> {
    model: &'r str,
    plan: &'r Plan,
    findings: &'r [Finding],
    /// Whether everything that is claimed holds.
    conforms: bool,
}

/// Asks a model for its features, one after the other, and prints what came of it.
pub(crate) async fn run(args: &ConformArgs, out: &mut Output) -> Result<Exit, Failure> {
    let features = features(args).map_err(Failure::Usage)?;
    let plan = plan(&args.model, &features);
    if args.dry_run {
        return dry(&plan, &features, out);
    }
    let caller = caller(args)?;
    reachable(&caller)?;
    if !out.json {
        writeln!(out.err, "{}", plan.said())?;
    }
    let limits = Limits { time: Duration::from_secs(args.timeout) };
    let mut findings = Vec::new();
    for feature in features {
        findings.push(ask(caller.client(), caller.model(), feature, limits).await?);
    }
    let wrong = findings.iter().filter(|one| one.is_against(&args.claim)).count();
    if out.json {
        let report = Report { model: &args.model, plan: &plan, findings: &findings, conforms: wrong == 0 };
        out.json(&report)?;
    } else {
        if !args.row {
            table(&findings, out)?;
            writeln!(out.out)?;
        }
        write!(out.out, "{}", row::markdown(&args.model, &findings))?;
        let passed = findings.iter().filter(|one| one.verdict == Verdict::Passed).count();
        writeln!(out.err, "{passed} of {} passed, {wrong} do not hold", findings.len())?;
    }
    Ok(if wrong == 0 { Exit::Ok } else { Exit::Failed })
}

/// The features that are asked for.
fn features(args: &ConformArgs) -> anyhow::Result<Vec<&'static Feature>> {
    for name in &args.operation {
        anyhow::ensure!(
            FEATURES.iter().any(|feature| feature.op.name() == name),
            "`{name}` is no operation that can be asked for: use {}",
            names(FEATURES.iter().map(|feature| feature.op.name()))
        );
    }
    let of_op = |feature: &&Feature| args.operation.iter().any(|name| name == feature.op.name());
    for name in args.feature.iter().chain(&args.claim) {
        anyhow::ensure!(
            FEATURES.iter().filter(of_op).any(|feature| feature.name == name),
            "`{name}` is no feature of these operations: use {}",
            names(FEATURES.iter().filter(of_op).map(|feature| feature.name))
        );
    }
    let unasked = args.claim.iter().find(|name| !args.feature.is_empty() && !args.feature.contains(name));
    if let Some(name) = unasked {
        anyhow::bail!("`{name}` is claimed and not asked for: add it to --feature");
    }
    let wanted =
        |feature: &&Feature| args.feature.is_empty() || args.feature.iter().any(|name| name == feature.name);
    Ok(FEATURES.iter().filter(of_op).filter(wanted).collect())
}

/// Names, each once, in their order.
fn names(all: impl Iterator<Item = &'static str>) -> String {
    let mut list: Vec<_> = Vec::new();
    for name in all {
        if !list.contains(&name) {
            list.push(name);
        }
    }
    list.join(", ")
}

fn plan(model: &str, features: &[&Feature]) -> Plan {
    let (mut plan, mut by_tokens) =
        (Plan { requests: features.len(), prompt_tokens: 0, completion_tokens: 0, at_most_usd: None }, true);
    for feature in features {
        match feature.call() {
            // Sound is said, of which there is no limit that every server knows.
            Call::Chat(_) if feature.op == Op::Realtime => by_tokens = false,
            Call::Chat(request) => {
                let most = request.limits.output_tokens().unwrap_or_default();
                let again = feature.answers().saturating_sub(1);
                // Where there is a turn after it, that has the one before in its prompt.
                plan.prompt_tokens +=
                    feature.answers() * estimate::prompt_tokens(&request) + again * (most + 32);
                plan.completion_tokens += feature.answers() * u64::from(request.output.n.unwrap_or(1)) * most;
            }
            Call::CountTokens(_) => {}
            Call::Embed(_) | Call::Rerank(_) => plan.prompt_tokens += 32,
            _ => by_tokens = false,
        }
    }
    if by_tokens {
        plan.at_most_usd = cost(model, &plan);
    }
    plan
}

fn cost(model: &str, plan: &Plan) -> Option<PicoUsd> {
    let book = book(None).ok()?;
    let priced = priced(&book, model).ok()?;
    let asked = Asked { provider: &priced.provider, model: &priced.model, ..Asked::default() };
    let usage = Usage { input: plan.prompt_tokens, output: plan.completion_tokens, ..Usage::default() };
    book.cost(&asked, &usage).cost.total()
}

impl Plan {
    fn said(&self) -> String {
        let Self { requests, prompt_tokens, completion_tokens, at_most_usd } = self;
        let price = match at_most_usd {
            Some(usd) => format!("at most ${usd}"),
            None => "its price is not known".to_owned(),
        };
        format!(
            "{requests} requests, some {prompt_tokens} tokens of prompts, at most {completion_tokens} of answers: {price}"
        )
    }
}

fn dry(plan: &Plan, features: &[&Feature], out: &mut Output) -> Result<Exit, Failure> {
    if out.json {
        out.json(plan)?;
    } else {
        let row = |one: &&Feature| [one.op.name().to_owned(), one.name.to_owned(), one.about.to_owned()];
        out.table(["OPERATION", "FEATURE", "ABOUT"], features.iter().map(row).collect())?;
        writeln!(out.err, "{}", plan.said())?;
    }
    Ok(Exit::Ok)
}

fn caller(args: &ConformArgs) -> Result<Caller, Failure> {
    match &args.api_base {
        Some(base) => Ok(Caller::at(&args.model, base, args.via.key.clone())?),
        None => Caller::of(&args.via, &args.model),
    }
}

/// Whether there is anybody to ask.
fn reachable(caller: &Caller) -> Result<(), Failure> {
    match caller.client().target(caller.model()) {
        Ok(_) => Ok(()),
        // One would be told of every feature that it failed, and not why.
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::BadRequest) => {
            Err(Failure::Usage(error.into()))
        }
        Err(error) => Err(error.into()),
    }
}

fn table(findings: &[Finding], out: &mut Output) -> Result<(), Failure> {
    let row = |one: &Finding| {
        let tokens = match (one.prompt_tokens, one.completion_tokens) {
            (Some(prompt), Some(completion)) => format!("{prompt}+{completion}"),
            _ => "–".to_owned(),
        };
        let why = if one.why.is_empty() { &one.changes } else { &one.why };
        let verdict = one.verdict.name().to_owned();
        [
            one.op.name().to_owned(),
            one.feature.to_owned(),
            verdict,
            tokens,
            format!("{} ms", one.took_ms),
            shown(why),
        ]
    };
    out.table(
        ["OPERATION", "FEATURE", "VERDICT", "TOKENS", "TOOK", "WHY"],
        findings.iter().map(row).collect(),
    )
}

/// As much of a sentence as fits into a line.
fn shown(why: &str) -> String {
    const FITS: usize = 90;
    let line = why.lines().next().unwrap_or_default();
    let mut out: String = line.chars().take(FITS).collect();
    if out.len() < line.len() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};
    use crate::output::testing::output;

    fn args(line: &[&str]) -> ConformArgs {
        match Args::try_parse_from(["llmctl", "conform"].iter().chain(line)).unwrap().command {
            Command::Conform(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_it_can_cost_is_known_beforehand() {
        let known = plan("openai/gpt-4o-mini", &features(&args(&["openai/gpt-4o-mini"])).unwrap());
        let usd = known.at_most_usd.unwrap();
        assert!(usd > PicoUsd::ZERO && usd < PicoUsd::rounded("1", -1).unwrap(), "{usd}");
        assert_eq!(plan("hosted_vllm/x", &features(&args(&["x"])).unwrap()).at_most_usd, None);
        // What goes on from an answer is paid twice, and has that answer in its prompt.
        let at = |name| {
            plan("openai/gpt-4o-mini", &features(&args(&["x", "-o", "responses", "-f", name])).unwrap())
        };
        assert_eq!(at("state").completion_tokens, 2 * at("text").completion_tokens);
        assert!(at("state").prompt_tokens > 2 * at("text").prompt_tokens);
        assert_eq!(features(&args(&["x", "-f", "stop,seed"])).unwrap().len(), 2);
        for wrong in [&["x", "-f", "stopp"][..], &["x", "-o", "chatt"], &["x", "--claim", "vectors"]] {
            assert!(features(&args(wrong)).unwrap_err().to_string().contains(": use "), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_no_table_knows_is_asked_for_everything() {
        use llm_testkit::{Script, Upstream};
        let upstream = Upstream::start().unwrap();
        upstream.on("/v1/messages/count_tokens", |_| Script::json(&serde_json::json!({"input_tokens": 12})));
        upstream
            .always(Script::status(404).json_body(&serde_json::json!({"error": {"message": "no route"}})));
        let base = format!("{}/v1", upstream.url());
        let line = ["local", "--api-base", &base, "--row", "-o", "count_tokens,realtime,batch"];
        let (mut out, text, _) = output(false);
        assert_eq!(run(&args(&line), &mut out).await.unwrap(), Exit::Failed);
        let rows: Vec<String> =
            text.text().lines().filter(|line| line.starts_with("| local")).map(str::to_owned).collect();
        // Functions do not count there; what need not be there is no fault.
        let expect =
            ["| local | **passed** | failed |", "| local | failed | – |", "| local | – | failed | – | – |"];
        let names = ["count_tokens", "realtime", "batch"];
        assert_eq!(rows.len(), names.len(), "{rows:?}");
        for row in expect {
            assert!(rows.iter().any(|found| found == row), "{row}: {rows:?}");
        }
    }

    #[tokio::test]
    async fn nobody_is_asked_where_nobody_is() {
        let (mut out, text, err) = output(false);
        let failure = run(&args(&["nosuch/x"]), &mut out).await.unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains("nosuch"), "{failure}");
        assert_eq!((text.text().as_str(), err.text().as_str()), ("", ""));
    }

    #[tokio::test]
    async fn the_built_in_provider_conforms() {
        for (operation, least) in [("chat", 14), ("embed,rerank,transcribe,speech,image,moderate", 9)] {
            let (mut out, text, err) = output(false);
            let exit = run(&args(&["mock/echo", "-o", operation]), &mut out).await.unwrap();
            assert_eq!(exit, Exit::Ok, "{}", text.text());
            let passed = text.text().matches(" passed ").count();
            assert!(passed >= least, "{passed}: {}{}", text.text(), err.text());
        }
        let (mut out, text, _) = output(true);
        let exit =
            run(&args(&["mock/echo", "-f", "parallel_tools", "--claim", "parallel_tools"]), &mut out).await;
        assert_eq!(exit.unwrap(), Exit::Failed, "what is claimed must be seen");
        let report: serde_json::Value = serde_json::from_str(&text.text()).unwrap();
        assert_eq!(
            (&report["conforms"], &report["findings"][0]["verdict"]),
            (&false.into(), &"unseen".into())
        );
    }
}
