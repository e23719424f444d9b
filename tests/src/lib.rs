//! Tests only; see `e2e` and `conformance`.
