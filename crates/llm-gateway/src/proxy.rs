//! Where a request comes from, behind proxies.
//!
//! A load balancer writes down whom it got a request from (`x-forwarded-for`), behind whatever stands there already;
//! and so can anybody else. So what it says is believed of peers that the configuration trusts, from the end: the last
//! address that is none of theirs.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use llm_governance::Cidr;
use llm_types::{ApiError, Result};

const FORWARDED: &str = "x-forwarded-for";

/// Proxies whose word is taken for where a request comes from.
#[derive(Debug, Default)]
pub(crate) struct Proxies(Vec<Cidr>);

impl Proxies {
    /// Those of a configuration.
    ///
    /// # Errors
    /// For what is no range of addresses.
    pub(crate) fn of(ranges: &[String]) -> Result<Self> {
        let read = |range: &String| {
            range.parse().map_err(|error: llm_governance::Error| {
                let message = format!("server.trusted_proxies: {error}");
                ApiError::bad_request(message).with_source(error)
            })
        };
        ranges.iter().map(read).collect::<Result<_>>().map(Self)
    }

    /// Where a request comes from that this peer brought.
    pub(crate) fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut origin = peer;
        let mut said = headers.get_all(FORWARDED).iter().rev().flat_map(|value| {
            let text = value.to_str().unwrap_or("?");
            text.rsplit(',').map(address)
        });
        while self.0.iter().any(|range| range.contains(origin)) {
            match said.next() {
                Some(Some(before)) => origin = before,
                // What cannot be read hides whoever it is: it comes from the proxy.
                Some(None) | None => break,
            }
        }
        origin
    }
}

/// An address as proxies write it, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse::<IpAddr>().ok().or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let proxies = Proxies::of(&["10.0.0.0/8".to_owned(), "fd00::1".to_owned()]).unwrap();
        let check = |peer: &str, said: &[&'static str], expect: &str| {
            let headers: HeaderMap =
                said.iter().map(|value| (FORWARDED.parse().unwrap(), value.parse().unwrap())).collect();
            let origin = proxies.origin(peer.parse().unwrap(), &headers);
            assert_eq!(origin, expect.parse::<IpAddr>().unwrap(), "{peer} {said:?}");
        };
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["192.0.2.7"], "192.0.2.7");
        check("192.0.2.1", &["192.0.2.7"], "192.0.2.1");
        // What a client wrote itself stands before what the proxies wrote.
        check("10.0.0.1", &["203.0.113.9, 192.0.2.7"], "192.0.2.7");
        check("10.0.0.1", &["203.0.113.9", "192.0.2.7, 10.2.3.4"], "192.0.2.7");
        check("10.0.0.1", &["10.0.0.9, 10.0.0.8"], "10.0.0.9");
        check("fd00::1", &["[2001:db8::5]:443"], "2001:db8::5");
        check("10.0.0.1", &["192.0.2.7:80"], "192.0.2.7");
        check("10.0.0.1", &["::ffff:192.0.2.7"], "192.0.2.7");
        check("10.0.0.1", &["192.0.2.7, unknown"], "10.0.0.1");
        let error = Proxies::of(&["ten".to_owned()]).unwrap_err();
        assert!(error.message.contains("server.trusted_proxies"), "{error}");
    }
}
