//! Lists of several pages, at providers of each form.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use llm_types::{ErrorKind, Result};
use serde_json::{Value, json};

use crate::Client;
use crate::transport::{ByteStream, RequestBody, Transport};

/// A provider with so many things, in pages as it is asked for them; `stuck`: it has the first page only, and says that
/// there are more.
#[derive(Debug)]
struct Shelf {
    things: usize,
    stuck: bool,
    asked: Mutex<Vec<String>>,
}

fn thing(path: &str, number: usize) -> Value {
    match path {
        "/v1/messages/batches" => {
            json!({"id": format!("t{number}"), "type": "message_batch", "processing_status": "in_progress",
            "request_counts": {"processing": 1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
            "created_at": "2025-10-09T08:53:20Z", "expires_at": "2025-10-10T08:53:20Z"})
        }
        "/v1/batch/jobs" => {
            json!({"id": format!("t{number}"), "status": "RUNNING", "created_at": 1, "input_files": ["f"]})
        }
        "/v1/batches" => json!({"id": format!("t{number}"), "status": "in_progress", "created_at": 1}),
        _ => {
            json!({"id": format!("t{number}"), "filename": "a", "bytes": 1, "created_at": 1, "purpose": "batch"})
        }
    }
}

#[async_trait]
impl Transport for Shelf {
    async fn send(&self, request: http::Request<RequestBody>) -> Result<http::Response<ByteStream>> {
        let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default());
        self.asked.lock().unwrap().push(query.to_owned());
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
        };
        let number = |name: &str| value(name).and_then(|text| text.parse::<usize>().ok());
        let after = value("after")
            .or_else(|| value("after_id"))
            .map(|id| id.replace('t', "").parse::<usize>().unwrap());
        let size = number("limit").or(number("page_size")).unwrap();
        let from = match self.stuck {
            true => 0,
            false => number("page").map_or(after.map_or(0, |after| after + 1), |page| page * size),
        };
        let until = (from + size).min(self.things);
        let data: Vec<Value> = (from..until).map(|number| thing(&path, number)).collect();
        let mut list = json!({"object": "list", "data": data});
        // Who numbers pages says only how many things there are.
        match number("page") {
            Some(_) => list["total"] = self.things.into(),
            None => list["has_more"] = (until < self.things).into(),
        }
        let body: ByteStream = Box::pin(stream::iter([Ok(Bytes::from(list.to_string()))]));
        Ok(http::Response::new(body))
    }
}

fn shelf(things: usize, stuck: bool) -> (Client, Arc<Shelf>) {
    let shelf = Arc::new(Shelf { things, stuck, asked: Mutex::default() });
    let client = Client::builder()
        .transport(Arc::<Shelf>::clone(&shelf) as Arc<dyn Transport>)
        .env(|name| name.ends_with("_API_KEY").then(|| "sk-test".to_owned()))
        .build()
        .unwrap();
    (client, shelf)
}

#[tokio::test]
async fn lists_are_read_page_by_page_as_far_as_is_wanted() {
    let check = async |provider: &str, limit: usize, expect: usize, pages: &[&str]| {
        let (client, shelf) = shelf(250, false);
        let files = client.files(provider, limit).await.unwrap();
        let ids: Vec<String> = files.into_iter().map(|file| file.id).collect();
        assert_eq!(ids, (0..expect).map(|number| format!("t{number}")).collect::<Vec<_>>(), "{provider}");
        assert_eq!(*shelf.asked.lock().unwrap(), pages, "{provider}");
    };
    check("openai", 1000, 250, &["limit=100", "limit=100&after=t99", "limit=100&after=t199"]).await;
    check("openai", 120, 120, &["limit=100", "limit=20&after=t99"]).await;
    check("openai", 100, 100, &["limit=100"]).await;
    let numbered = ["page=0&page_size=100", "page=1&page_size=100", "page=2&page_size=100"];
    check("mistral", 1000, 250, &numbered).await;
    check("mistral", 120, 120, &numbered[..2]).await;
}

#[tokio::test]
async fn so_are_batches_in_each_form() {
    for (provider, last) in [
        ("openai", "limit=100&after=t199"),
        ("mistral", "page=2&page_size=100"),
        ("anthropic", "limit=100&after_id=t199"),
    ] {
        let (client, shelf) = shelf(250, false);
        let found = client.batches(provider, 1000).await.unwrap();
        assert_eq!((found.len(), &*found[249].id), (250, "t249"), "{provider}");
        let asked = shelf.asked.lock().unwrap();
        assert_eq!((asked.len(), asked[2].as_str()), (3, last), "{provider}");
    }
}

#[tokio::test]
async fn a_page_that_comes_again_is_an_error() {
    for provider in ["openai", "mistral", "anthropic"] {
        let (client, shelf) = shelf(250, true);
        let error = client.batches(provider, 1000).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::UpstreamFormat, "{provider}");
        assert!(error.message.contains("does not go on"), "{provider}: {error}");
        assert_eq!(shelf.asked.lock().unwrap().len(), 2, "{provider}");
    }
}

#[tokio::test]
async fn an_empty_list_is_one() {
    let (client, shelf) = shelf(0, false);
    assert!(client.files("openai", 10).await.unwrap().is_empty());
    assert!(client.batches("anthropic", 10).await.unwrap().is_empty());
    assert_eq!(*shelf.asked.lock().unwrap(), ["limit=10", "limit=10"]);
}
