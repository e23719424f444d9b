//! Pictures as inputs of requests for vectors, in each provider's words; and vectors where these stand elsewhere.

use bytes::Bytes;
use llm_types::{Call, Changes, Dialect, Head, Op, Output, Result};
use serde_json::{Value, json};

use crate::codec::{Asked, DecodeCx, EncodeCx, Memo, ServerCodec as _};
use crate::dialect;
use crate::table::ProviderTable;

const PICTURE: &str = "data:image/png;base64,iVBORw0KGgo=";

/// Body and losses of what is sent to a model when a client of OpenAI's asks for vectors of these.
fn sent(name: &str, model: &str, input: &Value) -> Result<(Value, String)> {
    let body = json!({"model": "m", "input": input, "encoding_format": "float"}).to_string();
    sent_as(name, model, body)
}

/// The same of a body as it is written.
fn sent_as(name: &str, model: &str, body: String) -> Result<(Value, String)> {
    let spec = ProviderTable::builtin().get(name).unwrap().as_ref().clone();
    let asked = Asked { dialect: Some(Dialect::OpenaiMedia), ..Asked::of(Op::Embed) };
    let spoken = spec.dialect_for(Op::Embed, asked.dialect, model);
    let codec = dialect::client(spoken).unwrap();
    let mut changes = Changes::default();
    let mut cx = EncodeCx { spec: &spec, model, asked: &asked, changes: &mut changes };
    let head = Head::scan(Bytes::from(body.clone())).unwrap();
    let spliced = if spoken == Dialect::OpenaiMedia { codec.splice(&head, &mut cx)? } else { None };
    let wire = match spliced {
        Some(wire) => wire,
        None => {
            let mut call = dialect::openai_media::Server.decode(body.as_bytes(), &asked)?;
            call.set_model(model);
            codec.encode(&call, &mut cx)?
        }
    };
    Ok((serde_json::from_slice(&wire.body.to_bytes()).unwrap(), changes.header()))
}

fn check(name: &str, model: &str, input: Value, expect: Value) {
    let (body, lost) = sent(name, model, &input).unwrap();
    for (member, value) in expect.as_object().unwrap() {
        assert_eq!(&body[member], value, "{name}/{model} {input}: {body}");
    }
    assert!(!lost.contains("input"), "{lost}");
}

#[test]
fn pictures_are_seen_however_they_are_written() {
    let inputs = json!(["a", {"image": "iVBORw0KGgo="}]);
    for picture in [
        r#""data:image\/png;base64,iVBORw0KGgo=""#,
        r#""DATA:image/png;base64,iVBORw0KGgo=""#,
        r#""\u0064ata:image/png;base64,iVBORw0KGgo=""#,
        r#"{"image_\u0075rl":"data:image/png;base64,iVBORw0KGgo="}"#,
    ] {
        let body = format!(r#"{{"model":"m","input":["a",{picture}]}}"#);
        let (sent, _) = sent_as("jina_ai", "jina-embeddings-v4", body).unwrap();
        assert_eq!(sent["input"], inputs, "{picture}");
    }
}

#[test]
fn pictures_go_where_they_are_seen() {
    for picture in [
        json!(PICTURE),
        json!({"image": PICTURE}),
        json!({"type": "image_url", "image_url": {"url": PICTURE}}),
        json!({"content": [{"type": "image_url", "image_url": {"url": PICTURE}}]}),
    ] {
        let part = json!({"type": "image_url", "image_url": {"url": PICTURE}});
        let text = json!({"content": [{"type": "text", "text": "a"}]});
        let inputs = json!([text, {"content": [part]}]);
        check("cohere", "embed-v4.0", json!(["a", picture]), json!({"inputs": inputs}));
        let only = json!({"images": [PICTURE], "input_type": "image", "texts": null});
        check("cohere", "embed-english-v3.0", json!([picture]), only);
        if picture != json!({"image": PICTURE}) {
            let inputs = json!(["a", {"image": "iVBORw0KGgo="}]);
            check("jina_ai", "jina-embeddings-v4", json!(["a", picture]), json!({"input": inputs}));
        }
        let image = json!({"bytesBase64Encoded": "iVBORw0KGgo=", "mimeType": "image/png"});
        check(
            "vertex_ai",
            "multimodalembedding@001",
            json!([picture]),
            json!({"instances": [{"image": image}]}),
        );
        let part = json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}});
        let request = json!({"model": "models/gemini-embedding-2", "content": {"parts": [part]}});
        check("gemini", "gemini-embedding-2", json!([picture]), json!({"requests": [request]}));
    }
    // What a provider has its own words for goes as it is.
    let own = json!(["a", {"image": "https://a.example/b.png"}]);
    check("jina_ai", "jina-clip-v2", own.clone(), json!({"input": own}));
    let stored = json!({"instances": [{"image": {"gcsUri": "gs://a/b.png"}}]});
    check("vertex_ai", "multimodalembedding@001", json!([{"image": "gs://a/b.png"}]), stored);
    check("vertex_ai", "multimodalembedding@001", json!(["a"]), json!({"instances": [{"text": "a"}]}));
}

#[test]
fn pictures_go_to_models_on_bedrock_in_their_words() {
    let (base64, jpg) = ("iVBORw0KGgo=", "data:image/jpg;base64,AAAA");
    let titan = "amazon.titan-embed-image-v1";
    check("bedrock", titan, json!([{"image": PICTURE}]), json!({"inputImage": base64, "inputText": null}));
    let both = json!([{"content": [{"text": "a"}, {"type": "image_url", "image_url": {"url": PICTURE}}]}]);
    check("bedrock", titan, both.clone(), json!({"inputImage": base64, "inputText": "a"}));
    let nova = "amazon.nova-2-multimodal-embeddings-v1:0";
    let params =
        |image| json!({"singleEmbeddingParams": {"embeddingPurpose": "GENERIC_INDEX", "image": image}});
    check("bedrock", nova, json!([PICTURE]), params(json!({"format": "png", "source": {"bytes": base64}})));
    check("bedrock", nova, json!([jpg]), params(json!({"format": "jpeg", "source": {"bytes": "AAAA"}})));
    let images = json!({"images": [PICTURE, jpg], "input_type": "image", "texts": null});
    check("bedrock", "cohere.embed-english-v3", json!([PICTURE, {"image": jpg}]), images);
    let images = json!({"images": [PICTURE], "input_type": "search_document", "texts": null});
    check("bedrock", "cohere.embed-v4:0", json!([PICTURE]), images);
    for (model, input) in [
        (nova, both),
        (titan, json!([{"image": "https://a.example/a.png"}])),
        (titan, json!([{"content": []}])),
        ("cohere.embed-v4:0", json!(["a", PICTURE])),
        ("cohere.embed-v4:0", json!([[1, 2]])),
    ] {
        let error = sent("bedrock", model, &input).unwrap_err();
        assert!(error.param.as_deref().is_some_and(|param| param.starts_with("input")), "{model} {input}");
    }
}

#[test]
fn pictures_that_nobody_sees_are_refused_by_their_place() {
    for (name, model) in [
        ("vertex_ai", "text-embedding-005"),
        ("gemini", "gemini-embedding-001"),
        ("cohere", "embed-english-v3.0"),
        ("bedrock", "amazon.titan-embed-text-v2:0"),
        ("ollama", "nomic-embed-text"),
    ] {
        let mixed = json!(["a", {"image": PICTURE}]);
        let error = sent(name, model, &mixed).err().unwrap_or_else(|| panic!("{name}/{model}"));
        let place = if name == "cohere" { "input[0]" } else { "input[1]" };
        assert_eq!(error.param.as_deref(), Some(place), "{name}/{model}: {error}");
    }
    let elsewhere = json!([{"image": "https://a.example/b.png"}]);
    assert!(sent("vertex_ai", "multimodalembedding@001", &elsewhere).is_err());
    let two = json!([{"content": [{"text": "a"}, {"text": "b"}]}]);
    assert!(sent("vertex_ai", "multimodalembedding@001", &two).is_err());
}

/// What an answer holds.
fn read(name: &str, model: &str, body: &Value) -> llm_types::Embeddings {
    let spec = ProviderTable::builtin().get(name).unwrap().as_ref().clone();
    let codec = dialect::client(spec.dialect_for(Op::Embed, None, model)).unwrap();
    let cx = DecodeCx { spec: &spec, model, memo: &Memo::default() };
    match codec.decode(Op::Embed, body.to_string().as_bytes(), &cx).unwrap() {
        Output::Embed(embeddings) => *embeddings,
        other => panic!("{other:?}"),
    }
}

#[test]
fn vectors_are_read_wherever_they_stand() {
    let model = "multimodalembedding@001";
    let seen = json!({"predictions": [{"imageEmbedding": [0.5]}], "deployedModelId": "1"});
    assert_eq!(read("vertex_ai", model, &seen).vectors, [[0.5]]);
    let said = json!({"predictions": [{"textEmbedding": [2.0]}]});
    assert_eq!(read("vertex_ai", model, &said).vectors, [[2.0]]);
    let found = read(
        "watsonx",
        "ibm/slate-30m-english-rtrvr",
        &json!({"model_id": "ibm/slate",
        "created_at": "2026-01-01", "results": [{"embedding": [0.5]}, {"embedding": [1.0]}], "input_token_count": 10}),
    );
    assert_eq!((found.vectors, found.usage.unwrap().input), (vec![vec![0.5], vec![1.0]], 10));
    assert_eq!(found.model, "ibm/slate");
}

#[test]
fn watsonx_is_asked_for_vectors_in_its_words() {
    let (body, _) = sent("watsonx", "ibm/slate-30m-english-rtrvr", &json!("a")).unwrap();
    assert_eq!((&body["inputs"], &body["model_id"]), (&json!(["a"]), &json!("ibm/slate-30m-english-rtrvr")));
    assert_eq!((body.get("input"), body.get("encoding_format")), (None, None));
}

#[test]
fn several_types_of_vectors_are_told() {
    let asked = Asked { dialect: Some(Dialect::OpenaiMedia), ..Asked::of(Op::Embed) };
    for (name, model) in [("cohere", "embed-v4.0"), ("bedrock", "cohere.embed-english-v3")] {
        let spec = ProviderTable::builtin().get(name).unwrap().as_ref().clone();
        let told = |types: Value| {
            let body = json!({"model": "m", "input": "a", "embedding_types": types}).to_string();
            let Call::Embed(request) = dialect::openai_media::Server.decode(body.as_bytes(), &asked).unwrap()
            else {
                panic!("no vectors");
            };
            let mut changes = Changes::default();
            let mut cx = EncodeCx { spec: &spec, model, asked: &asked, changes: &mut changes };
            dialect::client(spec.dialect).unwrap().encode(&Call::Embed(request), &mut cx).unwrap();
            changes.header()
        };
        assert_eq!(told(json!(["int8"])), "", "{name}");
        assert!(told(json!(["int8", "float"])).contains("altered embedding_types"), "{name}");
    }
}
