//! The conformance suite: every recorded exchange with a provider through the whole gateway, every stream
//! cut at every place, and what each dialect makes of the same requests.
//!
//! What a reply states is read by `llm-testkit`, which knows none of the code under test. Cases are made
//! in loops inside a few tests, which name everything that failed at once: a broken codec breaks many
//! recordings, and the pattern says more than the first of them.
#![cfg(test)]

mod agent;
mod bedrock;
mod capability;
mod client;
mod compact;
mod completion;
mod cost;
mod endpoint;
mod fact;
mod fixture;
mod front;
mod fuzz;
mod gemini_front;
mod gemini_golden;
mod golden;
mod lab;
mod later;
mod lost;
mod matrix;
mod media;
mod media_property;
mod native;
mod operation;
mod order;
mod pass;
mod pipe;
mod played;
mod provider;
mod recording;
mod round;
mod rule;
mod runner;
mod seal;
mod stream;
mod tally;
mod tool_loop;
