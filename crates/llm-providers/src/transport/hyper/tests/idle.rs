//! Connections that nobody uses.

use super::peer::Place;
use super::*;

async fn ask(transport: &HyperTransport, place: &Place) -> Bytes {
    answer(transport, &place.url()).await.unwrap()
}

fn with(change: impl FnOnce(&mut HyperOptions)) -> HyperTransport {
    let mut options = HyperOptions::default();
    change(&mut options);
    HyperTransport::new(&options).unwrap()
}

#[tokio::test]
async fn what_is_unused_for_too_long_is_closed_without_another_request() {
    for short in [1, 150] {
        let place = Place::open().await;
        let transport = with(|options| options.idle_timeout = Duration::from_millis(short));
        let (said, mut peer) = tokio::join!(ask(&transport, &place), async {
            let mut peer = place.next().await;
            peer.answers(WHOLE).await;
            peer
        });
        assert_eq!((&*said, peer.rest().await), (&b"hello"[..], String::new()));
        // And again: who looks after them has not gone.
        let (_, mut peer) = tokio::join!(ask(&transport, &place), async {
            let mut peer = place.next().await;
            peer.answers(WHOLE).await;
            peer
        });
        assert_eq!(peer.rest().await, "");
    }
}

#[tokio::test]
async fn what_the_other_side_half_closed_is_closed_long_before_its_time() {
    let (place, transport) = (Place::open().await, transport());
    let (_, mut peer) = tokio::join!(ask(&transport, &place), async {
        let mut peer = place.next().await;
        peer.answers(WHOLE).await;
        peer
    });
    tokio::io::AsyncWriteExt::shutdown(&mut peer.0).await.unwrap();
    // The default keeps it for 90 seconds, and nobody asks for it meanwhile.
    assert_eq!(peer.rest().await, "");
}

#[tokio::test]
async fn where_none_is_kept_each_request_has_its_own() {
    let zero = |options: &mut HyperOptions| options.idle_timeout = Duration::ZERO;
    let none = |options: &mut HyperOptions| options.max_idle_per_host = 0;
    for transport in [with(zero), with(none)] {
        let place = Place::open().await;
        for _ in 0..2 {
            let (said, rest) = tokio::join!(ask(&transport, &place), async {
                let mut peer = place.next().await;
                peer.answers(WHOLE).await;
                peer.rest().await
            });
            assert_eq!((&*said, &*rest), (&b"hello"[..], ""));
        }
    }
}

#[tokio::test]
async fn of_too_many_the_oldest_goes_and_the_latest_is_used_first() {
    let (place, transport) = (Place::open().await, with(|options| options.max_idle_per_host = 2));
    let (mut answers, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (answer, peer) = tokio::join!(transport.send(request(&place.url())), async {
            let mut peer = place.next().await;
            peer.answers(WHOLE).await;
            peer
        });
        answers.push(answer.unwrap());
        peers.push(peer);
    }
    for answer in answers {
        assert_eq!(collect(answer.into_body(), 100).await.unwrap(), "hello");
    }
    assert_eq!(peers.remove(0).rest().await, "");
    let mut latest = peers.pop().unwrap();
    let first = async {
        latest.answers(WHOLE).await;
    };
    let (said, ()) = tokio::join!(ask(&transport, &place), first);
    assert_eq!(said, "hello");
    let (held, ()) = tokio::join!(transport.send(request(&place.url())), latest.answers(WHOLE));
    let mut other = peers.pop().unwrap();
    let (said, ()) = tokio::join!(ask(&transport, &place), other.answers(CHUNKS));
    assert_eq!((&*said, held.is_ok()), (&b"hello"[..], true));
}

#[tokio::test]
async fn what_comes_unasked_never_becomes_an_answer() {
    const POISON: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
    let together = format!("{WHOLE}{POISON}");
    for (first, later) in [(WHOLE, Some(POISON)), (&*together, None)] {
        let (place, transport) = (Place::open().await, transport());
        let (said, mut peer) = tokio::join!(ask(&transport, &place), async {
            let mut peer = place.next().await;
            peer.answers(first).await;
            peer
        });
        assert_eq!(said, "hello");
        if let Some(later) = later {
            peer.says(later).await;
            // Long enough for the news.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (said, ()) = tokio::join!(ask(&transport, &place), async {
            place.next().await.answers(CHUNKS).await;
        });
        assert_eq!(said, "hello", "from another connection");
        assert_eq!(peer.rest().await, "", "and nothing more was asked of the first");
    }
}
