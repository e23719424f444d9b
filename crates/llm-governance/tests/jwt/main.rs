//! Tokens of issuers: which are good, and what they vouch for.
#![cfg(test)]

mod bad;
mod claims;
mod good;
mod harness;
