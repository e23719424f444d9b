//! The command line of what administers a gateway: keys, groups, budgets, usage, the audit log.

use clap::{Args as ClapArgs, Subcommand};

use super::Kept;

/// How a list is shown.
#[derive(Debug, ClapArgs)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) at: Kept,

    /// At most so many.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub(crate) limit: usize,

    /// Print comma-separated values.
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

/// Which one.
#[derive(Debug, ClapArgs)]
pub(crate) struct OneArgs {
    /// Its id, as `list` shows it.
    pub(crate) id: String,

    #[command(flatten)]
    pub(crate) at: Kept,
}

/// What may be done and spent.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct TermsArgs {
    /// Its name for people.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,

    /// Models that may be called, `*` for anything.
    #[arg(long, value_name = "MODEL,…", value_delimiter = ',')]
    pub(crate) models: Vec<String>,

    /// Routes that may be called.
    #[arg(long, value_name = "PATH,…", value_delimiter = ',')]
    pub(crate) routes: Vec<String>,

    /// Addresses that requests may come from.
    #[arg(long, value_name = "RANGE,…", value_delimiter = ',')]
    pub(crate) ip_ranges: Vec<String>,

    /// Dollars and a window: `25.00/day`, `100/month/soft`, `5/day/hard/Europe/Berlin`; may be repeated.
    #[arg(long, value_name = "USD/WINDOW")]
    pub(crate) budget: Vec<String>,

    /// Models that may answer when the money of these budgets is gone, the best first.
    #[arg(long, value_name = "MODEL,…", value_delimiter = ',', requires = "budget")]
    pub(crate) budget_fallbacks: Vec<String>,

    /// Requests a minute.
    #[arg(long, value_name = "COUNT")]
    pub(crate) rpm: Option<u64>,

    /// Tokens a minute.
    #[arg(long, value_name = "COUNT")]
    pub(crate) tpm: Option<u64>,

    /// Requests at once.
    #[arg(long, value_name = "COUNT")]
    pub(crate) parallel: Option<u32>,

    /// Limits of a single model: `gpt-4o=rpm:60,tpm:100000,parallel:4`; may be repeated.
    #[arg(long, value_name = "MODEL=LIMIT:COUNT,…")]
    pub(crate) model_limits: Vec<String>,

    /// Whether it is turned away.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) blocked: Option<bool>,

    /// The organisation that it belongs to.
    #[arg(long, value_name = "ID")]
    pub(crate) organisation: Option<String>,

    /// Whatever is to be noted: a JSON object.
    #[arg(long, value_name = "JSON")]
    pub(crate) metadata: Option<String>,

    /// Members to clear, as the API calls them: `budgets`, `limits`, `team_id`, ….
    #[arg(long, value_name = "MEMBER,…", value_delimiter = ',')]
    pub(crate) clear: Vec<String>,
}

/// What a key has beside its terms.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct KeyArgs {
    #[command(flatten)]
    pub(crate) terms: TermsArgs,

    /// The team that it belongs to.
    #[arg(long, value_name = "ID")]
    pub(crate) team: Option<String>,

    /// The user that it belongs to.
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<String>,

    /// Words that all of its requests are marked with.
    #[arg(long, value_name = "WORD,…", value_delimiter = ',')]
    pub(crate) tags: Vec<String>,

    /// From when it is turned away, such as 2027-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_at: Option<String>,

    /// Whether it may administer the gateway.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) admin: Option<bool>,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// List them.
    List {
        #[command(flatten)]
        list: ListArgs,
        /// Of this team alone.
        #[arg(long, value_name = "ID")]
        team: Option<String>,
        /// Of this user alone.
        #[arg(long, value_name = "ID")]
        user: Option<String>,
        /// Of this organisation alone.
        #[arg(long, value_name = "ID")]
        organisation: Option<String>,
        /// Of this name alone.
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
    },
    /// Make one, and show its secret: the only time.
    Create {
        #[command(flatten)]
        key: Box<KeyArgs>,
        #[command(flatten)]
        at: Kept,
    },
    /// Show one, with what it has spent.
    Show(OneArgs),
    /// Change one; what is not named stays as it is.
    Update {
        /// Its id, as `list` shows it.
        id: String,
        #[command(flatten)]
        key: Box<KeyArgs>,
        #[command(flatten)]
        at: Kept,
    },
    /// Take one back, for good.
    Delete(OneArgs),
    /// Give one another secret, and show that.
    Rotate {
        #[command(flatten)]
        one: OneArgs,
        /// How long the old secret is still good, such as 24h.
        #[arg(long, value_name = "TIME")]
        grace: Option<String>,
    },
    /// Turn one away until `unblock`.
    Block(OneArgs),
    /// Let one in again.
    Unblock(OneArgs),
}

/// What to do with teams, users or organisations.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupsCommand {
    /// List them.
    List {
        #[command(flatten)]
        list: ListArgs,
        /// Of this organisation alone.
        #[arg(long, value_name = "ID")]
        organisation: Option<String>,
        /// Of this name alone.
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
    },
    /// Make one.
    Create {
        /// Its id; made up where there is none.
        id: Option<String>,
        #[command(flatten)]
        terms: Box<TermsArgs>,
        #[command(flatten)]
        at: Kept,
    },
    /// Show one, with what it has spent.
    Show(OneArgs),
    /// Change one; what is not named stays as it is.
    Update {
        /// Its id, as `list` shows it.
        id: String,
        #[command(flatten)]
        terms: Box<TermsArgs>,
        #[command(flatten)]
        at: Kept,
    },
    /// Take one away; nobody may belong to it.
    Delete(OneArgs),
    /// Turn it away, with all that belong to it, until `unblock`.
    Block(OneArgs),
    /// Let it in again.
    Unblock(OneArgs),
}

/// What to do with budgets.
#[derive(Debug, Subcommand)]
pub(crate) enum BudgetsCommand {
    /// List them, with what is spent.
    List {
        #[command(flatten)]
        list: ListArgs,
        /// Of this owner alone, such as team:search.
        #[arg(long, value_name = "SCOPE")]
        scope: Option<String>,
    },
    /// Make one.
    Create {
        /// Whose: global, or key:, team:, user:, organisation:, tag:, model:, provider: and an id.
        scope: String,
        /// Dollars and a window: `25.00/day`, `100/month/soft`, `5/day/hard/Europe/Berlin`.
        budget: String,
        /// Models that may answer when the money is gone.
        #[arg(long, value_name = "MODEL,…", value_delimiter = ',')]
        fallbacks: Vec<String>,
        #[command(flatten)]
        at: Kept,
    },
    /// Show one.
    Show(OneArgs),
    /// Change what it allows.
    Update {
        /// Its id, as `list` shows it.
        id: String,
        /// How many dollars.
        #[arg(long, value_name = "USD")]
        limit_usd: Option<String>,
        /// Models that may answer when the money is gone.
        #[arg(long, value_name = "MODEL,…", value_delimiter = ',')]
        fallbacks: Vec<String>,
        #[command(flatten)]
        at: Kept,
    },
    /// Take one away.
    Delete(OneArgs),
    /// Let what killed gateways may have spent be spent again, where you know that it was not.
    Release(OneArgs),
    /// How fast each is used up, and on which day it will be.
    Forecast {
        #[command(flatten)]
        list: ListArgs,
        /// Of this owner alone, such as team:search.
        #[arg(long, value_name = "SCOPE")]
        scope: Option<String>,
    },
}

/// What to do with limits of everything, tags and models.
#[derive(Debug, Subcommand)]
pub(crate) enum LimitsCommand {
    /// List them.
    List(ListArgs),
    /// Show those of one.
    #[command(visible_alias = "get")]
    Show(OneArgs),
    /// Make or change those of one; what is not named stays as it is.
    Set {
        /// Whose: global, or tag:, model: and a name.
        scope: String,
        /// Requests a minute.
        #[arg(long, value_name = "COUNT")]
        rpm: Option<u64>,
        /// Tokens a minute.
        #[arg(long, value_name = "COUNT")]
        tpm: Option<u64>,
        /// Requests at once.
        #[arg(long, value_name = "COUNT")]
        parallel: Option<u32>,
        /// Which to lift: `rpm`, `tpm`, `parallel`.
        #[arg(long, value_name = "LIMIT,…", value_delimiter = ',', value_parser = ["rpm", "tpm", "parallel"])]
        clear: Vec<String>,
        #[command(flatten)]
        at: Kept,
    },
    /// Take those of one away.
    Delete(OneArgs),
}

/// Which usage.
#[derive(Debug, ClapArgs)]
pub(crate) struct UsageArgs {
    #[command(flatten)]
    pub(crate) at: Kept,

    /// Not before this moment or day; 30 days ago by default.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,

    /// Before this moment or day; now by default.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,

    /// Whose days they are, also in --from and --to: UTC by default, or such as Europe/Berlin.
    #[arg(long, value_name = "ZONE")]
    pub(crate) tz: Option<String>,

    /// What it is divided by: day, hour, model (as it was asked for), model_served, provider, deployment, key, team, user,
    /// organisation, tag.
    #[arg(long, value_name = "WORD,…", value_delimiter = ',', default_value = "model")]
    pub(crate) by: Vec<String>,

    /// What it is narrowed to, such as team=search; may be repeated.
    #[arg(long, value_name = "WORD=VALUE")]
    pub(crate) only: Vec<String>,

    /// Print comma-separated values.
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

/// Which part of the audit log.
#[derive(Debug, ClapArgs)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,

    /// Of this object alone, such as team:search or key:key_….
    #[arg(long, value_name = "OBJECT")]
    pub(crate) object: Option<String>,

    /// By this actor: master, local, llmctl, a key's id, `user:…`, `team:…` or `jwt:…`.
    #[arg(long, value_name = "WHO")]
    pub(crate) actor: Option<String>,

    /// Not before this moment or day.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,

    /// Before this moment or day.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
}
