//! A stretch of an open file: it stays on the disk until somebody needs a part of it.
//!
//! Files that are uploaded may be many times larger than all that is said around them. Whoever passes them on holds the
//! open file instead, which needs no name any more, and reads from it as he sends.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::{ApiError, ErrorKind, Result};

/// A stretch of an open file. To clone it copies nothing; the file is closed with the last of them.
#[derive(Debug, Clone)]
pub struct Stretch {
    file: Arc<File>,
    /// Where it begins, in bytes.
    at: u64,
    length: usize,
}

impl Stretch {
    /// So many bytes of a file, from `at` on.
    #[must_use]
    pub const fn new(file: Arc<File>, at: u64, length: usize) -> Self {
        Self { file, at, length }
    }

    /// All that a file holds now.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use llm_types::{Content, Stretch, TranscribeRequest, Upload};
    /// # let path = std::env::current_exe()?;
    /// let sound = Stretch::whole(std::fs::File::open(path)?)?;
    /// let request = TranscribeRequest::new(Upload::of("talk.wav", Content::from(sound)));
    /// # assert!(!request.file.data.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When nobody can say how long it is, or it is no file.
    pub fn whole(file: File) -> io::Result<Self> {
        let told = file.metadata()?;
        if !told.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no file"));
        }
        let length = usize::try_from(told.len()).map_err(io::Error::other)?;
        Ok(Self::new(Arc::new(file), 0, length))
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether it holds nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Parts it: up to `length` bytes from its beginning on; what is left follows them.
    #[must_use]
    pub fn split_to(&mut self, length: usize) -> Self {
        let length = length.min(self.length);
        let front = Self { file: Arc::clone(&self.file), at: self.at, length };
        self.at = self.at.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        self.length -= length;
        front
    }

    /// All of it.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when it cannot be read, or the file has become shorter.
    pub fn read(&self) -> Result<Bytes> {
        let mut out = BytesMut::zeroed(self.length);
        let (mut rest, mut at) = (&mut *out, self.at);
        while !rest.is_empty() {
            let read = match read_at(&self.file, rest, at) {
                Ok(0) => return Err(unread(io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unread(error)),
            };
            rest = rest.get_mut(read..).unwrap_or_default();
            at = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        }
        Ok(out.freeze())
    }
}

#[cfg(unix)]
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, into, at)
}

#[cfg(windows)]
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, into, at)
}

/// Nobody else has more luck with the same file: who was asked is not asked again.
fn unread(error: io::Error) -> ApiError {
    let message = format!("the uploaded file cannot be read any more: send the request again ({error})");
    let mut error = ApiError::new(ErrorKind::Internal, message).with_source(error);
    error.should_retry = Some(false);
    error
}

/// What a file holds: in memory, or where it lies.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Held(Bytes),
    /// In a file.
    Filed(Stretch),
}

impl Default for Content {
    fn default() -> Self {
        Self::Held(Bytes::new())
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::Held(bytes)
    }
}

impl From<Stretch> for Content {
    fn from(stretch: Stretch) -> Self {
        Self::Filed(stretch)
    }
}

impl Content {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Held(bytes) => bytes.len(),
            Self::Filed(stretch) => stretch.len(),
        }
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What of it is in memory; `None`: it lies in a file.
    #[must_use]
    pub const fn held(&self) -> Option<&Bytes> {
        match self {
            Self::Held(bytes) => Some(bytes),
            Self::Filed(_) => None,
        }
    }

    /// Parts it: up to `length` bytes from its beginning on; what is left follows them.
    #[must_use]
    pub fn split_to(&mut self, length: usize) -> Self {
        match self {
            Self::Held(bytes) => Self::Held(bytes.split_to(length.min(bytes.len()))),
            Self::Filed(stretch) => Self::Filed(stretch.split_to(length)),
        }
    }

    /// Up to `length` bytes of it from `at` on: fewer where it ends before.
    ///
    /// # Errors
    /// As [`Stretch::read`].
    pub fn part(&self, at: usize, length: usize) -> Result<Bytes> {
        let mut rest = self.clone();
        let _ = rest.split_to(at);
        rest.split_to(length).read()
    }

    /// All of it, in memory.
    ///
    /// # Errors
    /// As [`Stretch::read`].
    pub fn read(&self) -> Result<Bytes> {
        match self {
            Self::Held(bytes) => Ok(bytes.clone()),
            Self::Filed(stretch) => stretch.read(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_stretch_is_read_where_it_lies() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before, the sound, behind").unwrap();
        let stretch = Stretch::new(Arc::new(file), 8, 9);
        let mut rest = Content::from(stretch.clone());
        assert_eq!(rest.part(4, 100).unwrap(), "sound");
        assert_eq!(rest.part(100, 1).unwrap(), "");
        let front = rest.split_to(3);
        assert_eq!((front.len(), front.read().unwrap()), (3, Bytes::from("the")));
        assert_eq!((rest.len(), rest.read().unwrap()), (6, Bytes::from(" sound")));
        assert!(rest.held().is_none() && stretch.read().unwrap() == "the sound");
    }

    #[test]
    fn a_file_that_became_shorter_is_told() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let again = file.try_clone().unwrap();
        let stretch = Stretch::whole(file).unwrap();
        assert_eq!(stretch.len(), 10);
        again.set_len(4).unwrap();
        let error = stretch.read().unwrap_err();
        assert_eq!((error.kind, error.should_retry), (ErrorKind::Internal, Some(false)));
        assert!(error.message.contains("cannot be read any more"), "{error}");
        assert!(Stretch::whole(std::fs::File::open("/").unwrap()).is_err(), "a folder is no file");
    }
}
