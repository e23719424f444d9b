//! llm-config.
