//! How the server is reached: accounts, TLS, addresses.

use std::io::Read;
use std::net::TcpListener;

use llm_governance::LimitStore as _;
use llm_store::{RedisCooldowns, RedisOptions};
use llm_testkit::Redis;

use crate::harness::{PATIENCE, SECOND, Side, patient};
use crate::limits::{Gate, ask};

/// The rights that the README names.
fn rights() -> Vec<String> {
    let readme = include_str!("../../README.md");
    let line = readme.lines().find_map(|line| line.split_once("`ACL SETUSER gateway on ")).unwrap().1;
    line.trim_end_matches("`.").split(' ').map(str::to_owned).collect()
}

#[tokio::test]
async fn an_account_with_the_documented_rights_is_enough() {
    let redis = Redis::start().unwrap();
    let rights = rights();
    let (password, rights) = rights.split_first().unwrap();
    assert!(password.starts_with('>') && rights.len() > 10, "{password} {rights:?}");
    let mut command: Vec<&[u8]> = vec![b"ACL", b"SETUSER", b"gateway", b"on", b">p@ss/word"];
    command.extend(rights.iter().map(|right| right.as_bytes()));
    assert_eq!(redis.command(&command).unwrap(), "+OK");
    let url = redis.url().replace("redis://", "redis://gateway:p%40ss%2Fword@");
    let options = patient(url);
    let (one, mut two) = (Side::connected(&options).await, Side::connected(&options).await);
    one.tell("smart/1", 60 * SECOND);
    two.hears("smart/1").await;
    one.tell("smart/1", std::time::Duration::ZERO);
    two.hears("smart/1").await;

    let gate = Gate::connected(&options).await;
    let all = ask("team:a", Some(9), Some(99), Some(1));
    let request = gate.takes(&all, 10).await;
    gate.store.end(request, &all, 10, Some(5));
    let request = gate.takes(&all, 10).await;
    gate.store.end(request, &all, 10, None);
    gate.takes(&all, 10).await;

    let wrong = patient(redis.url().replace("redis://", "redis://gateway:hunter2@"));
    let side = Side::new(&wrong);
    let status = side.wait(|status| status.failures >= 1).await;
    let shown = format!("{status:?} {wrong:?} {:?}", side.store);
    assert!(!shown.contains("hunter2") && shown.contains("WRONGPASS"), "{shown}");
}

#[tokio::test]
async fn rediss_begins_with_a_tls_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rediss://localhost:{}", listener.local_addr().unwrap().port());
    let side = Side::new(&patient(url));
    let first = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut first = [0; 2];
        stream.read_exact(&mut first).unwrap();
        first
    });
    assert_eq!(first.await.unwrap(), [0x16, 0x03], "a handshake record");
    side.wait(|status| status.failures >= 1).await;
}

#[test]
fn what_is_no_address_is_refused() {
    for url in ["", "127.0.0.1:6379", "http://127.0.0.1:6379", "redis://", "redis://hunter2:x@h:port"] {
        let error = RedisCooldowns::new(&RedisOptions::new(url)).unwrap_err();
        let shown = format!("{error} {:?}", std::error::Error::source(&error));
        assert!(shown.contains("redis://host:6379") && !shown.contains("hunter2"), "{shown}");
    }
}
