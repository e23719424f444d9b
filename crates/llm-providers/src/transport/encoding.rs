//! Compressed answers.
//!
//! We ask for `identity`, but some proxies compress all the same. Such a body is decoded as it comes, with
//! a bound on how much may come out of it.

use std::io::Write;

use bytes::Bytes;
use flate2::write::{DeflateDecoder, GzDecoder, ZlibDecoder};
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use llm_types::{ApiError, ErrorKind, Result};

use super::ByteStream;

/// The most that a compressed body may grow to, in bytes.
const OUTPUT_LIMIT: usize = 256 * 1024 * 1024;

/// The body with its `content-encoding` undone, and the headers that no longer hold removed.
///
/// # Errors
/// [`ErrorKind::UpstreamFormat`] when the encoding is not gzip or deflate.
pub fn decoded(headers: &mut HeaderMap, body: ByteStream) -> Result<ByteStream> {
    let Some(encoding) = headers.get(CONTENT_ENCODING) else {
        return Ok(body);
    };
    let inflate = match encoding.as_bytes() {
        b"" | b"identity" => return Ok(body),
        b"gzip" | b"x-gzip" => Inflate::Gzip(GzDecoder::new(Vec::new())),
        b"deflate" => Inflate::Unknown,
        other => {
            let name = String::from_utf8_lossy(other);
            return Err(format_error(format!(
                "the upstream answered with content-encoding `{name}` although identity was asked for"
            )));
        }
    };
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    let state = (body, inflate, 0usize);
    let stream = stream::unfold(Some(state), |state| async move {
        let (mut body, mut inflate, total) = state?;
        let (piece, last) = match body.next().await {
            Some(Ok(chunk)) => (inflate.write(&chunk), false),
            Some(Err(error)) => return Some((Err(error), None)),
            None => (inflate.finish(), true),
        };
        match piece {
            Err(error) => Some((Err(error), None)),
            Ok(piece) if total + piece.len() > OUTPUT_LIMIT => {
                let error = format_error("the upstream's compressed answer is too large".to_owned());
                Some((Err(error), None))
            }
            Ok(piece) if last => (!piece.is_empty()).then_some((Ok(piece), None)),
            Ok(piece) => {
                let total = total + piece.len();
                Some((Ok(piece), Some((body, inflate, total))))
            }
        }
    });
    Ok(Box::pin(stream.filter(|piece| {
        let empty = matches!(piece, Ok(piece) if piece.is_empty());
        std::future::ready(!empty)
    })))
}

/// What undoes the compression. "deflate" may or may not have a zlib header.
enum Inflate {
    Gzip(GzDecoder<Vec<u8>>),
    Zlib(ZlibDecoder<Vec<u8>>),
    Raw(DeflateDecoder<Vec<u8>>),
    Unknown,
}

impl Inflate {
    fn write(&mut self, chunk: &[u8]) -> Result<Bytes> {
        if let (Self::Unknown, Some(first)) = (&*self, chunk.first()) {
            *self = if first & 0x0F == 8 {
                Self::Zlib(ZlibDecoder::new(Vec::new()))
            } else {
                Self::Raw(DeflateDecoder::new(Vec::new()))
            };
        }
        let written = match self {
            Self::Gzip(inflate) => inflate.write_all(chunk).and_then(|()| inflate.flush()),
            Self::Zlib(inflate) => inflate.write_all(chunk).and_then(|()| inflate.flush()),
            Self::Raw(inflate) => inflate.write_all(chunk).and_then(|()| inflate.flush()),
            Self::Unknown => Ok(()),
        };
        written.map_err(broken)?;
        Ok(self.take())
    }

    fn finish(&mut self) -> Result<Bytes> {
        let finished = match self {
            Self::Gzip(inflate) => inflate.try_finish(),
            Self::Zlib(inflate) => inflate.try_finish(),
            Self::Raw(inflate) => inflate.try_finish(),
            Self::Unknown => Ok(()),
        };
        finished.map_err(broken)?;
        Ok(self.take())
    }

    fn take(&mut self) -> Bytes {
        let out = match self {
            Self::Gzip(inflate) => inflate.get_mut(),
            Self::Zlib(inflate) => inflate.get_mut(),
            Self::Raw(inflate) => inflate.get_mut(),
            Self::Unknown => return Bytes::new(),
        };
        Bytes::from(std::mem::take(out))
    }
}

fn broken(error: std::io::Error) -> ApiError {
    format_error("the upstream's compressed answer is broken".to_owned()).with_source(error)
}

fn format_error(message: String) -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::collect;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    async fn decode(encoding: &'static str, chunks: Vec<Vec<u8>>) -> Result<Bytes> {
        let mut headers = HeaderMap::from_iter([(CONTENT_ENCODING, encoding.parse().unwrap())]);
        let body = stream::iter(chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk))));
        let body = decoded(&mut headers, Box::pin(body))?;
        assert!(!headers.contains_key(CONTENT_ENCODING));
        collect(body, 1 << 20).await
    }

    #[tokio::test]
    async fn gzip_is_decoded_wherever_it_is_cut() {
        let text = b"data: {\"a\":1}\n\n".repeat(20);
        let packed = gzip(&text);
        for cut in 0..packed.len() {
            let (a, b) = packed.split_at(cut);
            assert_eq!(decode("gzip", vec![a.to_vec(), b.to_vec()]).await.unwrap(), text);
        }
    }

    #[tokio::test]
    async fn what_cannot_be_decoded_is_an_error() {
        assert!(decode("gzip", vec![b"not gzip at all".to_vec()]).await.is_err());
        let mut cut = gzip(b"hello hello hello");
        cut.truncate(cut.len() - 6);
        assert!(decode("gzip", vec![cut]).await.is_err());
        assert!(decode("br", vec![vec![1]]).await.unwrap_err().message.contains("`br`"));
    }
}
