//! Parameters in the query of a URL.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The value of the first parameter of this name, decoded; one without a value has an empty one.
pub fn parameter<'q>(query: Option<&'q str>, name: &str) -> Option<Cow<'q, str>> {
    let pairs = query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let value = pairs.into_iter().find_map(|(key, value)| (key == name).then_some(value))?;
    Some(percent_decode_str(value).decode_utf8_lossy())
}

/// Whether a parameter is there and does not say no.
pub fn is_on(query: Option<&str>, name: &str) -> bool {
    parameter(query, name).is_some_and(|value| !matches!(&*value, "0" | "false" | "no"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_and_decoded() {
        let get = |query, name| parameter(Some(query), name).map(Cow::into_owned);
        assert_eq!(get("a=1&model=openai%2Fgpt-4o", "model").as_deref(), Some("openai/gpt-4o"));
        assert_eq!(get("models=1", "model"), None);
        assert_eq!(parameter(None, "model"), None);
        let check = |query, expect| assert_eq!(is_on(Some(query), "check"), expect, "{query}");
        check("check", true);
        check("check=true", true);
        check("check=1&x", true);
        check("check=false", false);
        check("x=check", false);
    }
}
