//! Pictures in other numbers and forms than their provider makes: several requests for one, bytes for addresses,
//! variations, events of an edit.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_testkit::{Gate, Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, Options, PATIENCE, PROVIDER_KEY, Reply, model};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nwhat a picture holds";

fn at(name: &str, base: &str) -> String {
    format!("{{ model = \"{name}\", api_base = \"{base}\", api_key = \"{PROVIDER_KEY}\" }}")
}

async fn make(gateway: &Gateway, body: &Value) -> Reply {
    gateway.post("/v1/images/generations").body(body.to_string()).send().await
}

/// A form whose `image` and `mask` are files.
async fn form(gateway: &Gateway, path: &str, fields: &[(&str, &str)]) -> Reply {
    let mut out = String::new();
    for (name, text) in fields {
        let file = match *name {
            "image" | "mask" => "; filename=\"a.png\"\r\nContent-Type: image/png",
            _ => "",
        };
        out += &format!("--frame\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{text}\r\n");
    }
    out += "--frame--\r\n";
    gateway.post(path).header("content-type", "multipart/form-data; boundary=frame").body(out).send().await
}

/// What a form says in a field of text.
fn field(body: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(body).into_owned();
    let (_, rest) = text.split_once(&format!("name=\"{name}\"\r\n\r\n"))?;
    rest.split_once("\r\n").map(|(value, _)| value.to_owned())
}

fn base64s(reply: &Reply) -> Vec<String> {
    let json = reply.json();
    let data = json["data"].as_array().unwrap_or_else(|| panic!("{}", reply.text()));
    data.iter().filter_map(|image| image["b64_json"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn more_pictures_than_one_call_makes_come_in_their_order() {
    let upstream = Upstream::start().unwrap();
    // The picture is its seed.
    upstream.on("/v2beta/stable-image/generate/core", |request| {
        let seed = field(&request.body, "seed").unwrap_or_default();
        Script::json(&json!({"image": STANDARD.encode(seed), "finish_reason": "SUCCESS"}))
    });
    upstream.on("/model/amazon.nova-canvas-v1%3A0/invoke", |request| {
        let n = request.json()["imageGenerationConfig"]["numberOfImages"].as_u64().unwrap_or(1);
        Script::json(&json!({"images": vec!["YQ=="; usize::try_from(n).unwrap()]}))
    });
    let gateway = Gateway::start(
        &[
            model("core", &[at("stability/core", &upstream.url())]),
            model("canvas", &[at("bedrock/amazon.nova-canvas-v1:0", &upstream.url())]),
        ]
        .concat(),
    );
    let reply = make(&gateway, &json!({"model": "core", "prompt": "a", "n": 3, "seed": 7})).await;
    let seeds = ["7", "8", "9"].map(|seed| STANDARD.encode(seed));
    assert_eq!(base64s(&reply), seeds, "{}", reply.text());
    assert!(reply.header("x-gateway-changes").contains("altered seed"), "{:?}", reply.headers);
    assert_eq!(upstream.requests().len(), 3);

    let reply = make(&gateway, &json!({"model": "canvas", "prompt": "a", "n": 7})).await;
    assert_eq!(base64s(&reply).len(), 7, "{}", reply.text());
    // Seven at 0.06 dollars.
    assert_eq!(reply.header("x-gateway-cost-usd"), "0.42");
    let mut asked: Vec<u64> = upstream
        .requests()
        .iter()
        .skip(3)
        .filter_map(|request| request.json()["imageGenerationConfig"]["numberOfImages"].as_u64())
        .collect();
    asked.sort_unstable();
    assert_eq!(asked, [2, 5]);
    // To who wants events they are events.
    let reply = make(&gateway, &json!({"model": "canvas", "prompt": "a", "n": 6, "stream": true})).await;
    assert_eq!(reply.text().matches("event: image_generation.completed\n").count(), 6, "{}", reply.text());

    make(&gateway, &json!({"model": "core", "prompt": "a", "n": 101})).await.error(400).says(&["100"]);
    upstream.on("/v2beta/stable-image/generate/core", |_| {
        Script::status(403)
            .json_body(&json!({"id": "1", "name": "content_moderation", "errors": ["flagged"]}))
    });
    let held = make(&gateway, &json!({"model": "core", "prompt": "a", "n": 2})).await;
    assert_eq!(held.error(400).code, "content_policy_violation");
}

#[tokio::test]
async fn events_of_an_edit_are_called_so() {
    let upstream = Upstream::start().unwrap();
    let turn = json!({"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "Yg=="}}]}, "finishReason": "STOP"}]});
    upstream.always(Script::json(&turn));
    let gateway = Gateway::start(&model("gemini", &[at("gemini/gemini-2.5-flash-image", &upstream.url())]));
    let fields = [("model", "gemini"), ("prompt", "green"), ("image", "PNG"), ("stream", "true")];
    let reply = form(&gateway, "/v1/images/edits", &fields).await;
    let text = reply.text();
    assert!(
        text.starts_with("event: image_edit.completed\ndata: {\"type\":\"image_edit.completed\""),
        "{text}"
    );
    let made = make(&gateway, &json!({"model": "gemini", "prompt": "a", "stream": true})).await;
    assert!(made.text().starts_with("event: image_generation.completed\n"), "{}", made.text());
}

#[tokio::test]
async fn a_picture_is_varied_where_that_can_be_done() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(
        &json!({"created": 1, "data": [{"url": "https://a.example/1"}, {"url": "https://a.example/2"}]}),
    ));
    let v1 = format!("{}/v1", upstream.url());
    let priced = at("openai/dall-e-2", &v1).replace(" }", ", price = { per_image = 0.018 } }");
    let gateway = Gateway::start(
        &[
            model("dalle", &[priced]),
            model("canvas", &[at("bedrock/amazon.nova-canvas-v1:0", &upstream.url())]),
            model("gemini", &[at("gemini/gemini-2.5-flash-image", &upstream.url())]),
        ]
        .concat(),
    );
    let vary = async |fields: &[(&str, &str)]| form(&gateway, "/v1/images/variations", fields).await;
    let reply =
        vary(&[("model", "dalle"), ("image", "PNG"), ("n", "2"), ("size", "512x512"), ("user", "u")]).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["data"][1]["url"], "https://a.example/2");
    // Two at 0.018 dollars.
    assert_eq!(reply.header("x-gateway-cost-usd"), "0.036");
    let sent = upstream.last_request().unwrap();
    assert_eq!(sent.path(), "/v1/images/variations");
    for (name, expect) in
        [("model", Some("dall-e-2")), ("n", Some("2")), ("size", Some("512x512")), ("prompt", None)]
    {
        assert_eq!(field(&sent.body, name).as_deref(), expect, "{name}");
    }
    upstream.always(Script::json(&json!({"images": ["YQ=="]})));
    let reply = vary(&[("model", "canvas"), ("image", "PNG")]).await;
    assert_eq!((base64s(&reply), reply.header("x-gateway-cost-usd")), (vec!["YQ==".to_owned()], "0.06"));
    assert_eq!(upstream.last_request().unwrap().json()["taskType"], "IMAGE_VARIATION");

    let before = upstream.requests().len();
    vary(&[("model", "gemini"), ("image", "PNG")]).await.error(400).says(&["image_variation", "gemini"]);
    assert_eq!(vary(&[("model", "dalle"), ("n", "2")]).await.error(400).param, "image");
    let json = gateway.post("/v1/images/variations").body(json!({"model": "dalle"}).to_string()).send().await;
    json.error(400).says(&["multipart/form-data"]);
    assert_eq!(upstream.requests().len(), before);
}

#[tokio::test]
async fn bytes_are_read_where_only_addresses_are_given() {
    let (upstream, host) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    host.on("/a.png", |_| Script::status(200).header("content-type", "image/png").body(PNG));
    host.on("/page", |_| Script::status(200).body("<html>"));
    let (good, page) = (format!("{}/a.png", host.url()), format!("{}/page", host.url()));
    let address = good.clone();
    upstream.on("/v1/images/generations", move |request| {
        let n = request.json()["n"].as_u64().unwrap_or(1);
        let data: Vec<_> =
            (0..n).map(|nth| json!({"url": if nth == 0 { &address } else { &page }})).collect();
        Script::json(&json!({"created": 1, "data": data, "background": "opaque"}))
    });
    let models = model("far", &[at("nscale/flux", &format!("{}/v1", upstream.url()))]);
    let start = |settings: &str| Options::config(format!("[fetch]\n{settings}\n{models}")).start();
    let ask =
        |n: u32, format: &str| json!({"model": "far", "prompt": "a", "n": n, "response_format": format});

    let open = start("allow = [\"127.0.0.0/8\"]");
    let reply = make(&open, &ask(1, "b64_json")).await;
    assert_eq!(reply.json()["data"], json!([{"b64_json": STANDARD.encode(PNG)}]), "{}", reply.text());
    assert_eq!((reply.header("x-gateway-changes"), &reply.json()["background"]), ("", &json!("opaque")));
    assert!(host.requests().iter().all(|request| request.header("authorization").is_none()));
    // What cannot be read stays where it lies, and that is told.
    let reply = make(&open, &ask(2, "b64_json")).await;
    assert_eq!(base64s(&reply), [STANDARD.encode(PNG)]);
    assert!(reply.json()["data"][1]["url"].as_str().unwrap().ends_with("/page"), "{}", reply.text());
    assert!(reply.header("x-gateway-changes").contains("altered response_format"), "{:?}", reply.headers);
    let seen = host.requests().len();
    let reply = make(&open, &ask(1, "url")).await;
    assert_eq!(reply.json()["data"][0]["url"], *good);

    let shut = start("enabled = false");
    let reply = make(&shut, &ask(1, "b64_json")).await;
    assert_eq!(reply.json()["data"][0]["url"], *good);
    assert!(reply.header("x-gateway-changes").contains("`fetch` is off"), "{:?}", reply.headers);
    // Nor is what is not public.
    let public = start("timeout = \"5s\"");
    let reply = make(&public, &ask(1, "b64_json")).await;
    assert!(reply.header("x-gateway-changes").contains("not public"), "{:?}", reply.headers);
    assert_eq!(host.requests().len(), seen);
}

#[tokio::test]
async fn pictures_of_an_edit_are_fetched_for_who_takes_bytes() {
    let (upstream, host) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    upstream.always(Script::json(&json!({"images": ["YQ=="]})));
    host.on("/a.png", |_| Script::status(200).header("content-type", "image/png").body(PNG));
    host.on("/none", |_| Script::status(404));
    let models = model("canvas", &[at("bedrock/amazon.nova-canvas-v1:0", &upstream.url())]);
    let start = |settings: &str| Options::config(format!("[fetch]\n{settings}\n{models}")).start();
    let edit = async |gateway: &Gateway, image: &str, mask: &str| {
        let body = json!({"model": "canvas", "prompt": "p",
            "images": [{"image_url": image}], "mask": {"image_url": mask}});
        gateway.post("/v1/images/edits").body(body.to_string()).send().await
    };
    let far = format!("{}/a.png", host.url());
    let open = start("allow = [\"127.0.0.0/8\"]");
    let reply = edit(&open, &far, "data:image/png;base64,TQ==").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let expect = json!({"image": STANDARD.encode(PNG), "maskImage": "TQ==", "text": "p"});
    assert_eq!(upstream.last_request().unwrap().json()["inPaintingParams"], expect);
    let reply = edit(&open, "data:image/png;base64,SQ==", &far).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let expect = json!({"image": "SQ==", "maskImage": STANDARD.encode(PNG), "text": "p"});
    assert_eq!(upstream.last_request().unwrap().json()["inPaintingParams"], expect);

    let asked = upstream.requests().len();
    let none = format!("{}/none", host.url());
    edit(&open, &none, &far).await.error(400).says(&["404", "/none", "cannot be fetched"]);
    let shut = start("enabled = false");
    assert_eq!(edit(&shut, &far, &far).await.error(400).param, "image");
    edit(&start("timeout = \"5s\""), &far, &far).await.error(400).says(&["not public"]);
    assert_eq!(upstream.requests().len(), asked);
}

#[tokio::test]
async fn each_request_of_an_edit_is_reserved_with_its_pictures() {
    let upstream = Upstream::start().unwrap();
    let part = json!({"inlineData": {"mimeType": "image/png", "data": "Yg=="}});
    let turn = json!({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]});
    upstream.always(Script::json(&turn));
    // A picture that is given has at most 8,192 tokens: about 8 dollars.
    let priced = at("gemini/gemini-2.5-flash-image", &upstream.url())
        .replace(" }", ", price = { input = 1000.0, output = 0.001 } }");
    let gateway =
        Gateway::start(&format!("[auth]\nmaster_key = \"sk-master\"\n{}", model("painter", &[priced])));
    let budgets = json!([{"limit_usd": "15", "window": "total", "hard": true}]);
    let made = gateway.post("/admin/v1/keys").header("authorization", "Bearer sk-master");
    let made = made.body(json!({"name": "k", "budgets": budgets}).to_string()).send().await;
    let key = format!("Bearer {}", made.json()["key"].as_str().unwrap());
    let edit = async |n: u32| {
        let file = "name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png";
        let mut body = format!("--frame\r\nContent-Disposition: form-data; {file}\r\n\r\nPNG\r\n");
        for (name, text) in
            [("model", "painter".to_owned()), ("prompt", "green".to_owned()), ("n", n.to_string())]
        {
            body += &format!("--frame\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
        }
        let call = gateway.post("/v1/images/edits").header("authorization", &key);
        let call = call.header("content-type", "multipart/form-data; boundary=frame");
        call.body(body + "--frame--\r\n").send().await
    };
    // Three requests, each with the picture.
    edit(3).await.error(402);
    assert!(upstream.requests().is_empty());
    let reply = edit(1).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// One picture.
fn one_picture() -> Script {
    Script::json(&json!({"created": 1, "data": [{"b64_json": "YQ=="}]}))
}

#[tokio::test]
async fn each_part_counts_in_the_limits_of_its_deployment() {
    let upstream = Upstream::start().unwrap();
    upstream.always(one_picture());
    let bounded =
        |limits: &str| at("openai/dall-e-3", &upstream.url()).replace(" }", &format!(", {limits} }}"));
    let gateway = Gateway::start(&model("small", &[bounded("rpm = 2")]));
    let ask = |n: u32| json!({"model": "small", "prompt": "a", "n": n});
    // Five never fit into two a minute.
    let refused = make(&gateway, &ask(5)).await;
    assert!(refused.header("retry-after").parse::<u32>().is_ok(), "{:?}", refused.headers);
    refused.error(429).says(&["5 calls", "2 are allowed"]);
    assert_eq!(upstream.requests().len(), 0);
    assert_eq!(base64s(&make(&gateway, &ask(2)).await).len(), 2);
    make(&gateway, &ask(1)).await.error(429);
    assert_eq!(upstream.requests().len(), 2);
    // Where somebody else has room for all of them, that one is asked.
    let other = Upstream::start().unwrap();
    other.always(one_picture());
    let wide = at("openai/dall-e-3", &other.url()).replace(" }", ", order = 1 }");
    let gateway = Gateway::start(&model("small", &[bounded("rpm = 2"), wide]));
    let made = make(&gateway, &ask(3)).await;
    assert_eq!((base64s(&made).len(), upstream.requests().len(), other.requests().len()), (3, 2, 3));
    // Nothing stays booked of what was not sent.
    assert_eq!(base64s(&make(&gateway, &ask(2)).await).len(), 2);
    assert_eq!((upstream.requests().len(), other.requests().len()), (4, 3));
}

#[tokio::test]
async fn as_many_parts_are_under_way_as_the_deployment_may_have() {
    let upstream = Upstream::start().unwrap();
    let gate = Gate::new();
    upstream.always(one_picture().gate_head(&gate));
    let bounded = at("openai/dall-e-3", &upstream.url()).replace(" }", ", max_parallel = 2 }");
    let gateway = Gateway::start(&model("small", &[bounded]));
    let body = json!({"model": "small", "prompt": "a", "n": 5});
    let making = make(&gateway, &body);
    tokio::pin!(making);
    let until = Instant::now() + PATIENCE;
    while upstream.requests().len() < 2 {
        assert!(Instant::now() < until, "two may be asked for beside each other");
        tokio::select! {
            reply = &mut making => panic!("{}", reply.text()),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
    }
    // Whatever else were sent would come now.
    tokio::select! {
        reply = &mut making => panic!("{}", reply.text()),
        () = tokio::time::sleep(Duration::from_millis(200)) => {}
    }
    assert_eq!(upstream.requests().len(), 2);
    assert_eq!(gateway.deployment("small/1").await["in_flight"], 2);
    gate.open();
    assert_eq!(base64s(&making.await).len(), 5);
    gateway.wait_deployment("small/1", |known| known["in_flight"] == 0).await;
}
