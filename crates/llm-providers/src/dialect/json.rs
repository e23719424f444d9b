//! JSON written straight into a buffer.
//!
//! A stream writes one small object per token. A serializer over structs would do, but the constant
//! part of each chunk is known after the first one, and text can be copied run by run.

use bytes::{BufMut, BytesMut};

/// Writes a JSON string.
pub(in crate::dialect) fn string(out: &mut BytesMut, text: &str) {
    out.reserve(text.len() + 2);
    out.put_u8(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)) {
        let (run, tail) = rest.split_at(at);
        out.put_slice(run);
        let [byte, after @ ..] = tail else { break };
        escape(out, *byte);
        rest = after;
    }
    out.put_slice(rest);
    out.put_u8(b'"');
}

fn escape(out: &mut BytesMut, byte: u8) {
    match byte {
        b'"' => out.put_slice(b"\\\""),
        b'\\' => out.put_slice(b"\\\\"),
        b'\n' => out.put_slice(b"\\n"),
        b'\r' => out.put_slice(b"\\r"),
        b'\t' => out.put_slice(b"\\t"),
        byte => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            out.put_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0xF)]);
        }
    }
}

/// Writes a whole number.
pub(in crate::dialect) fn number(out: &mut BytesMut, number: u64) {
    let mut digits = [0u8; 20];
    let mut rest = number;
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        // The remainder is below ten.
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        used += 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.put_slice(digits.get(20 - used..).unwrap_or_default());
}

/// Writes a value that serde can write.
pub(in crate::dialect) fn value(out: &mut BytesMut, value: &impl serde::Serialize) {
    // Writing into memory cannot fail, and none of our types has a key that is not a string.
    let _ = serde_json::to_writer(out.writer(), value);
}

/// `"name":"text"`
pub(in crate::dialect) fn member(out: &mut BytesMut, name: &'static str, text: &str) {
    out.put_u8(b'"');
    out.put_slice(name.as_bytes());
    out.put_slice(b"\":");
    string(out, text);
}

/// `"object":{"name":"text"}`
pub(in crate::dialect) fn member_object(
    out: &mut BytesMut,
    object: &'static str,
    name: &'static str,
    text: &str,
) {
    out.put_u8(b'"');
    out.put_slice(object.as_bytes());
    out.put_slice(b"\":{");
    member(out, name, text);
    out.put_u8(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for n in [0, 7, 10, 1_700_000_000, u64::MAX] {
            let mut out = BytesMut::new();
            number(&mut out, n);
            assert_eq!(out, n.to_string().as_bytes());
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_reads_back(text in "(?s).{0,40}") {
            let mut out = BytesMut::new();
            string(&mut out, &text);
            proptest::prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
