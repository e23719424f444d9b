//! `llmctl chat`: one question, one answer.

use llm_providers::dialect::openai_chat::Server;
use llm_types::chat::{ChatRequest, Message, Part, Role};

use super::answer::{self, Form};
use crate::args::ChatArgs;
use crate::call::Caller;
use crate::exit::{Exit, Failure};
use crate::input::{image, prompt, tool};
use crate::output::Output;

/// Asks a model and prints its answer.
pub(crate) async fn run(args: &ChatArgs, out: &mut Output) -> Result<Exit, Failure> {
    let prompt = prompt::of_process(args.prompt.as_deref()).map_err(Failure::Usage)?;
    let request = request(args, prompt).map_err(Failure::Usage)?;
    let caller = Caller::of(&args.via, &args.model)?;
    let form = Form { server: &Server, model: &args.model };
    match args.stream {
        true => answer::stream(caller.stream(request).await?, form, out).await,
        false => answer::whole(&caller.chat(request).await?, form, out),
    }
}

/// The request that the arguments describe.
fn request(args: &ChatArgs, prompt: String) -> anyhow::Result<ChatRequest> {
    let mut parts = vec![Part::text(prompt)];
    for source in &args.image {
        parts.push(image::part(source)?);
    }
    let system = args.system.as_ref().map(|text| Message::system(text.as_str()));
    let mut request = ChatRequest::new(system.into_iter().chain([Message::new(Role::User, parts)]));
    for path in &args.tool_schema {
        request.tooling.tools.extend(tool::read(path)?);
    }
    request.sampling.temperature = args.temperature;
    request.limits.max_completion_tokens = args.max_tokens;
    request.delivery.stream = args.stream;
    request.delivery.include_usage = args.stream.then_some(true);
    Ok(request)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};
    use crate::output::testing::output;

    fn args(line: &[&str]) -> ChatArgs {
        let line = ["llmctl", "chat"].iter().chain(line);
        match Args::try_parse_from(line).unwrap().command {
            Command::Chat(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arguments_become_a_request() {
        let folder = tempfile::tempdir().unwrap();
        let (picture, schema) = (folder.path().join("a.gif"), folder.path().join("lookup.json"));
        std::fs::write(&picture, b"GIF89a").unwrap();
        std::fs::write(&schema, br#"{"type":"object","properties":{}}"#).unwrap();
        let (picture, schema) = (picture.to_str().unwrap(), schema.to_str().unwrap());
        let args = args(&[
            "-m",
            "gpt-4o",
            "hi",
            "--system",
            "be brief",
            "--image",
            picture,
            "--tool-schema",
            schema,
            "--temperature",
            "0.5",
            "--max-tokens",
            "7",
            "--stream",
        ]);
        let request = request(&args, "hi".to_owned()).unwrap();
        let [system, user] = request.messages.as_slice() else { panic!("{:?}", request.messages) };
        assert_eq!((system.role, system.text().as_str()), (Role::System, "be brief"));
        assert!(matches!(user.parts.as_slice(), [Part::Text(_), Part::Image(_)]), "{user:?}");
        assert_eq!(
            request.tooling.tools.iter().filter_map(|tool| tool.name()).collect::<Vec<_>>(),
            ["lookup"]
        );
        assert_eq!(request.sampling.temperature, Some(0.5));
        assert_eq!(request.limits.output_tokens(), Some(7));
        assert!(request.delivery.stream);
    }

    #[tokio::test]
    async fn the_built_in_provider_answers_in_every_form() {
        for (flags, json) in
            [(&[][..], false), (&[][..], true), (&["--stream"][..], false), (&["--stream"][..], true)]
        {
            let line: Vec<&str> = ["-m", "mock/echo", "hello there"].iter().chain(flags).copied().collect();
            let (mut output, out, err) = output(json);
            let exit = run(&args(&line), &mut output).await.unwrap();
            assert_eq!(exit, Exit::Ok);
            assert!(out.text().contains("hello"), "{flags:?} {json}: {}", out.text());
            assert_eq!(err.text().contains("tokens: "), !json, "{}", err.text());
        }
    }

    #[tokio::test]
    async fn an_unknown_model_fails_before_any_call() {
        let (mut output, out, _) = output(false);
        let failure = run(&args(&["-m", "opanai/x", "hi"]), &mut output).await.unwrap_err();
        assert_eq!(failure.exit(), Exit::Failed);
        assert!(failure.to_string().contains("openai"), "{failure}");
        assert_eq!(out.text(), "");
    }
}
