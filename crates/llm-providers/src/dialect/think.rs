//! Thoughts that stand in the text between tags, as `<think>` and `</think>`.
//!
//! Templates of several models put the opening tag into the prompt, so that an answer begins with
//! thoughts and only the closing tag is seen. Where that is known of a provider it is told apart in a whole answer; in a
//! stream, what came before a closing tag without an opening one has left already and stays text. Elsewhere an answer has
//! to begin with the tag: one that only speaks of it is text.

use std::borrow::Cow;

use llm_types::{SurrogateCarry, Wtf8};

/// The most blanks before an opening tag, in bytes.
const BLANKS: usize = 256;

/// What thoughts stand between.
#[derive(Debug)]
pub(super) struct Tags {
    open: &'static str,
    close: &'static str,
    /// Whether the opening one may be in the prompt.
    unopened: bool,
}

/// Models whose template may hold the opening tag.
pub(super) const TEMPLATE: Tags = Tags { open: "<think>", close: "</think>", unopened: true };
/// Models that open their thoughts themselves.
pub(super) const THINK: Tags = Tags { unopened: false, ..TEMPLATE };
/// Amazon's Nova.
pub(super) const NOVA: Tags = Tags { open: "<thinking>", close: "</thinking>", unopened: false };

/// What an answer begins with.
enum Begins<'t> {
    /// A tag, and what comes after it.
    Open(&'t str),
    /// What may become a tag.
    Perhaps,
    /// Something else.
    Otherwise,
}

impl Tags {
    fn begins<'t>(&self, content: &'t str) -> Begins<'t> {
        let body = content.trim_start();
        if content.len() - body.len() > BLANKS {
            return Begins::Otherwise;
        }
        match body.strip_prefix(self.open) {
            Some(rest) => Begins::Open(rest),
            None if self.open.starts_with(body) => Begins::Perhaps,
            None => Begins::Otherwise,
        }
    }

    /// The thoughts and the text of a whole answer.
    pub(super) fn split<'t>(&self, content: &'t str) -> (&'t str, &'t str) {
        match self.begins(content) {
            Begins::Open(rest) => rest.split_once(self.close).unwrap_or((rest, "")),
            _ if self.unopened => content.split_once(self.close).unwrap_or(("", content)),
            _ => ("", content),
        }
    }
}

/// A stretch of a stream's text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Thoughts.
    Thought(String),
    /// Text.
    Text(String),
}

/// Tells thoughts and text of a stream apart. A tag may be cut anywhere.
#[derive(Debug)]
pub(super) struct Splitter {
    tags: &'static Tags,
    state: State,
    /// What may be the beginning of a tag.
    held: String,
    /// Half a character, whose other half is in the next piece.
    carry: SurrogateCarry,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Thinking,
    Answering,
}

impl Splitter {
    /// For an answer whose thoughts stand between these.
    pub(super) fn of(tags: &'static Tags) -> Self {
        let (held, carry) = (String::new(), SurrogateCarry::default());
        Self { tags, state: State::default(), held, carry }
    }

    /// Whether all that comes is text, and nothing is held back.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Answering && !self.tags.unopened && self.held.is_empty() && self.carry.is_empty()
    }

    /// Whether something is held back until more of it is known.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Takes more text and hands on what is decided.
    pub(super) fn push<'t>(&mut self, text: impl Into<Wtf8<'t>>, mut each: impl FnMut(Piece)) {
        let text = self.carry.join(text.into());
        let mut rest: Cow<'_, str> =
            if self.held.is_empty() { text } else { Cow::Owned(std::mem::take(&mut self.held) + &text) };
        let tag = self.tags.close;
        loop {
            match self.state {
                State::Start => {
                    match self.tags.begins(&rest) {
                        Begins::Perhaps => {
                            self.held = rest.into_owned();
                            return;
                        }
                        Begins::Open(after) => {
                            let after = after.to_owned();
                            self.state = State::Thinking;
                            rest = Cow::Owned(after);
                        }
                        Begins::Otherwise => self.state = State::Answering,
                    }
                    continue;
                }
                State::Answering if !self.tags.unopened => return self.emit(&rest, &mut each),
                State::Thinking | State::Answering => {}
            }
            if let Some((before, after)) = rest.split_once(tag) {
                self.emit(before, &mut each);
                self.state = State::Answering;
                rest = Cow::Owned(after.to_owned());
                continue;
            }
            let keep = (1..tag.len()).rev().find(|n| tag.get(..*n).is_some_and(|head| rest.ends_with(head)));
            let cut = rest.len() - keep.unwrap_or(0);
            self.emit(rest.get(..cut).unwrap_or_default(), &mut each);
            rest.get(cut..).unwrap_or_default().clone_into(&mut self.held);
            return;
        }
    }

    /// What was held back, at the end of the stream.
    pub(super) fn finish(&mut self, mut each: impl FnMut(Piece)) {
        let held = std::mem::take(&mut self.held) + self.carry.finish();
        self.emit(&held, &mut each);
        // What comes after it does not begin the answer.
        if self.state == State::Start && !held.trim_start().is_empty() {
            self.state = State::Answering;
        }
    }

    fn emit(&self, text: &str, each: &mut impl FnMut(Piece)) {
        if text.is_empty() {
            return;
        }
        match self.state {
            State::Thinking => each(Piece::Thought(text.to_owned())),
            State::Start | State::Answering => each(Piece::Text(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_answers_are_split_at_the_tags() {
        let check =
            |content, thoughts, text| assert_eq!(TEMPLATE.split(content), (thoughts, text), "{content}");
        check("<think>a</think>b", "a", "b");
        check("\n<think>\na</think>\n\nb", "\na", "\n\nb");
        check("a</think>b", "a", "b");
        check("plain", "", "plain");
        check("<think>cut", "cut", "");
        check("x <think> y", "", "x <think> y");
    }

    #[test]
    fn who_opens_thoughts_does_it_at_the_beginning() {
        let check = |tags: &Tags, content: &str, thoughts: &str, text: &str| {
            assert_eq!(tags.split(content), (thoughts, text), "{content}");
        };
        check(&THINK, " <think>a</think>b</think>", "a", "b</think>");
        check(&THINK, "a</think>b", "", "a</think>b");
        check(&NOVA, "<thinking>a</thinking>\nb", "a", "\nb");
        check(&NOVA, "<think>a</think>b", "", "<think>a</think>b");
        let far = " ".repeat(BLANKS + 1) + "<think>a</think>b";
        check(&THINK, &far, "", &far);
    }

    #[test]
    fn halves_of_a_character_are_joined() {
        let mut splitter = Splitter::of(&TEMPLATE);
        let mut text = String::new();
        for half in [r#""a\ud83c""#, r#""\udf4bb\ud83c""#] {
            let half: Wtf8<'_> = serde_json::from_str(half).unwrap();
            splitter.push(half, |piece| text += &format!("{piece:?}"));
        }
        splitter.finish(|piece| text += &format!("{piece:?}"));
        assert_eq!(text, "Text(\"a\")Text(\"🍋b\")Text(\"\u{fffd}\")");
    }

    #[test]
    fn streams_are_split_wherever_they_are_cut() {
        let run = |tags: &'static Tags, pieces: &[&str]| {
            let (mut thoughts, mut text) = (String::new(), String::new());
            let mut splitter = Splitter::of(tags);
            let mut each = |piece| match piece {
                Piece::Thought(more) => thoughts.push_str(&more),
                Piece::Text(more) => text.push_str(&more),
            };
            pieces.iter().for_each(|piece| splitter.push(*piece, &mut each));
            splitter.finish(&mut each);
            (thoughts, text)
        };
        let nova = "<thinking>a</thinking>b</thinking>";
        let far = " ".repeat(BLANKS) + "<think>a</think>b";
        for content in ["<think>a <b> é</think>\n<c", "plain </ text", "<thin", "<think>open", nova, &far] {
            for tags in [&TEMPLATE, &THINK, &NOVA] {
                let expect = tags.split(content);
                for cut in (0..=content.len()).filter(|cut| content.is_char_boundary(*cut)) {
                    let (a, b) = content.split_at(cut);
                    let (thoughts, text) = run(tags, &[a, b]);
                    assert_eq!((&*thoughts, &*text), expect, "{content} cut at {cut}");
                }
            }
        }
    }
}
