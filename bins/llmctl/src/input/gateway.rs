//! A gateway's address and key.

use llm_types::Secret;

/// Environment variables that may hold a gateway's key, in order.
const KEY_ENV: [&str; 2] = ["GATEWAY_API_KEY", "GATEWAY_MASTER_KEY"];

/// Where a gateway is, and what opens it.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// Its address, without a slash at the end.
    pub(crate) root: String,
    /// `None`: a gateway that asks for none.
    pub(crate) key: Option<Secret>,
}

impl Gateway {
    /// Reads an address with or without `/v1`; the key is the one given, else the environment's.
    pub(crate) fn new(
        url: &str,
        key: Option<String>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let valid = url.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
                && uri.query().is_none()
        });
        if !valid {
            anyhow::bail!("`{url}` is not the address of a gateway, write for example http://127.0.0.1:4000");
        }
        let bare = url.trim_end_matches('/');
        let bare = bare.strip_suffix("/v1").unwrap_or(bare).trim_end_matches('/');
        let key = key.or_else(|| KEY_ENV.iter().find_map(|name| env(name)));
        let key = key.filter(|key| !key.is_empty()).map(Secret::new);
        Ok(Self { root: bare.to_owned(), key })
    }

    /// Its OpenAI-compatible API.
    pub(crate) fn api_base(&self) -> String {
        format!("{}/v1", self.root)
    }

    /// Its admin API.
    pub(crate) fn admin_base(&self) -> String {
        format!("{}/admin/v1", self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_keys() {
        let env = |name: &str| match name {
            "GATEWAY_MASTER_KEY" => Some("master".to_owned()),
            _ => None,
        };
        let check = |url: &str, key: Option<&str>, base: &str, expect: &str| {
            let gateway = Gateway::new(url, key.map(str::to_owned), &env).unwrap();
            assert_eq!(gateway.api_base(), base);
            assert_eq!(gateway.key.unwrap().expose(), expect);
        };
        check("http://127.0.0.1:4000", None, "http://127.0.0.1:4000/v1", "master");
        check("http://127.0.0.1:4000/", Some("own"), "http://127.0.0.1:4000/v1", "own");
        check("https://llm.example.com/gw/v1/", None, "https://llm.example.com/gw/v1", "master");
        for bad in ["127.0.0.1:4000", "localhost", "ftp://x", "http://x/?a=b", ""] {
            assert!(Gateway::new(bad, None, &env).is_err(), "{bad}");
        }
        assert!(Gateway::new("http://x", None, &|_| None).unwrap().key.is_none());
    }
}
