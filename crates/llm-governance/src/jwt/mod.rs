//! Tokens of issuers (JWT, OpenID Connect) in the place of keys: token, keys and the moment in, whose it is out.
//!
//! Nothing here fetches anything or reads a clock. A token is believed only as far as a [`Rule`] says: its signature
//! must be by a key of the issuer's [`KeyRing`], with an algorithm that is of that key's kind, so that no header of a
//! token decides how it is checked. Whether there is such a team or user, and whether it is blocked, is asked of the
//! [`Directory`](crate::Directory) at every request; what is kept of a token ([`Verified`]) is only what the token says.

mod algorithm;
mod claims;
mod fault;
mod ring;
mod rule;
mod token;
mod verified;

pub use algorithm::Algorithm;
pub use fault::Fault;
pub use ring::{KeyRing, NoKeys};
pub use rule::{Claims, Rule};
pub use token::{LONGEST, Token, is_token};
pub use verified::{Verified, Vouched};
