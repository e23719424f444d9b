//! A form whose file goes out as it is read: it is never held whole.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::HeaderValue;
use llm_types::{ApiError, Result};
use memchr::memmem;
use uuid::Uuid;

use super::{BOUNDARY, file_head, text_field};
use crate::transport::ByteStream;

/// A file that is read while it is sent.
pub struct FileStream {
    /// Its name, by which providers tell its format.
    pub name: String,
    /// How many bytes it holds.
    pub length: u64,
    /// They.
    pub data: ByteStream,
}

impl std::fmt::Debug for FileStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, length, data: _ } = self;
        f.debug_struct("FileStream").field("name", name).field("length", length).finish_non_exhaustive()
    }
}

/// A form on its way.
pub(crate) struct Sent {
    /// Its content type.
    pub(crate) kind: HeaderValue,
    /// How many bytes it is.
    pub(crate) length: u64,
    /// They.
    pub(crate) body: ByteStream,
}

/// A form of texts and a file behind them.
///
/// # Errors
/// None that a name of a field could bring about.
pub(crate) fn sent(texts: &[(&str, &str)], (name, file): (&str, FileStream)) -> Result<Sent> {
    // Drawn anew for each form: what is not known yet cannot be written into a file.
    let boundary = format!("gatewayform-{}", Uuid::new_v4().simple());
    let FileStream { name: file_name, length, data } = file;
    let mut head = String::new();
    for (field, text) in texts {
        text_field(&mut head, &boundary, (field, text));
    }
    file_head(&mut head, &boundary, name, (&file_name, ""));
    let tail = format!("\r\n--{boundary}--\r\n");
    let kind = HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"))
        .map_err(|error| ApiError::bad_request("the form cannot be named").with_source(error))?;
    let own = u64::try_from(head.len() + tail.len()).unwrap_or_default();
    let once = |text: String| stream::once(std::future::ready(Ok(Bytes::from(text))));
    Ok(Sent {
        kind,
        length: own.saturating_add(length),
        body: Box::pin(once(head).chain(data).chain(once(tail))),
    })
}

/// A file on its way into a form that [`super::Form`] wrote: it breaks off where it holds what stands between fields.
pub(crate) fn guarded(data: ByteStream) -> ByteStream {
    let mark = format!("\r\n--{BOUNDARY}").into_bytes();
    let (finder, keep) = (memmem::Finder::new(&mark).into_owned(), mark.len() - 1);
    Box::pin(stream::try_unfold((data, Vec::new(), finder), move |(mut data, mut seen, finder)| async move {
        let Some(chunk) = data.next().await.transpose()? else { return Ok(None) };
        seen.extend_from_slice(&chunk);
        if finder.find(&seen).is_some() {
            return Err(ApiError::bad_request("a file holds the boundary that forms are written with"));
        }
        seen.drain(..seen.len().saturating_sub(keep));
        Ok(Some((chunk, (data, seen, finder))))
    }))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::CONTENT_TYPE;

    use super::*;
    use crate::transport::collect;

    #[tokio::test]
    async fn what_is_sent_is_read_again() {
        let data =
            Box::pin(stream::iter([&b"one\n"[..], b"two\n"].map(|chunk| Ok(Bytes::from_static(chunk)))));
        let file = FileStream { name: "a\"b.jsonl".to_owned(), length: 8, data };
        let Sent { kind, length, body } = sent(&[("purpose", "batch")], ("file", file)).unwrap();
        let body = collect(body, 1 << 20).await.unwrap();
        assert_eq!(u64::try_from(body.len()).unwrap(), length);
        let fields = super::super::read(&HeaderMap::from_iter([(CONTENT_TYPE, kind)]), &body).unwrap();
        let shown: Vec<_> =
            fields.iter().map(|field| (&*field.name, &*field.file.name, &*field.file.data)).collect();
        assert_eq!(shown, [("purpose", "", &b"batch"[..]), ("file", "a%22b.jsonl", b"one\ntwo\n")]);
    }

    #[tokio::test]
    async fn a_file_with_the_boundary_breaks_off_wherever_it_is_cut() {
        let hostile = format!("x\r\n--{BOUNDARY}\r\nname=model").into_bytes();
        for size in 1..=hostile.len() {
            let chunks: Vec<_> =
                hostile.chunks(size).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
            let data: ByteStream = Box::pin(stream::iter(chunks));
            assert!(
                collect(guarded(data), 1 << 20).await.unwrap_err().message.contains("boundary"),
                "{size}"
            );
        }
        let data: ByteStream = Box::pin(stream::iter([Ok(Bytes::from_static(b"\r\n--gatewayform"))]));
        assert_eq!(collect(guarded(data), 1 << 20).await.unwrap(), &b"\r\n--gatewayform"[..]);
    }
}
