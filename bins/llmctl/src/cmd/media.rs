//! `llmctl transcribe`, `speak`, `image`, `moderate`: sound, pictures and policies.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_providers::codec::{ReplyCx, ServerCodec};
use llm_providers::dialect::{openai_images, openai_moderations, openai_transcriptions};
use llm_types::{
    Changes, Extra, ImageRequest, ImageTask, ModerateRequest, Output as Answer, RawValue, SpeechRequest,
    TranscribeRequest, TranscriptFormat, Upload, Usage,
};

use crate::args::{ImageArgs, ModerateArgs, SpeakArgs, TranscribeArgs};
use crate::call::Caller;
use crate::exit::{Exit, Failure};
use crate::input::{self, prompt};
use crate::output::Output;
use crate::print;

/// Writes down what is said.
pub(crate) async fn transcribe(args: &TranscribeArgs, out: &mut Output) -> Result<Exit, Failure> {
    let usual = if out.json { "json" } else { "text" };
    let format = TranscriptFormat::from(args.format.clone().unwrap_or_else(|| usual.to_owned()));
    let request = TranscribeRequest {
        translate: args.translate,
        language: args.language.clone(),
        prompt: args.prompt.clone(),
        temperature: args.temperature,
        granularities: args.granularity.clone(),
        format,
        ..TranscribeRequest::new(input::sound(&args.file).map_err(Failure::Usage)?)
    };
    let heard = Caller::of(&args.via, &args.model)?.transcribe(request).await?;
    let usage = heard.output.usage.clone();
    let answer = Answer::Transcript(Box::new(heard.output));
    show(&answer, &openai_transcriptions::Server, &args.model, out)?;
    remark(usage.as_ref(), &heard.changes, out)
}

/// Says something, and writes the sound as it comes.
pub(crate) async fn speak(args: &SpeakArgs, out: &mut Output) -> Result<Exit, Failure> {
    let text = prompt::of_process(args.text.as_deref()).map_err(Failure::Usage)?;
    let mut sound = Caller::of(&args.via, &args.model)?.speak(spoken(args, text)).await?;
    // What is there already is left alone until there is something to put in its place.
    let first = sound.next().await.transpose()?.unwrap_or_default();
    let mut file = match args.output == Path::new("-") {
        true => None,
        false => Some(File::create(&args.output).with_context(|| unwritten(&args.output))?),
    };
    let mut next = Some(Ok(first));
    while let Some(chunk) = next {
        match &mut file {
            Some(file) => file.write_all(&chunk?).with_context(|| unwritten(&args.output))?,
            None => {
                out.out.write_all(&chunk?)?;
                out.out.flush()?;
            }
        }
        next = sound.next().await;
    }
    remark(sound.usage(), sound.changes(), out)
}

fn spoken(args: &SpeakArgs, text: String) -> SpeechRequest {
    let name = args.model.rsplit('/').next().unwrap_or_default();
    // They ask for a voice, and others do not know this one.
    let of_openai = name.starts_with("tts-1") || name.starts_with("gpt-");
    SpeechRequest {
        input: text,
        voice: args.voice.clone().or_else(|| of_openai.then(|| "alloy".to_owned())),
        instructions: args.instructions.clone(),
        format: args.format.clone(),
        speed: args.speed,
        ..SpeechRequest::default()
    }
}

/// Makes pictures, or changes them.
pub(crate) async fn image(args: &ImageArgs, out: &mut Output) -> Result<Exit, Failure> {
    let images = args.image.iter().map(|file| upload(file)).collect::<Result<Vec<_>, _>>();
    let task = match (args.vary, args.image.is_empty()) {
        (true, _) => ImageTask::Vary,
        (false, true) => ImageTask::Make,
        (false, false) => ImageTask::Edit,
    };
    let prompt = match task {
        ImageTask::Vary => String::new(),
        // Backgrounds are removed without words: whoever needs some says so.
        ImageTask::Edit if args.prompt.is_none() => prompt::piped().map_err(Failure::Usage)?,
        _ => prompt::of_process(args.prompt.as_deref()).map_err(Failure::Usage)?,
    };
    let request = ImageRequest {
        size: args.size.clone(),
        quality: args.quality.clone(),
        background: args.background.clone(),
        output_format: args.format.clone(),
        response_format: args.bytes.then(|| "b64_json".to_owned()),
        n: args.n,
        task,
        extra: members(&args.set).map_err(Failure::Usage)?,
        images: images.map_err(Failure::Usage)?,
        mask: args.mask.as_deref().map(upload).transpose().map_err(Failure::Usage)?,
        ..ImageRequest::new(prompt)
    };
    let made = Caller::of(&args.via, &args.model)?.image(request).await?;
    let (usage, changes) = (made.output.usage.clone(), made.changes);
    if let Some(file) = &args.output {
        for (index, image) in made.output.data.iter().enumerate() {
            let file = numbered(file, index);
            match (&image.base64, &image.url) {
                (Some(base64), _) => {
                    let bytes = STANDARD.decode(base64).context("the picture is no base64")?;
                    write(&file, &bytes)?;
                    writeln!(out.out, "{}", file.display())?;
                }
                // It is fetched for whoever asks for bytes.
                (None, Some(url)) => writeln!(out.out, "{url}")?,
                (None, None) => {}
            }
        }
    } else {
        let answer = Answer::Images(Box::new(made.output));
        show(&answer, &openai_images::Server, &args.model, out)?;
    }
    remark(usage.as_ref(), &changes, out)
}

/// Members of a provider's own: JSON where a value is some, else texts.
fn members(set: &[String]) -> anyhow::Result<Extra> {
    let mut extra = Extra::default();
    for one in set {
        let (name, value) = one.split_once('=').with_context(|| format!("`{one}` is not NAME=VALUE"))?;
        match serde_json::from_str::<&RawValue>(value) {
            Ok(json) => extra.set(name, json.to_owned()),
            Err(_) => extra.set_json(name, &value)?,
        }
    }
    Ok(extra)
}

/// Tells whether a text is against a policy.
pub(crate) async fn moderate(args: &ModerateArgs, out: &mut Output) -> Result<Exit, Failure> {
    let text = prompt::of_process(args.text.as_deref()).map_err(Failure::Usage)?;
    let request = ModerateRequest::new(&text).context("the text cannot be written as JSON")?;
    let found = Caller::of(&args.via, &args.model)?.moderate(request).await?;
    if out.json {
        let answer = Answer::Moderation(Box::new(found.output));
        show(&answer, &openai_moderations::Server, &args.model, out)?;
    } else {
        let mut rows = Vec::new();
        for (category, score) in found.output.results.iter().flat_map(|verdict| &verdict.scores) {
            let all = found.output.results.iter().flat_map(|verdict| &verdict.categories);
            let is = all.clone().any(|(name, is)| name == category && *is);
            rows.push([category.clone(), format!("{score:.4}"), if is { "yes" } else { "no" }.to_owned()]);
        }
        out.table(["CATEGORY", "SCORE", "FLAGGED"], rows)?;
    }
    remark(None, &found.changes, out)
}

/// A file with its name, by which providers tell its format.
fn upload(path: &Path) -> anyhow::Result<Upload> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Upload::new(name, input::media(path)?))
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| unwritten(path))
}

fn unwritten(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// `a.png`, `a-2.png`, `a-3.png`.
fn numbered(path: &Path, index: usize) -> PathBuf {
    if index == 0 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut name = format!("{stem}-{}", index + 1);
    if let Some(end) = path.extension() {
        name.push('.');
        name.push_str(&end.to_string_lossy());
    }
    path.with_file_name(name)
}

/// An answer as the route of the gateway would write it.
fn show(answer: &Answer, server: &dyn ServerCodec, model: &str, out: &mut Output) -> Result<(), Failure> {
    let cx = ReplyCx { model: model.to_owned(), ..ReplyCx::default() };
    let bytes = server.encode(answer, &cx);
    out.out.write_all(&bytes)?;
    if !bytes.ends_with(b"\n") {
        writeln!(out.out)?;
    }
    Ok(())
}

fn remark(usage: Option<&Usage>, changes: &Changes, out: &mut Output) -> Result<Exit, Failure> {
    let usage = usage.filter(|usage| out.attended && !out.json && usage.total_tokens() > 0);
    for remark in print::remarks(None, usage, changes) {
        writeln!(out.err, "{remark}")?;
    }
    Ok(Exit::Ok)
}
