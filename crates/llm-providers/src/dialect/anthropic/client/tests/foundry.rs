//! The same dialect at Azure AI Foundry: Anthropic's own paths, headers and bodies, and fewer betas.

use llm_types::chat::Message;
use llm_types::{AuthStyle, Dialect, Head, UrlForm};
use serde_json::json;

use super::*;
use crate::name::resolve;
use crate::table::ProviderTable;

#[test]
fn claude_is_asked_in_anthropics_words_and_others_in_openais() {
    let (spec, _) = resolve(ProviderTable::builtin(), "azure_ai/claude-sonnet-4-5").unwrap();
    assert_eq!((spec.dialect, spec.url), (Dialect::Anthropic, UrlForm::AzureAnthropic));
    assert_eq!((spec.auth, spec.key_rules.len()), (AuthStyle::XApiKey, 0));
    assert!(
        spec.offers(Op::CountTokens, "claude-sonnet-4-5") && !spec.offers(Op::Embed, "claude-sonnet-4-5")
    );
    let (spec, _) = resolve(ProviderTable::builtin(), "azure_ai/Mistral-Large-3").unwrap();
    assert_eq!((spec.dialect, spec.url), (Dialect::OpenaiChat, UrlForm::AzureFoundry));
}

#[test]
fn calls_are_anthropics_whichever_way_they_go() {
    let (spec, model) = resolve(ProviderTable::builtin(), "azure_ai/claude-sonnet-4-5").unwrap();
    let mut asked = Asked { dialect: Some(Dialect::Anthropic), ..Asked::of(Op::Chat) };
    let betas = "context-1m-2025-08-07,compact-2026-01-12,fast-mode-2026-02-01,context-1m-2025-08-07";
    asked.headers.insert("anthropic-beta", betas.parse().unwrap());
    let own = json!({"model": "smart", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]});
    let head = Head::scan(own.to_string().into()).unwrap();
    let call = Call::from(ChatRequest::new([Message::user("Hi")]));
    for written in [true, false] {
        let mut changes = Changes::default();
        let mut cx = EncodeCx { spec: &spec, model: &model, asked: &asked, changes: &mut changes };
        let wire = match written {
            true => Client.encode(&call, &mut cx).unwrap(),
            false => Client.splice(&head, &mut cx).unwrap().unwrap(),
        };
        assert_eq!(wire.path, "/v1/messages");
        assert_eq!(wire.headers["anthropic-version"], "2023-06-01");
        assert_eq!(wire.headers["anthropic-beta"], "context-1m-2025-08-07");
        let body: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
        assert_eq!((&body["model"], body.get("anthropic_version")), (&json!("claude-sonnet-4-5"), None));
        let why: Vec<_> = changes.list().iter().map(|change| change.why.to_string()).collect();
        assert_eq!(
            why,
            [
                "Azure AI Foundry does not know compact-2026-01-12",
                "Azure AI Foundry does not know fast-mode-2026-02-01"
            ]
        );
    }
}
