//! Answers out of the ordinary, requests that are given up, and connections that close just then.

use std::sync::Arc;

use rustls_pki_types::PrivateKeyDer;
use tokio::time::timeout;

use super::super::pool::Pool;
use super::peer::{PATIENCE, Peer, Place};
use super::*;

/// Asks, and has `peer` answer.
async fn exchange(transport: &HyperTransport, place: &Place, peer: &mut Peer, text: &str) {
    let url = place.url();
    let (said, ()) = tokio::join!(answer(transport, &url), peer.answers(text));
    assert_eq!(said.unwrap(), "hello");
}

/// Asks over a new connection.
async fn opened(transport: &HyperTransport, place: &Place, text: &str) -> Peer {
    let url = place.url();
    let (said, peer) = tokio::join!(answer(transport, &url), async {
        let mut peer = place.next().await;
        peer.answers(text).await;
        peer
    });
    assert_eq!(said.unwrap(), "hello");
    peer
}

#[tokio::test]
async fn what_was_not_sent_over_a_connection_that_closed_just_then_goes_over_another() {
    let (place, transport, progress) = (Place::open().await, transport(), Progress::default());
    let mut peer = opened(&transport, &place, WHOLE).await;
    let mut request = Box::new(request(&place.url()));
    let to = pool::taken_apart(&mut request).unwrap();
    let found = transport.pool.take(&to).unwrap();
    assert!(found.link.is_some());
    // It was open a moment ago.
    tokio::io::AsyncWriteExt::shutdown(&mut peer.0).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let pool: &Arc<Pool> = &transport.pool;
    let (answer, mut second) = tokio::join!(pool.ask(found, &to, request, Some(&progress)), async {
        let mut second = place.next().await;
        second.answers(WHOLE).await;
        second
    });
    let said = collect(Box::pin(answer.unwrap().into_body()), 100).await.unwrap();
    assert_eq!((&*said, progress.is_sent()), (&b"hello"[..], true));
    assert_eq!(peer.rest().await, "", "not a byte went over the first");
    exchange(&transport, &place, &mut second, WHOLE).await;
}

#[tokio::test]
async fn where_the_next_connection_does_not_come_about_nothing_was_sent() {
    let (place, transport, progress) = (Place::open().await, transport(), Progress::default());
    let mut peer = opened(&transport, &place, WHOLE).await;
    let mut request = Box::new(request(&place.url()));
    let to = pool::taken_apart(&mut request).unwrap();
    let found = transport.pool.take(&to).unwrap();
    tokio::io::AsyncWriteExt::shutdown(&mut peer.0).await.unwrap();
    drop(place);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let error = transport.pool.ask(found, &to, request, Some(&progress)).await.map(drop).unwrap_err();
    assert!(!was_sent(&error) && !progress.is_sent(), "{error:?}");
}

#[tokio::test]
async fn an_answer_to_half_a_request_comes_and_its_connection_is_not_used_again() {
    let (place, transport) = (Place::open().await, transport());
    let (more, body) = mpsc::unbounded_channel::<Result<Bytes>>();
    more.send(Ok(Bytes::from_static(b"half"))).unwrap();
    let body = futures_util::stream::unfold(body, |mut body| async { Some((body.recv().await?, body)) });
    let request = http::Request::post(place.url()).body(RequestBody::Stream(Box::pin(body))).unwrap();
    let (said, mut peer) = tokio::join!(
        async { collect(transport.send(request).await.unwrap().into_body(), 100).await.unwrap() },
        async {
            let mut peer = place.next().await;
            peer.hears("half\r\n").await;
            peer.says(WHOLE).await;
            peer
        }
    );
    assert_eq!((&*said, peer.rest().await), (&b"hello"[..], String::new()));
    opened(&transport, &place, WHOLE).await;
    drop(more);
}

#[tokio::test]
async fn what_comes_before_and_behind_an_answer_is_passed_over() {
    let hints = format!("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n{WHOLE}");
    let trailers = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
                    3\r\nhel\r\n2\r\nlo\r\n0\r\nx-sum: 1\r\n\r\n";
    let (place, transport) = (Place::open().await, transport());
    let mut peer = opened(&transport, &place, &hints).await;
    // All over one connection.
    for text in [trailers, &hints, trailers, WHOLE] {
        exchange(&transport, &place, &mut peer, text).await;
    }
    // Each piece on its own.
    let url = place.url();
    for text in [trailers, &hints] {
        let (said, ()) = tokio::join!(answer(&transport, &url), async {
            peer.hears("\r\n\r\n{}").await;
            for line in text.split_inclusive("\r\n") {
                peer.says(line).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        assert_eq!(said.unwrap(), "hello");
    }
    exchange(&transport, &place, &mut peer, WHOLE).await;
}

#[tokio::test]
async fn who_gives_up_before_the_head_closes() {
    let (place, transport) = (Place::open().await, transport());
    let url = place.url();
    let mut sending = Box::pin(transport.send(request(&url)));
    let mut peer = tokio::select! {
        _ = &mut sending => panic!("nobody has answered"),
        peer = async {
            let mut peer = place.next().await;
            peer.hears("\r\n\r\n{}").await;
            peer
        } => peer,
    };
    drop(sending);
    assert_eq!(peer.rest().await, "");
    opened(&transport, &place, WHOLE).await;
}

#[tokio::test]
async fn who_gives_up_in_the_body_closes() {
    let (place, transport) = (Place::open().await, transport());
    let (head, mut peer) = tokio::join!(transport.send(request(&place.url())), async {
        let mut peer = place.next().await;
        peer.answers(HALF).await;
        peer
    });
    let mut body = head.unwrap().into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "hel");
    drop(body);
    assert_eq!(peer.rest().await, "");
    opened(&transport, &place, WHOLE).await;
}

fn acceptor() -> tokio_rustls::TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(include_bytes!("tls/leaf.pem")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/leaf.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_where_it_is_named() {
    let place = Place::open().await;
    let url = format!("https://localhost:{}/v1/x?y=1", place.port());
    let extra_ca = Some(include_bytes!("tls/ca.pem").to_vec());
    let trusting = HyperTransport::new(&HyperOptions { extra_ca, ..HyperOptions::default() }).unwrap();
    let (said, mut peer) = tokio::join!(answer(&trusting, &url), async {
        let mut peer = Peer(acceptor().accept(place.next().await.0).await.unwrap());
        peer.answers(CHUNKS).await;
        peer
    });
    assert_eq!(said.unwrap(), "hello");
    let (said, ()) = tokio::join!(answer(&trusting, &url), peer.answers(WHOLE));
    assert_eq!(said.unwrap(), "hello", "over the same connection");

    let strange = transport();
    let (error, refused) = tokio::join!(answer(&strange, &url), async {
        timeout(PATIENCE, acceptor().accept(place.next().await.0)).await.unwrap().is_err()
    });
    let error = error.unwrap_err();
    assert!(refused && !was_sent(&error) && error.message.contains("UnknownIssuer"), "{error}");
}

#[test]
fn what_holds_no_certificate_is_refused() {
    for (pem, says) in [("", "no certificate"), ("-----BEGIN CERTIFICATE-----\nx\n", "extra_ca")] {
        let options = HyperOptions { extra_ca: Some(pem.into()), ..HyperOptions::default() };
        let error = HyperTransport::new(&options).unwrap_err();
        assert!(error.message.contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_any_more_is_our_fault_and_nobody_elses() {
    let (url, _hears) = server(vec![vec![Act::Say(WHOLE)]]).await;
    let file = tempfile::tempfile().unwrap();
    file.set_len(1 << 20).unwrap();
    let stretch = llm_types::Stretch::whole(file.try_clone().unwrap()).unwrap();
    file.set_len(1 << 19).unwrap();
    let body = RequestBody::from(Segments::from(llm_types::Content::from(stretch)));
    let request = http::Request::post(&url).body(body).unwrap();
    let error = transport().send(request).await.map(drop).unwrap_err();
    assert_eq!((error.kind, error.origin), (ErrorKind::Internal, llm_types::Origin::Gateway), "{error}");
    assert!(error.message.contains("cannot be read any more") && !was_sent(&error), "{error}");
}
