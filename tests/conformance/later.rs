//! Answers that come later, through every front: Replicate's predictions, asked for again or streamed from elsewhere.

use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::front::FRONTS;
use crate::lab::{Lab, deployment, reported};

const MODEL: &str = "replicate/meta/meta-llama-3-70b-instruct";
const CREATE: &str = "/v1/models/meta/meta-llama-3-70b-instruct/predictions";

fn prediction(at: &str, status: &str, output: Value) -> Value {
    let urls = json!({"get": format!("{at}/get"), "cancel": format!("{at}/cancel"), "stream": format!("{at}/stream")});
    json!({"id": "p", "model": "meta/meta-llama-3-70b-instruct", "status": status, "output": output, "urls": urls,
        "metrics": {"input_token_count": 5, "output_token_count": 7}})
}

#[tokio::test]
async fn predictions_answer_every_front() {
    let lab = Lab::start().await;
    for front in FRONTS {
        for stream in [false, true] {
            let upstream = Upstream::start().unwrap();
            let at = upstream.url();
            lab.deploy(deployment(MODEL), upstream.addr());
            upstream
                .push_for(CREATE, Script::status(201).json_body(&prediction(&at, "starting", Value::Null)));
            upstream.push_for("/get", Script::json(&prediction(&at, "succeeded", json!(["Gr", "ün."]))));
            let events =
                ["event: output\ndata: Gr\n\n", "event: output\ndata: ün.\n\n", "event: done\ndata: {}\n\n"];
            upstream.push_for("/stream", Script::sse(events));
            let asked = json!({"max_tokens": 100, "messages": [{"role": "user", "content": "Which?"}]});
            let asked = llm_testkit::conformance::request_to(front.name, &asked).unwrap();
            let answer = lab.call(front, &front.body(&asked, stream), stream).await;
            let name = front.name;
            assert_eq!(
                (answer.status.as_u16(), answer.whole),
                (200, true),
                "{name} {stream}: {}",
                answer.text()
            );
            let facts = front.facts(&answer.body);
            assert_eq!(facts.choices[0].text, "Grün.", "{name} {stream}: {}", answer.text());
            assert_eq!(facts.choices[0].finish.as_deref(), Some("stop"), "{name} {stream}");
            assert!(!stream || front.ends(&answer.text()), "{name}: no clean end");
            let sent = upstream.requests().iter().map(|one| one.path().to_owned()).collect::<Vec<_>>();
            let expect: &[&str] = if stream { &[CREATE, "/stream", "/get"] } else { &[CREATE, "/get"] };
            assert_eq!(sent, expect, "{name}");
            let rows = lab.booked();
            let counted = rows.first().and_then(|row| reported(row)).map(llm_types::Usage::total_tokens);
            assert_eq!((rows.len(), counted), (1, Some(12)), "{name} {stream}");
        }
    }
}

#[tokio::test]
async fn a_prediction_that_fails_is_an_error_in_the_client_s_shape() {
    let lab = Lab::start().await;
    for front in FRONTS {
        let upstream = Upstream::start().unwrap();
        lab.deploy(deployment(MODEL), upstream.addr());
        let mut failed = prediction(&upstream.url(), "failed", Value::Null);
        failed["error"] = "the model ran out of memory".into();
        upstream.push_for(CREATE, Script::status(201).json_body(&failed));
        let asked = json!({"max_tokens": 100, "messages": [{"role": "user", "content": "Which?"}]});
        let asked = llm_testkit::conformance::request_to(front.name, &asked).unwrap();
        let answer = lab.call(front, &front.body(&asked, false), false).await;
        let said = front.facts(&answer.body).error.unwrap_or_default();
        assert!(answer.status.is_server_error() && said.contains("out of memory"), "{}: {said}", front.name);
        let _ = lab.booked();
    }
}
