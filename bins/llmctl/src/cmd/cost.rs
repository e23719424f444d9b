//! `llmctl cost`: what a call costs, from counts or from a prompt, and what it would cost elsewhere.

use llm_cost::tokenizer::count_prompt;
use llm_cost::{Asked, PriceBook, ServiceTier};
use llm_providers::estimate;
use llm_types::chat::{ChatRequest, Message};
use llm_types::{Call, PicoUsd, Usage};
use serde::Serialize;

use crate::args::CostArgs;
use crate::exit::{Exit, Failure};
use crate::input::priced::{Priced, book, priced};
use crate::input::prompt;
use crate::output::Output;

use super::prices::rule;

/// What one model takes for the call.
#[derive(Debug, Serialize)]
struct Quote {
    model: String,
    /// `None`, as what it was found by: nobody knows a price of it.
    provider: Option<String>,
    found_by: Option<&'static str>,
    input_tokens: u64,
    output_tokens: u64,
    /// `given`, `counted` or `estimated`.
    tokens: &'static str,
    items: Vec<Line>,
    total_usd: Option<PicoUsd>,
}

/// One line of its bill.
#[derive(Debug, Serialize)]
struct Line {
    class: &'static str,
    count: u64,
    usd: Option<PicoUsd>,
}

/// How long the prompt is.
enum Prompt {
    Given(u64),
    Text(Box<ChatRequest>),
}

/// Prices a call.
pub(crate) fn run(args: &CostArgs, out: &mut Output) -> Result<Exit, Failure> {
    let prompt = match &args.file {
        Some(file) => {
            let text = prompt::of_file(file).map_err(Failure::Usage)?;
            Prompt::Text(Box::new(ChatRequest::new([Message::user(text)])))
        }
        None => Prompt::Given(args.input.unwrap_or_default()),
    };
    let book = book(args.map.as_deref()).map_err(Failure::Usage)?;
    let names = std::iter::once(&args.model).chain(&args.compare);
    let found: Vec<_> = names.map(|name| (name, priced(&book, name))).collect();
    let is_known = found.iter().any(|(_, model)| model.is_ok());
    let all = found.into_iter().map(|(name, model)| match model {
        Ok(model) => of_model(&book, &model, &prompt, args),
        // The others are compared all the same.
        Err(error) if is_known => {
            writeln!(out.err, "{name}: it has no price: {error:#}")?;
            without_price(name, &prompt, args)
        }
        Err(error) => Err(Failure::Usage(error)),
    });
    let all = all.collect::<Result<Vec<_>, Failure>>()?;
    match (&all[..], out.json) {
        ([one], true) if args.compare.is_empty() => out.json(one)?,
        (_, true) => out.json(&all)?,
        ([one], false) => bill(one, out)?,
        (_, false) => comparison(&all, out)?,
    }
    Ok(Exit::Ok)
}

fn of_model(
    book: &PriceBook,
    model: &Priced<'_>,
    prompt: &Prompt,
    args: &CostArgs,
) -> Result<Quote, Failure> {
    let (input, tokens) = tokens(&model.model, prompt)?;
    let usage = usage(input, args).map_err(Failure::Usage)?;
    let asked = Asked { provider: &model.provider, model: &model.model, ..Asked::default() };
    let bill = book.cost(&asked, &usage).cost;
    let items = bill.items().iter();
    Ok(Quote {
        model: model.asked.clone(),
        provider: Some(model.provider.clone()),
        found_by: Some(rule(model.found.rule)),
        input_tokens: input,
        output_tokens: args.output,
        tokens,
        total_usd: bill.total(),
        items: items
            .map(|item| Line { class: item.class.name(), count: item.count, usd: item.amount })
            .collect(),
    })
}

/// A model that has no price, among others.
fn without_price(name: &str, prompt: &Prompt, args: &CostArgs) -> Result<Quote, Failure> {
    let (input_tokens, tokens) = tokens(name, prompt)?;
    Ok(Quote {
        model: name.to_owned(),
        provider: None,
        found_by: None,
        input_tokens,
        output_tokens: args.output,
        tokens,
        items: Vec::new(),
        total_usd: None,
    })
}

/// The prompt's tokens, and how they are known.
fn tokens(model: &str, prompt: &Prompt) -> Result<(u64, &'static str), Failure> {
    let request = match prompt {
        Prompt::Given(count) => return Ok((*count, "given")),
        Prompt::Text(request) => request,
    };
    if let Some(count) = count_prompt(model, request) {
        return Ok((count, "counted"));
    }
    let estimate = estimate::count(&Call::CountTokens(request.clone()))?;
    Ok((estimate.input, "estimated"))
}

fn usage(input: u64, args: &CostArgs) -> anyhow::Result<Usage> {
    let CostArgs { output, cached, cache_write, reasoning, .. } = args;
    let apart = cached.checked_add(*cache_write);
    let Some(fresh) = apart.and_then(|apart| input.checked_sub(apart)) else {
        anyhow::bail!("--cached and --cache-write are parts of the prompt, which has {input} tokens");
    };
    let Some(said) = output.checked_sub(*reasoning) else {
        anyhow::bail!("--reasoning is a part of the answer, which has {output} tokens");
    };
    Ok(Usage {
        input: fresh,
        cache_read: *cached,
        cache_write_5m: *cache_write,
        output: said,
        reasoning: *reasoning,
        service: ServiceTier::of(&args.tier),
        ..Usage::default()
    })
}

fn dollars(amount: Option<PicoUsd>) -> String {
    amount.map_or_else(|| "unknown".to_owned(), |usd| usd.to_string())
}

fn bill(one: &Quote, out: &mut Output) -> Result<(), Failure> {
    let lines =
        one.items.iter().map(|line| [line.class.to_owned(), line.count.to_string(), dollars(line.usd)]);
    let total = ["total".to_owned(), String::new(), dollars(one.total_usd)];
    out.table(["CLASS", "COUNT", "USD"], lines.chain([total]).collect())?;
    remark(std::slice::from_ref(one), out)
}

fn comparison(all: &[Quote], out: &mut Output) -> Result<(), Failure> {
    let rows = all.iter().map(|one| {
        let counts = [one.input_tokens, one.output_tokens].map(|count| count.to_string());
        let [input, output] = counts;
        [one.model.clone(), input, output, one.tokens.to_owned(), dollars(one.total_usd)]
    });
    out.table(["MODEL", "INPUT", "OUTPUT", "TOKENS", "USD"], rows.collect())?;
    remark(all, out)
}

/// What a person should know beside the figures.
fn remark(all: &[Quote], out: &mut Output) -> Result<(), Failure> {
    for one in all {
        if let Some(found_by) = one.found_by.filter(|by| *by != rule(llm_cost::Rule::Exact)) {
            writeln!(out.err, "{}: priced by {found_by}", one.model)?;
        }
        if all.len() == 1 && one.tokens == "estimated" {
            writeln!(out.err, "the prompt is estimated at {} tokens", one.input_tokens)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
