//! Files of requests that a provider answers within a day (batches), and files at all: what they look like on the wire.
//!
//! A batch is a file of lines, each a request with an id of its own; its answers are another such file. Files may be
//! large, so lines are read one by one as they come. Objects that providers show (a file, a batch, a list of them) are
//! edited over their own bytes: only ids and what is ours in them changes. One provider has another form of batches,
//! which is put into OpenAI's on its way. Where there are no files at all, lines become requests of one call
//! ([`inline`]).

mod form;
mod id;
pub mod inline;
mod line;
mod lines;
mod named;
mod object;

pub use form::{batch_path, create, shown as shown_batch};
pub use id::{mark, read};
pub use line::{Line, answer_body};
pub use lines::Lines;
pub use named::{NamedFile, named_cache, named_container, named_files, with_own_files};
pub use object::{Batch, Tag, batch, file, file_name, own_name, page, tagged};
