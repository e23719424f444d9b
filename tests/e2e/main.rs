//! End-to-end tests: the real gateway binary on loopback, scripted upstreams behind it, plain HTTP before it.
//!
//! Each test starts its own gateway, so that none can lean on what another left behind. Nothing sleeps to
//! wait for something: upstreams are held by gates, and every wait ends by itself.
#![cfg(test)]

mod harness;

mod bad_config;
mod bad_request;
mod bad_upstream;
mod cancel;
mod connection;
mod drain;
mod failover;
mod failover_stream;
mod header;
mod key;
mod models;
mod pass;
mod pass_stream;
mod responses;
mod responses_loop;
mod responses_only;
mod responses_owner;
mod sdk;
mod secret;
mod start;
mod timeout;
mod translate;
mod translate_anthropic;
mod translate_gemini;
