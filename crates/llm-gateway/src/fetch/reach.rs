//! Which addresses are asked for what a client names.
//!
//! Whoever names an address has us ask it from where we stand: next to services that trust their own network. So only
//! addresses of the public internet are asked, unless the configuration says otherwise. What counts is the address that
//! is connected to, not the name: a name may lead anywhere, and elsewhere the next time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use llm_governance::Cidr;
use llm_types::{ApiError, Result};

/// Addresses that may be asked beside the public ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    ranges: Vec<Cidr>,
    hosts: Vec<Box<str>>,
}

impl Reach {
    /// Of the ranges and names of hosts in a configuration.
    ///
    /// # Errors
    /// For what is neither.
    pub(crate) fn of(allow: &[String]) -> Result<Self> {
        let mut reach = Self::default();
        for entry in allow {
            match entry.parse() {
                Ok(range) => reach.ranges.push(range),
                Err(_) if is_name(entry) => reach.hosts.push(entry.as_str().into()),
                Err(_) => {
                    let message = format!(
                        "fetch.allow: `{entry}` is neither a range of addresses nor a host: write e.g. 10.0.0.0/8"
                    );
                    return Err(ApiError::bad_request(message));
                }
            }
        }
        Ok(reach)
    }

    /// Whether this address of a host may be asked.
    pub(crate) fn may(&self, host: &str, address: IpAddr) -> bool {
        is_public(address)
            || self.ranges.iter().any(|range| range.contains(address))
            || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }
}

fn is_name(text: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !text.is_empty() && text.bytes().all(letters) && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether an address is one of the public internet (the registries of RFC 6890 and what followed it).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match a {
        // This network, private, loopback, multicast and what is reserved.
        0 | 10 | 127 | 224..=255 => true,
        100 => (64..128).contains(&b),
        // The host of Azure's machines, which tells them their secrets.
        168 => address == Ipv4Addr::new(168, 63, 129, 16),
        169 => b == 254,
        172 => (16..32).contains(&b),
        192 => matches!((b, c), (168, _) | (0, 0 | 2) | (88, 99)),
        198 => matches!((b, c), (18 | 19, _) | (51, 100)),
        203 => (b, c) == (0, 113),
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| is_public_v4(((u32::from(high) << 16) | u32::from(low)).into());
    match (a, b) {
        // An IPv4 address behind a translator, or inside of the address.
        (0x64, 0xff9b) => [c, d, e, f] == [0; 4] && v4(g, h),
        (0x2002, _) => v4(b, c),
        // Teredo, benchmarks, ORCHID, documentation.
        (0x2001, 0..=0x1ff | 0xdb8) | (0x3fff, 0..=0xfff) => false,
        // Of all the others only what is handed out to the world.
        _ => a & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_asked() {
        let public =
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "192.1.0.1", "2606:4700::1111", "::ffff:8.8.8.8"];
        let nat64 = ["64:ff9b::808:808", "2002:808:808::1"];
        let special = [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "168.63.129.16",
            "100::1",
        ];
        let reach = Reach::default();
        for address in public.into_iter().chain(nat64) {
            assert!(reach.may("h", address.parse().unwrap()), "{address}");
        }
        for address in special {
            assert!(!reach.may("h", address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn what_is_allowed_is_asked_as_well() {
        let reach = Reach::of(&["10.0.0.0/8".to_owned(), "assets.corp".to_owned()]).unwrap();
        let may = |host: &str, address: &str| reach.may(host, address.parse().unwrap());
        assert!(may("h", "10.9.9.9") && may("Assets.corp", "192.168.0.1"));
        assert!(!may("h", "192.168.0.1") && !may("assets.corp.evil", "192.168.0.1"));
        for wrong in ["", "10.0.0.0/40", "http://x", "a b", "10.0.0"] {
            let error = Reach::of(&[wrong.to_owned()]).unwrap_err();
            assert!(error.message.contains("fetch.allow"), "{wrong}: {error}");
        }
    }
}
