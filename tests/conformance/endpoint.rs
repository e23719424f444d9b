//! Endpoints of SageMaker through every front: text generation servers, and those that speak OpenAI's words.

use llm_config::{Aws, Deployment};
use llm_testkit::event_stream::message;
use llm_testkit::{Script, Upstream, canned};
use llm_types::Secret;
use serde_json::{Value, json};

use crate::front::{FRONTS, Front};
use crate::lab::{Lab, deployment};

const WHOLE: &str = "/endpoints/my-endpoint/invocations";
const STREAMED: &str = "/endpoints/my-endpoint/invocations-response-stream";
const HOST: &str = "runtime.sagemaker.us-east-1.amazonaws.com";

fn at(model: &str) -> Deployment {
    let mut deployment = deployment(model);
    deployment.region = Some("us-east-1".to_owned());
    deployment
}

/// A stream in pieces that end anywhere.
fn pieces(text: &str) -> Script {
    let script = Script::status(200).header("content-type", "application/vnd.amazon.eventstream");
    text.as_bytes()
        .chunks(50)
        .fold(script, |script, piece| script.chunk(message("event", "PayloadPart", piece)))
}

fn asked(front: &Front, stream: bool) -> Value {
    let asked = json!({"max_tokens": 100, "messages": [{"role": "user", "content": "Which?"}]});
    front.body(&llm_testkit::conformance::request_to(front.name, &asked).unwrap(), stream)
}

#[tokio::test]
async fn text_generation_servers_answer_every_front() {
    let lab = Lab::start().await;
    let events = [
        json!({"token": {"text": "Gr", "special": false}, "generated_text": null}),
        json!({"token": {"text": "ün.", "special": false}, "generated_text": null}),
        json!({"token": {"text": "</s>", "special": true}, "generated_text": "Grün.",
            "details": {"finish_reason": "eos_token", "generated_tokens": 3}}),
    ];
    let events: String = events.iter().map(|event| format!("data:{event}\n\n")).collect();
    for front in FRONTS {
        for stream in [false, true] {
            let upstream = Upstream::start().unwrap();
            lab.deploy(at("sagemaker/my-endpoint"), upstream.addr());
            upstream.push_for(WHOLE, Script::json(&json!([{"generated_text": "Grün."}])));
            upstream.push_for(STREAMED, pieces(&events));
            let answer = lab.call(front, &asked(front, stream), stream).await;
            let name = front.name;
            assert_eq!((answer.status.as_u16(), answer.whole), (200, true), "{name}: {}", answer.text());
            let facts = front.facts(&answer.body);
            assert_eq!(facts.choices[0].text, "Grün.", "{name} {stream}: {}", answer.text());
            assert_eq!(facts.choices[0].finish.as_deref(), Some("stop"), "{name} {stream}");
            assert!(!stream || front.ends(&answer.text()), "{name}: no clean end");
            let sent = upstream.last_request().unwrap();
            assert_eq!(sent.path(), if stream { STREAMED } else { WHOLE }, "{name}");
            assert_eq!(lab.meant().unwrap().host(), Some(HOST));
            let body = sent.json();
            assert_eq!(body["inputs"], "Which?", "{name}");
            assert_eq!(body["parameters"]["max_new_tokens"], 100, "{name}: {body}");
            assert_eq!(body["parameters"]["return_full_text"], false, "{name}: {body}");
            assert!(body.get("model").is_none() && body.get("messages").is_none(), "{body}");
        }
    }
}

#[tokio::test]
async fn endpoints_with_openais_words_get_them() {
    let lab = Lab::start().await;
    for front in FRONTS {
        for stream in [false, true] {
            let upstream = Upstream::start().unwrap();
            lab.deploy(at("sagemaker_chat/my-endpoint"), upstream.addr());
            upstream.push_for(WHOLE, Script::json(&canned::openai_completion(20)));
            let events = canned::openai_stream(3, canned::IncludeUsage::Yes);
            let events: String = events.into_iter().collect();
            upstream.push_for(STREAMED, pieces(&events));
            let answer = lab.call(front, &asked(front, stream), stream).await;
            let name = front.name;
            assert_eq!((answer.status.as_u16(), answer.whole), (200, true), "{name}: {}", answer.text());
            assert!(!front.facts(&answer.body).choices[0].text.is_empty(), "{name} {stream}");
            let sent = upstream.last_request().unwrap();
            assert_eq!(sent.path(), if stream { STREAMED } else { WHOLE }, "{name}");
            assert_eq!(sent.json()["messages"][0]["role"], "user", "{name}");
        }
    }
}

#[tokio::test]
async fn one_of_several_models_behind_an_endpoint_is_named_in_a_header() {
    let lab = Lab::start().await;
    let upstream = Upstream::start().unwrap();
    let mut deployment = at("sagemaker/my-endpoint");
    deployment.api_key = None;
    deployment.aws = Some(Aws {
        access_key_id: Some(Secret::new("AKIDEXAMPLE")),
        secret_access_key: Some(Secret::new("secret")),
        ..Aws::default()
    });
    let component = ("X-Amzn-SageMaker-Inference-Component".to_owned(), Secret::new("llama-part"));
    deployment.headers.extend([component]);
    lab.deploy(deployment, upstream.addr());
    upstream.push_for(WHOLE, Script::json(&json!([{"generated_text": "Grün."}])));
    let answer = lab.call(FRONTS[0], &asked(FRONTS[0], false), false).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
    let sent = upstream.last_request().unwrap();
    assert_eq!(sent.header("x-amzn-sagemaker-inference-component"), Some("llama-part"));
    let signed = sent.header("authorization").unwrap();
    assert!(signed.contains("/us-east-1/sagemaker/aws4_request"), "{signed}");
}

#[tokio::test]
async fn models_of_voyage_keep_their_words() {
    let lab = Lab::start().await;
    let upstream = Upstream::start().unwrap();
    lab.deploy(at("sagemaker/my-voyage-3"), upstream.addr());
    let vector = json!({"object": "embedding", "index": 0, "embedding": [1.0]});
    let answer = json!({"object": "list", "data": [vector], "usage": {"total_tokens": 3}});
    upstream.push_for("/endpoints/my-voyage-3/invocations", Script::json(&answer));
    let asked = json!({"model": "m", "input": ["a"], "dimensions": 256, "encoding_format": "float"});
    let answer = lab.post("/v1/embeddings", &asked).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
    let sent = upstream.last_request().unwrap().json();
    assert_eq!(sent["input"], json!(["a"]));
    assert_eq!((&sent["output_dimension"], sent.get("model")), (&json!(256), None), "{sent}");
}
