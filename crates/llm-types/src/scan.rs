//! One validating pass over a JSON text, without a tree.
//!
//! A proxy reads every byte of every prompt, so this is its innermost loop: strings are searched with vector
//! instructions, and everything else is a byte. It notes on the way which keys occur, so that nobody has to
//! search the text for them. What follows a backslash is left to whoever reads the string: a prompt is full of
//! escapes, and stopping at each would cost more than all the rest.

use std::ops::Range;

/// How deep arrays and objects may be nested.
const DEPTH_LIMIT: usize = 128;

/// Where and why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Offset in bytes.
    pub(crate) at: usize,
    /// What is wrong.
    pub(crate) what: &'static str,
}

/// Takes what a scan finds.
pub(crate) trait Keys {
    /// A key of an object inside a top-level member.
    fn nested(&mut self, key: Quoted);
}

/// A string that was passed.
#[derive(Debug, Clone)]
pub(crate) struct Quoted {
    /// What stands between its quotes, escapes as they stand.
    pub(crate) inside: Range<usize>,
    /// It has no escapes for sure.
    pub(crate) plain: bool,
}

impl Quoted {
    /// Whether it may have escapes, in this text.
    pub(crate) fn is_escaped(&self, text: &[u8]) -> bool {
        !self.plain && text.get(self.inside.clone()).is_none_or(|inside| inside.contains(&b'\\'))
    }
}

/// A position in a JSON text.
pub(crate) struct Scanner<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Scanner<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn fault(&self, what: &'static str) -> Fault {
        Fault { at: self.at, what }
    }

    /// Passes white space.
    pub(crate) fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Passes one byte if it is the one given.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    /// Passes a string.
    pub(crate) fn string(&mut self) -> Result<Quoted, Fault> {
        if !self.eat(b'"') {
            return Err(self.fault("expected a string"));
        }
        let start = self.at;
        if let Some(length) = short(self.bytes.get(start..).unwrap_or_default()) {
            self.at += length + 1;
            return Ok(Quoted { inside: start..start + length, plain: true });
        }
        loop {
            self.at += to_quote(self.bytes.get(self.at..).unwrap_or_default());
            let text = self.bytes.get(start..self.at).unwrap_or_default();
            if self.peek().is_none() {
                return Err(self.fault("the text ends inside a string"));
            }
            // A quote behind an odd number of backslashes is part of the text.
            if text.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0 {
                break;
            }
            self.at += 1;
        }
        let inside = start..self.at;
        let text = self.bytes.get(inside.clone()).unwrap_or_default();
        if has_control(text) {
            self.at = start + text.iter().position(|byte| *byte < 0x20).unwrap_or_default();
            return Err(self.fault("a control character in a string must be escaped"));
        }
        self.at += 1;
        Ok(Quoted { inside, plain: false })
    }

    /// Passes one value, nested at most 128 deep.
    pub(crate) fn value(&mut self, depth: usize, keys: &mut impl Keys) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'{') => self.object(depth, keys),
            Some(b'[') => self.array(depth, keys),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(_) => Err(self.fault("expected a value")),
            None => Err(self.fault("the text ends where a value should stand")),
        }
    }

    fn object(&mut self, depth: usize, keys: &mut impl Keys) -> Result<(), Fault> {
        self.enter(depth)?;
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            keys.nested(key);
            self.colon()?;
            self.value(depth + 1, keys)?;
            if !self.more(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, depth: usize, keys: &mut impl Keys) -> Result<(), Fault> {
        self.enter(depth)?;
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            self.value(depth + 1, keys)?;
            if !self.more(b']')? {
                return Ok(());
            }
        }
    }

    /// Passes the brace that opens a collection.
    pub(crate) fn enter(&mut self, depth: usize) -> Result<(), Fault> {
        if depth >= DEPTH_LIMIT {
            return Err(self.fault("nested more than 128 deep"));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Passes the colon behind a key.
    pub(crate) fn colon(&mut self) -> Result<(), Fault> {
        self.space();
        if !self.eat(b':') {
            return Err(self.fault("expected `:` behind a key"));
        }
        self.space();
        Ok(())
    }

    /// Passes what stands behind an element; `false` at the end of the collection.
    pub(crate) fn more(&mut self, close: u8) -> Result<bool, Fault> {
        self.space();
        if self.eat(b',') {
            self.space();
            return Ok(true);
        }
        if self.eat(close) {
            return Ok(false);
        }
        Err(self.fault(if close == b'}' { "expected `,` or `}`" } else { "expected `,` or `]`" }))
    }

    fn number(&mut self) -> Result<(), Fault> {
        self.eat(b'-');
        if !self.eat(b'0') && self.digits() == 0 {
            return Err(self.fault("expected a digit"));
        }
        if self.eat(b'.') && self.digits() == 0 {
            return Err(self.fault("expected a digit"));
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            if self.digits() == 0 {
                return Err(self.fault("expected a digit"));
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(self.fault("expected a value"));
        }
        self.at += word.len();
        Ok(())
    }
}

/// How many bytes there are before the next quote.
fn to_quote(bytes: &[u8]) -> usize {
    memchr::memchr(b'"', bytes).unwrap_or(bytes.len())
}

/// The length of a string of a few words of the machine, if it ends in them and has neither escapes nor control
/// characters. Keys and words are short and plain, and there are many of them: one look at their bytes is enough,
/// where a call would cost more than the search.
fn short(bytes: &[u8]) -> Option<usize> {
    const WORDS: usize = 4;
    let (words, _) = bytes.as_chunks::<8>();
    for (nth, word) in words.iter().take(WORDS).enumerate() {
        if let Some(at) = special_in(*word) {
            return (word.get(at) == Some(&b'"')).then_some(nth * 8 + at);
        }
    }
    None
}

/// The first quote, backslash or control character of eight bytes. All eight are compared at once: a byte that matches
/// sets the top bit of its place, and a borrow can only disturb places behind the first.
fn special_in(word: [u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    let word = u64::from_le_bytes(word);
    let is = |byte: u8| {
        let differs = word ^ (ONES * u64::from(byte));
        differs.wrapping_sub(ONES) & !differs
    };
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let found = (is(b'"') | is(b'\\') | control) & TOPS;
    // At most 7, so nothing is cut off.
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

/// Whether a text holds a control character. No early return: only so the compiler makes vectors of it.
fn has_control(text: &[u8]) -> bool {
    text.iter().fold(false, |found, byte| found | (*byte < 0x20))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ignore;
    impl Keys for Ignore {
        fn nested(&mut self, _: Quoted) {}
    }

    fn accepts(text: &[u8]) -> bool {
        let mut scanner = Scanner::new(text);
        scanner.space();
        let valid = scanner.value(0, &mut Ignore).is_ok();
        scanner.space();
        valid && scanner.at() == text.len()
    }

    #[test]
    fn every_byte_is_told_at_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..80 {
                let mut bytes = [b'x'; 80];
                bytes[place] = byte;
                let quote = byte == b'"';
                assert_eq!(to_quote(&bytes), if quote { place } else { 80 }, "{byte:#x} at {place}");
                // What comes behind it changes nothing.
                for after in [b'x', b'"', b'\\', 0, 0x1f, 0x20, 0x21, 0x80, 0xFF] {
                    bytes.iter_mut().skip(place + 1).for_each(|at| *at = after);
                    let expect = match byte {
                        b'"' => (place < 32).then_some(place),
                        b'\\' | 0..0x20 => None,
                        _ if after == b'"' => (place + 1 < 32).then_some(place + 1),
                        _ => None,
                    };
                    assert_eq!(short(&bytes), expect, "{byte:#x} at {place} before {after:#x}");
                }
            }
        }
    }

    #[test]
    fn accepts_what_is_json_and_nothing_else() {
        let valid = [
            "null",
            "true",
            " 1 ",
            "-0.5e+3",
            "0",
            "\"\"",
            "\"a\\u00e9\\n\"",
            "[]",
            "[ ]",
            "{}",
            "{ \"a\" : [1, {\"b\": \"c\"}] }",
            "\"\\ud83d\"",
            "[[[1]]]",
        ];
        let invalid = [
            "",
            "nul",
            "01",
            "-",
            "1.",
            "1e",
            ".5",
            "+1",
            "\"",
            "\"a\nb\"",
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "[",
            "{\"a\":1",
            "1 2",
            "'a'",
            "\"\\",
            "NaN",
        ];
        for text in valid {
            assert!(accepts(text.as_bytes()), "{text}");
        }
        for text in invalid {
            assert!(!accepts(text.as_bytes()), "{text}");
        }
        assert!(accepts("[".repeat(128).as_bytes()) == accepts(b"["));
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(accepts(deep(128).as_bytes()));
        assert!(!accepts(deep(129).as_bytes()));
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_serde_json(text in "[\\[\\]{}:,\"\\\\a-c0-2.eE+\\-tnu \u{1}é]{0,24}") {
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            let ours = accepts(text.as_bytes());
            // Escapes are not looked at; what is valid is never refused.
            proptest::prop_assert!(ours == theirs || (ours && text.contains('\\')), "{}", text);
        }

        #[test]
        fn long_strings_end_where_they_end(text in ".{0,200}", tail in ".{0,40}") {
            let json = format!("[{},1]{tail}", serde_json::to_string(&text).unwrap());
            let mut scanner = Scanner::new(json.as_bytes());
            proptest::prop_assert!(scanner.value(0, &mut Ignore).is_ok());
            proptest::prop_assert_eq!(scanner.at(), json.len() - tail.len());
        }
    }
}
