//! The store on real databases: a SQLite file and a private PostgreSQL, the same tests on both.
#![cfg(test)]

mod harness;

mod alert;
mod away;
mod batch;
mod claim;
mod crash;
mod keys;
mod ledger;
mod port;
mod report;
mod rows;
mod told;
