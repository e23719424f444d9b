#![doc = include_str!("../README.md")]

mod cache;
mod canonical;
mod directive;
mod entry;
mod error;
mod key;
mod memory;
mod store;
mod tenant;

pub use cache::{Cache, Counts, Found, Policy};
pub use directive::Directives;
pub use entry::Entry;
pub use error::Error;
pub use key::{Key, KeyBuilder, LARGEST_REQUEST};
pub use memory::MemoryStore;
pub use store::CacheStore;
pub use tenant::{Owner, Scope, Tenant};
