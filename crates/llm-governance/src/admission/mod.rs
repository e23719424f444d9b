//! Admission: one call that lets a request in or says why not.
//!
//! In this order: access, limits, budgets. What is taken on the way is given back when a later step refuses. A request
//! that is let in has a [`Grant`], which holds its places and its money until it is dropped.

mod gate;
mod grant;
mod refusal;
mod refused;
mod seat;

pub use gate::{Facts, Gate};
pub use grant::Grant;
pub use refusal::Refusal;
pub(crate) use refusal::route_not_allowed;
pub use refused::RefusalCounts;
pub use seat::OnFailure;
