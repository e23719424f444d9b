//! Writes Amazon's binary event stream, the simple way.

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
    }
}
