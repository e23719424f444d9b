//! Addresses to listen on: `"127.0.0.1:4000"`, `"[::1]:4000"`, `"localhost:4000"`.
//!
//! Names other than `localhost` are refused: whether an address is loopback decides whether a master key
//! is needed, and a name may resolve to anything.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

pub(crate) const FORMAT: &str = "gateway-listen";

/// Reads an address and a port.
///
/// # Errors
/// A fragment that says what is wrong with it.
pub fn parse(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err("an address needs a port, for example \"127.0.0.1:4000\"".to_owned());
    };
    let Ok(port) = port.parse::<u16>() else {
        return Err("the port is not a number from 0 to 65535".to_owned());
    };
    match host {
        "localhost" => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        "" | "*" => Err(format!("write \"0.0.0.0:{port}\" to listen on every address")),
        _ => Err(format!("not an IP address, write for example \"127.0.0.1:{port}\"")),
    }
}

pub(crate) fn serialize<S: Serializer>(address: &SocketAddr, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(address)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parse(&Cow::<'de, str>::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Stands for an address in the JSON Schema.
#[derive(Debug)]
pub struct Text;

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Listen".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        super::text_schema(FORMAT, None, "127.0.0.1:4000")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |text, expect: Result<&str, &str>| match (parse(text), expect) {
            (Ok(address), Ok(expect)) => assert_eq!(address.to_string(), expect),
            (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
            (got, _) => panic!("{text}: {got:?}"),
        };
        check("127.0.0.1:4000", Ok("127.0.0.1:4000"));
        check("[::1]:80", Ok("[::1]:80"));
        check("localhost:0", Ok("127.0.0.1:0"));
        check("127.0.0.1", Err("needs a port"));
        check(":4000", Err("\"0.0.0.0:4000\""));
        check("0.0.0.0:70000", Err("not a number"));
        check("gateway.internal:4000", Err("not an IP address"));
    }
}
