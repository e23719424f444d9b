//! Tokens of issuers: which are good, and what they vouch for.

mod bad;
mod claims;
mod good;
mod harness;
