//! Conformance tests.
fn main() {}
