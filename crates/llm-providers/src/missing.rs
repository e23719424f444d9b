//! What a 404 says is missing: the deployment's model, or something that the caller's request names.
//!
//! A missing model counts against the deployment, and so does an answer that does not say what is missing, as a
//! wrong address gives it. An item, a file or a conversation that is not there is the caller's own mistake:
//! OpenAI's `Item with id 'rs_…' not found` has `param: "input"`, `No file found` has `param: "file_id"`,
//! and `previous_response_not_found` is a code.

use crate::classify::Said;

/// Words for what a deployment is made of.
const OURS: &[&str] = &["model", "deployment", "engine", "endpoint"];

/// Codes that end as those of missing objects do, but are about the address. Without `_`.
const ADDRESS: &[&str] = &["", "resource", "route", "path", "page", "url", "api", "function", "account"];

/// Words for an address that is wrong.
const WRONG_ADDRESS: &[&str] = &["invalid url", "unknown request url", "no route", "cannot post"];

/// Words for what a caller's request names by its id.
const THEIRS: &[&str] = &[
    "item with id",
    "item '",
    "previous response",
    "response with id",
    "conversation",
    "vector store",
    "vector_store",
    "container",
    "file",
    "prompt with id",
    "cached content",
    "cachedcontent",
    "thread",
    "assistant",
    "skill",
    "session",
];

/// Whether it is something of the caller's that the answer says is not there.
pub(crate) fn is_the_callers(said: &Said<'_>) -> bool {
    if !said.param.is_empty() {
        return !names_any(&said.param.to_lowercase(), OURS);
    }
    match (object(said.code), object(said.kind)) {
        (Some(theirs), _) | (None, Some(theirs)) => theirs,
        (None, None) => by_message(&said.message.to_lowercase()),
    }
}

/// Whether it is the caller's, going by a code such as `previous_response_not_found`; `None`: it does not say.
fn object(code: &str) -> Option<bool> {
    let code = code.to_lowercase().replace(['_', '-'], "");
    if names_any(&code, OURS) {
        return Some(false);
    }
    let object = code.strip_suffix("notfound").or_else(|| code.strip_suffix("doesnotexist"))?;
    (!ADDRESS.contains(&object)).then_some(true)
}

/// What is named first is what is missing: its id may hold any word.
fn by_message(message: &str) -> bool {
    if names_any(message, WRONG_ADDRESS) {
        return false;
    }
    let first = |words: &[&str]| words.iter().filter_map(|word| message.find(word)).min();
    match (first(THEIRS), first(OURS)) {
        (Some(theirs), Some(ours)) => theirs < ours,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn names_any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use llm_types::ErrorKind;

    use super::*;
    use crate::classify::classify;

    fn check(said: &Said<'_>, expect: ErrorKind) {
        assert_eq!(classify(StatusCode::NOT_FOUND, said), expect, "{said:?}");
    }

    #[test]
    fn what_a_request_names_is_the_callers() {
        let said = Said { kind: "invalid_request_error", ..Said::default() };
        let mine = |message, code, param| {
            check(&Said { message, code, param, ..said }, ErrorKind::BadRequest);
        };
        let item = "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false. \
                    Try again with `store` set to true, or remove this item from your input.";
        mine(item, "", "input");
        mine(item, "", "");
        mine("Item with id 'model' not found.", "", "");
        let previous = "Previous response with id 'resp_1' not found.";
        mine(previous, "previous_response_not_found", "previous_response_id");
        mine(previous, "previous_response_not_found", "");
        mine(previous, "", "");
        mine("No such File object: file-1", "", "id");
        mine("Vector store with id 'vs_1' not found.", "", "");
        mine("Container with id 'cntr_1' not found.", "", "");
        mine("Conversation with id 'conv_1' not found.", "", "");
        let anthropic =
            Said { kind: "not_found_error", message: "File not found: file_1", ..Said::default() };
        check(&anthropic, ErrorKind::BadRequest);
        check(&Said { code: "voice_not_found", ..Said::default() }, ErrorKind::BadRequest);
        check(&Said { kind: "voice_not_found", ..Said::default() }, ErrorKind::BadRequest);
    }

    #[test]
    fn a_model_or_an_address_is_the_deployments() {
        let theirs = |message, kind, code, param| {
            check(&Said { message, kind, code, param }, ErrorKind::NotFound);
        };
        let kind = "invalid_request_error";
        theirs("The model `x` does not exist or you do not have access to it.", kind, "model_not_found", "");
        theirs("The model `file-x` does not exist", kind, "", "");
        theirs("The model does not exist", kind, "", "model");
        theirs("The API deployment for this resource does not exist.", "", "DeploymentNotFound", "");
        theirs("The model `x` does not exist.", "NotFoundError", "404", "");
        theirs("model: claude-x", "not_found_error", "", "");
        theirs("models/x is not found for API version v1beta", "NOT_FOUND", "404", "");
        theirs("Requested entity was not found.", "NOT_FOUND", "404", "");
        theirs("model 'x' not found, try pulling it first", "", "", "");
        theirs("The model has reached its end of life", "ResourceNotFoundException", "", "");
        theirs("Unknown", "", "ModelNotFound", "");
        theirs("Resource not found", "", "404", "");
        theirs("Not Found", "", "", "");
        theirs("Invalid URL (POST /v1/files)", kind, "", "");
        theirs("", "", "", "");
        theirs("no", "", "not_found", "");
        theirs("no", "", "ENDPOINT_NOT_FOUND", "");
        theirs("no", "", "RESOURCE_DOES_NOT_EXIST", "");
    }
}
