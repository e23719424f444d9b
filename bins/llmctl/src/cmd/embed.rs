//! `llmctl embed`: vectors of texts.

use llm_providers::codec::{ReplyCx, ServerCodec as _};
use llm_providers::dialect::openai_media::Server;
use llm_types::{EmbedInput, EmbedRequest, Output as Answer};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::args::EmbedArgs;
use crate::call::Caller;
use crate::exit::{Exit, Failure};
use crate::input::prompt;
use crate::output::Output;
use crate::print;

/// The vectors of an answer, as they are written.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    data: Vec<Vector<'a>>,
}

#[derive(Deserialize)]
struct Vector<'a> {
    #[serde(borrow)]
    embedding: &'a RawValue,
}

/// Makes vectors and prints them, one in each line.
pub(crate) async fn run(args: &EmbedArgs, out: &mut Output) -> Result<Exit, Failure> {
    let inputs = texts(args).map_err(Failure::Usage)?.into_iter().map(EmbedInput::text).collect();
    let mut request = EmbedRequest {
        inputs,
        dimensions: args.dimensions,
        encoding: args.encoding.into(),
        ..EmbedRequest::default()
    };
    if let Some(word) = &args.input_type {
        request.extra.set_json("input_type", word).map_err(|error| Failure::Usage(error.into()))?;
    }
    let made = Caller::of(&args.via, &args.model)?.embed(request).await?;
    let usage = made.output.usage.clone();
    let vectors = args.encoding.into();
    let cx = ReplyCx { model: args.model.clone(), vectors, ..ReplyCx::default() };
    let json = Server.encode(&Answer::Embed(Box::new(made.output)), &cx);
    if out.json {
        out.out.write_all(&json)?;
        writeln!(out.out)?;
    } else {
        let written: Written<'_> =
            serde_json::from_slice(&json).map_err(|error| Failure::Other(error.into()))?;
        for Vector { embedding } in written.data {
            writeln!(out.out, "{}", embedding.get().trim_matches('"'))?;
        }
    }
    let usage = usage.filter(|usage| out.attended && !out.json && usage.total_tokens() > 0);
    for remark in print::remarks(None, usage.as_ref(), &made.changes) {
        writeln!(out.err, "{remark}")?;
    }
    Ok(Exit::Ok)
}

/// What is given, else each line of standard input.
fn texts(args: &EmbedArgs) -> anyhow::Result<Vec<String>> {
    if !args.texts.is_empty() {
        return Ok(args.texts.clone());
    }
    let text = prompt::of_process(None)
        .map_err(|_| anyhow::anyhow!("no texts: give some, or pipe one per line in"))?;
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
}
