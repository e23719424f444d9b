//! Writes and reads Amazon's binary event stream, the simple way.

use serde_json::{Map, Value};

/// An event or an exception of this name with this payload.
#[must_use]
pub fn message(kind: &str, name: &str, payload: &[u8]) -> Vec<u8> {
    let label = if kind == "exception" { ":exception-type" } else { ":event-type" };
    let mut headers = Vec::new();
    for (header, value) in [(label, name), (":content-type", "application/json"), (":message-type", kind)] {
        headers.push(u8::try_from(header.len()).unwrap_or(u8::MAX));
        headers.extend(header.as_bytes());
        headers.push(7);
        headers.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        headers.extend(value.as_bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = length(headers.len() + payload.len() + 16).to_vec();
    out.extend(length(headers.len()));
    out.extend(checksum(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload);
    out.extend(checksum(&out).to_be_bytes());
    out
}

/// The messages of a stream, each with all its bytes; what is left of one that is cut off comes last.
#[must_use]
pub fn messages(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    while !stream.is_empty() {
        let length = number(stream, 0).clamp(16, stream.len().max(16));
        let (message, rest) = stream.split_at(length.min(stream.len()));
        out.push(message.to_vec());
        stream = rest;
    }
    out
}

/// The payloads of a stream's events, each as the one member of an object that has the event's name.
#[must_use]
pub fn events(stream: &[u8]) -> Vec<Value> {
    messages(stream).iter().filter_map(|message| event(message)).collect()
}

fn event(message: &[u8]) -> Option<Value> {
    let end = 12 + number(message, 4);
    let (mut headers, mut name) = (message.get(12..end)?, None);
    // One byte of length, the name, the type of a text, two bytes of length, the text.
    while let Some((length, rest)) = headers.split_first() {
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        let (length, rest) = rest.get(1..)?.split_at_checked(2)?;
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        let (value, rest) = rest.split_at_checked(length)?;
        if label == b":event-type" || label == b":exception-type" {
            name = Some(String::from_utf8_lossy(value).into_owned());
        }
        headers = rest;
    }
    let payload = serde_json::from_slice(message.get(end..message.len().checked_sub(4)?)?).ok()?;
    Some(Value::Object(Map::from_iter([(name?, payload)])))
}

/// Four bytes of a length.
fn number(bytes: &[u8], at: usize) -> usize {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).unwrap_or_default();
    usize::try_from(u32::from_be_bytes(four)).unwrap_or(usize::MAX)
}

/// CRC-32 as the format has it (reflected, polynomial 0xEDB88320).
fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 };
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_sum_is_the_usual_one() {
        assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
        let written = message("event", "x", b"{}");
        assert_eq!(
            usize::try_from(u32::from_be_bytes(written[..4].try_into().unwrap())).unwrap(),
            written.len()
        );
        let both = [&written[..], &message("exception", "y", br#"{"a":1}"#)].concat();
        assert_eq!(messages(&both).concat(), both);
        assert_eq!(events(&both), [serde_json::json!({"x": {}}), serde_json::json!({"y": {"a": 1}})]);
        assert_eq!(events(&both[..both.len() - 1]).len(), 1);
    }
}
