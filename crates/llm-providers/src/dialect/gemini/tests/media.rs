//! Pictures, sound and files on their way out.

use llm_types::ErrorKind;
use llm_types::chat::{Audio, ChatRequest, File, Image, Media, Message, Part, Role};
use serde_json::{Value, json};

use super::encode::*;
use super::*;

#[test]
fn media_by_address() {
    let check = |media: Media, media_type: Option<&str>, expect: Value| {
        let file = File {
            media,
            filename: None,
            media_type: media_type.map(str::to_owned),
            cache: None,
            extra: llm_types::Extra::default(),
        };
        let (body, _) = contents(vec![Message::new(Role::User, [Part::File(file)])], "gemini-2.5-flash");
        assert_eq!(body[0]["parts"][0]["fileData"], expect);
    };
    let files = "https://generativelanguage.googleapis.com/v1beta/files/abc";
    let url = |url: &str| Media::Url(url.to_owned());
    check(url(files), None, json!({"fileUri": files}));
    check(url(files), Some("image/jpg"), json!({"fileUri": files, "mimeType": "image/jpeg"}));
    check(url("gs://b/a.pdf"), None, json!({"fileUri": "gs://b/a.pdf", "mimeType": "application/pdf"}));
    check(url("https://youtu.be/x"), None, json!({"fileUri": "https://youtu.be/x", "mimeType": "video/mp4"}));
    check(Media::FileId("files/abc".to_owned()), None, json!({"fileUri": files}));

    let image = Part::Image(Image::new(url("https://example.com/a.png")));
    let request = ChatRequest::new([Message::user("q"), Message::new(Role::User, [Part::text("x"), image])]);
    let error = try_send(request, "gemini-2.5-flash").unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert_eq!(error.param.as_deref(), Some("messages[1].content[1]"));
    assert!(error.message.contains("base64 or a Files API URI"), "{error}");
}

#[test]
fn sound_and_video() {
    let audio = Audio {
        media: Some(Media::Base64 { media_type: String::new(), data: "AAAA".to_owned() }),
        format: Some("mp3".to_owned()),
        ..Audio::default()
    };
    let spoken = Audio { id: Some("a1".to_owned()), transcript: Some("hi".to_owned()), ..Audio::default() };
    let forgotten = Audio { id: Some("a2".to_owned()), ..Audio::default() };
    let mut video = File {
        media: Media::Url("gs://b/a.mp4".to_owned()),
        filename: None,
        media_type: None,
        cache: None,
        extra: llm_types::Extra::default(),
    };
    video.extra.set("video_metadata", raw(&json!({"fps": 2, "startOffset": "2s"})));
    let messages = vec![
        Message::new(Role::User, [Part::Audio(audio), Part::File(video)]),
        Message::new(Role::Assistant, [Part::Audio(spoken), Part::Audio(forgotten)]),
    ];
    let (body, changes) = contents(messages, "gemini-2.5-flash");
    assert_eq!(body[0]["parts"][0]["inlineData"]["mimeType"], "audio/mp3");
    assert_eq!(body[0]["parts"][1]["videoMetadata"], json!({"fps": 2, "startOffset": "2s"}));
    assert_eq!(body[1]["parts"], json!([{"text": "hi"}]));
    let expect =
        ["altered messages[1].content[0]", "dropped messages[1].audio.id", "dropped messages[1].audio"];
    assert_eq!(changes, expect);
}

#[test]
fn sound_that_a_model_made_goes_back_as_it_came() {
    let data = json!({"mimeType": "audio/L16;rate=24000", "data": "AQID"});
    let answer =
        json!({"candidates": [{"content": {"parts": [{"inlineData": data}]}, "finishReason": "STOP"}]});
    let parts = read(&answer).unwrap().choices.remove(0).parts;
    let audio = match &parts[0] {
        Part::Audio(audio) => audio.clone(),
        other => panic!("{other:?}"),
    };
    let messages = vec![Message::user("q"), Message::new(Role::Assistant, [Part::Audio(audio)])];
    let (body, changes) = contents(messages, "gemini-2.5-flash");
    assert_eq!(body[1]["parts"], json!([{"inlineData": data}]));
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn detail_is_said_per_picture_or_once() {
    let pictures = |details: &[&str]| {
        let image = |detail: &&str| Part::Image(Image { detail: Some((*detail).to_owned()), ..picture() });
        ChatRequest::new([Message::new(Role::User, details.iter().map(image))])
    };
    let (body, _) = send(pictures(&["low", "auto", "ultra_high"]), "gemini-3-pro-preview");
    let levels = body["contents"][0]["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["mediaResolution"]["level"].clone());
    let expect = [json!("MEDIA_RESOLUTION_LOW"), Value::Null, json!("MEDIA_RESOLUTION_ULTRA_HIGH")];
    assert_eq!(levels.collect::<Vec<_>>(), expect);

    let (body, changes) = send(pictures(&["low", "high"]), "gemini-2.5-flash");
    assert_eq!(body["generationConfig"], json!({"mediaResolution": "MEDIA_RESOLUTION_HIGH"}));
    assert_eq!(changes, ["altered messages[0].content[1].image_url.detail"]);

    let (_, changes) = send(pictures(&["low", "odd"]), "gemini-1.5-flash");
    let path = |part: u32| format!("dropped messages[0].content[{part}].image_url.detail");
    assert_eq!(changes, [path(0), path(1)]);
}
