//! What a request asks of whoever answers it, for the router.
//!
//! Most of it comes from headers and a shallow look at the body, and only as far as somebody goes by it: a
//! group of one deployment without bounds takes whatever comes.

use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};
use llm_providers::estimate;
use llm_router::{Found, Group, Needs, Plan, Prefixes, hash};
use llm_types::{ApiError, Call, Capabilities, EmbedContent, EmbedInput, Op, Result};
use smallvec::SmallVec;

use super::Dispatch;
use super::own::Fallbacks;
use super::ready::Asking;
use crate::admit::{USUAL_ANSWER, answers};
use crate::backend::Backend;

static TAGS: HeaderName = HeaderName::from_static("x-gateway-tags");
static REGION: HeaderName = HeaderName::from_static("x-gateway-region");
static SESSION: HeaderName = HeaderName::from_static("x-gateway-session");

/// The longest request, in bytes, of which it is known beforehand what an entry of its own list changes.
const LONG: usize = 1 << 20;

/// How many groups are looked at for what a request needs.
const MOST: usize = 16;

/// Entries of a request's own list of fallbacks that change it, and what it needs then.
type Changed = SmallVec<[(usize, Arc<Needs>); 2]>;

/// Groups to go to, each with its entry in the request's own list.
type Others<'s> = SmallVec<[(Option<usize>, Found<'s, Backend>); 4]>;

/// What of a request is looked at.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// Which abilities it uses.
    uses: bool,
    /// How its prompt begins.
    prompt: bool,
}

/// Every model takes so many tokens.
const SHORT: u64 = 500;

impl Dispatch {
    /// Says what the request asks of whoever answers it, and where else it may go. A text of so many bytes comes
    /// on top of the prompt.
    pub(super) fn ask_for(
        &self,
        plan: &mut Plan<'_, Backend>,
        asking: &mut Asking,
        more: usize,
    ) -> Result<()> {
        let changed = self.changed_needs(more)?;
        if let Some(mut needs) = self.needs(asking, &changed)? {
            needs.input_tokens = needs.input_tokens.saturating_add(roughly(more));
            plan.need(Arc::new(needs));
        }
        if let Some(Fallbacks { names, .. }) = &self.fallbacks {
            plan.fall_back_to(names.clone());
        }
        if let Some(control) = &self.control {
            control.tell(plan);
        }
        for (entry, needs) in changed {
            plan.need_at(entry, needs);
        }
        Ok(())
    }

    /// What it needs as the entries of its own list of fallbacks have it that change it.
    fn changed_needs(&self, more: usize) -> Result<Changed> {
        let Some(fallbacks) = &self.fallbacks else { return Ok(Changed::new()) };
        // What is written anew for each of them is judged as it came where it is long.
        if fallbacks.head(None)?.body().len() > LONG {
            return Ok(Changed::new());
        }
        let read = |entry: usize| {
            let mut asking = Asking::from(fallbacks.head(Some(entry))?);
            let named = fallbacks.names.get(entry).and_then(|named| self.snapshot.router.find(&named.model));
            let mut needs = self.wants(&asking, Look { uses: true, prompt: self.remembers(named) })?;
            if looks_long(needs.capabilities) || self.asked.op == Op::Embed {
                self.measure(&mut needs, &mut asking);
            }
            needs.input_tokens = needs.input_tokens.saturating_add(roughly(more));
            self.note_windows(&mut needs, named.into_iter());
            Ok((entry, Arc::new(needs)))
        };
        let entries = fallbacks.names.iter().enumerate();
        entries.filter(|(_, fallback)| fallback.overrides).map(|(entry, _)| read(entry)).collect()
    }

    /// What the request needs; `None`: anybody will do.
    fn needs(&self, asking: &mut Asking, changed: &Changed) -> Result<Option<Needs>> {
        let group = &self.group;
        let others = self.others();
        let told = self.told(&TAGS).is_some() || self.told(&REGION).is_some();
        if !group.is_choosy() && others.is_empty() && !told {
            return Ok(None);
        }
        let counted = group.counts_tokens() || others.iter().any(|(_, found)| found.group.counts_tokens());
        // Nobody looks for what everybody can do.
        let uses = !others.is_empty() || counted || !group.can_everything();
        let own = Found { group, star: self.star.as_deref() };
        let is_one = group.deployments.len() == 1;
        // Where one has no choice, those after it may.
        let prompt =
            self.remembers([own]) || (is_one && self.remembers(others.iter().map(|(_, found)| *found)));
        let mut needs = self.wants(asking, Look { uses, prompt })?;
        self.note_windows(&mut needs, std::iter::once(own).chain(others.iter().map(|(_, found)| *found)));
        let all_able = |group: &Group<Backend>, needs: &Needs| {
            group.all_able(needs) || group.able(needs).count() == group.deployments.len()
        };
        let is_able = all_able(group, &needs);
        let elsewhere = |needs: &Needs| others.iter().all(|(_, found)| all_able(found.group, needs));
        let (long, several) = (looks_long(needs.capabilities), self.asked.op == Op::Embed);
        if !is_able || (long && counted) || ((long || several) && !elsewhere(&needs)) {
            self.measure(&mut needs, asking);
        }
        let able = |(entry, found): &(Option<usize>, Found<'_, Backend>)| {
            let own = changed.iter().find(|(changed, _)| Some(*changed) == *entry);
            !found.group.able(own.map_or(&needs, |(_, needs)| needs)).is_empty()
        };
        // Another model may have what none of these has.
        if !is_able && !others.iter().any(able) {
            relax(group, &mut needs);
        }
        Ok(Some(needs))
    }

    /// What a request asks for by its headers and a shallow look at its body; what it uses only where that matters.
    fn wants(&self, asking: &Asking, look: Look) -> Result<Needs> {
        let headers = if self.is_told { Some(&self.asked.headers) } else { None };
        let told = headers.map(told_needs).transpose()?.unwrap_or_default();
        let gist = self.codec.gist(&asking.head, &self.asked);
        let affinity = self.snapshot.policy(&self.group.name).affinity;
        let session = told.session.or_else(|| gist.session.as_deref().map(hash));
        let prompt = if look.prompt { gist.prompt } else { &[] };
        let counts = self.asked.op == Op::CountTokens;
        let reads = look.uses && self.asked.op == Op::Chat;
        Ok(Needs {
            capabilities: if reads { self.codec.uses(&asking.head, &self.asked) } else { Capabilities::NONE },
            // Counting tokens uses none.
            input_tokens: if counts { 0 } else { rough(self.text(asking)) },
            output_tokens: gist.max_output.filter(|_| !counts).unwrap_or_default(),
            usual_output: if answers(self.asked.op) { USUAL_ANSWER } else { 0 },
            stream: self.peek.stream,
            hour: hour(),
            pin: None,
            session: session.filter(|_| affinity.session),
            prefixes: Prefixes::of(prompt),
            ..told
        })
    }

    /// Whether one of these groups has several that may have the beginning of the prompt, and goes by that.
    fn remembers<'f>(&self, groups: impl IntoIterator<Item = Found<'f, Backend>>) -> bool {
        let goes_by = |group: &Group<Backend>| self.snapshot.policy(&group.name).affinity.prefix;
        groups.into_iter().any(|found| found.group.deployments.len() > 1 && goes_by(found.group))
    }

    /// The groups that the request may go to from its own, by whatever failure, and from those.
    fn others(&self) -> Others<'_> {
        let router = &self.snapshot.router;
        let too_long = self.control.iter().filter_map(|control| control.too_long.as_ref()).flatten();
        let is_plain = self.fallbacks.is_none() && self.control.is_none();
        if is_plain && self.group.fallbacks.names().next().is_none() && !router.has_defaults() {
            return Others::new();
        }
        let own = self.fallbacks.as_ref().map(|own| own.names.iter().enumerate());
        let own = own.into_iter().flatten().map(|(entry, fallback)| (Some(entry), &fallback.model));
        let usual = self.fallbacks.is_none().then(|| self.group.fallbacks.names().chain(router.defaults()));
        let usual = usual.into_iter().flatten().map(|name| (None, name));
        let all = own
            .chain(too_long.map(|name| (None, name)))
            .chain(usual)
            .filter_map(|(entry, name)| Some((entry, router.find(name)?)));
        let mut all: Others<'_> = all.collect();
        if self.fallbacks.is_none() {
            self.follow(&mut all);
        }
        all
    }

    /// Adds where these groups lead in turn.
    fn follow<'s>(&'s self, all: &mut Others<'s>) {
        let mut at = 0;
        while let Some((_, Found { group, .. })) = all.get(at).copied() {
            for next in group.fallbacks.names().filter_map(|name| self.snapshot.router.find(name)) {
                let known = || all.iter().map(|(_, known)| known.group).chain([&self.group]);
                if all.len() < MOST && !known().any(|known| Arc::ptr_eq(known, next.group)) {
                    all.push((None, next));
                }
            }
            at += 1;
        }
    }

    /// Looks up the windows of models that stand behind a `*`: only a request says which they are.
    fn note_windows<'f>(&self, needs: &mut Needs, groups: impl Iterator<Item = Found<'f, Backend>>) {
        if needs.tokens() <= SHORT {
            return;
        }
        for found in groups {
            let Some(star) = found.star else { continue };
            for deployment in found.group.deployments.iter() {
                let is_known = needs.windows.iter().any(|(id, _)| *id == deployment.id);
                if is_known || deployment.facts.context_window.is_some() || !deployment.target.is_wildcard() {
                    continue;
                }
                if let Some(window) = self.snapshot.window(deployment, star) {
                    needs.windows.push((Arc::clone(&deployment.id), window));
                }
            }
        }
    }

    /// What a header of ours says.
    pub(crate) fn told(&self, name: &HeaderName) -> Option<&HeaderValue> {
        if self.is_told { self.asked.headers.get(name) } else { None }
    }

    /// The text of the request. Of a form with a file it is not known, and nearly nothing.
    fn text<'a>(&self, asking: &'a Asking) -> &'a [u8] {
        if self.codec.is_opaque(&self.asked) { &[] } else { asking.head.body() }
    }

    /// How long the text of the request is, in bytes.
    pub(crate) fn text_length(&self, asking: &Asking) -> usize {
        self.text(asking).len()
    }

    /// About so many tokens has the longest of the texts that vectors are wanted of, as far as it must fit. Of those that
    /// are long altogether nobody knows before they are sent.
    fn longest(&self, asking: &mut Asking) -> u64 {
        if asking.head.body().len() > LONG {
            return 0;
        }
        let Ok(Call::Embed(request)) = asking.call(self.codec, &self.asked) else { return 0 };
        if request.truncate == Some(true) {
            return 0;
        }
        let tokens = |input: &EmbedInput| match &input.content {
            EmbedContent::Text(text) => rough(text.as_bytes()),
            EmbedContent::Tokens(tokens) => u64::try_from(tokens.len()).unwrap_or(u64::MAX),
            EmbedContent::Opaque(..) => 0,
        };
        request.inputs.iter().map(tokens).max().unwrap_or_default()
    }

    /// Counts the prompt instead of guessing it: pictures in base64 look longer than they are.
    fn measure(&self, needs: &mut Needs, asking: &mut Asking) {
        if self.asked.op == Op::Embed {
            needs.longest_input = Some(self.longest(asking));
            return;
        }
        if self.asked.op != Op::Chat {
            return;
        }
        // What cannot be read is refused later, with the reason.
        let counted = asking.call(self.codec, &self.asked).and_then(|call| estimate::count(call));
        if let Ok(count) = counted {
            needs.input_tokens = count.input;
        }
    }
}

/// What the headers ask of a deployment: tags, a region, the session that the request is of.
///
/// # Errors
/// 400 for what cannot be read.
pub(crate) fn told_needs(headers: &HeaderMap) -> Result<Needs> {
    let tags = word(headers, &TAGS)?.into_iter().flat_map(|tags| tags.split(','));
    let tags = tags.map(str::trim).filter(|tag| !tag.is_empty()).map(Arc::from);
    Ok(Needs {
        tags: tags.collect(),
        region: word(headers, &REGION)?.map(Arc::from),
        session: word(headers, &SESSION)?.map(|session| hash(session.as_bytes())),
        ..Needs::default()
    })
}

fn word<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| {
        let message = format!("the header {name} must be visible ASCII");
        ApiError::bad_request(message).with_param(name.as_str())
    })?;
    Ok(Some(text.trim()).filter(|text| !text.is_empty()))
}

/// Leaves out what nobody in the group has, as far as the catalogue may be wrong about it: then the provider
/// says it. Tags and regions are the client's own words and stay.
fn relax(group: &Group<Backend>, needs: &mut Needs) {
    if !group.able(needs).is_empty() {
        return;
    }
    let wanted = (needs.capabilities, needs.output_tokens);
    needs.capabilities = Capabilities::NONE;
    if !group.able(needs).is_empty() {
        return;
    }
    needs.capabilities = wanted.0;
    needs.output_tokens = 0;
    if !group.able(needs).is_empty() {
        return;
    }
    needs.capabilities = Capabilities::NONE;
    if group.able(needs).is_empty() {
        // The prompt fits nobody by our estimate, and there is no other model to ask.
        (needs.input_tokens, needs.longest_input) = (0, None);
    }
}

/// Whether something in base64 makes it look longer than it is.
fn looks_long(uses: Capabilities) -> bool {
    [Capabilities::IMAGE_INPUT, Capabilities::AUDIO_INPUT, Capabilities::FILE_INPUT]
        .into_iter()
        .any(|one| uses.has(one))
}

/// About so many tokens.
pub(super) fn roughly(bytes: usize) -> u64 {
    u64::try_from(bytes / 4).unwrap_or(u64::MAX)
}

/// About so many tokens has a text. What is not ASCII is told apart: a character of Chinese or Japanese has three bytes, and
/// is about one token.
fn rough(text: &[u8]) -> u64 {
    if text.is_ascii() {
        return roughly(text.len());
    }
    let other = text.iter().filter(|byte| !byte.is_ascii()).count();
    roughly(text.len().saturating_sub(other)).saturating_add(u64::try_from(other / 3).unwrap_or(u64::MAX))
}

pub(crate) fn hour() -> u8 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u8::try_from(since.as_secs() / 3600 % 24).unwrap_or_default()
}

/// Whether there are headers of ours among these.
pub(crate) fn is_told(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("x-gateway-"))
}

#[cfg(test)]
mod tests {
    use llm_router::{Deployment, Facts, Group, RetryPolicy};

    use super::*;

    #[test]
    fn a_text_counts_by_its_characters_where_they_are_long() {
        let check = |text: &str, expect| assert_eq!(rough(text.as_bytes()), expect, "{text}");
        check(&"word ".repeat(400), 500);
        check(&"港は六時に開きます".repeat(100), 900);
        check("", 0);
        check(&format!("{}{}", "abcd".repeat(10), "港".repeat(10)), 20);
    }

    #[test]
    fn what_nobody_has_is_left_out() {
        let none: Arc<crate::snapshot::Snapshot> = Arc::new(
            crate::assemble::snapshot(&llm_config::Config::from_models(["mock/echo"]), |_| None, None)
                .unwrap(),
        );
        let backend = || none.router.groups().next().unwrap().deployments[0].target.clone();
        let small = Facts {
            context_window: Some(1000),
            max_output: Some(100),
            capabilities: Capabilities::NONE,
            ..Facts::default()
        };
        let large =
            Facts { context_window: Some(10_000), capabilities: Capabilities::TOOLS, ..Facts::default() };
        let deployments = [
            Deployment::new("small", 0, backend()).with_facts(small),
            Deployment::new("large", 0, backend()).with_facts(large),
        ];
        let group = Group::new("m", RetryPolicy::default(), deployments);
        let check = |capabilities, input_tokens, output_tokens, able: usize, after: (bool, u64, u64)| {
            let mut needs = Needs { capabilities, input_tokens, output_tokens, ..Needs::default() };
            relax(&group, &mut needs);
            assert_eq!(group.able(&needs).count(), able, "{needs:?}");
            let has = needs.capabilities != Capabilities::NONE;
            assert_eq!((has, needs.input_tokens, needs.output_tokens), after);
        };
        let (none, tools, images) = (Capabilities::NONE, Capabilities::TOOLS, Capabilities::IMAGE_INPUT);
        check(none, 10, 10, 2, (false, 10, 10));
        check(tools, 10, 10, 1, (true, 10, 10));
        check(images, 10, 10, 2, (false, 10, 10));
        check(none, 5000, 10, 1, (false, 5000, 10));
        check(tools, 9000, 5000, 1, (true, 9000, 0));
        check(none, 50_000, 10, 2, (false, 0, 0));
    }
}
