//! What Cohere's models can, as data (<https://docs.cohere.com/docs/models>).

/// Models that do not think: the option is refused there, and thoughts in the history too.
const PLAIN: &[&str] = &[
    "command-r",
    "command-a-03",
    "command-a-vision",
    "command-a-translate",
    "command-light",
    "command-nightly",
    "c4ai-",
    "aya-",
];

/// Whether a model may think; one that is not known is taken at its word.
pub(super) fn thinks(name: &str) -> bool {
    !PLAIN.iter().any(|start| name.starts_with(start)) && name != "command"
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_say_who_thinks() {
        let check = |name: &str, expect: bool| assert_eq!(super::thinks(name), expect, "{name}");
        check("command-a-03-2025", false);
        check("command-a-reasoning-08-2025", true);
        check("command-a-plus-05-2026", true);
        check("command-r7b-12-2024", false);
        check("command-r-plus-08-2024", false);
        check("command", false);
        check("my-own-tuned", true);
    }
}
