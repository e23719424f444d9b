//! What an answer says of a feature.
//!
//! Whether a model is clever is not judged: a question is such that every model that does at all what was asked shows it.

use llm_types::chat::Part;
use llm_types::{ApiError, ErrorKind, FinishKind, Output, Reply, Spoken};
use serde_json::Value;

use crate::probe::{BEFORE_STOP, LENGTH, LIMIT, STOP};
use crate::{Feature, Heard, Verdict};

/// The verdict, by the feature's own judgement where there is an answer.
pub(crate) fn verdict(feature: &Feature, heard: &Heard) -> Verdict {
    if feature.name == "errors" {
        return (feature.judge)(heard);
    }
    match &heard.output {
        Err(error) => refused(feature, error),
        Ok(_) if feature.is_lost(&heard.changes) => Verdict::Refused(heard.changes.header().into()),
        Ok(_) => (feature.judge)(heard),
    }
}

/// What is refused is clear; what went wrong is a failure.
pub(crate) fn refused(feature: &Feature, error: &ApiError) -> Verdict {
    use ErrorKind as K;
    let why = error.to_string();
    match error.kind {
        K::BadRequest | K::UnsupportedParam | K::Unprocessable | K::NotFound | K::MethodNotAllowed
            if !feature.is_basic =>
        {
            Verdict::Refused(why.into())
        }
        _ => Verdict::Failed(why.into()),
    }
}

fn failed(why: impl Into<std::borrow::Cow<'static, str>>) -> Verdict {
    Verdict::Failed(why.into())
}

fn check(passed: bool, why: &'static str) -> Verdict {
    if passed { Verdict::Passed } else { failed(why) }
}

fn no_answer() -> Verdict {
    failed("the answer is of another kind")
}

pub(crate) fn text(heard: &Heard) -> Verdict {
    let Some(reply) = heard.reply() else { return no_answer() };
    if reply.text().trim().is_empty() {
        return match reply.finish() {
            Some(FinishKind::Length) => Verdict::Unseen("the answer was cut before any text came".into()),
            _ => failed("the answer holds no text"),
        };
    }
    check(reply.finish().is_some(), "the answer does not say why it ended")
}

/// An answer that holds one of these words.
fn tells(heard: &Heard, words: &[&str], missing: &'static str) -> Verdict {
    let verdict = text(heard);
    let said = heard.reply().map(|reply| reply.text().to_lowercase()).unwrap_or_default();
    let told = said.split(|letter: char| !letter.is_alphanumeric()).any(|word| words.contains(&word));
    if verdict == Verdict::Passed && !told { Verdict::Unseen(missing.into()) } else { verdict }
}

pub(crate) fn obeyed(heard: &Heard) -> Verdict {
    tells(heard, &["ahoy"], "the answer does not end as the instructions say")
}

pub(crate) fn gone_on(heard: &Heard) -> Verdict {
    tells(heard, &["red"], "the answer knows nothing of the turns before it")
}

/// With its unit written to it, too.
pub(crate) fn result(heard: &Heard) -> Verdict {
    tells(heard, &["17", "17c", "seventeen"], "the answer does not tell the result")
}

pub(crate) fn colour(heard: &Heard) -> Verdict {
    tells(heard, &["red"], "the answer does not tell the colour of the picture")
}

pub(crate) fn page(heard: &Heard) -> Verdict {
    tells(heard, &["harbour", "harbor"], "the answer does not tell the word on the page")
}

/// Whether events came at all.
fn events(heard: &Heard) -> Verdict {
    let Some(streamed) = heard.streamed else { return no_answer() };
    if streamed.whole {
        return failed("a stream was asked for, and the answer came whole");
    }
    if streamed.pieces == 0 {
        return failed("nothing was streamed");
    }
    check(streamed.finished, "the stream does not say why it ended")
}

fn streamed(heard: &Heard, judge: fn(&Heard) -> Verdict) -> Verdict {
    match events(heard) {
        Verdict::Passed => judge(heard),
        verdict => verdict,
    }
}

pub(crate) fn stream(heard: &Heard) -> Verdict {
    streamed(heard, text)
}

pub(crate) fn stream_usage(heard: &Heard) -> Verdict {
    streamed(heard, usage)
}

pub(crate) fn stream_call(heard: &Heard) -> Verdict {
    streamed(heard, call)
}

pub(crate) fn usage(heard: &Heard) -> Verdict {
    match heard.usage() {
        None => failed("what was used is not told"),
        Some(usage) if usage.prompt_tokens() == 0 => failed("the prompt's tokens are told as none"),
        Some(usage) => match heard.reply() {
            None => Verdict::Passed,
            Some(_) if usage.completion_tokens() == 0 => failed("the answer's tokens are told as none"),
            // What is told of no answer tells nothing.
            Some(_) => match text(heard) {
                verdict @ Verdict::Failed(_) if heard.reply().is_some_and(is_bare) => verdict,
                _ => Verdict::Passed,
            },
        },
    }
}

/// Whether an answer holds nothing at all.
fn is_bare(reply: &Reply) -> bool {
    reply.text().trim().is_empty() && reply.tool_calls().next().is_none()
}

pub(crate) fn error(heard: &Heard) -> Verdict {
    use ErrorKind as K;
    match &heard.output {
        Ok(_) => Verdict::Unseen("it answers whatever model is asked for".into()),
        Err(error) if error.message.trim().is_empty() => failed("the error has no message"),
        Err(error) => match error.kind {
            K::NotFound | K::BadRequest | K::Permission | K::Unprocessable => Verdict::Passed,
            _ => failed(format!("an unknown model is told as `{}`", error.kind.type_name())),
        },
    }
}

pub(crate) fn length(heard: &Heard) -> Verdict {
    let Some(reply) = heard.reply() else { return no_answer() };
    // A template's end may be counted, the rest of a word too.
    let used = heard.usage().map(llm_types::Usage::completion_tokens).filter(|_| !heard.is_estimated());
    if used.is_some_and(|used| used > LIMIT * 2) || reply.text().split_whitespace().count() > 60 {
        return failed("the answer goes on past the limit");
    }
    check(reply.finish() == Some(FinishKind::Length), "the answer was cut and does not say so")
}

pub(crate) fn stop(heard: &Heard) -> Verdict {
    let Some(reply) = heard.reply() else { return no_answer() };
    let said = reply.text().to_lowercase();
    if said.contains(STOP) {
        return failed("the answer goes on past the stop text");
    }
    if said.trim().is_empty() {
        return Verdict::Unseen("the answer holds nothing that could have been stopped".into());
    }
    tells(heard, &[BEFORE_STOP], "the answer does not come as far as the stop text")
}

pub(crate) fn n(heard: &Heard) -> Verdict {
    let Some(reply) = heard.reply() else { return no_answer() };
    check(reply.choices.len() == 2, "two answers were asked for, and another number came")
}

pub(crate) fn logprobs(heard: &Heard) -> Verdict {
    let Some(reply) = heard.reply() else { return no_answer() };
    let told = reply.choices.iter().filter_map(|choice| choice.logprobs.as_ref());
    check(told.into_iter().any(|logprobs| !logprobs.content.is_empty()), "no probabilities are told")
}

/// The arguments of the calls, where every one is well-formed.
fn cities(heard: &Heard) -> Result<Vec<String>, Verdict> {
    let Some(reply) = heard.reply() else { return Err(no_answer()) };
    let mut cities = Vec::new();
    for call in reply.tool_calls() {
        if call.name != "get_weather" {
            return Err(failed(format!("a function that is not on offer is called: `{}`", call.name)));
        }
        if call.id.is_empty() {
            return Err(failed("a call has no id"));
        }
        let Ok(Value::Object(arguments)) = serde_json::from_str::<Value>(&call.arguments) else {
            return Err(failed("the arguments of a call are no JSON object"));
        };
        match arguments.get("city").and_then(Value::as_str) {
            Some(city) => cities.push(city.to_owned()),
            None => return Err(failed("the arguments of a call do not fit its schema")),
        }
    }
    if cities.is_empty() {
        return Err(Verdict::Unseen("the model called no function".into()));
    }
    if reply.finish() != Some(FinishKind::ToolCalls) {
        return Err(failed("the answer has calls and does not end for them"));
    }
    Ok(cities)
}

pub(crate) fn call(heard: &Heard) -> Verdict {
    cities(heard).err().unwrap_or(Verdict::Passed)
}

pub(crate) fn calls(heard: &Heard) -> Verdict {
    match cities(heard) {
        Err(verdict) => verdict,
        Ok(cities) if cities.len() < 2 => Verdict::Unseen("the model made one call".into()),
        Ok(_) => Verdict::Passed,
    }
}

fn object(heard: &Heard) -> Option<serde_json::Map<String, Value>> {
    serde_json::from_str(heard.reply()?.text().trim()).ok()
}

pub(crate) fn json(heard: &Heard) -> Verdict {
    check(object(heard).is_some(), "the answer is no JSON object")
}

pub(crate) fn schema(heard: &Heard) -> Verdict {
    let Some(object) = object(heard) else { return failed("the answer is no JSON object") };
    let fits = object.get("city").is_some_and(Value::is_string)
        && object.get("year").is_some_and(|year| year.is_i64() || year.is_u64())
        && object.len() == 2;
    check(fits, "the answer does not keep to the schema")
}

pub(crate) fn thinking(heard: &Heard) -> Verdict {
    let Some(reply) = heard.reply() else { return no_answer() };
    let parts = reply.choices.iter().flat_map(|choice| &choice.parts);
    let shown = parts.into_iter().any(|part| matches!(part, Part::Reasoning(_)));
    let counted = heard.usage().is_some_and(|usage| usage.reasoning > 0);
    if shown || counted {
        Verdict::Passed
    } else {
        Verdict::Unseen("no thoughts are shown or counted".into())
    }
}

/// Thoughts that can go back.
pub(crate) fn signed(heard: &Heard) -> Verdict {
    let Some(reply) = heard.reply() else { return no_answer() };
    let mut parts = reply.choices.iter().flat_map(|choice| &choice.parts);
    let signed = parts.any(|part| match part {
        Part::Reasoning(thought) => thought.signature.is_some() || thought.redacted.is_some(),
        _ => false,
    });
    match thinking(heard) {
        Verdict::Passed => check(signed, "the thoughts have no signature: they cannot go back"),
        verdict => verdict,
    }
}

/// What only whoever keeps the answer before can say.
pub(crate) fn remembered(heard: &Heard) -> Verdict {
    tells(heard, &["red"], "the answer knows nothing of the one before it")
}

/// A count by whoever has the model: ours is an estimate, and a gateway says of its own that it is one.
pub(crate) fn counted(heard: &Heard) -> Verdict {
    let Ok(Output::Tokens(count)) = &heard.output else { return no_answer() };
    let is_guess = count.estimated || heard.changes.list().iter().any(|one| one.path == "input_tokens");
    if is_guess {
        return Verdict::Refused("nobody counts: the number is an estimate".into());
    }
    check(count.input > 0, "the prompt's tokens are told as none")
}

pub(crate) fn caching(heard: &Heard) -> Verdict {
    let Some(usage) = heard.usage() else { return failed("what was used is not told") };
    let cached = usage.cache_read + usage.cache_write_5m + usage.cache_write_1h;
    if cached > 0 {
        return Verdict::Passed;
    }
    Verdict::Unseen("nothing was cached: a prompt of this length is too short for most".into())
}

pub(crate) fn vectors(heard: &Heard) -> Verdict {
    let Ok(Output::Embed(found)) = &heard.output else { return no_answer() };
    let [first, second] = found.vectors.as_slice() else { return failed("two texts are not two vectors") };
    check(
        !first.is_empty() && first.len() == second.len() && first != second,
        "the vectors are empty or alike",
    )
}

pub(crate) fn dimensions(heard: &Heard) -> Verdict {
    let Ok(Output::Embed(found)) = &heard.output else { return no_answer() };
    let right = |vector: &Vec<f32>| u32::try_from(vector.len()) == Ok(LENGTH);
    check(found.vectors.iter().all(right), "the vectors are of another length")
}

pub(crate) fn order(heard: &Heard) -> Verdict {
    let Ok(Output::Rerank(found)) = &heard.output else { return no_answer() };
    let mut places: Vec<_> = found.results.iter().map(|one| one.index).collect();
    places.sort_unstable();
    if places != [0, 1, 2] {
        return failed("the order does not hold each document once");
    }
    check(found.results.is_sorted_by(|one, next| one.score >= next.score), "the best do not come first")
}

pub(crate) fn top_n(heard: &Heard) -> Verdict {
    let Ok(Output::Rerank(found)) = &heard.output else { return no_answer() };
    check(found.results.len() == 1, "one document was asked for, and another number came")
}

/// Silence may be written down as nothing.
pub(crate) fn transcript(heard: &Heard) -> Verdict {
    if matches!(heard.output, Ok(Output::Transcript(_))) { Verdict::Passed } else { no_answer() }
}

/// What of the sound can only be judged where something is said.
fn silence() -> Verdict {
    Verdict::Unseen("nothing was heard: what was sent is silence".into())
}

/// A transcript in a form of its own. Where a provider is asked without a gateway the form may be ours to write: then what
/// it is written from must be there.
fn written(heard: &Heard, is_so: fn(&str) -> bool, timed_form: bool, why: &'static str) -> Verdict {
    let Ok(Output::Transcript(transcript)) = &heard.output else { return no_answer() };
    let text = transcript.text.trim();
    if text.is_empty() {
        return silence();
    }
    if transcript.written || !timed_form {
        return check(is_so(text), why);
    }
    check(timed(&transcript.segments) || timed(&transcript.words), why)
}

pub(crate) fn as_text(heard: &Heard) -> Verdict {
    // Neither JSON nor subtitles.
    let is_so = |text: &str| {
        !text.starts_with(['{', '[', '"']) && !text.starts_with("WEBVTT") && !text.contains(" --> ")
    };
    written(heard, is_so, false, "the answer is not the text alone")
}

pub(crate) fn srt(heard: &Heard) -> Verdict {
    let is_so = |text: &str| text.starts_with('1') && text.contains(" --> ") && !text.contains("WEBVTT");
    written(heard, is_so, true, "the answer is no SubRip")
}

pub(crate) fn vtt(heard: &Heard) -> Verdict {
    let is_so = |text: &str| text == "WEBVTT" || (text.starts_with("WEBVTT") && text.contains(" --> "));
    written(heard, is_so, true, "the answer is no WebVTT")
}

/// Whether stretches are in order and have a length.
fn timed(spoken: &[Spoken]) -> bool {
    let in_order = spoken.is_sorted_by(|one, next| one.start <= next.start);
    in_order && spoken.iter().all(|one| one.end >= one.start) && spoken.iter().any(|one| one.end > 0.0)
}

pub(crate) fn segments(heard: &Heard) -> Verdict {
    let Ok(Output::Transcript(transcript)) = &heard.output else { return no_answer() };
    if transcript.text.trim().is_empty() {
        return silence();
    }
    check(timed(&transcript.segments), "no segments are told with their times")
}

pub(crate) fn words(heard: &Heard) -> Verdict {
    let Ok(Output::Transcript(transcript)) = &heard.output else { return no_answer() };
    if transcript.text.trim().is_empty() {
        return silence();
    }
    if transcript.words.is_empty() {
        return Verdict::Refused("no words are told".into());
    }
    check(timed(&transcript.words), "the times of words are in no order")
}

pub(crate) fn sound(heard: &Heard) -> Verdict {
    let Ok(Output::Speech(speech)) = &heard.output else { return no_answer() };
    check(!speech.audio.is_empty() && speech.kind.starts_with("audio/"), "the answer is no sound")
}

pub(crate) fn sound_in_pieces(heard: &Heard) -> Verdict {
    let Some(streamed) = heard.streamed else { return no_answer() };
    match sound(heard) {
        Verdict::Passed if streamed.pieces < 2 => Verdict::Unseen("the sound came in one piece".into()),
        verdict => verdict,
    }
}

/// Sound of which the first bytes say what it is.
fn begins(heard: &Heard, is_so: fn(&[u8]) -> bool, why: &'static str) -> Verdict {
    let Ok(Output::Speech(speech)) = &heard.output else { return no_answer() };
    check(is_so(&speech.audio), why)
}

pub(crate) fn mp3(heard: &Heard) -> Verdict {
    // A tag, or the sync word of a frame of layer III.
    let is_so = |sound: &[u8]| {
        sound.starts_with(b"ID3") || matches!(sound, [0xff, second, ..] if second & 0xe6 == 0xe2)
    };
    begins(heard, is_so, "the sound is no MP3")
}

pub(crate) fn opus(heard: &Heard) -> Verdict {
    begins(heard, |sound| sound.starts_with(b"OggS"), "the sound is not in Ogg")
}

pub(crate) fn aac(heard: &Heard) -> Verdict {
    // ADTS, or within MPEG-4.
    let is_so = |sound: &[u8]| {
        matches!(sound, [0xff, second, ..] if second & 0xf6 == 0xf0) || sound.get(4..8) == Some(b"ftyp")
    };
    begins(heard, is_so, "the sound is no AAC")
}

pub(crate) fn flac(heard: &Heard) -> Verdict {
    begins(heard, |sound| sound.starts_with(b"fLaC"), "the sound is no FLAC")
}

pub(crate) fn wav(heard: &Heard) -> Verdict {
    begins(heard, |sound| sound.starts_with(b"RIFF"), "the sound is no WAV")
}

pub(crate) fn pcm(heard: &Heard) -> Verdict {
    let heads: [&[u8]; 4] = [b"RIFF", b"OggS", b"fLaC", b"ID3"];
    match sound(heard) {
        Verdict::Passed => {
            let Ok(Output::Speech(speech)) = &heard.output else { return no_answer() };
            check(!heads.iter().any(|head| speech.audio.starts_with(head)), "the sound has a head")
        }
        verdict => verdict,
    }
}

pub(crate) fn picture(heard: &Heard) -> Verdict {
    let Ok(Output::Images(images)) = &heard.output else { return no_answer() };
    let shown = |made: &llm_types::MadeImage| made.base64.is_some() || made.url.is_some();
    check(images.data.first().is_some_and(shown), "the answer holds no picture")
}

fn shown(heard: &Heard) -> usize {
    let Ok(Output::Images(images)) = &heard.output else { return 0 };
    images.data.iter().filter(|made| made.base64.is_some() || made.url.is_some()).count()
}

pub(crate) fn pictures(heard: &Heard) -> Verdict {
    check(shown(heard) == 2, "two pictures were asked for, and another number came")
}

/// Most sell pictures by their number, which is known where nothing is told.
pub(crate) fn pictures_used(heard: &Heard) -> Verdict {
    let used = heard.usage().is_some_and(|usage| usage.units.images > 0 || usage.total_tokens() > 0);
    match pictures(heard) {
        Verdict::Passed => check(used, "what was made is not told"),
        verdict => verdict,
    }
}

pub(crate) fn verdicts(heard: &Heard) -> Verdict {
    let Ok(Output::Moderation(found)) = &heard.output else { return no_answer() };
    check(
        found.results.first().is_some_and(|one| !one.categories.is_empty()),
        "the answer holds no categories",
    )
}
