//! What governance promises, by its public API.
#![cfg(test)]

mod access;
mod booked;
mod budgets;
mod crashes;
mod harness;
mod interleavings;
mod leases;
mod limits;
mod reports;
mod threads;
mod turned;
