//! Streams within Amazon's binary messages, as endpoints of SageMaker send them.

use llm_testkit::event_stream::message;
use llm_types::chat::{ChatRequest, Message};
use llm_types::{Call, Changes, ErrorKind, ProviderSpec};

use super::{Client, gather};
use crate::codec::{Asked, ClientCodec as _, EncodeCx};
use crate::table::ProviderTable;

fn sagemaker() -> ProviderSpec {
    ProviderSpec::clone(ProviderTable::builtin().get("sagemaker").unwrap())
}

const EVENTS: &str = concat!(
    "data: {\"id\":\"c\",\"model\":\"tgi\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Gr\u{fc}\"}}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"n \u{1f34b}\"},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3}}\n\n",
    "data: [DONE]\n\n",
);

/// The stream in messages of so many bytes of it.
fn stream(size: usize) -> Vec<u8> {
    EVENTS.as_bytes().chunks(size).flat_map(|piece| message("event", "PayloadPart", piece)).collect()
}

#[test]
fn endpoints_are_called_by_their_name() {
    let path = |stream: bool| {
        let mut request = ChatRequest::new([Message::user("Hi")]);
        (request.model, request.delivery.stream) = ("my-endpoint".to_owned(), stream);
        let (spec, mut changes) = (sagemaker(), Changes::default());
        let asked = Asked::default();
        let mut cx = EncodeCx { spec: &spec, model: "my-endpoint", asked: &asked, changes: &mut changes };
        Client.encode(&Call::from(request), &mut cx).unwrap().path
    };
    assert_eq!(path(false), "/endpoints/my-endpoint/invocations");
    assert_eq!(path(true), "/endpoints/my-endpoint/invocations-response-stream");
}

#[test]
fn pieces_are_put_together_wherever_they_end() {
    let spec = sagemaker();
    let whole = gather([stream(4096).as_slice()], &spec).unwrap();
    assert_eq!(
        (whole.text().as_str(), whole.usage.as_ref().unwrap().total_tokens()),
        ("Gr\u{fc}n \u{1f34b}", 8)
    );
    for size in [1, 2, 7, 64] {
        let bytes = stream(size);
        let check = |what: &str, got: String| assert_eq!(got, format!("{whole:?}"), "{size} {what}");
        check("at once", format!("{:?}", gather([bytes.as_slice()], &spec).unwrap()));
        check("byte by byte", format!("{:?}", gather(bytes.chunks(1), &spec).unwrap()));
    }
    let bytes = stream(64);
    for cut in 0..=bytes.len() {
        let (before, after) = bytes.split_at(cut);
        assert_eq!(format!("{:?}", gather([before, after], &spec).unwrap()), format!("{whole:?}"), "{cut}");
    }
}

#[test]
fn what_breaks_off_or_is_broken_is_an_error() {
    let spec = sagemaker();
    let begun = message("event", "PayloadPart", &EVENTS.as_bytes()[..100]);
    let kind = |bytes: &[u8]| gather([bytes], &spec).unwrap_err().kind;
    assert_eq!(kind(&begun), ErrorKind::Connection);
    assert_eq!(kind(&begun[..begun.len() - 1]), ErrorKind::Connection);
    let mut flipped = stream(64);
    flipped[40] ^= 1;
    assert_eq!(kind(&flipped), ErrorKind::UpstreamFormat);
    let failed = message("exception", "ModelStreamError", br#"{"Message":"The model container broke off"}"#);
    let error = gather([begun.as_slice(), &failed], &spec).unwrap_err();
    assert!(error.message.contains("The model container broke off"), "{error}");
    let failed = message("exception", "InternalStreamFailure", b"{}");
    assert_eq!(kind(&[begun, failed].concat()), ErrorKind::Internal);
}
