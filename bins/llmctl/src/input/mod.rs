//! From what is given on the command line to what a call needs.

pub(crate) mod gateway;
