//! `llmctl rerank`: documents in the order of a query.

use llm_providers::codec::{ReplyCx, ServerCodec as _};
use llm_providers::dialect::rerank::Server;
use llm_types::{Output as Answer, RerankDocument, RerankRequest};

use crate::args::RerankArgs;
use crate::call::Caller;
use crate::exit::{Exit, Failure};
use crate::input::prompt;
use crate::output::Output;
use crate::print;

/// Orders documents and prints them, the best first.
pub(crate) async fn run(args: &RerankArgs, out: &mut Output) -> Result<Exit, Failure> {
    let request = request(args).map_err(Failure::Usage)?;
    let caller = Caller::of(&args.via, &args.model)?;
    let documents = request.documents.clone();
    let reply = caller.rerank(request).await?;
    if out.json {
        // Who answers without one has it from us, as from a gateway.
        let id = uuid::Uuid::now_v7().simple().to_string();
        let cx = ReplyCx { model: args.model.clone(), id, ..ReplyCx::default() };
        let json = Server.encode(&Answer::Rerank(Box::new(reply.ranking.clone())), &cx);
        out.out.write_all(&json)?;
        writeln!(out.out)?;
    } else {
        let row = |ranked: &llm_types::Ranked| {
            let text = match documents.get(ranked.index) {
                Some(RerankDocument::Text(text)) => line(text),
                Some(RerankDocument::Object(_)) | None => String::new(),
            };
            [format!("{:.4}", ranked.score), ranked.index.to_string(), text]
        };
        out.table(["SCORE", "INDEX", "DOCUMENT"], reply.results.iter().map(row).collect())?;
    }
    let usage = reply.usage.as_ref().filter(|usage| out.attended && !out.json && usage.total_tokens() > 0);
    for remark in print::remarks(None, usage, &reply.changes) {
        writeln!(out.err, "{remark}")?;
    }
    Ok(Exit::Ok)
}

/// The request that the arguments describe.
fn request(args: &RerankArgs) -> anyhow::Result<RerankRequest> {
    let documents = match args.documents.as_slice() {
        [] => {
            let text = prompt::of_process(None)
                .map_err(|_| anyhow::anyhow!("no documents: give some, or pipe one per line in"))?;
            text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
        }
        given => given.to_vec(),
    };
    let mut request = RerankRequest::new(&*args.query, documents);
    request.top_n = args.top_n;
    Ok(request)
}

/// The first line of a document, as far as it fits.
fn line(text: &str) -> String {
    const SHOWN: usize = 80;
    let first = text.lines().next().unwrap_or_default();
    let mut out: String = first.chars().take(SHOWN).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}
