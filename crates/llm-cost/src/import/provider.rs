//! Whose model a row of LiteLLM's map is, and what that provider calls it.
//!
//! The map has several words for one provider, by surface or by maker of the model; models stand in it with and
//! without a prefix. Ours are the names of the provider table.

/// Words of the map, and the provider that each means.
const SAME: &[(&str, &str)] = &[
    ("amazon-nova", "amazon_nova"),
    ("azure_text", "azure"),
    ("bedrock_converse", "bedrock"),
    ("cohere_chat", "cohere"),
    ("fireworks_ai-embedding-models", "fireworks_ai"),
    ("ollama_chat", "ollama"),
    ("qwen_ai_platform", "dashscope"),
    ("qwencloud", "dashscope"),
    ("text-completion-codestral", "codestral"),
    ("text-completion-inception", "inception"),
    ("text-completion-openai", "openai"),
];

/// The provider that a word of the map means.
///
/// ```
/// use llm_cost::import::provider;
/// assert_eq!(provider("bedrock_converse"), "bedrock");
/// assert_eq!(provider("vertex_ai-anthropic_models"), "vertex_ai");
/// assert_eq!(provider("groq"), "groq");
/// ```
#[must_use]
pub fn provider(word: &str) -> &str {
    if word.starts_with("vertex_ai-") {
        return "vertex_ai";
    }
    SAME.iter().find(|(known, _)| *known == word).map_or(word, |(_, provider)| provider)
}

/// What the provider calls the model of a row; `word` is the map's own for the provider.
///
/// ```
/// use llm_cost::import::own_name;
/// assert_eq!(own_name("gemini", "gemini/gemini-2.5-pro"), "gemini-2.5-pro");
/// assert_eq!(own_name("bedrock_converse", "anthropic.claude-opus-5"), "anthropic.claude-opus-5");
/// ```
#[must_use]
pub fn own_name<'m>(word: &str, model: &'m str) -> &'m str {
    let own = provider(word);
    let mut prefixes = SAME.iter().filter(|(_, provider)| *provider == own).map(|(known, _)| *known);
    let stripped = |prefix: &str| model.strip_prefix(prefix)?.strip_prefix('/');
    stripped(own).or_else(|| prefixes.find_map(stripped)).unwrap_or(model)
}
