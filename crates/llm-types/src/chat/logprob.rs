//! Log probabilities of the tokens of an answer.

/// Log probabilities, in the order of the tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogProbs {
    /// Of the text.
    pub content: Vec<TokenLogProb>,
    /// Of the refusal.
    pub refusal: Vec<TokenLogProb>,
}

/// One token.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TokenLogProb {
    /// The token as text.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// Its bytes, where the provider gives them.
    pub bytes: Option<Vec<u8>>,
    /// The likeliest tokens at this place (their own `top` is empty).
    pub top: Vec<TokenLogProb>,
}
