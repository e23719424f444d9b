//! Whose money and whose limits: the owner of a budget, by kind and id.
//!
//! The text form (`team:search`) is what rows, stores and messages use; it is stable.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::Error;
use crate::key::KeyId;

/// One owner of budgets and limits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Everything.
    Global,
    /// An organisation, by id.
    Organisation(Arc<str>),
    /// A team, by id.
    Team(Arc<str>),
    /// A user, by id.
    User(Arc<str>),
    /// A key.
    Key(KeyId),
    /// A word that requests are marked with.
    Tag(Arc<str>),
    /// A model, as clients ask for it.
    Model(Arc<str>),
    /// A provider, by its name in the provider table.
    Provider(Arc<str>),
}

impl Scope {
    /// The word for its kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Organisation(_) => "organisation",
            Self::Team(_) => "team",
            Self::User(_) => "user",
            Self::Key(_) => "key",
            Self::Tag(_) => "tag",
            Self::Model(_) => "model",
            Self::Provider(_) => "provider",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Global => f.write_str(kind),
            Self::Key(id) => write!(f, "{kind}:{id}"),
            Self::Organisation(id)
            | Self::Team(id)
            | Self::User(id)
            | Self::Tag(id)
            | Self::Model(id)
            | Self::Provider(id) => write!(f, "{kind}:{id}"),
        }
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "global" {
            return Ok(Self::Global);
        }
        let wrong = || Error::NotAScope(text.to_owned());
        let (kind, id) = text.split_once(':').filter(|(_, id)| !id.is_empty()).ok_or_else(wrong)?;
        Ok(match kind {
            "organisation" => Self::Organisation(id.into()),
            "team" => Self::Team(id.into()),
            "user" => Self::User(id.into()),
            "key" => Self::Key(id.parse()?),
            "tag" => Self::Tag(id.into()),
            "model" => Self::Model(id.into()),
            "provider" => Self::Provider(id.into()),
            _ => return Err(wrong()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_read_back() {
        let id = KeyId::from_bytes([7; 16]);
        for scope in [
            Scope::Global,
            Scope::Organisation("o".into()),
            Scope::Team("a:b".into()),
            Scope::User("u".into()),
            Scope::Key(id),
            Scope::Tag("t".into()),
            Scope::Model("openai/gpt-4o".into()),
            Scope::Provider("p".into()),
        ] {
            assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
        }
        for wrong in ["", "team", "team:", "planet:mars", "key:7"] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
        }
    }
}
