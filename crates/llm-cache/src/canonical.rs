//! One form for all the ways to write a request.
//!
//! Members are sorted by name and white space is left out. Texts and numbers stay as they are written: `1.0` and
//! `1`, or an escaped letter and the letter, are two requests. That costs a call now and then, and never gives
//! anybody the answer to another question.
//!
//! Order is kept where it may mean something: in an object with a name twice or with an escape in a name (who wins
//! is up to the reader), and below `properties`, because models fill in the fields of a JSON Schema in its order.
//! Such objects have brackets of their own, so that neither form can be mistaken for the other.
//!
//! Each byte is written once, however deep it stands: the values are listed first, then written in order. `Head`
//! has checked the text, so nothing here says what is wrong with it; what cannot be followed has no form.

use llm_types::Head;
use smallvec::SmallVec;

/// The most values of one member; a node takes 24 bytes.
const MOST_NODES: usize = 1 << 16;
/// `Head` allows no more.
const DEEPEST: usize = 128;
/// The member of a JSON Schema whose order means something.
const ORDERED: &[u8] = b"properties";

/// Writes the members of a request, without those at its top that are named as `aside`.
pub(crate) fn write(head: &Head, aside: &[&str], out: &mut Vec<u8>) -> Option<()> {
    let names = head.members().iter().map(llm_types::Member::name);
    let mut names: SmallVec<[&str; 24]> = names.filter(|name| !aside.contains(name)).collect();
    names.sort_unstable();
    let mut nodes = Vec::with_capacity(64);
    for name in names {
        let json = head.get(name)?;
        // Resolved, so it may hold anything: its length says where it ends.
        out.extend_from_slice(&name.len().to_le_bytes());
        out.extend_from_slice(name.as_bytes());
        nodes.clear();
        Lister { json, at: 0, nodes: &mut nodes }.value(Span::default(), 0)?;
        Writer { json, nodes: &nodes, out }.node(0)?;
        out.push(b',');
    }
    Some(())
}

/// A stretch of a text of at most a mebibyte.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
    }

    fn of(self, json: &[u8]) -> Option<&[u8]> {
        json.get(self.start as usize..self.end as usize)
    }
}

/// A value, before those inside it.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Its name between its quotes, in an object.
    key: Span,
    kind: Kind,
    /// The place behind the last node inside it.
    next: u32,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A text, number or word, as it is written.
    Scalar(Span),
    Array,
    Object,
}

/// Lists the values of a text.
struct Lister<'j, 'n> {
    json: &'j [u8],
    at: usize,
    nodes: &'n mut Vec<Node>,
}

impl Lister<'_, '_> {
    fn value(&mut self, key: Span, depth: usize) -> Option<()> {
        let nth = self.nodes.len();
        if nth == MOST_NODES || depth > DEEPEST {
            return None;
        }
        let start = self.at;
        let kind = match self.json.get(start)? {
            b'{' => Kind::Object,
            b'[' => Kind::Array,
            b'"' => {
                self.at += 1;
                self.text()?;
                Kind::Scalar(Span::new(start, self.at)?)
            }
            _ => {
                self.word();
                Kind::Scalar(Span::new(start, self.at)?)
            }
        };
        self.nodes.push(Node { key, kind, next: 0 });
        match kind {
            Kind::Object => self.object(depth)?,
            Kind::Array => self.array(depth)?,
            Kind::Scalar(_) => {}
        }
        let next = u32::try_from(self.nodes.len()).ok()?;
        self.nodes.get_mut(nth)?.next = next;
        Some(())
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.at += 1;
        self.space();
        if self.eat(b'}') {
            return Some(());
        }
        loop {
            let start = self.at + 1;
            self.eat(b'"').then_some(())?;
            self.text()?;
            let key = Span::new(start, self.at - 1)?;
            self.space();
            self.eat(b':').then_some(())?;
            self.space();
            self.value(key, depth + 1)?;
            self.space();
            if self.eat(b'}') {
                return Some(());
            }
            self.eat(b',').then_some(())?;
            self.space();
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.at += 1;
        self.space();
        if self.eat(b']') {
            return Some(());
        }
        loop {
            match self.json.get(self.at)? {
                b'{' | b'[' | b'"' => self.value(Span::default(), depth + 1)?,
                _ => self.run()?,
            }
            self.space();
            if self.eat(b']') {
                return Some(());
            }
            self.eat(b',').then_some(())?;
            self.space();
        }
    }

    /// Lists numbers and words of a list as one value, as long as nothing but commas is between them: so they are
    /// written anyway. Prompts may be lists of many thousand tokens.
    fn run(&mut self) -> Option<()> {
        let nth = self.nodes.len();
        if nth == MOST_NODES {
            return None;
        }
        let (start, mut end) = (self.at, self.at);
        loop {
            self.word();
            // What is no JSON would stay here for ever.
            (self.at > end).then_some(())?;
            end = self.at;
            let goes_on = self.json.get(end) == Some(&b',')
                && self
                    .json
                    .get(end + 1)
                    .is_some_and(|byte| matches!(byte, b'-' | b'0'..=b'9' | b'a'..=b'z'));
            if !goes_on {
                break;
            }
            self.at += 1;
        }
        let kind = Kind::Scalar(Span::new(start, end)?);
        self.nodes.push(Node { key: Span::default(), kind, next: u32::try_from(nth + 1).ok()? });
        Some(())
    }

    /// Passes a number, or a word without quotes.
    fn word(&mut self) {
        let rest = self.json.get(self.at..).unwrap_or_default();
        let goes_on = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'-' | b'+' | b'.' | b'E');
        self.at += rest.iter().position(|byte| !goes_on(byte)).unwrap_or(rest.len());
    }

    /// Passes the rest of a text and its closing quote.
    fn text(&mut self) -> Option<()> {
        let start = self.at;
        loop {
            self.at += memchr::memchr(b'"', self.json.get(self.at..)?)?;
            let before = self.json.get(start..self.at)?;
            self.at += 1;
            // A quote behind an odd number of backslashes is part of the text.
            if before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0 {
                return Some(());
            }
        }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.json.get(self.at) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is = self.json.get(self.at) == Some(&byte);
        self.at += usize::from(is);
        is
    }
}

/// Writes listed values in one form.
struct Writer<'j, 'n, 'o> {
    json: &'j [u8],
    nodes: &'n [Node],
    out: &'o mut Vec<u8>,
}

impl Writer<'_, '_, '_> {
    fn node(&mut self, nth: usize) -> Option<()> {
        let node = *self.nodes.get(nth)?;
        match node.kind {
            Kind::Scalar(span) => self.out.extend_from_slice(span.of(self.json)?),
            Kind::Array => {
                self.out.push(b'[');
                let mut child = nth + 1;
                while child < node.next as usize {
                    self.node(child)?;
                    self.out.push(b',');
                    child = self.nodes.get(child)?.next as usize;
                }
                self.out.push(b']');
            }
            Kind::Object => self.object(nth, node)?,
        }
        Some(())
    }

    fn object(&mut self, nth: usize, node: Node) -> Option<()> {
        let mut members: SmallVec<[(&[u8], usize); 16]> = SmallVec::new();
        let mut child = nth + 1;
        let mut sorts = node.key.of(self.json)? != ORDERED;
        while child < node.next as usize {
            let Node { key, next, .. } = *self.nodes.get(child)?;
            let name = key.of(self.json)?;
            sorts = sorts && !name.contains(&b'\\');
            members.push((name, child));
            child = next as usize;
        }
        if sorts {
            members.sort_unstable();
            if members.array_windows().any(|[one, other]| one.0 == other.0) {
                sorts = false;
                members.sort_unstable_by_key(|(_, child)| *child);
            }
        }
        let (open, close) = if sorts { (b'{', b'}') } else { (b'(', b')') };
        self.out.push(open);
        for (name, child) in members {
            self.out.push(b'"');
            self.out.extend_from_slice(name);
            self.out.extend_from_slice(b"\":");
            self.node(child)?;
            self.out.push(b',');
        }
        self.out.push(close);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn form(body: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let head = Head::scan(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        write(&head, &["stream", "user"], &mut out).unwrap();
        out
    }

    fn same(one: &str, other: &str) {
        assert_eq!(form(one), form(other), "{one} {other}");
    }

    fn differ(one: &str, other: &str) {
        assert_ne!(form(one), form(other), "{one} {other}");
    }

    #[test]
    fn order_and_white_space_do_not_matter() {
        same(
            r#"{"a":1,"b":[1,{"c":"x","d":null}]}"#,
            "{ \"b\" : [ 1 ,\n{\"d\": null,\t\"c\":\"x\"} ]\r, \"a\":1 }",
        );
        same(r#"{"a":{"b":{},"c":[]}}"#, r#"{"a" : { "c" : [ ] , "b" : { } } }"#);
        same(r#"{"a":{"x":"\"}","y":"\\"}}"#, r#"{"a":{"y":"\\","x":"\"}"}}"#);
    }

    #[test]
    fn lists_of_numbers_have_one_form() {
        same("{\"a\":[1,2,3]}", "{\"a\":[ 1 ,2,\n3 ]}");
        same(
            "{\"a\":[1,-2.5e+3,true,\"x\",null,[4,5],6]}",
            "{\"a\":[1, -2.5e+3,true, \"x\",null,[ 4,5],6 ]}",
        );
        differ("{\"a\":[1,2,3]}", "{\"a\":[1,23]}");
        differ("{\"a\":[1,2,[3]]}", "{\"a\":[1,2,3]}");
        differ("{\"a\":[1,2,[3]]}", "{\"a\":[1,[2,3]]}");
    }

    #[test]
    fn what_is_aside_does_not_matter_at_the_top_only() {
        same(r#"{"a":1,"stream":false,"user":"u"}"#, r#"{"a":1}"#);
        same(r#"{"a":1,"us\u0065r":"u"}"#, r#"{"a":1}"#);
        differ(r#"{"a":{"user":"u"}}"#, r#"{"a":{}}"#);
    }

    #[test]
    fn everything_else_matters() {
        differ(r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#);
        differ(r#"{"a":"1"}"#, r#"{"a":1}"#);
        differ(r#"{"a":null}"#, "{}");
        differ(r#"{"a":[]}"#, r#"{"a":{}}"#);
        differ(r#"{"a":["x"]}"#, r#"{"a":[["x"]]}"#);
        differ(r#"{"a":" x"}"#, r#"{"a":"x"}"#);
        differ(r#"{"a":"x","b":"y"}"#, r#"{"a":"y","b":"x"}"#);
        differ(r#"{"a":1,"b":2}"#, r#"{"ab":12}"#);
        differ(r#"{"a":{"b":1},"c":2}"#, r#"{"a":{"b":1,"c":2}}"#);
    }

    #[test]
    fn order_stays_where_it_may_mean_something() {
        // A name twice: readers differ in who wins.
        differ(r#"{"m":{"a":1,"a":2}}"#, r#"{"m":{"a":2,"a":1}}"#);
        differ(r#"{"m":{"a":1,"\u0061":2}}"#, r#"{"m":{"\u0061":2,"a":1}}"#);
        // The fields of a schema are filled in in its order.
        let fields = |fields: &str| format!(r#"{{"f":{{"type":"object","properties":{{{fields}}}}}}}"#);
        differ(&fields(r#""why":{},"answer":{}"#), &fields(r#""answer":{},"why":{}"#));
        same(&fields(r#""why":{"b":1,"c":2}"#), &fields(r#""why":{"c":2,"b":1}"#));
    }

    #[test]
    fn deep_and_wide_requests_are_written_once() {
        let deep = format!("{{\"a\":{}1{}}}", "{\"b\":".repeat(100), ",\"a\":2}".repeat(100));
        assert!(form(&deep).len() < 3 * deep.len());
        let wide: String = (0..500).map(|n| format!("\"k{n}\":{n},")).collect();
        assert!(!form(&format!("{{\"a\":{{{wide}\"z\":0}}}}")).is_empty());
    }
}
