//! What of an account a request names: files, containers that programs run in, and what is cached of a conversation.
//!
//! A provider keeps all of it for its whole account. Of a file the id may say for whom it is ([`super::read`]); of the
//! others nothing does.

use llm_types::{ApiError, Dialect, Edits, ErrorKind, Head, Inside, Result, Search};

use crate::mark::MarkedId;

const FILES: [&str; 2] = ["file_id", "file_ids"];
const CONTAINERS: [&str; 2] = ["container", "container_id"];
const CACHED: [&str; 2] = ["cachedContent", "cached_content"];
/// What holds a request at Gemini's API where its tokens are to be counted.
const COUNTED: [&str; 2] = ["generateContentRequest", "generate_content_request"];
/// What Anthropic's answers tell of files that a program wrote, and clients send back.
const WRITTEN: [&str; 2] = ["code_execution_output", "bash_code_execution_output"];

/// A file that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// What its id says.
    pub id: MarkedId,
    member: &'static str,
    place: Inside,
}

impl NamedFile {
    /// Where it is named: `messages[0].content[1].file.file_id`.
    #[must_use]
    pub fn param(&self) -> &str {
        &self.place.path
    }
}

/// Where requests of a dialect name files, and what there only tells of them: citations, and what tools are given.
fn places(dialect: Dialect) -> (&'static [&'static str], Search<'static>) {
    let search = |skip, skip_kinds| Search { keys: &FILES, skip, skip_kinds };
    match dialect {
        Dialect::OpenaiChat => (&["messages"], search(&["annotations"], &[])),
        Dialect::OpenaiResponses => (
            &["input", "tools", "prompt", "instructions"],
            search(&["annotations", "results", "arguments", "parameters"], &[]),
        ),
        Dialect::Anthropic => (&["messages"], search(&["citations", "input"], &WRITTEN)),
        Dialect::OpenaiImages => (&["image", "images", "mask"], search(&[], &[])),
        _ => (&[], search(&[], &[])),
    }
}

/// The files that a request names, in the order of its members.
#[must_use]
pub fn named_files(head: &Head, dialect: Dialect) -> Vec<NamedFile> {
    let (members, search) = places(dialect);
    let mut all = Vec::new();
    for member in members.iter().filter(|member| FILES.iter().any(|key| head.mentions(member, key))) {
        let named = |place: Inside| NamedFile { id: super::read(&place.text), member, place };
        all.extend(head.texts_inside(member, search).into_iter().map(named));
    }
    all
}

/// The request with the providers' own ids of files in place of those that say whose they are.
///
/// # Errors
/// When it cannot be written anew.
pub fn with_own_files(head: Head, named: &[NamedFile]) -> Result<Head> {
    let marked = || named.iter().filter(|file| file.id.owner.is_some());
    let mut edits = Edits::default();
    let mut last = None;
    for file in marked() {
        if last.replace(file.member) == Some(file.member) {
            continue;
        }
        let texts = marked().filter(|other| other.member == file.member);
        let texts = texts.map(|file| (&file.place, file.id.own.as_str()));
        let json = head.member_with(file.member, texts);
        let internal = || ApiError::new(ErrorKind::Internal, "the ids of files cannot be written");
        edits.set(&head, file.member, json.ok_or_else(internal)?);
    }
    if edits.is_empty() {
        return Ok(head);
    }
    Head::scan(edits.apply(&head).to_bytes())
}

/// Where a request names a container that is there already; `None`: nowhere.
#[must_use]
pub fn named_container(head: &Head, dialect: Dialect) -> Option<String> {
    match dialect {
        Dialect::Anthropic => {
            let container = head.get("container")?;
            let is_new = match container.first() {
                Some(b'{') => {
                    let object = head.nested("container").ok().flatten()?;
                    matches!(object.get("id"), None | Some(b"null"))
                }
                _ => container == b"null",
            };
            (!is_new).then(|| "container".to_owned())
        }
        Dialect::OpenaiResponses if CONTAINERS.iter().any(|key| head.mentions("tools", key)) => {
            let search = Search { keys: &CONTAINERS, skip: &["parameters"], skip_kinds: &[] };
            head.texts_inside("tools", search).into_iter().next().map(|place| place.path)
        }
        _ => None,
    }
}

/// Where a request names a part of a conversation that Gemini's API has stored; `None`: nowhere.
#[must_use]
pub fn named_cache(head: &Head, dialect: Dialect) -> Option<String> {
    let stored = |head: &Head| {
        CACHED.into_iter().find(|name| !matches!(head.get(name), None | Some(b"null" | b"\"\"")))
    };
    if dialect != Dialect::Gemini {
        return None;
    }
    let counted =
        |outer: &&str| head.nested(outer).ok().flatten().is_some_and(|inner| stored(&inner).is_some());
    stored(head).or_else(|| COUNTED.into_iter().find(counted)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEALED: &str = "gw0123456789abcdef0123456789abcdef0123456789abcdef-file-1";

    fn head(body: &str) -> Head {
        Head::scan(body.replace("SEALED", SEALED).into()).unwrap()
    }

    #[test]
    fn files_are_named_by_their_ids_and_told_of_elsewhere() {
        use Dialect::{Anthropic, OpenaiChat, OpenaiResponses};
        let check = |dialect, body: &str, expect: &[&str]| {
            let named = named_files(&head(body), dialect);
            let params: Vec<&str> = named.iter().map(NamedFile::param).collect();
            assert_eq!(params, expect, "{body}");
        };
        check(
            OpenaiChat,
            r#"{"messages":[{"content":[{"type":"file","file":{"file_id":"f"}}]}]}"#,
            &["messages[0].content[0].file.file_id"],
        );
        check(OpenaiChat, r#"{"messages":[{"content":"file_id"}],"metadata":{"file_id":"f"}}"#, &[]);
        check(
            OpenaiResponses,
            r#"{"input":[{"content":[{"type":"input_file","file_id":"f"},{"type":"output_text","annotations":[{"file_id":"g"}]}]},
                {"type":"file_search_call","results":[{"file_id":"h"}]}],
                "tools":[{"type":"function","parameters":{"default":{"file_id":"x"}}},
                {"type":"code_interpreter","container":{"type":"auto","file_ids":["i"]}}]}"#,
            &["input[0].content[0].file_id", "tools[1].container.file_ids[0]"],
        );
        check(
            Anthropic,
            r#"{"messages":[{"content":[{"type":"document","source":{"type":"file","file_id":"f"}},
                {"type":"tool_use","input":{"file_id":"x"}},{"type":"code_execution_output","file_id":"g"},
                {"type":"container_upload","file_id":"h"}]}]}"#,
            &["messages[0].content[0].source.file_id", "messages[0].content[3].file_id"],
        );
    }

    #[test]
    fn providers_get_their_own_ids() {
        let head = head(
            r#"{"tools":[{"container":{"file_ids":["SEALED","b"]}}], "input" : [{"file_id":"a"},{"file_id": "SEALED"}]}"#,
        );
        let named = named_files(&head, Dialect::OpenaiResponses);
        let expect = r#"{"tools":[{"container":{"file_ids":["file-1","b"]}}], "input" : [{"file_id":"a"},{"file_id": "file-1"}]}"#;
        assert_eq!(with_own_files(head, &named).unwrap().body(), expect);
    }

    #[test]
    fn a_container_that_is_there_already_is_named() {
        let check = |dialect, body: &str, expect: Option<&str>| {
            assert_eq!(named_container(&head(body), dialect).as_deref(), expect, "{body}");
        };
        check(Dialect::Anthropic, r#"{"container":"c"}"#, Some("container"));
        check(Dialect::Anthropic, r#"{"container":{"id":"c","skills":[]}}"#, Some("container"));
        check(Dialect::Anthropic, r#"{"container":{"id":null,"skills":[]}}"#, None);
        check(Dialect::Anthropic, r#"{"container":null,"messages":[]}"#, None);
        let tool = r#"{"tools":[{"type":"code_interpreter","container":"c"}]}"#;
        check(Dialect::OpenaiResponses, tool, Some("tools[0].container"));
        let tool = r#"{"tools":[{"type":"code_interpreter","container":{"type":"auto"}}]}"#;
        check(Dialect::OpenaiResponses, tool, None);
    }
    #[test]
    fn what_gemini_has_stored_is_named() {
        let check = |dialect, body: &str, expect: Option<&str>| {
            assert_eq!(named_cache(&head(body), dialect).as_deref(), expect, "{body}");
        };
        check(Dialect::Gemini, r#"{"cached_content":"cachedContents/x"}"#, Some("cached_content"));
        let counted = r#"{"generateContentRequest":{"cachedContent":"cachedContents/x"}}"#;
        check(Dialect::Gemini, counted, Some("generateContentRequest"));
        check(Dialect::Gemini, r#"{"cachedContent":"","contents":[]}"#, None);
        check(Dialect::OpenaiChat, r#"{"cachedContent":"x"}"#, None);
    }
}
