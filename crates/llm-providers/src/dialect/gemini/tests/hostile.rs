//! Upstreams and clients that mean no good: an error at worst, never a panic.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const STREAM: &str = r#"data: {"candidates":[{"content":{"parts":[{"text":"a","thought":true,"thoughtSignature":"S"},{"text":"é\ud83d"},{"functionCall":{"name":"f","args":{"x":1}}},{"inlineData":{"mimeType":"audio/L16","data":"AQ=="}}]},"index":0,"finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"u","title":"t"}}],"groundingSupports":[{"segment":{"startIndex":1,"endIndex":2},"groundingChunkIndices":[0]}]},"logprobsResult":{"chosenCandidates":[{"token":"a","logProbability":-1}]}}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":9}]},"createTime":"2026-08-19T14:34:21Z","promptFeedback":{"blockReason":"SAFETY"}}

"#;

/// Pieces that tests of numbers, texts and nesting like to see elsewhere.
const PIECES: &[&str] =
    &["18446744073709551615", "-1", "null", "[]", "{}", "\"\"", "\\ud800", "}", "é", "\n\n", "\0"];

proptest! {
    #[test]
    fn no_change_of_a_stream_makes_it_panic(
        at in 0..STREAM.len(),
        length in 0..24_usize,
        piece in proptest::sample::select(PIECES),
        size in 1..64_usize,
    ) {
        let mut bytes = STREAM.as_bytes().to_vec();
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, piece.bytes());
        let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
        let whole = gather(&[&bytes]).map(|reply| shown(&reply)).map_err(|error| error.kind);
        let cut = gather(&chunks).map(|reply| shown(&reply)).map_err(|error| error.kind);
        prop_assert_eq!(whole, cut);
        let mut tap = Client.stream_tap(Op::Chat);
        let _ = tap.see(&bytes);
    }

    #[test]
    fn no_error_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200), status in 400..600_u16) {
        let status = http::StatusCode::from_u16(status).unwrap();
        let error = Client.decode_error(status, &http::HeaderMap::new(), &body);
        prop_assert_eq!(error.upstream_status, Some(status));
    }
}

proptest::proptest! {
    /// A request with a piece of it cut out or put in twice is read or refused.
    #[test]
    fn no_request_makes_the_server_panic(from in 0..400_usize, len in 0..60_usize, twice in proptest::prelude::any::<bool>()) {
        let body = json!({"contents": [{"role": "user", "parts": [{"text": "é"}, {"inlineData": {"mimeType": "image/png", "data": "-_"}}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "bGxtLXNlYWw6czphbnRocm9waWM6Uw=="}]},
            {"parts": {"functionResponse": {"name": "f", "response": {"error": "x"}}}}],
            "generationConfig": {"topK": "4", "responseMimeType": "application/json", "responseSchema": {"type": "OBJECT", "nullable": true}},
            "tools": [{"functionDeclarations": [{"name": "f"}]}], "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}).to_string();
        let (from, to) = (from.min(body.len()), (from + len).min(body.len()));
        let bytes = body.as_bytes();
        let (middle, end) = (&bytes[from..to], if twice { from } else { to });
        let cut = [&bytes[..from], if twice { middle } else { b"" }, &bytes[end..]].concat();
        for op in [Op::Chat, Op::CountTokens, Op::Embed] {
            if let Err(error) = Server.decode(&cut, &asked(op, "m")) {
                proptest::prop_assert_eq!(error.kind, ErrorKind::BadRequest);
            }
        }
    }
}
