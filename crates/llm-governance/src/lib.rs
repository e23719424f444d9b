#![doc = include_str!("../README.md")]

mod admission;
mod budget;
mod cidr;
mod directory;
mod error;
mod key;
mod now;
mod owner;
mod principal;
mod row;
mod scope;
mod terms;
mod window;

#[cfg(feature = "jwt")]
pub mod jwt;
pub mod lease;
pub mod limit;
pub mod report;

pub use admission::{Facts, Gate, Grant, OnFailure, Refusal, RefusalCounts};
pub use budget::{
    Basis, Budget, BudgetId, BudgetView, BudgetWindow, Charge, Event, Mode, Observer, PriceBound, Quiet,
    Reservation, Settled, THRESHOLDS,
};
pub use cidr::Cidr;
pub use directory::{Change, Directory, KeyStore, Replacement, Revision};
pub use error::Error;
pub use key::{Hint, KeyHash, KeyId, LONGEST, NewKey, PREFIX};
pub use lease::{Ledger, MemoryLedger};
pub use limit::{LimitStore, Limits, ModelLimits, Seating};
pub use now::Now;
pub use owner::{Group, Key, KeyMore};
pub use principal::{Bearer, Identity, Principal};
pub use report::{MemoryReports, Reports};
pub use row::{RowCache, RowItem, RowOwner, RowServed, UsageRow};
pub use scope::Scope;
pub use terms::{Access, Terms};
pub use window::{Period, Span, Window, Zone};
