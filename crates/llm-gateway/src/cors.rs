//! Calls from browsers: the origins that `server.cors` allows.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use crate::body::ClientBody;

/// The request's origin, if it may call.
pub(crate) fn allowed(origins: &[String], headers: &HeaderMap) -> Option<HeaderValue> {
    if origins.is_empty() {
        return None;
    }
    let origin = headers.get(ORIGIN)?;
    let text = origin.to_str().ok()?;
    origins.iter().any(|allowed| allowed == "*" || allowed == text).then(|| origin.clone())
}

/// What pages may send: whatever a route is served by.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The answer to a browser that asks before it calls.
pub(crate) fn preflight<B>(
    request: &Request<B>,
    allow: Option<&HeaderValue>,
) -> Option<Response<ClientBody>> {
    let asks =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    allow.filter(|_| asks)?;
    let mut response = Response::new(ClientBody::whole(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    let wanted = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or(HeaderValue::from_static("*")));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    Some(response)
}

/// Lets the browser hand the answer to the page. Where origins are told apart the answer says so, also to one
/// that may not call: else a cache would hand one origin's answer to another.
pub(crate) fn write(origins: &[String], headers: &mut HeaderMap, allow: Option<HeaderValue>) {
    if origins.is_empty() {
        return;
    }
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = allow {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(origin: &str) -> Request<()> {
        Request::builder()
            .method(Method::OPTIONS)
            .header(ORIGIN, origin)
            .header(ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(ACCESS_CONTROL_REQUEST_HEADERS, "authorization")
            .body(())
            .unwrap()
    }

    #[test]
    fn only_listed_origins_may_call() {
        let listed = ["https://app.example".to_owned()];
        let check = |origins: &[String], origin: &str, expect: bool| {
            let request = request(origin);
            let allow = allowed(origins, request.headers());
            let answer = preflight(&request, allow.as_ref());
            assert_eq!(answer.is_some(), expect, "{origin}");
            if let Some(mut answer) = answer {
                write(origins, answer.headers_mut(), allow);
                assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], origin);
                assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_HEADERS], "authorization");
            }
        };
        check(&listed, "https://app.example", true);
        check(&listed, "https://evil.example", false);
        check(&["*".to_owned()], "https://evil.example", true);
        check(&[], "https://app.example", false);
    }

    #[test]
    fn answers_say_that_they_differ_by_origin() {
        let check = |origins: &[&str], origin: Option<&str>, varies: bool, allowed_to: Option<&str>| {
            let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
            let asked = origin.map(request).unwrap_or_default();
            let mut headers = HeaderMap::new();
            write(&origins, &mut headers, allowed(&origins, asked.headers()));
            assert_eq!(headers.get(VARY).is_some(), varies, "{origins:?} {origin:?}");
            let told = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|told| told.to_str().unwrap());
            assert_eq!(told, allowed_to, "{origins:?} {origin:?}");
        };
        check(&["https://a"], Some("https://a"), true, Some("https://a"));
        check(&["https://a"], Some("https://b"), true, None);
        check(&["https://a"], None, true, None);
        check(&["*"], Some("https://b"), true, Some("https://b"));
        check(&[], Some("https://a"), false, None);
    }
}
