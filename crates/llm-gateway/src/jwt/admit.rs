//! From what a token vouches for to who asks. The directory is asked at every request, so that whoever is blocked there
//! is turned away at once, however long the token would be good.

use std::net::IpAddr;
use std::sync::Arc;

use llm_admin::Deed;
use llm_config::{UnknownTeams, UnknownUsers};
use llm_governance::jwt::Vouched;
use llm_governance::{Change, Group, Identity, Principal as Who, Scope};
use llm_types::{ApiError, ErrorKind, Result};

use super::Issuer;
use crate::governance::Governance;

impl Issuer {
    /// Who asks, by a good token.
    ///
    /// # Errors
    /// 403 for whoever is blocked, not known, or not to come from there; 503 where somebody cannot be made.
    pub(super) async fn admit(
        &self,
        vouched: &Vouched,
        governance: &Governance,
        address: Option<IpAddr>,
    ) -> Result<Who> {
        let team = self.team(vouched, governance).await?;
        if let Some(user) = &vouched.user
            && self.settings.unknown_users != UnknownUsers::Admit
        {
            self.user(user, vouched, governance).await?;
        }
        let identity = Identity {
            team,
            organisation: vouched.organisation.clone(),
            user: vouched.user.clone(),
            bearer: vouched.bearer.clone(),
        };
        governance.identify(identity, address)
    }

    /// The first team that is known here.
    async fn team(&self, vouched: &Vouched, governance: &Governance) -> Result<Option<Arc<str>>> {
        let known = |team: &&Arc<str>| governance.directory().has(&Scope::Team(Arc::clone(team)));
        if let Some(team) = vouched.teams.iter().find(known) {
            return Ok(Some(Arc::clone(team)));
        }
        match (self.settings.unknown_teams, vouched.teams.first()) {
            (_, None) | (UnknownTeams::Ignore, _) => Ok(None),
            (UnknownTeams::Refuse, Some(_)) => {
                let message = "the token names no team of this gateway: ask whoever administers it";
                Err(ApiError::new(ErrorKind::Permission, message).with_code("unknown_owner"))
            }
            (UnknownTeams::Make, Some(team)) => {
                let organisation = vouched.organisation.clone();
                let group = Group { organisation, ..self.new_team.clone() };
                self.make(Scope::Team(Arc::clone(team)), group, governance).await?;
                Ok(Some(Arc::clone(team)))
            }
        }
    }

    async fn user(&self, user: &Arc<str>, vouched: &Vouched, governance: &Governance) -> Result<()> {
        let scope = Scope::User(Arc::clone(user));
        if governance.directory().has(&scope) {
            return Ok(());
        }
        if self.settings.unknown_users == UnknownUsers::Refuse {
            let message = "the token's user is not known here: ask whoever administers this gateway";
            return Err(ApiError::new(ErrorKind::Permission, message).with_code("unknown_owner"));
        }
        let (name, metadata) = (vouched.name.clone(), vouched.metadata.clone());
        self.make(scope, Group { name, metadata, ..self.new_user.clone() }, governance).await
    }

    /// Makes somebody, unless another request has been faster.
    async fn make(&self, scope: Scope, group: Group, governance: &Governance) -> Result<()> {
        let _writing = governance.registry().writing().await;
        if governance.directory().has(&scope) {
            return Ok(());
        }
        if let Some(organisation) = &group.organisation
            && !governance.directory().has(&Scope::Organisation(Arc::clone(organisation)))
        {
            let message = format!(
                "the organisation `{organisation}` does not exist: ask whoever administers this gateway"
            );
            return Err(ApiError::new(ErrorKind::Permission, message).with_code("unknown_owner"));
        }
        tracing::info!(%scope, issuer = self.rule.issuer, "made by a token");
        let by = format!("jwt:{}", self.rule.issuer);
        let deed = Deed { by: &by, action: "create" };
        governance.registry().change(Change::Put(scope, Box::new(group)), deed).await
    }
}
