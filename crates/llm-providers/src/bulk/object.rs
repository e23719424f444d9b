//! Files, batches and lists of them, as providers show them and as clients get them.
//!
//! Whose a thing is has to be known without a table of ours. An id says it to whoever has it; for lists the thing
//! itself does: the name of a file and the metadata of a batch carry a seal that only its tenant has. Both are taken
//! out again on the way to a client.

use std::collections::BTreeMap;

use bytes::Bytes;
use llm_types::{ApiError, Edits, ErrorKind, Head, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::id;
use crate::mark::{Mark, SEAL_DIGITS, Seal};

/// The key of our word in a batch's metadata.
const KEY: &str = "gateway";
/// What the names of files are sealed as.
const FILES: &str = "files";
/// Members of a batch that name files.
const FILE_IDS: [&str; 3] = ["input_file_id", "output_file_id", "error_file_id"];

/// What is known of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Its id at its provider.
    pub id: String,
    /// How it stands, in OpenAI's words.
    pub status: String,
    /// What its requests are.
    pub endpoint: String,
    /// Its answers, once there are any.
    pub output_file: Option<String>,
    /// How many of its requests were answered, as far as that is told.
    pub answered: u64,
    /// When it ended, in seconds since 1970.
    pub ended: Option<i64>,
    /// What we wrote into its metadata.
    pub tag: Option<Tag>,
}

impl Batch {
    /// Whether there were answers that nobody can read.
    #[must_use]
    pub fn has_lost_answers(&self) -> bool {
        self.is_over() && self.output_file.is_none() && self.answered > 0
    }

    /// Whether nothing comes any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(&*self.status, "completed" | "failed" | "expired" | "cancelled")
    }
}

/// What we write into the metadata of a batch: which request made it, what it asks, and a seal of both for its tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The id of the request that made it.
    pub request: String,
    /// The model of its lines, by its name at the provider.
    pub model: String,
    /// The seal; empty: there are no tenants.
    pub seal: String,
}

impl Tag {
    /// For a request of a tenant.
    #[must_use]
    pub fn of(request: &str, model: &str, seal: Option<&Seal>) -> Self {
        let (request, model) = (request.to_owned(), model.to_owned());
        let seal = seal.map(|seal| seal.on(&format!("{request}.{model}"))).unwrap_or_default();
        Self { request, model, seal }
    }

    /// Whether it was written for this tenant.
    #[must_use]
    pub fn is_of(&self, seal: Option<&Seal>) -> bool {
        seal.is_none_or(|seal| seal.fits(&format!("{}.{}", self.request, self.model), &self.seal))
    }

    fn read(word: &str) -> Option<Self> {
        let (request, rest) = word.split_once('.')?;
        let (seal, model) = rest.split_once('.')?;
        let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let own = |text: &str| text.to_owned();
        (!request.is_empty() && is_word(request) && is_word(seal)).then(|| Self {
            request: own(request),
            model: own(model),
            seal: own(seal),
        })
    }
}

/// The members of a batch that are read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    id: String,
    status: String,
    endpoint: String,
    output_file_id: Option<String>,
    completed_at: Option<i64>,
    failed_at: Option<i64>,
    expired_at: Option<i64>,
    cancelled_at: Option<i64>,
    metadata: Option<BTreeMap<String, String>>,
    request_counts: Option<Counts>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counts {
    completed: Option<u64>,
}

/// What an object is not.
pub(super) fn broken(what: &str) -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, format!("the upstream's answer is no {what}"))
}

/// A JSON text.
fn text(value: &str) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|_| ApiError::new(ErrorKind::Internal, "a text cannot be written"))
}

/// A file as its provider shows it, for a client: its id with this mark, its name as the client gave it.
///
/// # Errors
/// [`ErrorKind::UpstreamFormat`] when it is no file.
pub fn file(body: Bytes, mark: Option<&Mark>) -> Result<Bytes> {
    let head = Head::scan(body).map_err(|_| broken("file"))?;
    let mut edits = Edits::default();
    marked(&head, &mut edits, "id", mark)?;
    let name = head.read::<String>("filename").ok().flatten();
    if let Some(own) = name.as_deref().and_then(untagged) {
        edits.set(&head, "filename", text(own.1)?);
    }
    Ok(edits.apply(&head).to_bytes())
}

fn marked(head: &Head, edits: &mut Edits, member: &str, mark: Option<&Mark>) -> Result<()> {
    let Some(mark) = mark else { return Ok(()) };
    let own = head.read::<String>(member).ok().flatten().filter(|own| !own.is_empty());
    if let Some(own) = own {
        edits.set(head, member, text(&id::mark(&own, mark))?);
    }
    Ok(())
}

/// A batch as its provider shows it, in OpenAI's form, for a client, and what is known of it.
///
/// # Errors
/// [`ErrorKind::UpstreamFormat`] when it is no batch.
pub fn batch(body: Bytes, mark: Option<&Mark>) -> Result<(Bytes, Batch)> {
    let wire: Wire = serde_json::from_slice(&body).map_err(|_| broken("batch"))?;
    let head = Head::scan(body).map_err(|_| broken("batch"))?;
    let mut edits = Edits::default();
    for member in ["id"].into_iter().chain(FILE_IDS) {
        marked(&head, &mut edits, member, mark)?;
    }
    let Wire {
        id,
        status,
        endpoint,
        output_file_id,
        completed_at,
        failed_at,
        expired_at,
        cancelled_at,
        metadata,
        request_counts,
    } = wire;
    let mut metadata = metadata.unwrap_or_default();
    let tag = metadata.remove(KEY).and_then(|word| Tag::read(&word));
    if tag.is_some() {
        let rest = serde_json::to_vec(&metadata).map_err(|_| broken("batch"))?;
        edits.set(&head, "metadata", if metadata.is_empty() { b"null".to_vec() } else { rest });
    }
    if id.is_empty() {
        return Err(broken("batch"));
    }
    let ended = completed_at.or(failed_at).or(expired_at).or(cancelled_at);
    let output_file = output_file_id.filter(|id| !id.is_empty());
    let answered = request_counts.and_then(|counts| counts.completed).unwrap_or_default();
    let known = Batch { id, status, endpoint, output_file, answered, ended, tag };
    Ok((edits.apply(&head).to_bytes(), known))
}

/// The metadata of a new batch, with our word in it.
///
/// # Errors
/// 400 for metadata that is none, or that has such a word already.
pub fn tagged(metadata: Option<&[u8]>, tag: &Tag) -> Result<Vec<u8>> {
    let bad = |what: &str| ApiError::bad_request(what.to_owned()).with_param("metadata");
    let given: Option<BTreeMap<String, String>> = match metadata {
        Some(json) => serde_json::from_slice(json).map_err(|_| bad("metadata must be an object of texts"))?,
        None => None,
    };
    let mut metadata = given.unwrap_or_default();
    let Tag { request, model, seal } = tag;
    if metadata.insert(KEY.to_owned(), format!("{request}.{seal}.{model}")).is_some() {
        return Err(bad("metadata must not hold `gateway`: that key is the gateway's own"));
    }
    serde_json::to_vec(&metadata).map_err(|_| bad("metadata cannot be written"))
}

/// The name under which a tenant's file is kept.
#[must_use]
pub fn file_name(name: &str, seal: Option<&Seal>) -> String {
    seal.map_or_else(|| name.to_owned(), |seal| format!("gw{}.{name}", seal.on(FILES)))
}

/// The name that a tenant gave a file; `None`: it is another's.
#[must_use]
pub fn own_name<'n>(name: &'n str, seal: Option<&Seal>) -> Option<&'n str> {
    match (seal, untagged(name)) {
        (None, tagged) => Some(tagged.map_or(name, |(_, own)| own)),
        (Some(seal), Some((given, own))) if seal.fits(FILES, given) => Some(own),
        (Some(_), _) => None,
    }
}

/// The seal in a file's name, and the rest of that.
fn untagged(name: &str) -> Option<(&str, &str)> {
    let (seal, own) = name.strip_prefix("gw")?.split_once('.')?;
    let hex = seal.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (hex && seal.len() == SEAL_DIGITS).then_some((seal, own))
}

#[derive(Debug, Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    #[serde(default)]
    has_more: bool,
}

/// The things of a list, each as it came, and whether there are more.
///
/// # Errors
/// [`ErrorKind::UpstreamFormat`] when it is no list.
pub fn page(body: &Bytes) -> Result<(Vec<Bytes>, bool)> {
    let List { data, has_more } = serde_json::from_slice(body).map_err(|_| broken("list"))?;
    Ok((data.into_iter().map(|raw| body.slice_ref(raw.get().as_bytes())).collect(), has_more))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(who: &str) -> Seal {
        Seal::of(b"master", &["key", who])
    }

    fn with(seal: Option<Seal>) -> Mark {
        Mark { owner: "0123456789abcdef".into(), seal, thoughts: false }
    }

    fn json(bytes: &Bytes) -> serde_json::Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn a_file_gets_its_id_and_its_own_name() {
        let name = file_name("in.jsonl", Some(&seal("k1")));
        let shown = format!(r#"{{"id":"file-1","x":[1, 2],"filename":"{name}"}}"#);
        let shown = file(shown.into(), Some(&with(Some(seal("k1"))))).unwrap();
        let id = json(&shown)["id"].as_str().unwrap().to_owned();
        assert_eq!(id::read(&id).own, "file-1");
        assert_eq!(shown, format!(r#"{{"id":"{id}","x":[1, 2],"filename":"in.jsonl"}}"#));
        assert_eq!(own_name(&name, Some(&seal("k1"))), Some("in.jsonl"));
        assert_eq!(own_name(&name, Some(&seal("k2"))), None);
        assert_eq!(own_name("in.jsonl", Some(&seal("k1"))), None);
        assert_eq!((own_name("in.jsonl", None), own_name(&name, None)), (Some("in.jsonl"), Some("in.jsonl")));
        assert!(file(Bytes::from_static(b"[]"), None).is_err());
    }

    #[test]
    fn a_batch_gets_its_ids_and_loses_our_word() {
        let tag = Tag::of("r1", "ft:gpt-4o.x", Some(&seal("k1")));
        assert!(tag.is_of(Some(&seal("k1"))) && !tag.is_of(Some(&seal("k2"))) && tag.is_of(None));
        let metadata = tagged(Some(br#"{"a":"b"}"#), &tag).unwrap();
        let metadata = String::from_utf8(metadata).unwrap();
        let body = format!(
            r#"{{"id":"batch_1","status":"completed","endpoint":"/v1/chat/completions","input_file_id":"f1","output_file_id":"f2","error_file_id":null,"completed_at":7,"metadata":{metadata}}}"#
        );
        let (shown, known) = batch(body.into(), Some(&with(None))).unwrap();
        assert!(known.is_over());
        let Batch { id, output_file, ended, tag: found, .. } = known;
        assert_eq!((&*id, output_file.as_deref(), ended, found), ("batch_1", Some("f2"), Some(7), Some(tag)));
        let shown = json(&shown);
        assert_eq!(shown["metadata"], serde_json::json!({"a": "b"}));
        assert_eq!(shown["output_file_id"], "gw0123456789abcdef-f2");
        assert!(shown["error_file_id"].is_null());
        let gone =
            r#"{"id":"b","status":"completed","endpoint":"","request_counts":{"completed":2,"total":3}}"#;
        assert!(batch(gone.into(), None).unwrap().1.has_lost_answers());
        let none = gone.replace(":2,", ":0,");
        assert!(!batch(none.into(), None).unwrap().1.has_lost_answers());
        assert!(tagged(Some(br#"{"gateway":"x"}"#), &Tag::of("r", "m", None)).is_err());
        assert!(tagged(Some(b"[1]"), &Tag::of("r", "m", None)).is_err());
        assert!(batch(Bytes::from_static(b"{}"), None).is_err());
    }
}
