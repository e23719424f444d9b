//! The models on offer, as `GET /v1beta/models` lists them.

use llm_types::Op;
use serde::Serialize;

use crate::codec::ModelCard;

#[derive(Serialize)]
struct List<'a> {
    models: Vec<Model<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Model<'a> {
    name: String,
    base_model_id: &'a str,
    version: &'static str,
    display_name: &'a str,
    supported_generation_methods: Vec<&'static str>,
}

impl<'a> Model<'a> {
    fn new(card: &ModelCard<'a>) -> Self {
        let ModelCard { id, operations } = card;
        let methods = operations.iter().flat_map(|op| methods(*op).iter().copied());
        Self {
            name: format!("models/{id}"),
            base_model_id: id,
            version: "",
            display_name: id,
            supported_generation_methods: methods.collect(),
        }
    }
}

fn methods(op: Op) -> &'static [&'static str] {
    match op {
        Op::Chat => &["generateContent", "streamGenerateContent"],
        Op::CountTokens => &["countTokens"],
        Op::Embed => &["embedContent", "batchEmbedContents"],
        _ => &[],
    }
}

/// All of them.
pub(super) fn list(models: &[ModelCard<'_>]) -> Vec<u8> {
    let models = models.iter().map(Model::new).collect();
    serde_json::to_vec(&List { models }).unwrap_or_default()
}

/// One of them.
pub(super) fn one(model: &ModelCard<'_>) -> Vec<u8> {
    serde_json::to_vec(&Model::new(model)).unwrap_or_default()
}
