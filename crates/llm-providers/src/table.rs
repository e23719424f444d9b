//! The provider table: the built-in rows and the user's own, by name.
//!
//! Providers that share a dialect differ in facts, not in code, so they are rows of `providers.toml`. The
//! text is part of the binary; that it parses is proved by a test. Should it ever not, the table is
//! empty and says why wherever a name is looked up: a library has no business to panic at start-up.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use llm_types::{AuthStyle, ProviderSpec, UrlForm};
use serde::Deserialize;

use crate::url::Base;

static BUILTIN: LazyLock<ProviderTable> = LazyLock::new(|| match parse(include_str!("providers.toml")) {
    Ok(rows) => ProviderTable::from_rows(rows),
    Err(error) => ProviderTable {
        error: Some(format!("the built-in provider table is not readable: {error}")),
        ..ProviderTable::default()
    },
});

/// Provider rows, by name and alias.
#[derive(Debug, Clone, Default)]
pub struct ProviderTable {
    rows: Vec<Arc<ProviderSpec>>,
    names: HashMap<String, usize>,
    /// Of rows that a base URL identifies: where they are, longest path first.
    bases: Vec<(Base, usize)>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    providers: Vec<ProviderSpec>,
}

fn parse(text: &str) -> Result<Vec<ProviderSpec>, toml::de::Error> {
    toml::from_str::<File>(text).map(|file| file.providers)
}

impl ProviderTable {
    /// The built-in rows.
    #[must_use]
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// This table with the user's rows laid over it, in order. A row whose name is that of an earlier
    /// one is merged into it (see [`merge`]); another row is added, and its name wins over an alias.
    #[must_use]
    pub fn with(&self, extra: Vec<ProviderSpec>) -> Self {
        let mut rows: Vec<ProviderSpec> = self.rows.iter().map(|row| (**row).clone()).collect();
        for row in extra {
            match rows.iter_mut().find(|known| known.name == row.name) {
                Some(known) => merge(known, row),
                None => rows.push(row),
            }
        }
        Self { error: self.error.clone(), ..Self::from_rows(rows) }
    }

    /// The row with this prefix or alias.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<ProviderSpec>> {
        self.rows.get(*self.names.get(name)?)
    }

    /// The row that a base URL belongs to: its host and port are those of the row's own base, and its
    /// path is that path or lies below it. Of several the one with the longest path. Local servers and
    /// rows whose base needs settings are not told by their address.
    #[must_use]
    pub fn by_base(&self, api_base: &str) -> Option<&Arc<ProviderSpec>> {
        let base = Base::parse(api_base).ok()?;
        let (_, index) = self.bases.iter().find(|(known, _)| base.is_at_or_below(known))?;
        self.rows.get(*index)
    }

    /// The rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ProviderSpec>> {
        self.rows.iter()
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Why the built-in rows are missing, if they are.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    fn from_rows(mut rows: Vec<ProviderSpec>) -> Self {
        borrow_rules(&mut rows);
        liken(&mut rows);
        let mut names: HashMap<String, usize> = HashMap::new();
        for (index, row) in rows.iter().enumerate() {
            names.insert(row.name.clone(), index);
        }
        for (index, row) in rows.iter().enumerate() {
            for alias in &row.aliases {
                names.entry(alias.clone()).or_insert(index);
            }
        }
        let known = |(index, row): (usize, &ProviderSpec)| {
            let base = row.api_base.as_deref().filter(|_| !row.key_optional)?;
            Some((Base::parse(base).ok()?, index))
        };
        let mut bases: Vec<(Base, usize)> = rows.iter().enumerate().filter_map(known).collect();
        bases.sort_by_key(|(base, _)| std::cmp::Reverse(base.path().len()));
        Self { rows: rows.into_iter().map(Arc::new).collect(), names, bases, error: None }
    }
}

/// Puts the rules of the row named in `rules_from` before a row's own. Done once: the field is taken.
fn borrow_rules(rows: &mut [ProviderSpec]) {
    let lent: Vec<(usize, Vec<_>)> = rows
        .iter()
        .enumerate()
        .filter_map(|(index, row)| {
            let from = row.rules_from.as_deref()?;
            let lender = rows.iter().find(|other| other.name == from)?;
            let mut rules = lender.rules.clone();
            for glob in rules.iter_mut().flat_map(|rule| rule.models.iter_mut().chain(&mut rule.except)) {
                glob.insert_str(0, &row.rules_under);
            }
            Some((index, rules))
        })
        .collect();
    for (index, mut rules) in lent {
        if let Some(row) = rows.get_mut(index) {
            rules.append(&mut row.rules);
            row.rules = rules;
            row.rules_from = None;
        }
    }
}

/// Fills variants that are like another row with what holds there: rules as they are, quirks in front of their own.
fn liken(rows: &mut [ProviderSpec]) {
    let lenders = rows.to_vec();
    for variant in rows.iter_mut().flat_map(|row| &mut row.variants) {
        let lender = variant.like.take().and_then(|name| lenders.iter().find(|row| row.name == name));
        if let Some(lender) = lender {
            let own = std::mem::replace(&mut variant.quirks, lender.quirks.clone());
            merge_quirks(&mut variant.quirks, own);
            variant.rules.clone_from(&lender.rules);
        }
    }
}

/// Lays a user's row over a known one of the same name.
///
/// - Another dialect: the user's row stands alone; nothing of the known one makes sense there.
/// - A list or text that the user gives replaces the known one; an empty one keeps it. Of `quirks`,
///   each member is replaced on its own in the same way.
/// - Headers are merged by name, the user's win. A header set to `""` is taken out.
/// - Rules of models: the user's come behind the known ones, so that theirs apply last.
/// - `auth`, `url`: given means other than their default (`bearer`, `plain`).
/// - `key_optional`, `generic`: true if either is.
pub fn merge(known: &mut ProviderSpec, user: ProviderSpec) {
    if known.dialect != user.dialect {
        *known = user;
        return;
    }
    let ProviderSpec {
        name: _,
        aliases,
        dialect: _,
        api_base,
        key_env,
        base_env,
        auth,
        key_optional,
        url,
        operations,
        bare_names,
        models,
        headers,
        quirks,
        rules,
        rules_from,
        // A configuration has none of the next three.
        rules_under: _,
        moved: _,
        refused: _,
        key_rules,
        model_names,
        families,
        version_env,
        api_version,
        generic,
        tokens,
        variants,
        aws_service,
        batches,
        docs,
    } = user;
    option(&mut known.aws_service, aws_service);
    option(&mut known.batches, batches);
    list(&mut known.aliases, aliases);
    option(&mut known.api_base, api_base);
    list(&mut known.key_env, key_env);
    list(&mut known.base_env, base_env);
    if auth != AuthStyle::default() {
        known.auth = auth;
    }
    known.key_optional |= key_optional;
    if url != UrlForm::default() {
        known.url = url;
    }
    list(&mut known.operations, operations);
    list(&mut known.bare_names, bare_names);
    list(&mut known.models, models);
    for (name, value) in headers {
        known.headers.retain(|other, _| !other.eq_ignore_ascii_case(&name));
        if !value.is_empty() {
            known.headers.insert(name, value);
        }
    }
    merge_quirks(&mut known.quirks, quirks);
    known.rules.extend(rules);
    option(&mut known.rules_from, rules_from);
    list(&mut known.key_rules, key_rules);
    list(&mut known.model_names, model_names);
    if !families.is_empty() {
        known.families = families;
    }
    list(&mut known.version_env, version_env);
    option(&mut known.api_version, api_version);
    known.generic |= generic;
    option(&mut known.tokens, tokens);
    list(&mut known.variants, variants);
    option(&mut known.docs, docs);
}

fn merge_quirks(known: &mut llm_types::Quirks, user: llm_types::Quirks) {
    let llm_types::Quirks {
        rename,
        drop,
        clamp,
        words,
        messages,
        reply,
        embed_inputs,
        token_inputs,
        max_images,
        rerank,
        rerank_form,
        transcripts,
        image_size,
        image_edit,
        model_prefix,
        runner,
        path,
        set,
        only,
        without,
        other_models,
        added_models,
        unnamed_models,
        model_lists,
    } = user;
    if !rename.is_empty() {
        known.rename = rename;
    }
    list(&mut known.drop, drop);
    if !clamp.is_empty() {
        known.clamp = clamp;
    }
    if !words.is_empty() {
        known.words = words;
    }
    list(&mut known.messages, messages);
    list(&mut known.reply, reply);
    option(&mut known.embed_inputs, embed_inputs);
    option(&mut known.token_inputs, token_inputs);
    option(&mut known.max_images, max_images);
    list(&mut known.rerank, rerank);
    option(&mut known.rerank_form, rerank_form);
    option(&mut known.transcripts, transcripts);
    option(&mut known.image_size, image_size);
    option(&mut known.image_edit, image_edit);
    option(&mut known.model_prefix, model_prefix);
    option(&mut known.runner, runner);
    option(&mut known.path, path);
    if !set.is_empty() {
        known.set = set;
    }
    option(&mut known.only, only);
    list(&mut known.without, without);
    list(&mut known.other_models, other_models);
    list(&mut known.added_models, added_models);
    list(&mut known.unnamed_models, unnamed_models);
    option(&mut known.model_lists, model_lists);
}

fn list<T>(known: &mut Vec<T>, user: Vec<T>) {
    if !user.is_empty() {
        *known = user;
    }
}

fn option<T>(known: &mut Option<T>, user: Option<T>) {
    if user.is_some() {
        *known = user;
    }
}

#[cfg(test)]
mod tests;
