#![doc = include_str!("../README.md")]

mod adjust;
mod book;
mod bound;
mod catalogue;
mod class;
mod cost;
mod entry;
mod error;
mod find;
mod prices;
mod rates;
mod spec;
mod text;

pub mod import;
#[cfg(feature = "tokenizers")]
pub mod tokenizer;

pub use adjust::Adjustment;
pub use book::{Asked, Charge, Own, Picture, PriceBook, Source, Tariff};
pub use bound::{Bound, Services, Worst, upper_bound};
pub use catalogue::Catalogue;
pub use class::{Class, Classes};
pub use cost::{Cost, Item, cost};
pub use entry::{Capabilities, Date, Entry, Mode};
pub use error::Error;
pub use find::{Found, Rule};
pub use llm_types::ServiceTier;
pub use prices::{Effective, Prices};
pub use rates::Rates;
