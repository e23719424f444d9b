//! Who calls.
//!
//! Every request carries one from the moment it is authenticated, so that access, limits and budgets have
//! something to hang on.

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal {
    /// Whoever has the master key.
    Master,
    /// Anyone: no master key is set, and only this machine is listened to.
    Open,
}
