//! Others can write to the server, too.

use llm_testkit::Redis;

use crate::harness::{SECOND, Side, patient};

const NAME: &[u8] = b"gateway:cooldowns:v1";

#[tokio::test]
async fn messages_that_no_gateway_wrote_are_ignored() {
    let redis = Redis::start().unwrap();
    let options = patient(redis.url());
    let (one, mut two) = (Side::connected(&options).await, Side::connected(&options).await);
    let long = vec![b'x'; 1 << 20];
    let newer = br#"{"v":2,"from":"0000000000000001","group":"smart","id":"d","fp":"0000000000000007","left_ms":5,"trips":1}"#;
    let garbage: [&[u8]; 7] = [b"", b"hello", b"{}", b"\xff\xfe\x00", b"[[[[[[[[[[", &long, newer];
    for message in garbage {
        assert_eq!(redis.command(&[b"PUBLISH", NAME, message]).unwrap(), ":2");
    }
    one.tell("smart/1", 60 * SECOND);
    two.hears("smart/1").await;
    two.hears_nothing();
    let status = two.store.status();
    assert_eq!((status.ignored, status.heard, status.failures), (7, 1, 0));
}

#[tokio::test]
async fn a_record_that_holds_rubbish_is_read_around() {
    let redis = Redis::start().unwrap();
    let far = b"99999999999999 {}";
    let set: [&[u8]; 12] =
        [b"HSET", NAME, b"a", b"", b"b", b"no number", b"c", far, b"d", b"1e999 x", b"e", b"\xff 5"];
    redis.command(&set).unwrap();
    let options = patient(redis.url());
    let one = Side::connected(&options).await;
    one.tell("smart/1", 60 * SECOND);
    one.wait(|status| status.sent == 1).await;
    let mut late = Side::connected(&options).await;
    late.hears("smart/1").await;
    late.hears_nothing();
    // What cannot hold is taken out; what may mean something to a later version stays.
    let fields = redis.command(&[b"HLEN", NAME]).unwrap();
    assert_eq!(fields, ":2");
}

#[tokio::test]
async fn a_key_of_another_kind_is_a_fault_that_is_named() {
    let redis = Redis::start().unwrap();
    redis.command(&[b"SET", NAME, b"mine"]).unwrap();
    let side = Side::new(&patient(redis.url()));
    let status = side.wait(|status| status.failures >= 1).await;
    assert!(status.error.as_deref().unwrap().contains("WRONGTYPE"), "{status:?}");
    redis.command(&[b"DEL", NAME]).unwrap();
    side.wait(|status| status.connected).await;
}
