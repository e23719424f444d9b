//! What of a request bears on its answer, for whoever keeps answers.
//!
//! What a dialect does not name bears on it: a member that nobody has thought of makes two requests different, which
//! costs a call, and never makes them equal.

/// What of a request bears on its answer, beside the members of its body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bearing {
    /// Members at the top of the body that change nothing in the answer: they are neither followed by the model nor
    /// repeated in what it says.
    pub aside: &'static [&'static str],
    /// Members at the top of the body that ask the provider for something beside the answer, unless they are `null`
    /// or `false`: such a request has to reach it.
    pub effects: &'static [&'static str],
    /// Headers of the client that reach the provider.
    pub headers: &'static [&'static str],
}
