//! Vectors: requests, answers, recordings.
