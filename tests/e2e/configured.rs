//! Keys and groups of the configuration file: there from the start, gone with a reload, and nobody else's to change.

use http::Method;
use serde_json::json;

use crate::harness::Gateway;

const MASTER: &str = "Bearer sk-master";
const KEY: &str = "Bearer a-key-of-twenty-characters";
const BASE: &str = "[auth]\nmaster_key = \"sk-master\"\n[[models]]\nname = \"a\"\n\
     deployments = [{ model = \"mock/echo\" }]\n[[models]]\nname = \"b\"\ndeployments = [{ model = \"mock/echo\" }]\n";

#[tokio::test]
async fn keys_of_the_file_are_good_from_the_start_and_the_files_alone() {
    let team = "[[teams]]\nid = \"search\"\nmodels = [\"a\"]\n\
         budgets = [{ limit_usd = \"5\", window = \"week\", time_zone = \"Asia/Tokyo\" }]\n";
    let key = "[[keys]]\nname = \"ci\"\nkey = \"a-key-of-twenty-characters\"\nteam = \"search\"\n";
    let gateway = Gateway::start(&format!("{BASE}{team}{key}"));
    let call = async |method: Method, path: &str, key: &str, body: &str| {
        gateway.call(method, path).header("authorization", key).body(body.to_owned()).send().await
    };
    let models = call(Method::GET, "/v1/models", KEY, "").await.json();
    assert_eq!((&models["data"][0]["id"], &models["data"][1]), (&json!("a"), &json!(null)));
    let keys = call(Method::GET, "/admin/v1/keys", MASTER, "").await.json();
    let listed = &keys["data"][0];
    assert_eq!((&listed["name"], &listed["managed_by"]), (&json!("ci"), &json!("config")));
    let path = format!("/admin/v1/keys/{}", listed["id"].as_str().unwrap());
    for (method, path, body) in [
        (Method::PATCH, path.clone(), "{\"models\": [\"*\"]}"),
        (Method::DELETE, path.clone(), ""),
        (Method::POST, format!("{path}/rotate"), ""),
        (Method::POST, "/admin/v1/teams/search/block".to_owned(), ""),
        (Method::DELETE, "/admin/v1/budgets/team:search/week/hard/Asia/Tokyo".to_owned(), ""),
    ] {
        let error = call(method, &path, MASTER, body).await.error(409);
        assert!(["defined_in_config", "not_empty"].contains(&error.code.as_str()), "{path}: {error:?}");
    }
    assert_eq!(call(Method::GET, "/v1/models", KEY, "").await.status, 200);
    // The key leaves the file, the team's terms change.
    gateway.reconfigure(&format!("{BASE}{}", team.replace("\"a\"", "\"b\"")));
    call(Method::GET, "/v1/models", KEY, "").await.error(401);
    let team = call(Method::GET, "/admin/v1/teams/search", MASTER, "").await.json();
    assert_eq!((&team["models"], &team["managed_by"]), (&json!(["b"]), &json!("config")));
}

#[tokio::test]
async fn what_an_admin_made_outlives_a_reload() {
    let gateway = Gateway::start(BASE);
    let make = gateway.post("/admin/v1/keys").header("authorization", MASTER).body("{}").send().await.json();
    let bearer = format!("Bearer {}", make["key"].as_str().unwrap());
    gateway.reconfigure(&format!("{BASE}[[teams]]\nid = \"search\"\n"));
    let reply = gateway.call(Method::GET, "/v1/models").header("authorization", &bearer).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}
