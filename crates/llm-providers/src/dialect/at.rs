//! Where a part of a message stands in the client's request.

/// A message and a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    /// Which message.
    pub(super) message: usize,
    /// Which part of it.
    pub(super) part: usize,
}

impl At {
    /// The path that the client knows.
    pub(super) fn path(self) -> String {
        format!("messages[{}].content[{}]", self.message, self.part)
    }

    /// The path of a member of the part.
    pub(super) fn member(self, name: &str) -> String {
        format!("messages[{}].content[{}].{name}", self.message, self.part)
    }
}
