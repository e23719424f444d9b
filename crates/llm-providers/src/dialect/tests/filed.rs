//! Sound that lies in a file goes to every provider as sound in memory does.

use std::io::Write as _;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use llm_types::{Call, Changes, Content, Dialect, Op, Stretch, TranscribeRequest, Upload};

use super::super::{client, server};
use crate::codec::{Asked, EncodeCx, WireRequest};
use crate::form;
use crate::table::ProviderTable;

const LENGTH: usize = 700_001;

fn sound() -> Bytes {
    (0..LENGTH).map(|at| u8::try_from(at % 251).unwrap_or_default()).collect()
}

fn filed(sound: &[u8]) -> Stretch {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(sound).unwrap();
    Stretch::whole(file).unwrap()
}

fn wire(provider: &str, data: Content) -> WireRequest {
    let spec = ProviderTable::builtin().get(provider).unwrap().as_ref().clone();
    let request = TranscribeRequest::new(Upload { kind: "audio/mp3".into(), ..Upload::of("a.mp3", data) });
    let call = Call::Transcribe(Box::new(request));
    let (asked, mut changes) = (Asked::of(Op::Transcribe), Changes::default());
    let mut cx = EncodeCx { spec: &spec, model: "m", asked: &asked, changes: &mut changes };
    let dialect = spec.dialect_for(Op::Transcribe, None, "m");
    client(dialect).unwrap().encode(&call, &mut cx).unwrap()
}

/// What is sent, without what is drawn anew each time.
fn sent(wire: &WireRequest) -> Bytes {
    let body = wire.body.read().unwrap();
    assert_eq!(body.len(), wire.body.len());
    let kind = wire.headers.get(CONTENT_TYPE).cloned();
    if !form::is_form(&wire.headers) {
        return body;
    }
    let fields = form::read(&HeaderMap::from_iter(kind.map(|kind| (CONTENT_TYPE, kind))), &body).unwrap();
    let shown = fields.iter().map(|field| format!("{} {}\n", field.name, field.file.name));
    let texts: Bytes = shown.collect::<String>().into();
    [texts, fields.iter().find(|field| field.is_file).unwrap().file.data.clone()].concat().into()
}

#[test]
fn every_dialect_sends_what_lies_in_a_file() {
    for provider in ["openai", "openrouter", "gemini", "deepgram", "elevenlabs", "mistral"] {
        let sound = sound();
        let (held, file) = (wire(provider, sound.clone().into()), wire(provider, filed(&sound).into()));
        assert!(held.body.is_held() && !file.body.is_held(), "{provider}: it was read beforehand");
        assert_eq!(held.body.len(), file.body.len(), "{provider}");
        assert!(sent(&held) == sent(&file), "{provider}: something else is sent");
        assert!(sent(&file).len() >= LENGTH, "{provider}");
        assert_eq!(held.memo.used(), file.memo.used(), "{provider}");
    }
}

#[test]
fn a_form_whose_file_lies_elsewhere_is_read_with_it() {
    let body = Bytes::from_static(
        b"--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\ncontent-type: audio/mp3\r\n\r\n\r\n\
        --x\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm\r\n--x--\r\n",
    );
    let kind = http::HeaderValue::from_static("multipart/form-data; boundary=x");
    let mut asked = Asked::of(Op::Transcribe);
    asked.headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
    let front = server(Dialect::OpenaiTranscriptions).unwrap();
    let error = front.decode_shared(&body, &asked).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("file"), "an empty file is none");
    asked.files = vec![filed(b"the sound")];
    let Call::Transcribe(request) = front.decode_shared(&body, &asked).unwrap() else { panic!() };
    let TranscribeRequest { file: Upload { name, kind, data }, model, .. } = *request;
    assert_eq!((&*name, &*kind, &*model), ("a.mp3", "audio/mp3", "m"));
    assert_eq!(data.read().unwrap(), "the sound");
}
