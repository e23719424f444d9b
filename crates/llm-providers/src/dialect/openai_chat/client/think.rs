//! Thoughts that stand in the text between `<think>` and `</think>`.
//!
//! Templates of several models put the opening tag into the prompt, so that an answer begins with
//! thoughts and only the closing tag is seen. In a whole answer that is told apart; in a stream, what
//! came before a closing tag without an opening one has left already and stays text.

use std::borrow::Cow;

use llm_types::{SurrogateCarry, Wtf8};

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// The thoughts and the text of a whole answer.
pub(super) fn split(content: &str) -> (&str, &str) {
    let body = content.trim_start();
    match body.strip_prefix(OPEN) {
        Some(rest) => rest.split_once(CLOSE).unwrap_or((rest, "")),
        None => content.split_once(CLOSE).unwrap_or(("", content)),
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
#[derive(Debug, Default)]
pub(super) struct Splitter {
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
    /// Takes more text and hands on what is decided.
    pub(super) fn push<'t>(&mut self, text: impl Into<Wtf8<'t>>, mut each: impl FnMut(Piece)) {
        let text = self.carry.join(text.into());
        let mut rest: Cow<'_, str> =
            if self.held.is_empty() { text } else { Cow::Owned(std::mem::take(&mut self.held) + &text) };
        loop {
            let tag = match self.state {
                State::Start => {
                    let body = rest.trim_start();
                    if OPEN.starts_with(body) {
                        self.held = rest.into_owned();
                        return;
                    }
                    match body.strip_prefix(OPEN) {
                        Some(after) => {
                            self.state = State::Thinking;
                            rest = Cow::Owned(after.to_owned());
                        }
                        None => self.state = State::Answering,
                    }
                    continue;
                }
                State::Thinking | State::Answering => CLOSE,
            };
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
        let check = |content, thoughts, text| assert_eq!(split(content), (thoughts, text), "{content}");
        check("<think>a</think>b", "a", "b");
        check("\n<think>\na</think>\n\nb", "\na", "\n\nb");
        check("a</think>b", "a", "b");
        check("plain", "", "plain");
        check("<think>cut", "cut", "");
        check("x <think> y", "", "x <think> y");
    }

    #[test]
    fn halves_of_a_character_are_joined() {
        let mut splitter = Splitter::default();
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
        let run = |pieces: &[&str]| {
            let (mut thoughts, mut text) = (String::new(), String::new());
            let mut splitter = Splitter::default();
            let mut each = |piece| match piece {
                Piece::Thought(more) => thoughts.push_str(&more),
                Piece::Text(more) => text.push_str(&more),
            };
            pieces.iter().for_each(|piece| splitter.push(*piece, &mut each));
            splitter.finish(&mut each);
            (thoughts, text)
        };
        for content in ["<think>a <b> é</think>\n<c", "plain </ text", "<thin", "<think>open"] {
            let expect = split(content);
            for cut in (0..=content.len()).filter(|cut| content.is_char_boundary(*cut)) {
                let (a, b) = content.split_at(cut);
                let (thoughts, text) = run(&[a, b]);
                assert_eq!((&*thoughts, &*text), expect, "{content} cut at {cut}");
            }
        }
    }
}
