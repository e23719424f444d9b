//! Deployments that answer to one model name.

use std::fmt;
use std::sync::Arc;

use crate::deployment::Deployment;
use crate::picker::{Picker, Strategy};
use crate::policy::RetryPolicy;

/// A model name and whoever can answer to it. Immutable: a reload builds a new one.
pub struct Group<T> {
    /// The name that clients ask for; may hold one `*`.
    pub name: Arc<str>,
    /// In config order.
    pub deployments: Arc<[Arc<Deployment<T>>]>,
    /// How the group is asked again.
    pub policy: RetryPolicy,
    /// Who is asked first.
    pub picker: Box<dyn Picker>,
}

impl<T> Group<T> {
    /// A group with the default strategy.
    #[must_use]
    pub fn new(
        name: impl Into<Arc<str>>,
        policy: RetryPolicy,
        deployments: impl IntoIterator<Item = Deployment<T>>,
    ) -> Self {
        let deployments: Arc<[_]> = deployments.into_iter().map(Arc::new).collect();
        let picker = Strategy::default().picker(deployments.len());
        Self { name: name.into(), deployments, policy, picker }
    }

    /// Changes who is asked first.
    #[must_use]
    pub fn with_strategy(mut self, strategy: Strategy) -> Self {
        self.picker = strategy.picker(self.deployments.len());
        self
    }

    /// The deployment at this position.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Arc<Deployment<T>>> {
        self.deployments.get(index)
    }
}

impl<T> fmt::Debug for Group<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.deployments.iter().map(|deployment| &deployment.id).collect();
        f.debug_struct("Group")
            .field("name", &self.name)
            .field("deployments", &ids)
            .field("policy", &self.policy)
            .field("picker", &self.picker)
            .finish()
    }
}
