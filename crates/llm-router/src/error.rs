//! What can be wrong with the groups a router is built from.
//!
//! Only building fails here. A request's failures are [`llm_types::ApiError`]s, so that every front
//! renders them alike.

/// A set of groups that cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two groups or aliases with one name.
    #[error("the model name `{0}` is taken twice: rename one of them")]
    DuplicateName(String),
    /// Nobody could answer.
    #[error("the model `{0}` has no deployment: add one")]
    EmptyGroup(String),
    /// A pattern that cannot say what its `*` stands for.
    #[error("the model name `{0}` has more than one `*`: keep one")]
    TooManyStars(String),
    /// An alias that leads nowhere.
    #[error("the alias `{alias}` names the model `{model}`, which does not exist: add it or drop the alias")]
    UnknownTarget {
        /// The alias.
        alias: String,
        /// What it names.
        model: String,
    },
    /// A fallback that leads nowhere.
    #[error(
        "{owner} falls back to the model `{fallback}`, which does not exist: add it or drop the fallback"
    )]
    UnknownFallback {
        /// Whose list it is in.
        owner: String,
        /// What it names.
        fallback: String,
    },
    /// Two deployments of a group that no log or header could tell apart.
    #[error("the model `{model}` has two deployments with the id `{id}`: give each its own")]
    DuplicateId {
        /// The group.
        model: String,
        /// The id.
        id: String,
    },
}
