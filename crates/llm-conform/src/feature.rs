//! Every feature: a line each.

use llm_types::{Action, Call, Changes, Op};

use crate::{Heard, Verdict, judge, probe};

/// Makes the request that shows a feature.
type Probe = fn() -> Call;
/// Says what an answer means for it.
type Judge = fn(&Heard) -> Verdict;

/// One thing that an endpoint can do.
#[derive(Debug, Clone, Copy)]
pub struct Feature {
    /// The operation that it is of.
    pub op: Op,
    /// Its name.
    pub name: &'static str,
    /// What is found out.
    pub about: &'static str,
    /// Members of a request that say it, as they are named where something of a request is lost; empty: it needs none.
    pub members: &'static [&'static str],
    /// Whether an endpoint that cannot do this does not offer the operation.
    pub is_basic: bool,
    pub(crate) probe: Probe,
    pub(crate) judge: Judge,
}

impl Feature {
    /// The request that shows it, without a model.
    #[must_use]
    pub fn call(&self) -> Call {
        (self.probe)()
    }

    /// How many answers it takes that are paid by their tokens; the request is made as often.
    #[must_use]
    pub fn answers(&self) -> u64 {
        match (self.op, self.name) {
            (Op::CountTokens, _) | (Op::Batch, "file") => 0,
            (Op::Responses, "state") | (Op::Messages, "thinking") => 2,
            _ => 1,
        }
    }

    /// What an answer says of it.
    #[must_use]
    pub fn judge(&self, heard: &Heard) -> Verdict {
        judge::verdict(self, heard)
    }

    /// Whether something of what was lost of a request is this, and not only a part of it.
    #[must_use]
    pub fn is_lost(&self, changes: &Changes) -> bool {
        let dropped = changes.list().iter().filter(|change| change.action == Action::Dropped);
        dropped.into_iter().any(|change| {
            let last = change.path.rsplit('.').next().unwrap_or_default();
            // One of a list is told as `tools[0]`.
            let whole = last.split_once('[').map_or(last, |(name, _)| name);
            self.members.iter().any(|member| change.path == *member || last == *member || whole == *member)
        })
    }
}

/// The features of one operation.
pub fn of(op: Op) -> impl Iterator<Item = &'static Feature> {
    FEATURES.iter().filter(move |feature| feature.op == op)
}

const fn chat(
    name: &'static str,
    about: &'static str,
    members: &'static [&'static str],
    (probe, judge): (Probe, Judge),
) -> Feature {
    Feature { op: Op::Chat, name, about, members, is_basic: false, probe, judge }
}

const fn basic(feature: Feature) -> Feature {
    Feature { is_basic: true, ..feature }
}

const fn other(
    op: Op,
    (name, about): (&'static str, &'static str),
    members: &'static [&'static str],
    (probe, judge): (Probe, Judge),
) -> Feature {
    Feature { op, name, about, members, is_basic: members.is_empty(), probe, judge }
}

const fn beside(
    op: Op,
    (name, about): (&'static str, &'static str),
    members: &'static [&'static str],
    (probe, judge): (Probe, Judge),
) -> Feature {
    Feature { op, name, about, members, is_basic: false, probe, judge }
}

/// The member that names the form of an answer.
const FORM: &[&str] = &["response_format"];

/// Every feature, by operation.
pub static FEATURES: &[Feature] = &[
    basic(chat("text", "a question is answered with text", &[], (probe::text, judge::text))),
    basic(chat(
        "stream",
        "an answer comes in pieces and ends as it should",
        &[],
        (probe::stream, judge::stream),
    )),
    basic(chat("usage", "a whole answer says what it used", &[], (probe::text, judge::usage))),
    basic(chat(
        "stream_usage",
        "a streamed answer says what it used",
        &[],
        (probe::stream, judge::stream_usage),
    )),
    basic(chat(
        "errors",
        "a model that is not there is an error with a message",
        &[],
        (probe::unknown, judge::error),
    )),
    basic(chat(
        "max_tokens",
        "an answer is cut at the limit, and says so",
        &["max_tokens", "max_completion_tokens"],
        (probe::max_tokens, judge::length),
    )),
    chat(
        "system",
        "instructions before the conversation are taken",
        &["messages[0]"],
        (probe::system, judge::obeyed),
    ),
    chat("multi_turn", "a conversation goes on", &["messages[1]"], (probe::multi_turn, judge::gone_on)),
    chat("stop", "an answer ends before a stop text", &["stop"], (probe::stop, judge::stop)),
    chat("temperature", "how freely words are chosen", &["temperature"], (probe::temperature, judge::text)),
    chat("seed", "a seed is taken", &["seed"], (probe::seed, judge::text)),
    chat("n", "several answers at once", &["n"], (probe::n, judge::n)),
    chat("logprobs", "how likely the words were", &["logprobs"], (probe::logprobs, judge::logprobs)),
    chat("tools", "a function is called with arguments that fit", &["tools"], (probe::tools, judge::call)),
    chat(
        "stream_tools",
        "a call comes in pieces that fit together",
        &["tools"],
        (probe::stream_tools, judge::stream_call),
    ),
    chat(
        "tool_choice",
        "the function that must be called is called",
        &["tools", "tool_choice"],
        (probe::tool_choice, judge::call),
    ),
    chat(
        "parallel_tools",
        "several functions are called at once",
        &["tools", "parallel_tool_calls"],
        (probe::parallel_tools, judge::calls),
    ),
    chat(
        "tool_results",
        "a conversation goes on from the result of a call",
        &["messages[1]", "messages[2]", "tools"],
        (probe::tool_results, judge::result),
    ),
    chat("json", "an answer is JSON", &["response_format"], (probe::json, judge::json)),
    chat(
        "json_schema",
        "an answer keeps to a schema",
        &["response_format"],
        (probe::json_schema, judge::schema),
    ),
    chat("images", "a picture is read", &["messages[0].content[1]"], (probe::image, judge::colour)),
    chat("documents", "a PDF is read", &["messages[0].content[1]"], (probe::document, judge::page)),
    chat(
        "thinking",
        "thoughts come before the answer",
        &["reasoning_effort", "thinking"],
        (probe::thinking, judge::thinking),
    ),
    chat(
        "caching",
        "a mark for the prompt cache is taken, and cached tokens are told",
        &["cache_control"],
        (probe::caching, judge::caching),
    ),
    other(
        Op::Responses,
        ("text", "a question is answered with text, at the Responses API"),
        &[],
        (probe::text, judge::text),
    ),
    beside(
        Op::Responses,
        ("stream", "an answer comes in events and ends as it should"),
        &[],
        (probe::stream, judge::stream),
    ),
    beside(Op::Responses, ("usage", "an answer says what it used"), &[], (probe::text, judge::usage)),
    beside(
        Op::Responses,
        ("tools", "a function is called with arguments that fit"),
        &["tools"],
        (probe::tools, judge::call),
    ),
    beside(
        Op::Responses,
        ("state", "a conversation goes on from an answer that the provider keeps"),
        &["previous_response_id"],
        (probe::text, judge::remembered),
    ),
    other(
        Op::Messages,
        ("text", "a question is answered with text, at Anthropic's Messages API"),
        &[],
        (probe::text, judge::text),
    ),
    beside(
        Op::Messages,
        ("stream", "an answer comes in events and ends as it should"),
        &[],
        (probe::stream, judge::stream),
    ),
    beside(Op::Messages, ("usage", "an answer says what it used"), &[], (probe::text, judge::usage)),
    beside(
        Op::Messages,
        ("tools", "a function is called with arguments that fit"),
        &["tools"],
        (probe::tools, judge::call),
    ),
    beside(
        Op::Messages,
        ("thinking", "thoughts come with their signature, and go back with it"),
        &["reasoning_effort", "thinking"],
        (probe::thinking, judge::signed),
    ),
    other(
        Op::CountTokens,
        ("prompt", "the tokens of a prompt are counted by the provider"),
        &[],
        (probe::count, judge::counted),
    ),
    beside(
        Op::CountTokens,
        ("tools", "with those of the functions that it may call"),
        &["tools"],
        (probe::count_tools, judge::counted),
    ),
    other(Op::Completion, ("text", "a text is gone on with"), &[], (probe::completion, judge::text)),
    beside(
        Op::Completion,
        ("stream", "what goes on comes in pieces and ends as it should"),
        &[],
        (probe::completion_stream, judge::stream),
    ),
    beside(
        Op::Completion,
        ("usage", "a whole answer says what it used"),
        &[],
        (probe::completion, judge::usage),
    ),
    beside(
        Op::Completion,
        ("stop", "an answer ends before a stop text"),
        &["stop"],
        (probe::completion_stop, judge::stop),
    ),
    other(Op::Embed, ("vectors", "texts become vectors"), &[], (probe::vectors, judge::vectors)),
    beside(
        Op::Embed,
        ("base64", "vectors are written as base64"),
        &["encoding_format"],
        (probe::base64, judge::vectors),
    ),
    other(
        Op::Embed,
        ("dimensions", "the length of the vectors is chosen"),
        &["dimensions"],
        (probe::dimensions, judge::dimensions),
    ),
    other(Op::Embed, ("usage", "an answer says what it used"), &[], (probe::vectors, judge::usage)),
    other(Op::Rerank, ("order", "documents are ordered by a query"), &[], (probe::order, judge::order)),
    other(Op::Rerank, ("top_n", "only the best are told"), &["top_n"], (probe::top_n, judge::top_n)),
    other(Op::Transcribe, ("text", "sound is written down"), &[], (probe::transcript, judge::transcript)),
    beside(
        Op::Transcribe,
        ("as_text", "the answer is the text alone"),
        FORM,
        (probe::as_text, judge::as_text),
    ),
    beside(
        Op::Transcribe,
        ("verbose_json", "segments are told with their times"),
        FORM,
        (probe::verbose, judge::segments),
    ),
    beside(Op::Transcribe, ("srt", "the answer is subtitles of SubRip"), FORM, (probe::srt, judge::srt)),
    beside(Op::Transcribe, ("vtt", "the answer is subtitles of WebVTT"), FORM, (probe::vtt, judge::vtt)),
    // Some tell them unasked, and are not asked.
    beside(Op::Transcribe, ("words", "words are told with their times"), &[], (probe::words, judge::words)),
    other(
        Op::Translate,
        ("text", "sound is written down in English"),
        &[],
        (probe::translation, judge::transcript),
    ),
    other(Op::Speech, ("sound", "a text is said"), &[], (probe::speech, judge::sound)),
    beside(
        Op::Speech,
        ("stream", "sound comes while it is made"),
        &[],
        (probe::speech, judge::sound_in_pieces),
    ),
    beside(Op::Speech, ("mp3", "sound is MP3 where that is asked for"), FORM, (probe::mp3, judge::mp3)),
    beside(Op::Speech, ("opus", "sound is Opus in Ogg"), FORM, (probe::opus, judge::opus)),
    beside(Op::Speech, ("aac", "sound is AAC"), FORM, (probe::aac, judge::aac)),
    beside(Op::Speech, ("flac", "sound is FLAC"), FORM, (probe::flac, judge::flac)),
    beside(Op::Speech, ("wav", "sound is WAV"), FORM, (probe::wav, judge::wav)),
    beside(Op::Speech, ("pcm", "sound is bare samples"), FORM, (probe::pcm, judge::pcm)),
    beside(Op::Speech, ("speed", "how fast is chosen"), &["speed"], (probe::speed, judge::sound)),
    other(Op::Image, ("picture", "a picture is made"), &[], (probe::picture, judge::picture)),
    other(Op::ImageEdit, ("picture", "a picture is changed"), &[], (probe::edit, judge::picture)),
    other(
        Op::ImageVariation,
        ("picture", "a picture brings one like it"),
        &[],
        (probe::variation, judge::picture),
    ),
    beside(Op::ImageVariation, ("n", "several at once"), &["n"], (probe::variations, judge::pictures)),
    beside(
        Op::ImageVariation,
        ("usage", "what was made is told, at least by the number of pictures"),
        &[],
        (probe::variations, judge::pictures_used),
    ),
    other(Op::Moderate, ("verdict", "a text is judged by a policy"), &[], (probe::verdict, judge::verdicts)),
    // The one request of a batch, and what a session is about: more is said of them in `bulk` and `session`.
    beside(
        Op::Batch,
        ("file", "a file of requests is kept, and given back"),
        &[],
        (probe::text, judge::text),
    ),
    other(Op::Batch, ("batch", "a batch is made of requests"), &[], (probe::text, judge::text)),
    beside(
        Op::Batch,
        ("results", "it is over, and its answers can be read"),
        &[],
        (probe::text, judge::text),
    ),
    beside(Op::Batch, ("cancel", "it is given up"), &[], (probe::text, judge::text)),
    other(
        Op::Realtime,
        ("session", "a session is opened, and events go both ways"),
        &[],
        (probe::text, judge::text),
    ),
    beside(Op::Realtime, ("usage", "a response says what it used"), &[], (probe::text, judge::usage)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_name_of_its_own_and_a_request_of_its_operation() {
        let mut names: Vec<_> = FEATURES.iter().map(|feature| (feature.op.name(), feature.name)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FEATURES.len());
        for feature in FEATURES {
            // Conversations of another form.
            let is_turn = matches!(
                feature.op,
                Op::Completion | Op::Responses | Op::Messages | Op::Batch | Op::Realtime
            );
            let op = if is_turn { Op::Chat } else { feature.op };
            assert_eq!(feature.call().op(), op, "{}", feature.name);
        }
        assert!(of(Op::Chat).filter(|feature| feature.is_basic).count() >= 5);
    }

    #[test]
    fn what_was_lost_is_found_by_its_name() {
        let lost = |name: &str, path: &'static str| {
            let mut changes = Changes::default();
            changes.dropped(path, "x");
            of(Op::Chat).find(|feature| feature.name == name).unwrap().is_lost(&changes)
        };
        assert!(lost("seed", "seed") && lost("json", "response_format"));
        assert!(lost("caching", "messages[0].content[0].cache_control"));
        assert!(lost("tools", "tools[0]") && lost("images", "messages[0].content[1]"));
        assert!(!lost("stop", "seed") && !lost("text", "seed"));
        assert!(
            !lost("tools", "tools[0].function.strict")
                && !lost("documents", "messages[0].content[1].filename")
        );
    }
}
