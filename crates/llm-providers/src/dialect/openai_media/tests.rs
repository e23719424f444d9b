//! Vectors: requests, answers, recordings.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use llm_testkit::{exchanges, is_complete};
use llm_types::{
    Call, Changes, Dialect, EmbedContent, EmbedInput, EmbedRequest, Embeddings, ErrorKind, Head, Op, Output,
    ProviderSpec, Result, Usage, VectorEncoding,
};
use serde_json::{Value, json};

use super::{Client, Server};
use crate::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo, ReplyCx, ServerCodec};
use crate::table::ProviderTable;

fn asked() -> Asked {
    Asked { dialect: Some(Dialect::OpenaiMedia), ..Asked::of(Op::Embed) }
}

fn row(name: &str) -> ProviderSpec {
    ProviderTable::builtin().get(name).unwrap().as_ref().clone()
}

fn decode(body: &Value) -> Result<EmbedRequest> {
    match Server.decode(body.to_string().as_bytes(), &asked())? {
        Call::Embed(request) => Ok(*request),
        other => panic!("{other:?}"),
    }
}

fn encode(request: EmbedRequest, spec: &ProviderSpec, model: &str) -> Result<(Value, String)> {
    let (mut changes, asked) = (Changes::default(), asked());
    let mut cx = EncodeCx { spec, model, asked: &asked, changes: &mut changes };
    let wire = Client.encode(&Call::Embed(Box::new(request)), &mut cx)?;
    let path = if spec.name == "perplexity" { "/v1/embeddings" } else { "/embeddings" };
    assert_eq!(wire.path, path);
    Ok((serde_json::from_slice(&wire.body.to_bytes()).unwrap(), changes.header()))
}

fn splice(body: &str, spec: &ProviderSpec, model: &str) -> (String, String) {
    let head = Head::scan(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let (mut changes, asked) = (Changes::default(), asked());
    let mut cx = EncodeCx { spec, model, asked: &asked, changes: &mut changes };
    let wire = Client.splice(&head, &mut cx).unwrap().unwrap();
    (String::from_utf8(wire.body.to_bytes().to_vec()).unwrap(), changes.header())
}

fn read(body: &Value, spec: &ProviderSpec) -> Result<Embeddings> {
    let memo = Memo::default();
    let cx = DecodeCx { spec, model: "m", memo: &memo };
    match Client.decode(Op::Embed, body.to_string().as_bytes(), &cx)? {
        Output::Embed(embeddings) => Ok(*embeddings),
        other => panic!("{other:?}"),
    }
}

struct Recording {
    provider: String,
    name: String,
    request: Value,
    status: StatusCode,
    answer: Value,
}

fn recordings() -> Vec<Recording> {
    let all = exchanges("embeddings", &["azure", "mistral", "openai", "openrouter", "perplexity", "voyage"]);
    let all = all.into_iter().map(|(name, mut all)| Recording {
        provider: all["provider"].as_str().unwrap().to_owned(),
        name,
        request: all["request"]["body"].take(),
        status: StatusCode::from_u16(all["response"]["status"].as_u64().unwrap().try_into().unwrap())
            .unwrap(),
        answer: all["response"]["body"].take(),
    });
    let out: Vec<Recording> = all.collect();
    assert!(!is_complete() || out.len() >= 10, "only {} recordings", out.len());
    out
}

fn without_null(body: &Value) -> Value {
    let members = body.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
    Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// One text alone is a list of one.
fn listed(mut body: Value) -> Value {
    if body["input"].is_string() {
        body["input"] = json!([body["input"]]);
    }
    body
}

#[test]
fn recorded_exchanges_are_understood() {
    let mut read_so_far = 0;
    for Recording { provider, name, request: body, status, answer } in recordings() {
        let (spec, model) = (row(&provider), body["model"].as_str().unwrap());
        let bytes = answer.to_string();
        if !status.is_success() {
            let error = Client.decode_error(status, &HeaderMap::new(), bytes.as_bytes());
            assert!(!error.message.is_empty() && error.upstream_status == Some(status), "{name}: {error:?}");
            continue;
        }
        let (again, lost) = encode(decode(&body).unwrap(), &spec, model).unwrap();
        assert_eq!(
            (without_null(&again), lost.as_str()),
            (listed(without_null(&body)), ""),
            "{provider} {name}"
        );
        let (spliced, lost) = splice(&body.to_string(), &spec, model);
        assert_eq!((spliced, lost.as_str()), (body.to_string(), ""), "{provider} {name}");

        let vectors = read(&answer, &spec).unwrap();
        let data = answer["data"].as_array().unwrap();
        assert_eq!(vectors.vectors.len(), data.len(), "{name}");
        let wanted = body["dimensions"].as_u64().or_else(|| body["output_dimension"].as_u64());
        for vector in &vectors.vectors {
            assert!(wanted.is_none_or(|wanted| u64::try_from(vector.len()).unwrap() == wanted), "{name}");
            let norm: f32 = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
            assert!(norm.is_finite() && norm > 0.1, "{provider} {name}: {norm}");
            // Numbers read in the wrong way are no vector of length one.
            let unit = provider != "perplexity" && provider != "mistral";
            assert!(!unit || (norm - 1.0).abs() < 0.01, "{provider} {name}: {norm}");
        }
        let total = answer["usage"]["total_tokens"].as_u64();
        assert_eq!(vectors.usage.as_ref().map(Usage::prompt_tokens), total, "{name}");
        assert_eq!(Client.tap(Op::Embed, bytes.as_bytes()).unwrap().usage, vectors.usage);
        read_so_far += 1;
    }
    assert!(!is_complete() || read_so_far >= 9, "{read_so_far}");
}

#[test]
fn inputs_of_every_form_are_read() {
    let check = |input: Value, expect: &str| {
        let inputs = decode(&json!({"model": "m", "input": input})).map(|request| request.inputs);
        let kinds = inputs.map(|inputs| {
            let kind = |input: &EmbedInput| match &input.content {
                EmbedContent::Text(text) => format!("{text:?}"),
                EmbedContent::Tokens(tokens) => format!("{tokens:?}"),
                EmbedContent::Opaque(..) => "opaque".to_owned(),
            };
            inputs.iter().map(kind).collect::<Vec<_>>().join(" ")
        });
        assert_eq!(kinds.unwrap_or_else(|error| error.param.clone().unwrap()), expect, "{input}");
    };
    check(json!("a"), "\"a\"");
    check(json!(["a", "b"]), "\"a\" \"b\"");
    check(json!([1, 2]), "[1, 2]");
    check(json!([[1], [2, 3]]), "[1] [2, 3]");
    check(json!([{"text": "a"}, "b"]), "opaque \"b\"");
    check(json!([]), "input");
    check(json!(7), "input");
    check(json!([-1]), "input");
    assert_eq!(decode(&json!({"input": "a"})).unwrap_err().param.as_deref(), Some("model"));
    assert_eq!(decode(&json!({"model": "m"})).unwrap_err().param.as_deref(), Some("input"));
}

#[test]
fn what_this_dialect_cannot_say_is_reported() {
    let request = EmbedRequest {
        inputs: vec![EmbedInput { content: EmbedContent::Text("a".into()), title: Some("t".into()) }],
        dimensions: Some(4),
        encoding: VectorEncoding::Base64,
        task: Some("CLUSTERING".into()),
        truncate: Some(true),
        user: Some("u".into()),
        origin: Some(Dialect::Gemini),
        ..EmbedRequest::default()
    };
    let (body, lost) = encode(request.clone(), &row("openai"), "text-embedding-3-small").unwrap();
    assert_eq!(
        body,
        json!({"model": "text-embedding-3-small", "input": ["a"], "dimensions": 4, "encoding_format": "base64", "user": "u"})
    );
    for path in ["task", "truncate", "input[0].title"] {
        assert!(lost.contains(&format!("dropped {path} ")), "{lost}");
    }
    let foreign = EmbedContent::Opaque(Dialect::Gemini, serde_json::value::to_raw_value(&json!({})).unwrap());
    let inputs = vec![EmbedInput { content: foreign, title: None }];
    let error = encode(EmbedRequest { inputs, ..request }, &row("openai"), "m").unwrap_err();
    assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::BadRequest, Some("input[0]")));
}

#[test]
fn answers_are_written_as_the_client_wants_them() {
    let vectors = Embeddings { vectors: vec![vec![0.5, 2.0], vec![-0.25, 0.0]], ..Embeddings::default() };
    let write = |encoding| {
        let cx = ReplyCx { model: "m".into(), vectors: encoding, ..ReplyCx::default() };
        let body = Server.encode(&Output::Embed(Box::new(vectors.clone())), &cx);
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    let plain = write(VectorEncoding::Float);
    assert_eq!(plain["data"][1], json!({"object": "embedding", "index": 1, "embedding": [-0.25, 0.0]}));
    assert_eq!((&plain["object"], &plain["model"]), (&json!("list"), &json!("m")));
    assert_eq!(plain["usage"], json!({"prompt_tokens": 0, "total_tokens": 0}));
    let packed = write(VectorEncoding::Base64);
    assert_eq!(packed["data"][0]["embedding"], "AAAAPwAAAEA=");
    for body in [plain, packed] {
        assert_eq!(read(&body, &row("openai")).unwrap().vectors, vectors.vectors);
    }
}

#[test]
fn what_holds_no_vectors_is_an_error() {
    let openai = row("openai");
    for body in
        [json!({}), json!({"data": [{}]}), json!({"data": [{"embedding": "AAA"}]}), json!({"data": 1})]
    {
        assert_eq!(read(&body, &openai).unwrap_err().kind, ErrorKind::UpstreamFormat, "{body}");
    }
    let error = read(&json!({"error": {"message": "no such model", "code": 404}}), &openai).unwrap_err();
    assert!(error.message.contains("no such model"), "{error}");
    assert_eq!(Client.tap(Op::Embed, b"not json").unwrap_err().kind, ErrorKind::UpstreamFormat);
}

#[test]
fn bytes_in_place_of_floats_are_read_and_written_anew() {
    let anew = |provider: &str, format: &str| {
        let body = format!("{{\"model\": \"m\", \"input\": \"a\"{format}}}");
        let head = Head::scan(Bytes::from(body)).unwrap();
        let (mut changes, asked, spec) = (Changes::default(), asked(), row(provider));
        let mut cx = EncodeCx { spec: &spec, model: "m", asked: &asked, changes: &mut changes };
        Client.splice(&head, &mut cx).unwrap().unwrap().memo.rewrites()
    };
    for format in ["", ", \"encoding_format\": \"float\"", ", \"encoding_format\": \"base64\""] {
        assert!(anew("perplexity", format), "{format}");
        assert!(!anew("openai", format) && !anew("huggingface", format), "{format}");
    }
    assert!(!anew("perplexity", ", \"encoding_format\": \"base64_int8\""));
}

#[test]
fn forms_have_the_words_of_their_providers() {
    let sent = |provider: &str, format: &str| {
        let body = format!("{{\"model\":\"m\",\"input\":\"a\",\"encoding_format\":\"{format}\"}}");
        let (body, lost) = splice(&body, &row(provider), "m");
        let body: Value = serde_json::from_str(&body).unwrap();
        (body.get("encoding_format").and_then(Value::as_str).map(str::to_owned), lost.contains("dropped"))
    };
    assert_eq!(sent("voyage", "float"), (None, false));
    assert_eq!(sent("voyage", "base64"), (Some("base64".to_owned()), false));
    assert_eq!(sent("perplexity", "float"), (Some("base64_int8".to_owned()), false));
    assert_eq!(sent("openai", "float"), (Some("float".to_owned()), false));
}

#[test]
fn inputs_are_counted_without_being_read() {
    let check = |input: &str, expect: Option<usize>| {
        let head = Head::scan(Bytes::from(format!("{{\"input\": {input}}}"))).unwrap();
        assert_eq!(Server.vectors_asked(&head).map(|asked| asked.inputs), expect, "{input}");
    };
    check("\"a, b\"", Some(1));
    check("[\"a, b\", \"c\"]", Some(2));
    check("[ 1, 2, 3]", Some(1));
    check("[ [1, 2], [3]]", Some(2));
    check("[{\"text\": \"a\"}, \"b\", {}]", Some(3));
    let body = br#"{"model": "m", "encoding_format": "base64"}"#;
    assert_eq!(Server.vectors_asked(&Head::scan(Bytes::from_static(body)).unwrap()), None);
}

#[test]
fn the_first_vector_tells_in_which_form_all_are() {
    let check = |body: &str, expect: Option<VectorEncoding>| {
        assert_eq!(super::wire::written(body.as_bytes()), expect, "{body}");
        for wanted in [VectorEncoding::Float, VectorEncoding::Base64] {
            let memo = Memo { vectors: Some(wanted), ..Memo::default() };
            assert_eq!(memo.differs(body.as_bytes()), expect.is_some_and(|form| form != wanted), "{body}");
        }
        assert!(!Memo::default().differs(body.as_bytes()), "nobody asked");
    };
    let (float, base64) = (Some(VectorEncoding::Float), Some(VectorEncoding::Base64));
    check(r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}]}"#, float);
    check(r#"{ "data" : [ { "embedding" : "AAAA", "object" : "embedding" } ] }"#, base64);
    check(r#"{"usage":{"embedding":3},"data":[{"embedding":[]}]}"#, float);
    check(r#"{"error":{"message":"no \"embedding\": [1] here"}}"#, None);
    check(r#"{"embedding":"#, None);
    check("", None);
}

#[test]
fn tokens_go_only_where_they_are_understood() {
    let mut own = ProviderSpec { name: "corp".to_owned(), ..ProviderSpec::default() };
    let check = |spec: &ProviderSpec, input: Value, refused: Option<&str>| {
        let body = json!({"model": "m", "input": input});
        let head = Head::scan(Bytes::from(body.to_string())).unwrap();
        let (mut changes, asked) = (Changes::default(), asked());
        let mut cx = EncodeCx { spec, model: "m", asked: &asked, changes: &mut changes };
        // What cannot go as it is, is written, and then it is said why.
        assert_eq!(
            Client.splice(&head, &mut cx).unwrap().is_none(),
            refused.is_some(),
            "{} {body}",
            spec.name
        );
        let written = Client.encode(&Call::Embed(Box::new(decode(&body).unwrap())), &mut cx);
        let param = written.err().map(|error| {
            assert!(error.kind == ErrorKind::BadRequest && error.message.contains("texts"), "{error}");
            error.param.clone().unwrap()
        });
        assert_eq!(param.as_deref(), refused, "{} {body}", spec.name);
    };
    for name in ["openai", "azure", "hosted_vllm", "nebius", "litellm_proxy"] {
        check(&row(name), json!([1, 2, 3]), None);
        check(&row(name), json!([[1], [2, 3]]), None);
    }
    for name in ["mistral", "together_ai", "voyage", "jina_ai", "dashscope", "openrouter", "tei"] {
        check(&row(name), json!([1, 2, 3]), Some("input[0]"));
        check(&row(name), json!([[1], [2, 3]]), Some("input[0]"));
        check(&row(name), json!(["a [1]", [2, 3]]), Some("input[1]"));
        check(&row(name), json!(["[1]", "2"]), None);
        check(&row(name), json!("[1]"), None);
    }
    check(&own, json!([1]), Some("input[0]"));
    own.quirks.token_inputs = Some(true);
    check(&own, json!([1]), None);
}

#[test]
fn who_asks_is_told_only_where_it_is_taken() {
    let check = |name: &str, taken: bool| {
        let body = json!({"model": "m", "input": ["a"], "user": "u"});
        let (written, lost) = encode(decode(&body).unwrap(), &row(name), "m").unwrap();
        let (spliced, lost_too) = splice(&body.to_string(), &row(name), "m");
        let spliced: Value = serde_json::from_str(&spliced).unwrap();
        for (sent, lost) in [(written, lost), (spliced, lost_too)] {
            assert_eq!(sent.get("user").is_some(), taken, "{name} {sent}");
            assert_eq!(lost.contains("dropped user"), !taken, "{name} {lost}");
        }
    };
    for name in ["openai", "azure", "hosted_vllm", "openrouter", "litellm_proxy"] {
        check(name, true);
    }
    for name in ["mistral", "together_ai", "fireworks_ai", "deepinfra", "github", "perplexity", "lm_studio"] {
        check(name, false);
    }
}

#[test]
fn what_vectors_are_for_is_said_in_each_provider_s_words() {
    let check = |name: &str, model: &str, task: &str, expect: (&str, Value), lost: &[&str]| {
        for (cut, shorter) in [(true, "truncate"), (false, "truncate")] {
            let request = EmbedRequest {
                inputs: vec![EmbedInput::text("a")],
                task: Some(task.to_owned()),
                truncate: Some(cut),
                ..EmbedRequest::default()
            };
            let (body, changes) = encode(request, &row(name), model).unwrap();
            let (member, word) = &expect;
            assert_eq!(body.get(*member), Some(word).filter(|word| !word.is_null()), "{name} {body}");
            let sent = match name {
                "voyage" => body["truncation"] == cut,
                "jina_ai" => body[shorter] == cut,
                "nvidia_nim" => body[shorter] == if cut { "END" } else { "NONE" },
                _ => body.get(shorter).is_none(),
            };
            assert!(sent, "{name} {cut} {body}");
            let told: Vec<&str> =
                ["task", "truncate"].into_iter().filter(|lost| changes.contains(lost)).collect();
            assert_eq!(told, lost, "{name} {changes}");
        }
    };
    check("voyage", "voyage-4", "RETRIEVAL_QUERY", ("input_type", json!("query")), &[]);
    check("voyage", "voyage-4", "RETRIEVAL_DOCUMENT", ("input_type", json!("document")), &[]);
    check("voyage", "voyage-4", "CLUSTERING", ("input_type", Value::Null), &["task"]);
    check("jina_ai", "jina-embeddings-v4", "RETRIEVAL_DOCUMENT", ("task", json!("retrieval.passage")), &[]);
    check("jina_ai", "jina-embeddings-v4", "CODE_RETRIEVAL_QUERY", ("task", json!("code.query")), &[]);
    check("jina_ai", "jina-embeddings-v4", "CLUSTERING", ("task", Value::Null), &["task"]);
    check("jina_ai", "jina-embeddings-v3", "CLUSTERING", ("task", json!("separation")), &[]);
    check(
        "nvidia_nim",
        "nvidia/nv-embedqa-e5-v5",
        "RETRIEVAL_DOCUMENT",
        ("input_type", json!("passage")),
        &[],
    );
    check(
        "openai",
        "text-embedding-3-small",
        "RETRIEVAL_QUERY",
        ("task", Value::Null),
        &["task", "truncate"],
    );
}

#[test]
fn whose_form_it_is_counts() {
    let check = |name: &str, members: &str, expect: Option<VectorEncoding>| {
        let body = format!(r#"{{"model":"m","input":"a"{members}}}"#);
        let head = Head::scan(Bytes::from(body)).unwrap();
        let (mut changes, asked) = (Changes::default(), asked());
        let spec = row(name);
        let mut cx = EncodeCx { spec: &spec, model: "m", asked: &asked, changes: &mut changes };
        let wire = Client.splice(&head, &mut cx).unwrap().unwrap();
        assert_eq!(wire.memo.vectors, expect, "{name} {members}");
    };
    check("jina_ai", "", Some(VectorEncoding::Float));
    check("jina_ai", r#","encoding_format":"base64""#, Some(VectorEncoding::Base64));
    // Jina's own word.
    check("jina_ai", r#","embedding_type":"base64""#, None);
    check("openai", r#","encoding_format":"base64""#, Some(VectorEncoding::Base64));
    // A form that is not OpenAI's.
    check("github", r#","encoding_format":"int8""#, None);
}
