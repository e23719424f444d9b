//! Whether the JSON of a call's arguments is complete, as far as its brackets tell.

/// The brackets and strings of JSON that comes in pieces.
#[derive(Debug, Default)]
pub(in crate::dialect) struct Shape {
    begun: bool,
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Shape {
    /// Looks at the next piece.
    pub(in crate::dialect) fn see(&mut self, piece: &str) {
        for byte in piece.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_text => self.escaped = true,
                b'"' => self.in_text = !self.in_text,
                _ if self.in_text => {}
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            self.begun |= !byte.is_ascii_whitespace();
        }
    }

    /// Whether something came, and all that was opened is closed.
    pub(in crate::dialect) fn is_complete(&self) -> bool {
        self.begun && self.depth == 0 && !self.in_text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_outside_of_strings_count() {
        let check = |pieces: &[&str], expect: bool| {
            let mut seen = Shape::default();
            pieces.iter().for_each(|piece| seen.see(piece));
            assert_eq!(seen.is_complete(), expect, "{pieces:?}");
        };
        check(&[], false);
        check(&["", " "], false);
        check(&["{}"], true);
        check(&["{\"a\":\"}", "\\", "\"}"], false);
        check(&["{\"a\":\"}", "\\", "\"\"", "}"], true);
        check(&["{\"a\":[{"], false);
        check(&["}}"], true);
    }
}
