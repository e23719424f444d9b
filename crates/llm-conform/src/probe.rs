//! The requests: as small as they can be while the answer still tells.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_types::chat::{
    CacheControl, ChatRequest, Effort, File, Format, Image, JsonSchema, Media, Message, Part, Role, Text,
    Tool, ToolCall, ToolChoice,
};
use llm_types::{
    Call, EmbedInput, EmbedRequest, Extra, ImageRequest, ImageTask, ModerateRequest, RawValue, RerankRequest,
    SpeechRequest, TranscribeRequest, TranscriptFormat, Upload, VectorEncoding,
};

/// The most tokens of an ordinary answer.
const SHORT: u64 = 200;
/// The most tokens of an answer with thoughts.
const THOUGHTFUL: u64 = 2000;
/// A red square.
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAKklEQVR42mO4IydHU8QwasGoBaMWjFowasGoBaMWjFowasGoBaMWDBULAJI2YD30P/0LAAAAAElFTkSuQmCC";
/// A page with the word "Harbour".
const DOCUMENT: &str = "JVBERi0xLjQKMSAwIG9iajw8L1R5cGUvQ2F0YWxvZy9QYWdlcyAyIDAgUj4+ZW5kb2JqCjIgMCBvYmo8PC9UeXBlL1BhZ2VzL0tpZHNbMyAwIFJdL0NvdW50IDE+PmVuZG9iagozIDAgb2JqPDwvVHlwZS9QYWdlL1BhcmVudCAyIDAgUi9NZWRpYUJveFswIDAgMjAwIDEwMF0vQ29udGVudHMgNCAwIFIvUmVzb3VyY2VzPDwvRm9udDw8L0YxIDUgMCBSPj4+Pj4+ZW5kb2JqCjQgMCBvYmo8PC9MZW5ndGggMzc+PnN0cmVhbQpCVCAvRjEgMTggVGYgMjAgNTAgVGQgKEhhcmJvdXIpIFRqIEVUCmVuZHN0cmVhbWVuZG9iago1IDAgb2JqPDwvVHlwZS9Gb250L1N1YnR5cGUvVHlwZTEvQmFzZUZvbnQvSGVsdmV0aWNhPj5lbmRvYmoKeHJlZgowIDYKMDAwMDAwMDAwMCA2NTUzNSBmIAowMDAwMDAwMDA5IDAwMDAwIG4gCjAwMDAwMDAwNTIgMDAwMDAgbiAKMDAwMDAwMDEwMSAwMDAwMCBuIAowMDAwMDAwMjExIDAwMDAwIG4gCjAwMDAwMDAyOTMgMDAwMDAgbiAKdHJhaWxlcjw8L1NpemUgNi9Sb290IDEgMCBSPj4Kc3RhcnR4cmVmCjM1NAolJUVPRg==";
/// The stop text.
pub(crate) const STOP: &str = "three";
/// What comes just before it.
pub(crate) const BEFORE_STOP: &str = "two";
/// The length of chosen vectors.
pub(crate) const LENGTH: u32 = 256;
/// The limit that an answer must run into.
pub(crate) const LIMIT: u64 = 16;
/// A model that nobody has.
pub(crate) const NOBODY: &str = "no-such-model-0";

pub(crate) fn conversation(messages: impl IntoIterator<Item = Message>) -> ChatRequest {
    let mut request = ChatRequest::new(messages);
    request.limits.max_completion_tokens = Some(SHORT);
    request
}

fn saying(text: &str, set: impl FnOnce(&mut ChatRequest)) -> Call {
    let mut request = conversation([Message::user(text)]);
    set(&mut request);
    request.into()
}

const HELLO: &str = "Answer with one short sentence: what is a harbour?";

pub(crate) fn text() -> Call {
    saying(HELLO, |_| {})
}

pub(crate) fn stream() -> Call {
    saying(HELLO, streamed)
}

fn streamed(request: &mut ChatRequest) {
    request.delivery.stream = true;
    request.delivery.include_usage = Some(true);
}

pub(crate) fn unknown() -> Call {
    saying(HELLO, |request| NOBODY.clone_into(&mut request.model))
}

pub(crate) fn max_tokens() -> Call {
    saying("Count from one to one hundred in words, one per line.", |request| {
        request.limits.max_completion_tokens = Some(LIMIT);
    })
}

pub(crate) fn system() -> Call {
    conversation([Message::system("End every answer with the word Ahoy."), Message::user(HELLO)]).into()
}

pub(crate) fn multi_turn() -> Call {
    let messages = [
        Message::user("My boat is red."),
        Message::assistant("Noted."),
        Message::user("Which colour is my boat?"),
    ];
    conversation(messages).into()
}

pub(crate) fn stop() -> Call {
    saying("Repeat exactly: one two three four five", |request| request.limits.stop = vec![STOP.to_owned()])
}

pub(crate) fn temperature() -> Call {
    saying(HELLO, |request| request.sampling.temperature = Some(0.5))
}

pub(crate) fn seed() -> Call {
    saying(HELLO, |request| request.sampling.seed = Some(7))
}

pub(crate) fn n() -> Call {
    saying(HELLO, |request| request.output.n = Some(2))
}

pub(crate) fn logprobs() -> Call {
    saying(HELLO, |request| {
        request.output.logprobs = Some(true);
        request.output.top_logprobs = Some(2);
    })
}

fn raw(json: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(json.to_owned()).ok()
}

fn weather() -> Tool {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}"#;
    Tool::function("get_weather", "The weather of a city", raw(schema))
}

fn calling(text: &str, choice: Option<ToolChoice>) -> ChatRequest {
    let mut request = conversation([Message::user(text)]);
    request.tooling.tools = vec![weather()];
    request.tooling.choice = choice;
    request
}

const ASKED: &str = "What is the weather in Oslo? Call the function.";

pub(crate) fn tools() -> Call {
    calling(ASKED, None).into()
}

pub(crate) fn stream_tools() -> Call {
    let mut request = calling(ASKED, None);
    streamed(&mut request);
    request.into()
}

pub(crate) fn tool_choice() -> Call {
    calling("Oslo", Some(ToolChoice::Function("get_weather".to_owned()))).into()
}

pub(crate) fn parallel_tools() -> Call {
    let mut request =
        calling("What is the weather in Oslo and in Rome? Call the function for both at once.", None);
    request.tooling.parallel = Some(true);
    request.into()
}

pub(crate) fn tool_results() -> Call {
    let call = ToolCall {
        id: "call_1".to_owned(),
        name: "get_weather".to_owned(),
        arguments: r#"{"city":"Oslo"}"#.to_owned(),
        ..ToolCall::default()
    };
    let mut request = calling(ASKED, None);
    request.messages.push(Message::new(Role::Assistant, [Part::ToolCall(call)]));
    request.messages.push(Message::tool_result("call_1", r#"{"celsius":17}"#));
    request.into()
}

pub(crate) fn json() -> Call {
    saying("Answer in JSON, with the member `city`: which city is the capital of Norway?", |request| {
        request.output.format = Some(Format::JsonObject);
    })
}

pub(crate) fn json_schema() -> Call {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"},"year":{"type":"integer"}},"required":["city","year"],"additionalProperties":false}"#;
    saying("Which city is the capital of Norway, and since which year?", |request| {
        request.output.format = Some(Format::JsonSchema(JsonSchema {
            name: "capital".to_owned(),
            schema: raw(schema),
            strict: Some(true),
            ..JsonSchema::default()
        }));
    })
}

fn showing(text: &str, part: Part) -> Call {
    conversation([Message::new(Role::User, [Part::text(text), part])]).into()
}

pub(crate) fn image() -> Call {
    let media = Media::Base64 { media_type: "image/png".to_owned(), data: PICTURE.to_owned() };
    showing("Which colour is this, in one word?", Part::Image(Image::new(media)))
}

pub(crate) fn document() -> Call {
    let media = Media::Base64 { media_type: "application/pdf".to_owned(), data: DOCUMENT.to_owned() };
    let (filename, extra) = (Some("page.pdf".to_owned()), Extra::default());
    showing(
        "Which word is on the page?",
        Part::File(File { media, filename, media_type: None, cache: None, extra }),
    )
}

pub(crate) fn thinking() -> Call {
    saying("How many times does the letter r occur in strawberry?", |request| {
        request.reasoning.effort = Some(Effort::Low);
        request.limits.max_completion_tokens = Some(THOUGHTFUL);
    })
}

pub(crate) fn caching() -> Call {
    let mut rules = Text::new("Be brief. ".repeat(20));
    rules.cache = Some(CacheControl { kind: "ephemeral".to_owned(), ttl: None });
    conversation([Message::new(Role::System, [Part::Text(rules)]), Message::user(HELLO)]).into()
}

pub(crate) fn completion() -> Call {
    saying("A harbour is", |_| {})
}

pub(crate) fn completion_stream() -> Call {
    saying("A harbour is", streamed)
}

pub(crate) fn completion_stop() -> Call {
    saying("one two three four five one two three four five one", |request| {
        request.limits.stop = vec![STOP.to_owned()]
    })
}

fn embedding(dimensions: Option<u32>, encoding: VectorEncoding) -> Call {
    let inputs = ["a harbour", "a mountain"].map(EmbedInput::text).to_vec();
    Call::Embed(Box::new(EmbedRequest { inputs, dimensions, encoding, ..EmbedRequest::default() }))
}

pub(crate) fn vectors() -> Call {
    embedding(None, VectorEncoding::Float)
}

pub(crate) fn base64() -> Call {
    embedding(None, VectorEncoding::Base64)
}

pub(crate) fn dimensions() -> Call {
    embedding(Some(LENGTH), VectorEncoding::Float)
}

fn ordering(top_n: Option<u32>) -> Call {
    let request = RerankRequest::new(
        "capital of Norway",
        ["Rome is in Italy.", "Oslo is the capital of Norway.", "Boats."],
    );
    Call::Rerank(Box::new(RerankRequest { top_n, ..request }))
}

pub(crate) fn order() -> Call {
    ordering(None)
}

pub(crate) fn top_n() -> Call {
    ordering(Some(1))
}

/// Half a second of silence: 8,000 samples a second, 16 bits each.
fn sound() -> Upload {
    const BYTES: u32 = 8_000;
    let mut wav = Vec::new();
    for piece in [&b"RIFF"[..], &(BYTES + 36).to_le_bytes(), b"WAVEfmt ", &16_u32.to_le_bytes()] {
        wav.extend_from_slice(piece);
    }
    for number in [1_u16, 1] {
        wav.extend_from_slice(&number.to_le_bytes());
    }
    for number in [8_000_u32, 16_000] {
        wav.extend_from_slice(&number.to_le_bytes());
    }
    for number in [2_u16, 16] {
        wav.extend_from_slice(&number.to_le_bytes());
    }
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&BYTES.to_le_bytes());
    wav.extend(std::iter::repeat_n(0_u8, 8_000));
    Upload { kind: "audio/wav".to_owned(), ..Upload::new("silence.wav", wav) }
}

pub(crate) fn transcript() -> Call {
    Call::Transcribe(Box::new(TranscribeRequest::new(sound())))
}

fn written(format: TranscriptFormat) -> Call {
    Call::Transcribe(Box::new(TranscribeRequest { format, ..TranscribeRequest::new(sound()) }))
}

pub(crate) fn as_text() -> Call {
    written(TranscriptFormat::Text)
}

pub(crate) fn verbose() -> Call {
    written(TranscriptFormat::VerboseJson)
}

pub(crate) fn srt() -> Call {
    written(TranscriptFormat::Srt)
}

pub(crate) fn vtt() -> Call {
    written(TranscriptFormat::Vtt)
}

pub(crate) fn words() -> Call {
    let granularities = vec!["word".to_owned()];
    let format = TranscriptFormat::VerboseJson;
    Call::Transcribe(Box::new(TranscribeRequest { format, granularities, ..TranscribeRequest::new(sound()) }))
}

pub(crate) fn translation() -> Call {
    Call::Transcribe(Box::new(TranscribeRequest { translate: true, ..TranscribeRequest::new(sound()) }))
}

pub(crate) fn speech() -> Call {
    Call::Speak(Box::new(SpeechRequest::new("Harbour.", "alloy")))
}

fn coded(format: &str) -> Call {
    let format = Some(format.to_owned());
    Call::Speak(Box::new(SpeechRequest { format, ..SpeechRequest::new("Harbour.", "alloy") }))
}

pub(crate) fn mp3() -> Call {
    coded("mp3")
}

pub(crate) fn opus() -> Call {
    coded("opus")
}

pub(crate) fn aac() -> Call {
    coded("aac")
}

pub(crate) fn flac() -> Call {
    coded("flac")
}

pub(crate) fn wav() -> Call {
    coded("wav")
}

pub(crate) fn pcm() -> Call {
    coded("pcm")
}

pub(crate) fn speed() -> Call {
    Call::Speak(Box::new(SpeechRequest { speed: Some(1.1), ..SpeechRequest::new("Harbour.", "alloy") }))
}

pub(crate) fn picture() -> Call {
    Call::Image(Box::new(ImageRequest::new("a red square")))
}

pub(crate) fn edit() -> Call {
    let data = STANDARD.decode(PICTURE).unwrap_or_default();
    let image = Upload { kind: "image/png".to_owned(), ..Upload::new("square.png", data) };
    Call::Image(Box::new(ImageRequest {
        task: ImageTask::Edit,
        images: vec![image],
        ..ImageRequest::new("make it blue")
    }))
}

fn varied(n: Option<u32>) -> Call {
    let data = STANDARD.decode(PICTURE).unwrap_or_default();
    let image = Upload { kind: "image/png".to_owned(), ..Upload::new("square.png", data) };
    Call::Image(Box::new(ImageRequest {
        task: ImageTask::Vary,
        images: vec![image],
        n,
        ..ImageRequest::default()
    }))
}

pub(crate) fn variation() -> Call {
    varied(None)
}

pub(crate) fn variations() -> Call {
    varied(Some(2))
}

pub(crate) fn count() -> Call {
    Call::CountTokens(Box::new(ChatRequest::new([Message::user(HELLO)])))
}

pub(crate) fn count_tools() -> Call {
    Call::CountTokens(Box::new(calling(ASKED, None)))
}

pub(crate) fn verdict() -> Call {
    let input = raw("\"a harbour\"").unwrap_or_default();
    Call::Moderate(Box::new(ModerateRequest {
        model: String::new(),
        input,
        origin: None,
        extra: Extra::default(),
    }))
}
