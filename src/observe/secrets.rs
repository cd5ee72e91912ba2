//! Secrets whose change is a reason to replace: what they are now beside what they were at the spawn. Only digests are known here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;

use super::{AgentName, AgentSpec, Desired, Fleet, Host, OnChange, Record};
use crate::desired::SecretSource;
use crate::host::{Seal, SecretQuery};
use crate::state::Key;

/// What a look shows of the secrets of one agent.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// Those with another value than at the spawn.
    pub(super) changed: Vec<String>,
    /// The digests of those that were not known yet when this life began.
    pub(super) learned: BTreeMap<String, String>,
}

/// Asks for all of them in one call.
pub(super) fn ask(
    desired: &Desired,
    records: &BTreeMap<AgentName, Record>,
    is_asked: &dyn Fn(&AgentName) -> bool,
    fleet: &Fleet,
    host: &mut dyn Host,
) -> BTreeMap<AgentName, Secrets> {
    let mut seen: BTreeMap<AgentName, Secrets> = BTreeMap::new();
    let asked = desired
        .agents
        .iter()
        .filter(|(name, _)| is_asked(name))
        .filter_map(|(name, declared)| Some((name, &declared.spec, records.get(name)?)));
    let asked: Vec<_> = asked.flat_map(|(name, spec, record)| queries(spec).map(move |query| (name, record, query))).collect();
    // Without a key nothing was ever remembered.
    let key = if asked.is_empty() { None } else { fleet.or_unread(fleet.key()).flatten() };
    let Some(key) = key else { return seen };
    // Of one that was not known at the spawn, the first answer since then counts for it.
    let since = |record: &Record, variable: &str| (!record.secrets.contains_key(variable)).then_some(record.asked_at);
    let queries: Vec<_> = asked.iter().map(|(_, record, query)| SecretQuery { since: since(record, query.variable), ..*query }).collect();
    let digests = host.secrets(&queries, &seal(key));
    for ((name, record, SecretQuery { variable, .. }), digest) in asked.into_iter().zip(digests) {
        // A secret that cannot be read now is no reason to end what runs with it.
        let Some(digest) = digest else { continue };
        let secrets = seen.entry(name.clone()).or_default();
        match record.secrets.get(variable) {
            Some(before) if *before != digest => secrets.changed.push(variable.to_owned()),
            Some(_) => {}
            None if record.generation.0 > 0 && record.ended.is_none() => drop(secrets.learned.insert(variable.to_owned(), digest)),
            None => {}
        }
    }
    seen
}

/// Asks for the secrets of these agents, of all without them, so that the next look need not wait for their commands: for who holds no lock yet.
///
/// # Errors
///
/// If the records cannot be read.
pub fn await_secrets(desired: &Desired, about: Option<&BTreeSet<AgentName>>, fleet: &Fleet, host: &mut dyn Host) -> Result<()> {
    let is_asked = |agent: &AgentName| about.is_none_or(|about| about.contains(agent));
    if desired.agents.iter().any(|(agent, declared)| is_asked(agent) && has_slow_secrets(&declared.spec)) {
        let records = fleet.records()?.into_iter().filter_map(|(agent, record)| Some((agent, record.ok()?))).collect();
        drop(ask(desired, &records, &is_asked, fleet, host));
    }
    Ok(())
}

/// Keyed digests of the secrets whose change matters, for lives that begin now; all in one call. A secret that cannot be read fails the start itself, not
/// this; one that is not known yet is learned later.
pub fn secret_digests<'a>(
    starts: impl Iterator<Item = (&'a AgentName, &'a AgentSpec)>,
    fleet: &Fleet,
    host: &mut dyn Host,
) -> BTreeMap<AgentName, BTreeMap<String, String>> {
    let since = Some(host.now());
    let (agents, queries): (Vec<&AgentName>, Vec<_>) =
        starts.flat_map(|(agent, spec)| queries(spec).map(move |query| (agent, SecretQuery { since, ..query }))).unzip();
    let mut known: BTreeMap<AgentName, BTreeMap<String, String>> = BTreeMap::new();
    if queries.is_empty() {
        return known;
    }
    // Of those that are not known yet, the first answer counts that can be had.
    let Some(key) = fleet.or_unread(fleet.make_key()) else { return known };
    let digests = host.secrets(&queries, &seal(key));
    for ((agent, query), digest) in agents.into_iter().zip(&queries).zip(digests) {
        known.entry(agent.clone()).or_default().extend(digest.map(|digest| (query.variable.to_owned(), digest)));
    }
    known
}

/// Whether an agent is replaced when one of its secrets has another value.
pub fn watches_secrets(spec: &AgentSpec) -> bool {
    queries(spec).next().is_some()
}

/// Whether it may take long to tell the secrets whose change matters.
pub fn has_slow_secrets(spec: &AgentSpec) -> bool {
    queries(spec).any(|query| matches!(query.source, SecretSource::Command(_)))
}

fn queries(spec: &AgentSpec) -> impl Iterator<Item = SecretQuery<'_>> {
    let launch = &spec.launch;
    let matter = launch.secrets.iter().filter(|(_, secret)| secret.on_change == OnChange::Replace);
    matter.map(|(variable, secret)| SecretQuery { variable, source: &secret.from, cwd: &launch.cwd, since: None })
}

fn seal(key: Key) -> Seal {
    Arc::new(move |variable, value| key.digest(variable, value.as_bytes()))
}
