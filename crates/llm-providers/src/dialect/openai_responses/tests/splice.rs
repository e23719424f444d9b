//! A body of this dialect on its way to a provider of it.

use super::{plain, row, splice};

const BODY: &str = r#"{ "model": "smart", "input": [{"role":"user","content":"Hi \u00e9"}], "max_tokens": 5, "store": true }"#;

#[test]
fn only_the_model_is_replaced() {
    let (body, changes) = splice(BODY, &plain(), "gpt-5").unwrap();
    assert_eq!(body, BODY.replace("\"smart\"", "\"gpt-5\""));
    assert_eq!(changes, "");
    assert_eq!(splice(&body, &plain(), "gpt-5").unwrap().0, body);
}

#[test]
fn a_row_s_demands_are_edits() {
    let spec = row("name = \"p\"\nquirks = { drop = [\"store\"], clamp = { max_tokens = [16.0, 1e9] } }");
    let (body, changes) = splice(BODY, &spec, "m").unwrap();
    assert_eq!(
        body,
        r#"{ "model": "m", "input": [{"role":"user","content":"Hi \u00e9"}], "max_tokens": 16 }"#
    );
    assert_eq!(changes, "altered max_tokens (p takes 16 to 1000000000)\ndropped store (not supported by p)");
}

#[test]
fn an_effort_decides_which_rules_hold() {
    let spec =
        row("name = \"p\"\n[[rules]]\nmodels = [\"*\"]\nefforts = [\"high\"]\ndrop = [\"temperature\"]");
    let check = |reasoning: &str, expect: bool| {
        let body = format!(r#"{{"model":"m","input":"x","temperature":0.5{reasoning}}}"#);
        let (sent, _) = splice(&body, &spec, "m").unwrap();
        assert_eq!(sent.contains("temperature"), expect, "{reasoning}");
    };
    check("", true);
    check(r#","reasoning":{"summary":"auto"}"#, true);
    check(r#","reasoning":null"#, true);
    check(r#","reasoning":{"effort":null}"#, true);
    check(r#","reasoning":{"effort":"low"}"#, true);
    check(r#","reasoning":{"effort":"high"}"#, false);
}

#[test]
fn what_the_provider_could_not_read_takes_the_full_way() {
    let body = |text: &str| {
        format!(r#"{{"model":"m","input":[{{"type":"reasoning","encrypted_content":"{text}"}}]}}"#)
    };
    assert!(splice(&body("gAAAA"), &plain(), "m").is_some());
    assert!(splice(&body("sealed:anthropic::EqQB"), &plain(), "m").is_none());
    let spec = row("name = \"xai\"\nquirks = { drop = [\"instructions\"] }");
    assert!(splice(r#"{"model":"m","input":"x","instructions":"i"}"#, &spec, "m").is_none());
    assert!(splice(r#"{"model":"m","input":"x","instructions":null}"#, &spec, "m").is_some());
}
