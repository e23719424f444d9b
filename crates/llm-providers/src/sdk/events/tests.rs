//! Events of transcripts and pictures, streamed by their provider and not.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use llm_types::{ErrorKind, ImageRequest, Result, TranscribeRequest, Upload};

use super::MediaStream;
use crate::Client;
use crate::transport::{ByteStream, RequestBody, Transport};

/// Answers with these bytes, cut anywhere.
#[derive(Debug)]
struct Says {
    kind: &'static str,
    body: &'static str,
    sent: Mutex<Vec<String>>,
}

#[async_trait]
impl Transport for Says {
    async fn send(&self, request: http::Request<RequestBody>) -> Result<http::Response<ByteStream>> {
        let body = request.into_body().collect().await?.to_bytes();
        self.sent.lock().unwrap().push(String::from_utf8_lossy(&body).into_owned());
        let chunks: Vec<_> =
            self.body.as_bytes().chunks(7).map(|chunk| Ok(Bytes::from_static(chunk))).collect();
        let body: ByteStream = Box::pin(stream::iter(chunks));
        let mut answer = http::Response::new(body);
        answer.headers_mut().insert(CONTENT_TYPE, self.kind.parse().unwrap());
        Ok(answer)
    }
}

fn says(kind: &'static str, body: &'static str) -> (Client, Arc<Says>) {
    let says = Arc::new(Says { kind, body, sent: Mutex::default() });
    let client = Client::builder()
        .transport(Arc::<Says>::clone(&says) as Arc<dyn Transport>)
        .env(|name| name.ends_with("_API_KEY").then(|| "sk-test".to_owned()))
        .build()
        .unwrap();
    (client, says)
}

fn sound() -> TranscribeRequest {
    TranscribeRequest::new(Upload::new("talk.wav", &b"RIFF"[..]))
}

/// The types of all events, and what they say; the last: an error.
async fn all(mut stream: MediaStream) -> (Vec<String>, Option<ErrorKind>, MediaStream) {
    let mut said = Vec::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => {
                let more = event.text().or(event.picture()).unwrap_or_default();
                said.push(format!("{} {more}", event.kind));
            }
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing follows an error");
                return (said, Some(error.kind), stream);
            }
        }
    }
    (said, None, stream)
}

const HEARD: &str = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Good \"}\n\n\
    data: {\"type\":\"transcript.text.delta\",\"delta\":\"day.\"}\n\n\
    data: {\"type\":\"transcript.text.done\",\"text\":\"Good day.\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,\
    \"input_token_details\":{\"text_tokens\":0,\"audio_tokens\":14},\"output_tokens\":3,\"total_tokens\":17}}\n\n";

#[tokio::test]
async fn a_transcript_comes_as_it_is_heard() {
    let (client, says) = says("text/event-stream", HEARD);
    let stream = client.transcribe_events("openai/gpt-4o-transcribe", sound()).await.unwrap();
    let (said, error, stream) = all(stream).await;
    assert_eq!(error, None);
    let expect = ["transcript.text.delta Good ", "transcript.text.delta day.", "transcript.text.done "];
    assert_eq!(said, expect);
    let usage = stream.usage().unwrap();
    assert_eq!((usage.input_audio, usage.output), (14, 3));
    assert!(says.sent.lock().unwrap()[0].contains("name=\"stream\"\r\n\r\ntrue"));
}

#[tokio::test]
async fn one_that_comes_whole_has_the_same_events() {
    let (client, _) = says("application/json", r#"{"text":"Good day."}"#);
    let stream = client.transcribe_events("openai/whisper-1", sound()).await.unwrap();
    assert_eq!(all(stream).await.0, ["transcript.text.delta Good day.", "transcript.text.done "]);
    // Another dialect, of which nothing is streamed.
    let heard = r#"{"metadata":{"duration":1.0},"results":{"channels":[{"alternatives":[{"transcript":"Good day.","words":[]}]}]}}"#;
    let (client, _) = says("application/json", heard);
    let stream = client.transcribe_events("deepgram/nova-3", sound()).await.unwrap();
    assert_eq!(all(stream).await.0, ["transcript.text.delta Good day.", "transcript.text.done "]);
    let stream = client.transcribe_events("mock/echo", sound()).await;
    assert_eq!(all(stream.unwrap()).await.1, None);
}

#[tokio::test]
async fn what_breaks_off_is_an_error() {
    let (cut, _) = HEARD.split_at(70);
    let (client, _) = says("text/event-stream", cut);
    let stream = client.transcribe_events("openai/gpt-4o-transcribe", sound()).await.unwrap();
    let (said, error, _) = all(stream).await;
    assert_eq!((said.len(), error), (1, Some(ErrorKind::UpstreamFormat)), "{said:?}");
    let told = "data: {\"error\":{\"message\":\"down\",\"type\":\"server_error\"}}\n\n";
    let (client, _) = says("text/event-stream", told);
    let stream = client.transcribe_events("openai/gpt-4o-transcribe", sound()).await.unwrap();
    let (said, error, _) = all(stream).await;
    assert!(said.is_empty() && error.is_some(), "{said:?}");
}

const MADE: &str = "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\
    \"partial_image_index\":0,\"b64_json\":\"YQ==\"}\n\nevent: image_generation.completed\ndata: \
    {\"type\":\"image_generation.completed\",\"b64_json\":\"Yg==\",\"usage\":{\"input_tokens\":10,\"output_tokens\":20,\"total_tokens\":30}}\n\n";

#[tokio::test]
async fn pictures_come_while_they_are_made() {
    let (client, says) = says("text/event-stream", MADE);
    let mut request = ImageRequest::new("a red square");
    request.extra.set_json("partial_images", &1).unwrap();
    let stream = client.image_events("openai/gpt-image-1", request).await.unwrap();
    let (said, error, stream) = all(stream).await;
    let expect = ["image_generation.partial_image YQ==", "image_generation.completed Yg=="];
    assert_eq!((said, error), (expect.map(str::to_owned).to_vec(), None));
    assert!(stream.usage().is_some());
    let sent = says.sent.lock().unwrap();
    assert!(sent[0].contains("\"stream\":true") && sent[0].contains("\"partial_images\":1"), "{}", sent[0]);
}

#[tokio::test]
async fn several_pictures_that_take_several_calls_have_events_too() {
    let (client, says) = says("application/json", r#"{"created":1,"data":[{"b64_json":"YQ=="}]}"#);
    let request = ImageRequest { n: Some(2), ..ImageRequest::new("a red square") };
    let stream = client.image_events("openai/dall-e-3", request).await.unwrap();
    let (said, error, _) = all(stream).await;
    assert_eq!((said, error), (vec!["image_generation.completed YQ==".to_owned(); 2], None));
    let sent = says.sent.lock().unwrap();
    assert!(sent.len() == 2 && !sent[0].contains("stream"), "{sent:?}");
}
