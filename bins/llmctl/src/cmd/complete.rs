//! `llmctl complete`: how a text goes on.

use llm_providers::dialect::openai_completions::Server;
use llm_types::Dialect;
use llm_types::chat::{ChatRequest, Message};

use super::answer::{self, Form};
use crate::args::CompleteArgs;
use crate::call::Caller;
use crate::exit::{Exit, Failure};
use crate::input::prompt;
use crate::output::Output;

/// Asks a model how a text goes on, and prints what it adds.
pub(crate) async fn run(args: &CompleteArgs, out: &mut Output) -> Result<Exit, Failure> {
    let prompt = prompt::of_process(args.prompt.as_deref()).map_err(Failure::Usage)?;
    let request = request(args, prompt).map_err(Failure::Usage)?;
    let caller = Caller::of(&args.via, &args.model)?;
    let form = Form { server: &Server, model: &args.model };
    match args.stream {
        true => answer::stream(caller.complete_stream(request).await?, form, out).await,
        false => answer::whole(&caller.complete(request).await?, form, out),
    }
}

/// The request that the arguments describe.
fn request(args: &CompleteArgs, prompt: String) -> anyhow::Result<ChatRequest> {
    let mut request = ChatRequest::new([Message::user(prompt)]);
    request.origin = Some(Dialect::OpenaiCompletions);
    request.sampling.temperature = args.temperature;
    request.limits.max_tokens = args.max_tokens;
    request.limits.stop.clone_from(&args.stop);
    request.delivery.include_usage = args.stream.then_some(true);
    if let Some(suffix) = &args.suffix {
        request.extra.set_json("suffix", suffix)?;
    }
    Ok(request)
}
