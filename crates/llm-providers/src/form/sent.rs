//! A form whose file goes out as it is read: it is never held whole.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::HeaderValue;
use llm_types::Result;

use super::{boundary_anew, file_head, kind_of, text_field};
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
    let boundary = boundary_anew();
    let FileStream { name: file_name, length, data } = file;
    let mut head = String::new();
    for (field, text) in texts {
        text_field(&mut head, &boundary, (field, text));
    }
    file_head(&mut head, &boundary, name, (&file_name, ""));
    let tail = format!("\r\n--{boundary}--\r\n");
    let kind = kind_of(&boundary)?;
    let own = u64::try_from(head.len() + tail.len()).unwrap_or_default();
    let once = |text: String| stream::once(std::future::ready(Ok(Bytes::from(text))));
    Ok(Sent {
        kind,
        length: own.saturating_add(length),
        body: Box::pin(once(head).chain(data).chain(once(tail))),
    })
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
}
