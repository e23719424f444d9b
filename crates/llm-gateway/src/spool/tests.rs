//! Forms cut anywhere, disks that take nothing, and what is counted.

use std::time::Duration;

use futures_util::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body::Frame;
use http_body_util::StreamBody;
use llm_providers::form;

use super::*;

const FORM: &[u8] = b"nobody reads this\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\
    content-type: audio/mp3\r\n\r\nthe\r\n--\r\n-sound\r\n--x \r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
    --x\r\ncontent-disposition: form-data; name=\"none\"; filename=\"\"\r\n\r\n\r\n\
    --x\r\ncontent-disposition: form-data; name=\"prompt\"\r\n\r\n\r\n--x--\r\nand not this";
const SOUND: &[u8] = b"the\r\n--\r\n-sound";

/// One that puts by what has more than `large` bytes.
fn spool(large: usize) -> Spool {
    Spool { large, ..Spool::of(None) }
}

fn bounds(size: usize) -> Bounds {
    Bounds { size, deadline: Instant::now() + Duration::from_secs(600) }
}

async fn read(spool: &Spool, chunks: &[&[u8]], announced: bool, memory: &BodyMemory) -> Result<Read> {
    let length: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    let frames: Vec<_> =
        chunks.iter().map(|chunk| io::Result::Ok(Frame::data(Bytes::copy_from_slice(chunk)))).collect();
    let mut request = Request::new(StreamBody::new(stream::iter(frames)));
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, "multipart/form-data; boundary=x".parse().unwrap());
    if announced {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    spool.read(Box::new(request), bounds(1 << 20), memory).await
}

/// Names, whether they are files, and what they hold.
fn shown(read: &Read) -> Vec<(String, bool, Bytes)> {
    let mut files = read.files.iter();
    let fields = form::read(&read.headers, &read.body).unwrap();
    let shown = fields.into_iter().map(|field| {
        let filed = if field.is_file { files.next() } else { None };
        let data = filed.map_or(field.file.data, |stretch| stretch.read().unwrap());
        (field.name, field.is_file, data)
    });
    shown.collect()
}

fn expect() -> Vec<(String, bool, Bytes)> {
    let field = |name: &str, is_file, data| (name.to_owned(), is_file, Bytes::from_static(data));
    vec![
        field("file", true, SOUND),
        field("model", false, b"whisper-1"),
        field("none", true, b""),
        field("prompt", false, b""),
    ]
}

#[tokio::test]
async fn a_form_is_the_same_wherever_it_is_cut() {
    let (memory, spool) = (BodyMemory::default(), spool(0));
    for at in 0..FORM.len() {
        let (one, two) = FORM.split_at(at);
        for announced in [true, false] {
            let read = read(&spool, &[one, two], announced, &memory).await.unwrap();
            assert_eq!(shown(&read), expect(), "{at}");
            assert_eq!(read.files.len(), 2, "{at}");
        }
    }
    let bytes: Vec<&[u8]> = FORM.chunks(1).collect();
    assert_eq!(shown(&read(&spool, &bytes, false, &memory).await.unwrap()), expect());
}

#[tokio::test]
async fn what_is_small_stays_in_memory_and_what_is_not_is_counted_where_it_is() {
    let memory = BodyMemory::default();
    let small = read(&spool(FORM.len()), &[FORM], true, &memory).await.unwrap();
    assert!(small.files.is_empty() && small.body == FORM);
    assert_eq!(memory.used(), (FORM.len(), 0));
    drop(small);
    for chunks in [[FORM, b""], FORM.split_at(100).into()] {
        let large = read(&spool(FORM.len() - 1), &chunks, false, &memory).await.unwrap();
        assert_eq!(shown(&large), expect());
        // The last boundary is nobody's.
        assert_eq!(memory.used(), (large.body.len() - b"--x--\r\n".len(), SOUND.len()));
        assert!(!large.body.windows(SOUND.len()).any(|window| window == SOUND));
    }
    assert_eq!(memory.used(), (0, 0));
}

#[tokio::test]
async fn a_large_file_is_written_whole() {
    let sound: Vec<u8> = (0..700_001).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let head = &b"--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"[..];
    let body = [head, &sound, b"\r\n--x--\r\n"].concat();
    let chunks: Vec<_> = body.chunks(10_007).collect();
    let read = read(&spool(100_000), &chunks, false, &BodyMemory::default()).await.unwrap();
    assert_eq!(read.files.len(), 1);
    assert!(read.files.first().unwrap().read().unwrap() == sound);
}

#[tokio::test]
async fn what_is_no_whole_form_or_too_large_is_refused() {
    let (memory, spool) = (BodyMemory::default(), spool(0));
    let whole = FORM.len() - b"\r\nand not this".len();
    for end in 1..whole {
        let error = read(&spool, &[FORM.get(..end).unwrap()], true, &memory).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadRequest, "{end}: {error}");
    }
    let head = &b"--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"[..];
    let long = vec![b'a'; 1 << 20];
    let error = read(&spool, &[head, &long], false, &memory).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert_eq!(memory.used(), (0, 0));
}

#[tokio::test]
async fn without_a_folder_that_can_be_written_it_is_held() {
    let spool = Spool { large: 0, ..Spool::of(Some(Path::new("/nowhere/at/all"))) };
    let memory = BodyMemory::default();
    for chunks in [[FORM, b""], FORM.split_at(100).into()] {
        let read = read(&spool, &chunks, false, &memory).await.unwrap();
        assert!(read.files.is_empty() && read.body == FORM);
        assert_eq!(memory.used(), (FORM.len(), 0));
    }
    assert!(spool.told.load(Ordering::Relaxed));
    let before = Arc::new(spool);
    let again = Spool::of(Some(Path::new("/nowhere/at/all"))).or_before(Some(&before));
    assert!(Arc::ptr_eq(&before, &again), "it is told once");
    assert!(!Arc::ptr_eq(&before, &Spool::of(None).or_before(Some(&before))));
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_told() {
    let named = tempfile::NamedTempFile::new().unwrap();
    let file = Arc::new(File::open(named.path()).unwrap());
    let spool = spool(0);
    let deadline = bounds(0).deadline;
    let mut writer = Writer { spool: &spool, file, buffer: Vec::new(), at: 0, deadline };
    let error = writer.add(&vec![0; CHUNK]).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Unavailable, Some("upload_not_stored")));
    assert!(error.message.contains("server.spool"), "{error}");
}
