//! llm-router.
