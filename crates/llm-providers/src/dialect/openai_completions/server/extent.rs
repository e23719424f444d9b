//! How much a request asks for: a list of prompts is answered one by one, and `best_of` answers are written to each.

use llm_types::{Head, RawValue};

use crate::gist::{Extent, number};

/// The longest answer where the request does not say it
/// (<https://platform.openai.com/docs/api-reference/completions/create>).
const DEFAULT_MAX_TOKENS: u64 = 16;

/// How much it asks for. What cannot be read may be any number.
pub(super) fn extent(head: &Head) -> Extent {
    let given = |name: &str| head.get(name).filter(|json| *json != b"null");
    let count = |name: &str| given(name).map_or(1, |json| number(json).unwrap_or(u64::MAX).max(1));
    Extent {
        prompts: prompts(head),
        answers: count("n").max(count("best_of")),
        unset_output: given("max_tokens").is_none().then_some(DEFAULT_MAX_TOKENS),
        background: false,
    }
}

/// A list holds prompts, unless it holds the tokens of one.
fn prompts(head: &Head) -> u64 {
    let list: Vec<&RawValue> = head.read("prompt").ok().flatten().unwrap_or_default();
    let tokens = !list.is_empty() && list.iter().all(|one| number(one.get().as_bytes()).is_some());
    if tokens { 1 } else { u64::try_from(list.len()).unwrap_or(u64::MAX).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prompt_and_every_candidate_is_paid() {
        let check = |body: &'static str, prompts, answers| {
            let extent = extent(&Head::scan(body.into()).unwrap());
            assert_eq!((extent.prompts, extent.answers), (prompts, answers), "{body}");
        };
        check(r#"{"prompt":"a"}"#, 1, 1);
        check(r#"{"prompt":["a"],"n":null}"#, 1, 1);
        check(r#"{"prompt":["a","b","c"],"n":2}"#, 3, 2);
        check(r#"{"prompt":[1,2,3],"best_of":20,"n":2}"#, 1, 20);
        check(r#"{"prompt":[[1,2],[3]],"best_of":2e1}"#, 2, 20);
        check(r#"{"prompt":"a","best_of":"20"}"#, 1, u64::MAX);
        check("{}", 1, 1);
        let unset = |body: &'static str| extent(&Head::scan(body.into()).unwrap()).unset_output;
        assert_eq!((unset("{}"), unset(r#"{"max_tokens":5}"#)), (Some(16), None));
    }
}
