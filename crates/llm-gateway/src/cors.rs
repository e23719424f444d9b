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

/// The answer to a browser that asks before it calls.
pub(crate) fn preflight<B>(
    request: &Request<B>,
    allow: Option<&HeaderValue>,
) -> Option<Response<ClientBody>> {
    let asks =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let allow = allow.filter(|_| asks)?;
    let mut response = Response::new(ClientBody::whole(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    let wanted = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or(HeaderValue::from_static("*")));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    write(headers, Some(allow.clone()));
    Some(response)
}

/// Lets the browser hand the answer to the page.
pub(crate) fn write(headers: &mut HeaderMap, allow: Option<HeaderValue>) {
    if let Some(origin) = allow {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
        headers.insert(VARY, HeaderValue::from_static("origin"));
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
            if let Some(answer) = answer {
                assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], origin);
                assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_HEADERS], "authorization");
            }
        };
        check(&listed, "https://app.example", true);
        check(&listed, "https://evil.example", false);
        check(&["*".to_owned()], "https://evil.example", true);
        check(&[], "https://app.example", false);
    }
}
