//! llm-testkit.
