//! The pool against servers that do what servers do.

mod edge;
mod follow;
mod idle;
mod peer;

use bytes::Bytes;
use futures_util::StreamExt;
use llm_types::{ErrorKind, Segments};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::super::{Progress, Transport, collect, was_sent};
use super::*;

/// What a server does with a request.
#[derive(Clone, Copy)]
enum Act {
    /// Sends this and keeps the connection.
    Say(&'static str),
    /// Sends this and closes.
    SayAndClose(&'static str),
    /// Closes without a word.
    Close,
}

const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const EMPTY: &str = "HTTP/1.1 204 No Content\r\n\r\n";
const CHUNKS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel";
const UNTIL_CLOSED: &str = "HTTP/1.1 200 OK\r\n\r\nhello";

/// A server whose connections each do what `acts` says, a list for each; tells which connection got which head.
async fn server(acts: Vec<Vec<Act>>) -> (String, mpsc::UnboundedReceiver<(usize, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/x?y=1", listener.local_addr().unwrap());
    let (heard, hears) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for (nth, acts) in acts.into_iter().enumerate() {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, nth, acts, heard.clone()));
        }
    });
    (url, hears)
}

async fn serve(
    mut stream: TcpStream,
    nth: usize,
    acts: Vec<Act>,
    heard: mpsc::UnboundedSender<(usize, String)>,
) {
    for act in acts {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n{}") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        heard.send((nth, String::from_utf8(head).unwrap())).unwrap();
        match act {
            Act::Say(text) => stream.write_all(text.as_bytes()).await.unwrap(),
            Act::SayAndClose(text) => return stream.write_all(text.as_bytes()).await.unwrap(),
            Act::Close => return,
        }
    }
    // Stays open until the other side goes.
    let _ = stream.read_u8().await;
    let _ = heard.send((nth, "gone".to_owned()));
}

fn request(url: &str) -> http::Request<RequestBody> {
    let body = RequestBody::from(Segments::from(Bytes::from_static(b"{}")));
    http::Request::post(url).body(body).unwrap()
}

async fn answer(transport: &HyperTransport, url: &str) -> Result<Bytes> {
    collect(transport.send(request(url)).await?.into_body(), 1 << 20).await
}

fn transport() -> HyperTransport {
    HyperTransport::new(&HyperOptions::default()).unwrap()
}

#[tokio::test]
async fn a_connection_is_used_again_after_every_kind_of_complete_answer() {
    let acts = [WHOLE, CHUNKS, EMPTY, WHOLE].map(Act::Say).to_vec();
    let (url, mut hears) = server(vec![acts]).await;
    let transport = transport();
    for expect in ["hello", "hello", "", "hello"] {
        assert_eq!(answer(&transport, &url).await.unwrap(), expect);
        let (nth, head) = hears.recv().await.unwrap();
        assert_eq!(nth, 0, "one connection");
        let host = url.trim_start_matches("http://").split('/').next().unwrap();
        assert!(head.starts_with("POST /v1/x?y=1 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("host: {host}\r\n")) && head.contains("content-length: 2"), "{head}");
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let (url, mut hears) = server(vec![vec![Act::SayAndClose(WHOLE)], vec![Act::Say(UNTIL_CLOSED)]]).await;
    let transport = transport();
    assert_eq!(answer(&transport, &url).await.unwrap(), "hello");
    assert_eq!(hears.recv().await.unwrap().0, 0);
    // Long enough for the news.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let answer = transport.send(request(&url)).await.unwrap();
    assert_eq!(hears.recv().await.unwrap().0, 1);
    let mut body = answer.into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "hello");
    drop(body);
    assert_eq!(hears.recv().await.unwrap(), (1, "gone".to_owned()), "who stops reading closes");
}

#[tokio::test]
async fn what_breaks_is_told_and_never_sent_twice() {
    let (url, mut hears) = server(vec![vec![Act::Close], vec![Act::SayAndClose(HALF)]]).await;
    let transport = transport();
    let error = transport.send(request(&url)).await.map(drop).unwrap_err();
    assert!(error.kind == ErrorKind::Connection && was_sent(&error), "{error:?}");
    let error = answer(&transport, &url).await.unwrap_err();
    assert!(error.message.starts_with("the upstream broke the connection in its answer"), "{error}");
    assert_eq!([hears.recv().await.unwrap().0, hears.recv().await.unwrap().0], [0, 1]);
    assert!(hears.try_recv().is_err());
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = transport().send(request(&url)).await.map(drop).unwrap_err();
    assert!(error.message.starts_with("could not connect to the upstream"), "{error}");
    assert!(!was_sent(&error));
}

#[tokio::test]
async fn tls_that_never_comes_about_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let silent = tokio::spawn(async move { (listener.accept().await.unwrap(), listener) });
    let options = HyperOptions { connect_timeout: Duration::from_millis(100), ..HyperOptions::default() };
    let transport = HyperTransport::new(&options).unwrap();
    let progress = Progress::default();
    let error = transport.send_watched(request(&url), Some(&progress)).await.map(drop).unwrap_err();
    assert_eq!(error.message, "could not connect to the upstream: no connection within 0.1 s");
    assert!(error.kind == ErrorKind::Connection && !was_sent(&error) && !progress.is_sent());
    drop(silent.await.unwrap());
}

#[tokio::test]
async fn who_gives_up_knows_whether_anything_went_out() {
    let (listener, progress) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Progress::default());
    let (plain, place) = (transport(), listener.local_addr().unwrap());
    let short = Duration::from_millis(100);
    let (tls, http) = (format!("https://{place}/"), format!("http://{place}/"));
    let sending = plain.send_watched(request(&tls), Some(&progress));
    assert!(tokio::time::timeout(short, sending).await.is_err() && !progress.is_sent());
    let sending = plain.send_watched(request(&http), Some(&progress));
    assert!(tokio::time::timeout(short, sending).await.is_err() && progress.is_sent());
}
