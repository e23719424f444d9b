//! Long lists, page by page.
//!
//! A cursor is the place behind the last item, so that pages neither repeat nor skip anything when the list grows.
//! It names its list, and is opaque to whoever sends it back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::Error;

/// The most items of a page.
const MOST: usize = 1000;
/// How many where nobody says.
const USUAL: usize = 100;

/// Which page is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageAsk {
    /// How many items, at most 1,000; zero: 100.
    pub limit: usize,
    /// What [`Page::next`] said.
    pub cursor: Option<String>,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
    /// How to ask for the next page; `None`: this is the last one.
    pub next: Option<String>,
}

/// Where in a list something stands, as text.
pub trait Place: Sized {
    /// Writes it.
    fn write(&self) -> String;
    /// Reads it back.
    fn read(text: &str) -> Option<Self>;
}

impl Place for u64 {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Place for i64 {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// A moment, a name, and a number under it.
impl Place for (i64, String, i64) {
    fn write(&self) -> String {
        format!("{}:{}:{}", self.0, self.2, self.1)
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let (first, third) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some((first, parts.next()?.to_owned(), third))
    }
}

impl Place for String {
    fn write(&self) -> String {
        self.clone()
    }

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl PageAsk {
    /// The first page, of so many items.
    #[must_use]
    pub fn first(limit: usize) -> Self {
        Self { limit, cursor: None }
    }

    /// The page after that one; `None`: there is none.
    #[must_use]
    pub fn after<T>(&self, page: &Page<T>) -> Option<Self> {
        Some(Self { limit: self.limit, cursor: Some(page.next.clone()?) })
    }

    /// How many items.
    #[must_use]
    pub fn limit(&self) -> usize {
        if self.limit == 0 { USUAL } else { self.limit.min(MOST) }
    }

    /// Where to begin in this list.
    ///
    /// # Errors
    /// For a cursor of another list, or none at all.
    pub fn place<T: Place>(&self, list: &str) -> Result<Option<T>, Error> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let read = || {
            let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
            T::read(text.strip_prefix(list)?.strip_prefix(':')?)
        };
        read().map(Some).ok_or(Error::Cursor)
    }

    /// Makes a page of one item more than was asked for, as it was read to know whether there are more.
    #[must_use]
    pub fn page<T, P: Place>(&self, list: &str, mut items: Vec<T>, place: impl Fn(&T) -> P) -> Page<T> {
        let more = items.len() > self.limit();
        items.truncate(self.limit());
        let last = items.last().filter(|_| more);
        let next = last.map(|item| URL_SAFE_NO_PAD.encode(format!("{list}:{}", place(item).write())));
        Page { items, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let ask = PageAsk::first(2);
        let page = ask.page("keys", vec![5_u64, 6, 7], |n| *n);
        assert_eq!(page.items, [5, 6]);
        let next = ask.after(&page).unwrap();
        assert_eq!(next.place::<u64>("keys").unwrap(), Some(6));
        assert!(matches!(next.place::<u64>("audit"), Err(Error::Cursor)));
        for wrong in ["", "x", "%", "a2V5czp4", "' OR 1=1"] {
            let ask = PageAsk { limit: 1, cursor: Some(wrong.to_owned()) };
            assert!(matches!(ask.place::<u64>("keys"), Err(Error::Cursor)), "{wrong}");
        }
        assert_eq!(ask.page("keys", vec![5_u64, 6], |n| *n).next, None);
        assert_eq!(PageAsk::first(5_000).limit(), 1000);
        let place = (7, "a:b".to_owned(), 3);
        assert_eq!(Place::read(&place.write()), Some(place));
    }
}
