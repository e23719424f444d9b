//! JSON written straight into a buffer: an event's constant parts are bytes, and only texts are escaped.

use bytes::{BufMut, BytesMut};
use serde::Serialize;

/// Writes a value that serde can write.
pub(super) fn value(out: &mut BytesMut, value: &(impl Serialize + ?Sized)) {
    // Writing into memory cannot fail, and none of our types has a key that is not a string.
    let _ = serde_json::to_writer(out.writer(), value);
}

/// `"name":value`
pub(super) fn member(out: &mut BytesMut, name: &str, json: &(impl Serialize + ?Sized)) {
    key(out, name);
    value(out, json);
}

/// `"name":`
pub(super) fn key(out: &mut BytesMut, name: &str) {
    value(out, name);
    out.put_u8(b':');
}

/// `[a,b]` of what `write` writes of each.
pub(super) fn list<T>(
    out: &mut BytesMut,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut BytesMut, T),
) {
    out.put_u8(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.put_u8(b',');
        }
        write(out, item);
    }
    out.put_u8(b']');
}
