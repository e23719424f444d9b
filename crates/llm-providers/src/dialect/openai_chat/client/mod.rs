//! We call a provider.
