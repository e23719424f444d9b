//! One file of the journal: rows are added at its end, and what was written in part is taken away again.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write};

use super::disk::Disk;

/// Something to write to, whose end can be cut off.
pub(super) trait Medium: Write {
    /// Makes it so long; further writes go to its end.
    fn cut(&mut self, length: u64) -> io::Result<()>;

    /// How much can be added before another file has to be begun, in bytes.
    fn room(&self) -> usize {
        usize::MAX
    }
}

impl Medium for File {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::Start(length)).map(drop)
    }
}

/// A file that is written to.
#[derive(Debug)]
pub(super) struct Segment<M> {
    medium: M,
    length: u64,
    /// Behind `length` there may be a part of something.
    dirty: bool,
}

impl<M: Medium> Segment<M> {
    /// An empty one.
    pub(super) fn new(medium: M) -> Self {
        Self { medium, length: 0, dirty: false }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether so much can be added to this file.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.medium.room() >= bytes
    }

    /// Whether as much could be added. What is written for that is no row, should it stay.
    pub(super) fn probe(&mut self, bytes: usize) -> io::Result<()> {
        let before = self.length;
        self.append(&vec![0xff; bytes])?;
        self.length = before;
        self.dirty = true;
        self.medium.cut(before)?;
        self.dirty = false;
        Ok(())
    }

    /// Takes everything out of it.
    pub(super) fn empty(&mut self) -> io::Result<()> {
        (self.length, self.dirty) = (0, true);
        self.medium.cut(0)?;
        self.dirty = false;
        Ok(())
    }

    /// Adds the bytes, or nothing.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.dirty {
            self.medium.cut(self.length)?;
            self.dirty = false;
        }
        if let Err(error) = self.medium.write_all(bytes) {
            self.dirty = self.medium.cut(self.length).is_err();
            return Err(error);
        }
        self.length += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}

impl Segment<Disk> {
    /// Whether it is memory, whose pages are worth keeping.
    pub(super) fn is_mapped(&self) -> bool {
        self.medium.is_mapped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that is full now and then, and can't even be cut off then.
    #[derive(Debug, Default)]
    struct Full {
        bytes: Vec<u8>,
        room: usize,
        stuck: bool,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let part = bytes.len().min(self.room);
            if part == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= part;
            self.bytes.extend_from_slice(&bytes[..part]);
            Ok(part)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Medium for Full {
        fn cut(&mut self, length: u64) -> io::Result<()> {
            if self.stuck {
                return Err(io::ErrorKind::Other.into());
            }
            self.bytes.truncate(usize::try_from(length).unwrap());
            Ok(())
        }
    }

    #[test]
    fn a_look_whether_there_is_room_leaves_nothing() {
        let mut segment = Segment::new(Full { room: 100, ..Full::default() });
        segment.append(b"first").unwrap();
        segment.probe(20).unwrap();
        assert!(segment.probe(500).is_err());
        segment.medium.room = 100;
        segment.append(b"second").unwrap();
        assert_eq!((&*segment.medium.bytes, segment.length()), (&b"firstsecond"[..], 11));
    }

    #[test]
    fn what_was_written_in_part_is_taken_away_before_anything_follows() {
        for room in 0..6 {
            for stuck in [false, true] {
                let mut segment = Segment::new(Full { room: 100, ..Full::default() });
                segment.append(b"first").unwrap();
                (segment.medium.room, segment.medium.stuck) = (room, stuck);
                assert_eq!(segment.append(b"second").unwrap_err().kind(), io::ErrorKind::StorageFull);
                assert_eq!(segment.length(), 5);
                (segment.medium.room, segment.medium.stuck) = (100, false);
                segment.append(b"third").unwrap();
                assert_eq!(segment.medium.bytes, b"firstthird", "{room} {stuck}");
            }
        }
    }
}
