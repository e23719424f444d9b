//! End-to-end tests: the real gateway binary on loopback, scripted upstreams behind it, plain HTTP or llmctl
//! before it.
//!
//! Each test starts its own gateway, so that none can lean on what another left behind. Nothing sleeps to
//! wait for something: upstreams are held by gates, and every wait ends by itself.
#![cfg(test)]

mod harness;

mod admin;
mod admin_api;
mod aws_chain;
mod bad_config;
mod bad_request;
mod bad_upstream;
mod cache;
mod cancel;
mod chaos;
mod completions;
mod configured;
mod conform;
mod connection;
mod credentials;
mod drain;
mod embed;
mod embed_parts;
mod failover;
mod failover_stream;
mod fetch;
mod files;
mod files_inline;
mod files_shapes;
mod front_faults;
mod gemini_front;
mod gemini_front_loop;
mod gemini_front_stream;
mod go_on;
mod go_on_refused;
mod header;
mod health;
mod jwt;
mod kept;
mod key;
mod keys;
mod last_words;
mod limits;
mod litellm;
mod llmctl;
mod llmctl_admin;
mod llmctl_media;
mod llmctl_text;
mod media;
mod messages;
mod messages_errors;
mod messages_gemini;
mod messages_loop;
mod messages_openai;
mod models;
mod money;
mod openapi;
mod own_api;
mod pass;
mod pass_stream;
mod pictures;
mod planted;
mod prices;
mod realtime;
mod reload;
mod rerank;
mod responses;
mod responses_loop;
mod responses_only;
mod responses_owner;
mod responses_tenant;
mod routing;
mod routing_able;
mod routing_edges;
mod routing_policy;
mod sdk;
mod secret;
mod shared;
mod start;
mod strategies;
mod timeout;
mod translate;
mod translate_anthropic;
mod translate_gemini;
mod upload;
