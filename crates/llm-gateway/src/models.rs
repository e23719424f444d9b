//! The models on offer: `/v1/models`, and what to say of a name that is not among them.

use http::StatusCode;
use llm_providers::codec::{ModelCard, ServerCodec};
use llm_types::{ApiError, ErrorKind, Op};
use serde::Serialize;

use crate::body::ClientBody;
use crate::principal::Principal;
use crate::respond;
use crate::snapshot::{ModelEntry, Snapshot};

/// How alike two names must be for one to be offered for the other (Jaro-Winkler, 0 to 1).
const LIKENESS: f64 = 0.75;
/// How many names are offered.
const OFFERS: usize = 3;

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'a str,
}

impl<'a> Model<'a> {
    fn new(entry: &'a ModelEntry) -> Self {
        Self { id: &entry.id, object: "model", created: 0, owned_by: &entry.owned_by }
    }
}

/// `GET /v1/models`, in the shape of a front: what this caller may call.
pub(crate) fn list(
    snapshot: &Snapshot,
    front: &dyn ServerCodec,
    caller: &Principal,
) -> http::Response<ClientBody> {
    let entries = || snapshot.models.iter().filter(|entry| caller.who.may_call(&entry.id));
    let cards: Vec<ModelCard<'_>> = entries().map(|entry| card(snapshot, &entry.id)).collect();
    if let Some(body) = front.encode_models(&cards) {
        return respond::json(StatusCode::OK, body);
    }
    let data = entries().map(Model::new).collect();
    respond::value(StatusCode::OK, &List { object: "list", data })
}

/// `GET /v1/models/{id}`, in the shape of a front; what the caller may not call is not there.
///
/// # Errors
/// 404 with the nearest names.
pub(crate) fn get(
    snapshot: &Snapshot,
    id: &str,
    front: &dyn ServerCodec,
    caller: &Principal,
) -> Result<http::Response<ClientBody>, ApiError> {
    if !caller.who.may_call(id) {
        return Err(unknown(snapshot, id));
    }
    if snapshot.router.find(id).is_some()
        && let Some(body) = front.encode_model(&card(snapshot, id))
    {
        return Ok(respond::json(StatusCode::OK, body));
    }
    if let Some(entry) = snapshot.models.iter().find(|entry| entry.id == id) {
        return Ok(respond::value(StatusCode::OK, &Model::new(entry)));
    }
    match snapshot.router.find(id).and_then(|found| found.group.deployments.first()) {
        Some(deployment) => {
            let owned_by = deployment.target.provider.to_string();
            Ok(respond::value(StatusCode::OK, &Model::new(&ModelEntry { id: id.to_owned(), owned_by })))
        }
        None => Err(unknown(snapshot, id)),
    }
}

/// What can be asked of models here.
const ANSWERED: [Op; 11] = [
    Op::Chat,
    Op::CountTokens,
    Op::Embed,
    Op::Rerank,
    Op::Transcribe,
    Op::Translate,
    Op::Speech,
    Op::Image,
    Op::ImageEdit,
    Op::ImageVariation,
    Op::Moderate,
];

/// What is known of a model: what its first deployment offers.
fn card<'a>(snapshot: &Snapshot, id: &'a str) -> ModelCard<'a> {
    let found = snapshot.router.find(id);
    let target =
        found.as_ref().and_then(|found| found.group.deployments.first()?.target.target(found.star).ok());
    let operations = target.map(|target| {
        let offered = |op: &Op| *op == Op::CountTokens || target.spec().offers(*op, target.model());
        ANSWERED.into_iter().filter(offered).collect()
    });
    ModelCard { id, operations: operations.unwrap_or_default() }
}

/// The error for a name that is not served.
pub(crate) fn unknown(snapshot: &Snapshot, name: &str) -> ApiError {
    let aliases = snapshot.router.aliases().map(|(alias, _)| alias);
    let names = snapshot.models.iter().map(|entry| entry.id.as_str()).chain(aliases);
    let near = nearest(name, names);
    let shown: String = name.chars().take(200).collect();
    let message = if near.is_empty() {
        format!("the model `{shown}` is not served here: GET /v1/models lists those that are")
    } else {
        format!("the model `{shown}` is not served here: did you mean `{}`?", near.join("`, `"))
    };
    ApiError::new(ErrorKind::NotFound, message).with_param("model")
}

/// The names most like `name`, best first.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let name: String = name.chars().take(200).collect::<String>().to_lowercase();
    let likeness = |other: &str| {
        let other = other.to_lowercase();
        let bare = other.rsplit('/').next().unwrap_or(&other);
        strsim::jaro_winkler(&name, &other).max(strsim::jaro_winkler(&name, bare))
    };
    let mut near: Vec<(f64, &str)> =
        names.map(|other| (likeness(other), other)).filter(|(score, _)| *score >= LIKENESS).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.dedup_by_key(|(_, name)| *name);
    near.into_iter().map(|(_, name)| name).take(OFFERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_names_are_offered_best_first() {
        let names = ["smart", "openai/gpt-4o", "openai/gpt-4o-mini", "claude"];
        assert_eq!(nearest("gpt-4o", names.into_iter()).first(), Some(&"openai/gpt-4o"));
        assert_eq!(nearest("smrat", names.into_iter()), ["smart"]);
        assert!(nearest("zzz", names.into_iter()).is_empty());
    }
}
