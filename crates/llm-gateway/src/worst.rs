//! The most that a conversation can use, before it is sent: what a bound of its cost is made of.
//!
//! A token stands for a byte at least, so a prompt of text has no more tokens than its body has bytes, and what a
//! format adds. Pictures, sound and documents may be more than their bytes, and what lies elsewhere is not seen: then
//! the model's window alone bounds it. What nothing bounds, tools that search as often as they like, has no bound.

pub(crate) mod media;
pub(crate) mod price;

use llm_cost::{Class, Classes, Services, Worst};
use llm_providers::gist::Extent;
use llm_router::Facts;
use llm_types::chat::{ChatRequest, Part, ToolKind};
use llm_types::{Call, EmbedContent, EmbedRequest, RerankRequest, ServiceTier, Units};

/// What providers put around a prompt of their own: instructions on tools, on the form of the answer.
const FRAME: u64 = 1024;
/// What a message and a tool add beside their text.
const EACH: u64 = 32;

/// Why there is no bound.
pub(crate) const NO_OUTPUT: &str =
    "nothing bounds the answer: set max_tokens, or max_output of the deployment";
const NO_WINDOW: &str = "only the context window bounds this prompt, and it is not known: set context_window";
const SEARCHES: &str = "the provider's own tools run as often as they like";

/// The most that a conversation in text alone can use, of so many bytes and with this bound on its answer.
///
/// # Errors
/// Why nothing bounds it.
pub(crate) fn of_text(body: usize, limit: Option<u64>, facts: &Facts) -> Result<Worst, &'static str> {
    let text = u64::try_from(body).unwrap_or(u64::MAX).saturating_add(FRAME);
    let input = facts.context_window.map_or(text, |window| text.min(window));
    Ok(Worst::text(input, output_tokens(limit, facts)?))
}

/// The most that a call of so many bytes can use; `None`: nothing bounds it.
pub(crate) fn of_call(call: &Call, extent: Extent, body: usize, facts: &Facts) -> Option<Worst> {
    Some(match call {
        Call::Embed(request) => of_embedding(request, body, facts).ok()?,
        Call::Rerank(request) => of_rerank(request, body),
        Call::Transcribe(request) => media::of_transcript(request, facts),
        Call::Speak(request) => media::of_speech(request),
        Call::Image(request) => media::of_images(request),
        Call::Moderate(_) => of_texts(body),
        call => {
            let worst = of_chat(call.conversation()?, body, facts).ok()?;
            let answers = extent.prompts.saturating_mul(extent.answers.max(worst.answers));
            Worst { answers, ..worst }
        }
    })
}

/// The most that texts can use that nobody answers.
pub(crate) fn of_texts(body: usize) -> Worst {
    Worst::text(u64::try_from(body).unwrap_or(u64::MAX), 0)
}

/// The most that texts to embed can use. Pictures, and what else only their provider reads, fill a window each.
///
/// # Errors
/// Why nothing bounds it.
pub(crate) fn of_embedding(
    request: &EmbedRequest,
    body: usize,
    facts: &Facts,
) -> Result<Worst, &'static str> {
    let text = of_texts(body);
    let opaque = request.inputs.iter().filter(|one| matches!(one.content, EmbedContent::Opaque(..))).count();
    if opaque == 0 {
        return Ok(text);
    }
    let window = facts.context_window.ok_or(NO_WINDOW)?;
    let windows = u64::try_from(opaque).unwrap_or(u64::MAX).saturating_mul(window);
    let input_tokens = text.input_tokens.saturating_add(windows);
    // Each picture of one takes some bytes of it.
    let units = Units { input_images: text.input_tokens / PICTURE, ..Units::default() };
    Ok(Worst { input_tokens, units, classes: Classes::INPUT, ..text })
}

/// A picture in a request takes as many bytes at least: a key, an address.
const PICTURE: u64 = 16;

/// How many documents one search is paid for (<https://cohere.com/pricing>).
const SEARCHED: u64 = 100;
/// The tokens of a piece of a document, the query included: a longer document is several
/// (<https://docs.cohere.com/docs/rerank-overview>).
const PIECE: u64 = 500;
/// The most of a document that is read where nobody says it, in tokens.
const READ: u64 = 4096;

/// The most that documents to order can use: tokens where those are sold, each with the query; searches elsewhere,
/// of documents cut in pieces. A query is taken to fill half of a piece at most.
pub(crate) fn of_rerank(request: &RerankRequest, body: usize) -> Worst {
    let bytes = |text: usize| u64::try_from(text).unwrap_or(u64::MAX);
    let query = bytes(request.query.len());
    let room = PIECE.saturating_sub(query).max(PIECE / 2);
    let read = request.max_tokens_per_doc.unwrap_or(READ);
    let pieces = request.documents.iter();
    let pieces = pieces.map(|document| bytes(document.size()).min(read).div_ceil(room).max(1));
    let searches = pieces.fold(0, u64::saturating_add).div_ceil(SEARCHED).max(1);
    let repeated = query.saturating_add(EACH).saturating_mul(bytes(request.documents.len()));
    let input = bytes(body).saturating_add(repeated).saturating_add(FRAME);
    Worst { queries: searches, ..Worst::text(input, 0) }
}

fn output_tokens(limit: Option<u64>, facts: &Facts) -> Result<u64, &'static str> {
    match (limit, facts.max_output.or(facts.context_window)) {
        (Some(limit), Some(model)) => Ok(limit.min(model)),
        (limit, model) => limit.or(model).ok_or(NO_OUTPUT),
    }
}

/// The most that a request can use at a deployment.
///
/// # Errors
/// Why nothing bounds it.
pub(crate) fn of_chat(request: &ChatRequest, body: usize, facts: &Facts) -> Result<Worst, &'static str> {
    let tools = &request.tooling.tools;
    if request.web_search.is_some() || tools.iter().any(|tool| matches!(tool.kind, ToolKind::Hosted { .. })) {
        return Err(SEARCHES);
    }
    let parts = || request.messages.iter().flat_map(|message| &message.parts);
    let media = parts().any(holds_media);
    let each = u64::try_from(request.messages.len() + tools.len()).unwrap_or(u64::MAX).saturating_mul(EACH);
    let text = u64::try_from(body).unwrap_or(u64::MAX).saturating_add(each).saturating_add(FRAME);
    let seen = is_seen(request);
    let input_tokens = match (facts.context_window, seen) {
        (Some(window), true) => text.min(window),
        (Some(window), false) => window,
        (None, true) => text,
        (None, false) => return Err(NO_WINDOW),
    };
    let output_tokens = output_tokens(request.limits.most_output_tokens(), facts)?;
    Ok(Worst {
        input_tokens,
        output_tokens,
        answers: request.output.n.unwrap_or(1).max(1).into(),
        queries: 0,
        units: Units::default(),
        classes: classes(request, media),
        services: services(request.delivery.service_tier.as_deref()),
    })
}

/// Whether a prompt is no more than its bytes: members that name what is stored elsewhere are no part of the neutral form.
pub(crate) fn is_seen(request: &ChatRequest) -> bool {
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    !parts.any(holds_media) && request.extra.is_empty()
}

fn holds_media(part: &Part) -> bool {
    match part {
        Part::Text(_) | Part::Refusal(_) | Part::Reasoning(_) | Part::ToolCall(_) | Part::Citation(_) => {
            false
        }
        Part::ToolResult(result) => result.parts.iter().any(holds_media),
        Part::Image(_) | Part::File(_) | Part::Audio(_) | Part::Opaque(_) => true,
    }
}

/// What the tokens may be. A cache that lasts an hour is dear, and nobody gets it unasked.
fn classes(request: &ChatRequest, media: bool) -> Classes {
    let cached = request.cache.control.is_some() || request.cache.retention.is_some();
    let marked = request.tooling.tools.iter().any(|tool| tool.cache.is_some());
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let marked = marked || parts.into_iter().any(is_marked);
    let input = if media || cached || marked { Classes::INPUT } else { Classes::TEXT_INPUT };
    let spoken = request.output.audio.is_some() || request.output.modalities.iter().any(|one| one == "audio");
    let output = Classes::TEXT_OUTPUT.and(Classes::of(&[Class::OutputImage]));
    input.and(if spoken { Classes::OUTPUT } else { output })
}

fn is_marked(part: &Part) -> bool {
    match part {
        Part::Text(text) => text.cache.is_some(),
        Part::ToolResult(result) => result.cache.is_some() || result.parts.iter().any(is_marked),
        _ => true,
    }
}

/// Who may answer: a tier that is asked for may be full, and then the usual one answers.
fn services(tier: Option<&str>) -> Services {
    match tier {
        None | Some("default" | "standard" | "standard_only") => Services::STANDARD,
        Some("flex") => Services::STANDARD.and(Services::one(ServiceTier::Flex)),
        Some("priority") => Services::STANDARD.and(Services::one(ServiceTier::Priority)),
        Some(_) => Services::ALL,
    }
}

#[cfg(test)]
mod tests {
    use llm_types::chat::{Image, Media, Message, Tool};
    use llm_types::{Dialect, EmbedInput, RawValue};

    use super::*;

    fn facts(window: Option<u64>, output: Option<u64>) -> Facts {
        Facts { context_window: window, max_output: output, ..Facts::default() }
    }

    #[test]
    fn a_prompt_is_bounded_by_its_bytes_and_by_the_window() {
        let check = |body, window, expect| {
            let worst = of_chat(&ChatRequest::new([Message::user("Hello!")]), body, &facts(window, Some(9)));
            assert_eq!(worst.map(|worst| worst.input_tokens), expect, "{body} {window:?}");
        };
        check(100, None, Ok(100 + FRAME + EACH));
        check(100, Some(1_000_000), Ok(100 + FRAME + EACH));
        check(100_000, Some(8_192), Ok(8_192));
        let mut seen = ChatRequest::new([Message::user("What is this?")]);
        seen.messages[0].parts.push(Part::Image(Image::new(Media::Url("https://a.example".to_owned()))));
        let worst = |window| of_chat(&seen, 100, &facts(window, Some(9)));
        assert_eq!(worst(Some(8_192)).unwrap().input_tokens, 8_192);
        assert!(worst(Some(8_192)).unwrap().classes.has(Class::InputImage));
        assert_eq!(worst(None), Err(NO_WINDOW));
    }

    #[test]
    fn an_answer_is_bounded_by_the_caller_and_by_the_model() {
        let check = |limit, window, output, expect| {
            let mut request = ChatRequest::new([Message::user("Hello!")]);
            request.limits.max_tokens = limit;
            let worst = of_chat(&request, 10, &facts(window, output));
            assert_eq!(worst.map(|worst| worst.output_tokens), expect, "{limit:?} {window:?} {output:?}");
        };
        let mut both = ChatRequest::new([Message::user("Hello!")]);
        (both.limits.max_tokens, both.limits.max_completion_tokens) = (Some(10_000), Some(10));
        assert_eq!(of_chat(&both, 10, &facts(None, None)).unwrap().output_tokens, 10_000);
        check(Some(5), None, None, Ok(5));
        check(Some(5), None, Some(3), Ok(3));
        check(None, Some(100), Some(3), Ok(3));
        check(None, Some(100), None, Ok(100));
        check(None, None, None, Err(NO_OUTPUT));
    }

    #[test]
    fn pictures_to_embed_fill_a_window_each() {
        let text = EmbedInput::text("Hello!");
        let raw = RawValue::from_string(r#"{"type":"image_url"}"#.to_owned()).unwrap();
        let picture = EmbedInput { content: EmbedContent::Opaque(Dialect::OpenaiMedia, raw), title: None };
        let check = |inputs: &[&EmbedInput], window, expect| {
            let inputs = inputs.iter().map(|one| (*one).clone()).collect();
            let request = EmbedRequest { inputs, ..EmbedRequest::default() };
            let worst = of_embedding(&request, 64, &facts(window, None));
            assert_eq!(worst.map(|worst| worst.input_tokens), expect);
        };
        check(&[&text], None, Ok(64));
        check(&[&text, &picture, &picture], Some(1_000), Ok(2_064));
        check(&[&picture], None, Err(NO_WINDOW));
    }

    #[test]
    fn documents_are_searched_by_the_hundred_and_in_pieces() {
        let check = |documents: Vec<String>, most: Option<u64>, expect| {
            let mut request = RerankRequest::new("q", documents);
            request.max_tokens_per_doc = most;
            assert_eq!(of_rerank(&request, 10).queries, expect);
        };
        check(vec!["a".to_owned()], None, 1);
        check(vec!["a".to_owned(); 100], None, 1);
        check(vec!["a".to_owned(); 101], None, 2);
        // 4096 bytes are read of each, nine pieces of 499.
        check(vec!["a".repeat(100_000); 100], None, 9);
        check(vec!["a".repeat(100_000); 100], Some(400), 1);
        let request = RerankRequest::new("q".repeat(10), ["a", "b"]);
        assert_eq!(of_rerank(&request, 100).input_tokens, 100 + 2 * (10 + EACH) + FRAME);
    }

    #[test]
    fn what_is_asked_for_decides_what_may_be_paid() {
        let mut request = ChatRequest::new([Message::user("Hello!")]);
        let known = facts(Some(1000), Some(10));
        let plain = of_chat(&request, 10, &known).unwrap();
        assert!(!plain.classes.has(Class::CacheWrite1h) && !plain.classes.has(Class::OutputAudio));
        assert_eq!((plain.answers, plain.services), (1, Services::STANDARD));
        request.output.n = Some(3);
        request.output.modalities = vec!["text".to_owned(), "audio".to_owned()];
        request.delivery.service_tier = Some("auto".to_owned());
        let dear = of_chat(&request, 10, &known).unwrap();
        assert!(dear.classes.has(Class::OutputAudio));
        assert_eq!((dear.answers, dear.services), (3, Services::ALL));
        request.tooling.tools = vec![Tool::function("f", "", None)];
        assert!(of_chat(&request, 10, &known).is_ok());
        request.web_search = Some(llm_types::chat::WebSearch::default());
        assert_eq!(of_chat(&request, 10, &known), Err(SEARCHES));
    }
}
