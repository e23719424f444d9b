//! The store against a real Redis: what is shared, what happens when the server is away, hangs or holds
//! rubbish.
#![cfg(test)]

mod harness;

mod away;
mod garbage;
mod limits;
mod share;
mod way;
