//! The most that sound and pictures can use.
//!
//! Of sound only the bytes are known: how long it can be at the very most is said by `llm_providers::sound`, and is
//! many times what it usually is. Where that is not affordable, a file with a head that tells its length (WAV) is
//! not held for longer than that by more than its bytes allow.

use llm_cost::{Classes, Picture, Services, Worst};
use llm_providers::sound;
use llm_router::Facts;
use llm_types::{ImageRequest, SpeechRequest, TranscribeRequest, Units};

/// The most tokens of a second of sound, in and out (recordings/mistral/transcription-basic: 125).
const HEARD: u64 = 150;
/// The most tokens of a picture, made or given: 6,240 for the largest of OpenAI's.
const PICTURE: u64 = 8_192;
/// The pixels of the largest of the usual sizes.
const USUAL: u64 = 1_536 * 1_024;
/// The most pixels of a picture whose size nobody says.
const LARGEST: u64 = 4_096 * 4_096;
/// What providers add to a text of their own.
const FRAME: u64 = 256;

fn worst(input_tokens: u64, output_tokens: u64, units: Units) -> Worst {
    Worst {
        input_tokens,
        output_tokens,
        answers: 1,
        queries: 0,
        units,
        classes: Classes::TOKENS,
        services: Services::STANDARD,
    }
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

/// The same with one measure of what is not counted in tokens, for each, and with none.
pub(crate) fn one_by_one(worst: &Worst) -> impl Iterator<Item = Worst> {
    let Units { images, input_images: _, pixels, input_audio_ms, output_audio_ms, characters, pages: _ } =
        worst.units;
    let none = Units::default();
    let all = [
        Units { images, ..none },
        Units { pixels, ..none },
        Units { input_audio_ms, ..none },
        Units { output_audio_ms, ..none },
        Units { characters, ..none },
        none,
    ];
    let worst = *worst;
    all.into_iter().map(move |units| Worst { units, ..worst })
}

/// The most that a transcript can use.
pub(crate) fn of_transcript(request: &TranscribeRequest, facts: &Facts) -> Worst {
    let (told, estimated) = sound::length_ms(&request.file.data);
    let input_audio_ms = if estimated { sound::longest_ms(&request.file.data) } else { told };
    let seconds = input_audio_ms.div_ceil(1000);
    let prompt = request.prompt.as_deref().map(length).unwrap_or_default();
    let heard = seconds.saturating_mul(HEARD);
    let input = heard.saturating_add(prompt).saturating_add(FRAME);
    let output = facts.max_output.map_or(heard, |most| most.min(heard)).max(FRAME);
    // Some round up to whole seconds, or to a least of ten.
    let billed = seconds.max(10).saturating_mul(1000);
    worst(input, output, Units { input_audio_ms: billed, ..Units::default() })
}

/// The most that a transcript of sound of this length can use.
pub(crate) fn of_heard(input_audio_ms: u64, facts: &Facts) -> Worst {
    let heard = input_audio_ms.div_ceil(1000).saturating_mul(HEARD).saturating_add(FRAME);
    let most = |bound: Option<u64>| bound.map_or(heard, |bound| bound.min(heard));
    worst(most(facts.context_window), most(facts.max_output), Units { input_audio_ms, ..Units::default() })
}

/// The most that speech can use: nobody speaks slower than two characters a second.
pub(crate) fn of_speech(request: &SpeechRequest) -> Worst {
    let text = length(&request.input);
    let instructions = request.instructions.as_deref().map(length).unwrap_or_default();
    let output_audio_ms = text.saturating_mul(500).saturating_add(10_000);
    let output = output_audio_ms.div_ceil(1000).saturating_mul(HEARD);
    let input = text.saturating_add(instructions).saturating_add(FRAME);
    worst(input, output, Units { characters: text, output_audio_ms, ..Units::default() })
}

/// Width and height that a request names.
fn sides(size: &str) -> Option<(u64, u64)> {
    let (width, height) = size.split_once('x')?;
    Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
}

/// The most tokens of a picture of this quality: of OpenAI's 408 and 1,584, of Gemini's 2,520 whatever is asked for.
fn tokens(quality: Option<&str>) -> u64 {
    match quality {
        Some("low" | "medium") => 2_560,
        _ => PICTURE,
    }
}

/// Which pictures are asked for, as lists of prices name them.
pub(crate) fn picture(request: &ImageRequest) -> Picture {
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
    Picture { quality: text(&request.quality), size: text(&request.size) }
}

/// The most that pictures can use. Of larger ones than the usual the tokens grow with them.
pub(crate) fn of_images(request: &ImageRequest) -> Worst {
    let n = u64::from(request.n.unwrap_or(1)).max(1);
    let given = u64::try_from(request.images.len() + usize::from(request.mask.is_some())).unwrap_or(u64::MAX);
    let input = length(&request.prompt).saturating_add(given.saturating_mul(PICTURE)).saturating_add(FRAME);
    let area = request.size.as_deref().and_then(sides).map(|(width, height)| width.saturating_mul(height));
    let each =
        tokens(request.quality.as_deref()).saturating_mul(area.unwrap_or(USUAL).div_ceil(USUAL).max(1));
    let pixels = n.saturating_mul(area.unwrap_or(LARGEST));
    let units = Units { images: n, input_images: given, pixels, ..Units::default() };
    worst(input, n.saturating_mul(each), units)
}

/// The same where it takes so many requests: each is sent the prompt and the pictures that are to be changed.
pub(crate) fn in_requests(worst: &Worst, requests: u64) -> Worst {
    let input_images = worst.units.input_images.saturating_mul(requests);
    let units = Units { input_images, ..worst.units };
    Worst { input_tokens: worst.input_tokens.saturating_mul(requests), units, ..*worst }
}

#[cfg(test)]
mod tests {
    use llm_types::Upload;

    use super::*;

    #[test]
    fn bounds_grow_with_what_is_sent() {
        let heard = |bytes: usize| {
            let request = TranscribeRequest::new(Upload::new("a.mp3", vec![0; bytes]));
            of_transcript(&request, &Facts::default())
        };
        assert_eq!(heard(1).units.input_audio_ms, 10_000);
        assert_eq!(heard(25_000_000).units.input_audio_ms, 100_000_000);
        assert_eq!(of_speech(&SpeechRequest::new("ab", "alloy")).units.characters, 2);
        let images = of_images(&ImageRequest { n: Some(3), ..ImageRequest::new("a") });
        assert_eq!((images.units.images, images.output_tokens), (3, 3 * PICTURE));
        let edit = ImageRequest {
            n: Some(3),
            images: vec![Upload::new("a.png", vec![0])],
            ..ImageRequest::new("a")
        };
        let (once, thrice) = (of_images(&edit), in_requests(&of_images(&edit), 3));
        assert_eq!((once.units.input_images, thrice.units.input_images), (1, 3));
        assert_eq!(
            (thrice.input_tokens, thrice.output_tokens, thrice.units.images),
            (3 * once.input_tokens, once.output_tokens, 3)
        );
        let check = |quality: &str, size: &str, pixels: u64, tokens: u64| {
            let (quality, size) = (Some(quality.to_owned()), Some(size.to_owned()));
            let images = of_images(&ImageRequest { quality, size, ..ImageRequest::new("a") });
            assert_eq!((images.units.pixels, images.output_tokens), (pixels, tokens), "{images:?}");
        };
        check("low", "1024x1024", 1 << 20, 2_560);
        check("high", "1536x1024", USUAL, PICTURE);
        check("high", "3840x2160", 3_840 * 2_160, 6 * PICTURE);
        check("hd", "auto", LARGEST, PICTURE);
    }
}
