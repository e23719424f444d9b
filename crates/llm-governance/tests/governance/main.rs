//! What governance promises, by its public API.

mod access;
mod budgets;
mod harness;
mod interleavings;
mod leases;
mod limits;
mod threads;
