//! `llmctl models`: what can be called from here, or through a gateway.

use http::Method;
use llm_providers::table::ProviderTable;
use llm_providers::target::is_configured;
use llm_providers::transport::{ReqwestTransport, Transport};
use llm_types::ApiError;
use serde::{Deserialize, Serialize};

use crate::args::ModelsArgs;
use crate::ask::ask;
use crate::exit::{Exit, Failure};
use crate::input::gateway::Gateway;
use crate::output::Output;

/// One row of the list.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Listed {
    model: String,
    provider: String,
}

/// Lists models.
pub(crate) async fn run(args: ModelsArgs, out: &mut Output) -> Result<Exit, Failure> {
    let list = match args.gateway {
        Some(url) => {
            let gateway = Gateway::new(&url, args.key, &process_env).map_err(Failure::Usage)?;
            of_gateway(&gateway, &ReqwestTransport::new()?).await?
        }
        None => of_environment(ProviderTable::builtin(), &process_env),
    };
    if out.json {
        out.json(&list)?;
    } else if list.is_empty() {
        writeln!(
            out.err,
            "no models: set a provider's key, for example OPENAI_API_KEY, or give --gateway URL"
        )?;
    } else {
        out.table(["MODEL", "PROVIDER"], list.into_iter().map(|one| [one.model, one.provider]).collect())?;
    }
    Ok(Exit::Ok)
}

fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The well-known models of every provider that can be called with what the environment holds.
fn of_environment(table: &ProviderTable, env: &dyn Fn(&str) -> Option<String>) -> Vec<Listed> {
    let rows = table.iter().filter(|row| is_configured(row, env));
    rows.flat_map(|row| {
        row.models
            .iter()
            .map(|model| Listed { model: format!("{}/{model}", row.name), provider: row.name.clone() })
    })
    .collect()
}

#[derive(Deserialize)]
struct ModelList {
    data: Vec<ModelRow>,
}

#[derive(Deserialize)]
struct ModelRow {
    id: String,
    #[serde(default)]
    owned_by: String,
}

/// What a gateway serves to this key.
async fn of_gateway(gateway: &Gateway, transport: &dyn Transport) -> Result<Vec<Listed>, ApiError> {
    let url = format!("{}/models", gateway.api_base());
    let list: ModelList = ask(gateway, transport, Method::GET, &url).await?;
    Ok(list.data.into_iter().map(|row| Listed { model: row.id, provider: row.owned_by }).collect())
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use bytes::Bytes;
    use futures_util::stream;
    use http::header::AUTHORIZATION;
    use llm_providers::transport::{ByteStream, RequestBody};
    use llm_types::ErrorKind;

    use super::*;
    use crate::exit::Failure;

    /// Answers `/v1/models` to the right key.
    #[derive(Debug)]
    struct Scripted(&'static str);

    #[async_trait]
    impl Transport for Scripted {
        async fn send(
            &self,
            request: http::Request<RequestBody>,
        ) -> Result<http::Response<ByteStream>, ApiError> {
            assert_eq!(request.uri(), "http://127.0.0.1:4000/v1/models");
            let good = request.headers().get(AUTHORIZATION).is_some_and(|key| key == "Bearer sk-good");
            let (status, text) = match good {
                true => (200, self.0),
                false => (
                    401,
                    r#"{"error":{"message":"wrong key","type":"x","param":null,"code":"invalid_api_key"}}"#,
                ),
            };
            let body: ByteStream = Box::pin(stream::iter([Ok(Bytes::from_static(text.as_bytes()))]));
            Ok(http::Response::builder().status(status).body(body).unwrap())
        }
    }

    async fn listed(key: Option<&str>, text: &'static str) -> Result<Vec<Listed>, ApiError> {
        let gateway = Gateway::new("http://127.0.0.1:4000/", key.map(str::to_owned), &|_| None).unwrap();
        of_gateway(&gateway, &Scripted(text)).await
    }

    #[tokio::test]
    async fn a_gateways_models_are_listed() {
        let list = listed(
            Some("sk-good"),
            r#"{"object":"list","data":[{"id":"smart","owned_by":"openai"},{"id":"b"}]}"#,
        );
        let list: Vec<_> = list.await.unwrap().into_iter().map(|one| (one.model, one.provider)).collect();
        assert_eq!(list, [("smart".to_owned(), "openai".to_owned()), ("b".to_owned(), String::new())]);
    }

    #[tokio::test]
    async fn a_gateways_refusals_are_told_apart() {
        let refused = listed(None, "").await.unwrap_err();
        assert_eq!(refused.message, "wrong key");
        assert_eq!(Failure::from(refused).exit(), Exit::Auth);
        let strange = listed(Some("sk-good"), "<html>").await.unwrap_err();
        assert_eq!(strange.kind, ErrorKind::UpstreamFormat);
    }

    #[test]
    fn providers_with_a_key_are_listed() {
        let env = |name: &str| (name == "ANTHROPIC_API_KEY").then(|| "sk".to_owned());
        let list = of_environment(ProviderTable::builtin(), &env);
        assert!(!list.is_empty());
        assert!(
            list.iter().all(|one| one.provider == "anthropic" && one.model.starts_with("anthropic/")),
            "{list:?}"
        );
        assert_eq!(of_environment(ProviderTable::builtin(), &|_| None), []);
    }
}
