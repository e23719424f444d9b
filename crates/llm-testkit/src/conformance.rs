//! The parts of the conformance suite that know nothing of the gateway: which request a client would
//! send for a recording, and how to compare what was sent.

pub mod normalise;
