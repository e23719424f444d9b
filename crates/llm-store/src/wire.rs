//! What gateways tell each other, version 1.
//!
//! One JSON object per change, the same in the channel and in the record that outlives it. It comes from a
//! server that others can write to, so everything is bounded, and what is not understood is ignored.

use std::time::Duration;

use llm_router::Cooldown;
use serde::{Deserialize, Serialize};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;
/// The longest message that is read, in bytes.
pub(crate) const LONGEST: usize = 4096;
/// The longest cooldown that is believed.
const LONGEST_COOLDOWN: Duration = Duration::from_secs(3600);

/// Which gateway tells: another number each time one starts.
pub(crate) type Teller = u64;

/// One change on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Message<S> {
    v: u32,
    /// [`Teller`], in hexadecimal: JSON's numbers do not hold 64 bits everywhere.
    from: S,
    group: S,
    id: S,
    /// The fingerprint of the deployment's settings, in hexadecimal.
    fp: S,
    /// How long from now; 0: it has recovered.
    left_ms: u64,
    trips: u32,
}

/// A change that another gateway told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) from: Teller,
    pub(crate) group: String,
    pub(crate) id: String,
    pub(crate) fingerprint: u64,
    pub(crate) left: Duration,
    pub(crate) trips: u32,
}

impl Heard {
    /// As the router takes it.
    pub(crate) fn cooldown(&self) -> Cooldown<'_> {
        let Self { from: _, group, id, fingerprint, left, trips } = self;
        Cooldown { group, id, fingerprint: *fingerprint, left: *left, trips: *trips }
    }
}

/// Writes a change; `None`: its names are too long to be told.
pub(crate) fn write(from: Teller, cooldown: &Cooldown<'_>) -> Option<String> {
    let Cooldown { group, id, fingerprint, left, trips } = *cooldown;
    let (from, fp) = (format!("{from:016x}"), format!("{fingerprint:016x}"));
    let left_ms = millis(left);
    let message = Message { v: VERSION, from: &*from, group, id, fp: &*fp, left_ms, trips };
    serde_json::to_string(&message).ok().filter(|text| text.len() <= LONGEST)
}

/// Reads a change; `None`: it is of another version, too long, or nothing that a gateway wrote.
pub(crate) fn read(bytes: &[u8]) -> Option<Heard> {
    if bytes.len() > LONGEST {
        return None;
    }
    let message: Message<String> = serde_json::from_slice(bytes).ok()?;
    let Message { v, from, group, id, fp, left_ms, trips } = message;
    if v != VERSION {
        return None;
    }
    let left = Duration::from_millis(left_ms).min(LONGEST_COOLDOWN);
    Some(Heard { from: number(&from)?, group, id, fingerprint: number(&fp)?, left, trips })
}

/// Whole milliseconds, rounded up: what is not over must not read as recovered.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn number(text: &str) -> Option<u64> {
    let hexadecimal = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal { u64::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_change_is_written_as_documented() {
        let cooldown =
            Cooldown { group: "smart", id: "smart/1", fingerprint: 0xab, left: 5 * SECOND, trips: 2 };
        let text = write(7, &cooldown).unwrap();
        assert_eq!(
            text,
            r#"{"v":1,"from":"0000000000000007","group":"smart","id":"smart/1","fp":"00000000000000ab","left_ms":5000,"trips":2}"#
        );
        let heard = read(text.as_bytes()).unwrap();
        assert_eq!((heard.from, heard.cooldown()), (7, cooldown));
        // A later minor addition does not make older gateways deaf.
        assert!(read(text.replace("\"v\":1", "\"v\":1,\"note\":[]").as_bytes()).is_some());
        let long = "x".repeat(LONGEST);
        assert_eq!(write(7, &Cooldown { group: &long, ..cooldown }), None);
    }

    #[test]
    fn what_is_not_over_does_not_read_as_recovered() {
        let check = |left, expect| assert_eq!(millis(left), expect, "{left:?}");
        check(Duration::ZERO, 0);
        check(Duration::from_nanos(1), 1);
        check(Duration::from_micros(1001), 2);
        check(Duration::MAX, u64::MAX);
    }

    #[test]
    fn what_no_gateway_wrote_is_ignored() {
        let good = r#"{"v":1,"from":"0000000000000007","group":"g","id":"d","fp":"00000000000000ab","left_ms":5,"trips":2}"#;
        let check = |from: &str, to: &str, expect: bool| {
            let text = good.replace(from, to);
            assert_eq!(read(text.as_bytes()).is_some(), expect, "{text}");
        };
        check("", "", true);
        check("\"v\":1", "\"v\":2", false);
        check("\"v\":1,", "", false);
        check("\"left_ms\":5", "\"left_ms\":-5", false);
        check("\"left_ms\":5", "\"left_ms\":1e400", false);
        check("\"left_ms\":5", "\"left_ms\":\"5\"", false);
        check("00000000000000ab", "ab", false);
        check("00000000000000ab", "+0000000000000ab", false);
        check("\"trips\":2", "\"trips\":5000000000", false);
        for garbage in ["", "null", "[]", "{}", "hello", "{\"v\":1}", "\u{0}", "[[[[[[[["] {
            assert_eq!(read(garbage.as_bytes()), None, "{garbage}");
        }
        assert_eq!(read(&[0xff, 0xfe]), None);
        let endless = good.replace("\"left_ms\":5", "\"left_ms\":18446744073709551615");
        assert_eq!(read(endless.as_bytes()).unwrap().left, LONGEST_COOLDOWN, "nobody is locked out for ever");
        assert_eq!(read(good.replace("\"g\"", &format!("\"{}\"", "g".repeat(5000))).as_bytes()), None);
    }

    proptest! {
        #[test]
        fn every_change_comes_back(
            from in any::<u64>(),
            group in "\\PC{0,40}",
            id in "\\PC{0,40}",
            fingerprint in any::<u64>(),
            left_ms in 0u64..3_600_000,
            trips in any::<u32>(),
        ) {
            let left = Duration::from_millis(left_ms);
            let cooldown = Cooldown { group: &group, id: &id, fingerprint, left, trips };
            let heard = read(write(from, &cooldown).unwrap().as_bytes()).unwrap();
            prop_assert_eq!((heard.from, heard.cooldown()), (from, cooldown));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            read(&bytes);
        }
    }
}
