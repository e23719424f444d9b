//! Names that are not keys of this version, and what to say about them.
//!
//! A key that is documented for a later version, or that another gateway uses for the same thing, is
//! refused like any other unknown key: what is accepted and does nothing misleads. It is only answered
//! better than by "unknown".

/// Keys of later versions by the table they are in; a list of tables counts as the table.
const LATER: [(&str, &[&str]); 2] =
    [("upstream", &["proxy", "http2"]), ("telemetry", &["otlp", "log_content"])];

/// What other gateways call it, and what it is called here.
const ELSEWHERE: [(&str, &str); 33] = [
    ("host", "listen"),
    ("port", "listen"),
    ("bind", "listen"),
    ("address", "listen"),
    ("base_url", "api_base"),
    ("url_base", "api_base"),
    ("endpoint", "api_base"),
    ("key", "api_key"),
    ("token", "api_key"),
    ("vertex_project", "project"),
    ("vertex_location", "location"),
    ("vertex_credentials", "credentials"),
    ("aws_region_name", "region"),
    ("model_name", "name"),
    ("model_group", "name"),
    ("model_list", "models"),
    ("litellm_params", "deployments"),
    ("num_retries", "retries"),
    ("max_retries", "retries"),
    ("routing_strategy", "strategy"),
    ("extra_headers", "headers"),
    ("allowed_fails", "cooldown"),
    ("cooldown_time", "cooldown"),
    ("default_fallbacks", "fallbacks"),
    ("max_parallel_requests", "max_parallel"),
    ("retry_policy", "retries_by_error"),
    ("background_health_checks", "health_check"),
    ("health_check_interval", "health_check"),
    ("user_id_jwt_field", "user"),
    ("team_id_jwt_field", "team"),
    ("org_id_jwt_field", "organisation"),
    ("user_id_upsert", "unknown_users"),
    ("public_key_ttl", "refresh"),
];

/// Whether `key` of `table` is documented for a later version.
pub(crate) fn is_later_key(table: &str, key: &str) -> bool {
    LATER.iter().any(|(name, keys)| *name == table && keys.contains(&key))
}

/// The known name that was probably meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let same = |a: &str, b: &str| {
        let plain = |text: &str| text.to_ascii_lowercase().replace('-', "_");
        plain(a) == plain(b)
    };
    let here = ELSEWHERE.iter().find(|(elsewhere, _)| same(elsewhere, name)).map(|(_, here)| *here);
    if let Some(found) = known.clone().into_iter().find(|word| same(word, name) || Some(*word) == here) {
        return Some(found);
    }
    let most = (name.chars().count() / 3).max(1);
    let distance = |word: &'a str| (strsim::damerau_levenshtein(name, word), word);
    known.into_iter().map(distance).filter(|(distance, _)| *distance <= most).min().map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name() {
        let check = |name, expect: Option<&str>| {
            assert_eq!(nearest(name, ["listen", "max_body", "api_base", "strict"]), expect, "{name}");
        };
        check("lisen", Some("listen"));
        check("Max-Body", Some("max_body"));
        check("base_url", Some("api_base"));
        check("host", Some("listen"));
        check("stirct", Some("strict"));
        check("colour", None);
        check("x", None);
    }
}
