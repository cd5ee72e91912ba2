//! `plan --json` and the file of `plan --out`.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::Basis;
use super::condition::ConditionEntry;
use super::status::HaltEntry;
use super::words::{Act, CauseReason, NextStep};
use crate::plan::{GuardName, HoldReason, Kind, Reason, Wait, WaitReason};
use crate::time::Timestamp;

mod fill;

pub use fill::plan_document;

/// A plan. Policy tools for OpenTofu's plans read it too: `resource_changes` and `actions` mean the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanDocument {
    /// The version of this form.
    pub format_version: String,
    /// The version of the tool that made it.
    pub tool_version: String,
    /// The fleet's name.
    pub fleet: String,
    /// The manifest it was made for.
    pub manifest: Manifest,
    /// When the machine was looked at.
    pub observed_at: Timestamp,
    /// What it was made from. Only a `live` plan can be applied.
    pub basis: Basis,
    /// Whether everything could be looked at.
    pub complete: bool,
    /// What could not be looked at.
    pub gaps: Vec<String>,
    /// What is odd about the tmux server, such as a line of its configuration that it did not take.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What keeps agents from being started and is no agent's fault.
    #[serde(default)]
    pub conditions: Vec<ConditionEntry>,
    /// That the whole fleet is to be left alone; null if it is not.
    pub halted: Option<HaltEntry>,
    /// The agents that are not at rest; with `--all`, the others too.
    pub resource_changes: Vec<ResourceChange>,
    /// What is due for the tmux server of the fleet.
    pub server_change: Option<ServerEntry>,
    /// Changes that are due and wait for their release.
    pub held: Vec<HeldEntry>,
    /// Changes that need a person.
    pub blocked: Vec<BlockedEntry>,
    /// The limits of the plan.
    pub guards: Vec<GuardEntry>,
    /// What each of the rounds to come does, if everything answers as it should.
    pub rounds: Vec<Vec<String>>,
    /// The counts. A change that is held or blocked counts as that only.
    pub summary: Summary,
}

/// The manifest of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// As it was named.
    pub path: String,
    /// `blake3:…` of all its texts.
    pub digest: String,
}

/// What is due for one agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceChange {
    /// The agent's name.
    pub address: String,
    /// `agent`.
    #[serde(rename = "type")]
    pub sort: String,
    /// The agent's name.
    pub name: String,
    /// What the change comes to in the end; null for an agent at rest.
    pub kind: Option<Kind>,
    /// Before and after.
    pub change: ChangeEntry,
    /// Why, as one word; null for an agent at rest.
    pub action_reason: Option<CauseReason>,
    /// Why, in short: `command changed`.
    pub cause: Option<String>,
    /// Why, in full: `command[2] "sonnet" → "opus"`.
    pub why: Option<String>,
    /// Where it is declared; null if it is not.
    pub source: Option<Source>,
    /// Notes that a new instance is to receive.
    pub deliveries: Vec<Delivery>,
    /// What the end of the running instance, or of what an earlier one left running, costs; null if nothing ends.
    pub interrupts: Option<Interrupts>,
    /// The step of this round; null for an agent at rest.
    pub next: Option<NextStep>,
    /// What it waits for; null if it waits for nothing.
    #[serde(default)]
    pub wait: Option<WaitEntry>,
    /// What must still be so when the plan is applied.
    pub precondition: Precondition,
}

/// An agent before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeEntry {
    /// One act, or `delete` and `create`.
    pub actions: Vec<Act>,
    /// The effective spec that it runs with; null if it does not run or that is not known.
    pub before: Option<Map<String, Value>>,
    /// The effective spec that it should run with; null if it should not.
    pub after: Option<Map<String, Value>>,
    /// Which values of `before` are secret: always empty, no secret gets here.
    pub before_sensitive: Map<String, Value>,
    /// Which values of `after` are secret: always empty, no secret gets here.
    pub after_sensitive: Map<String, Value>,
    /// The fields because of which it is replaced.
    pub replace_paths: Vec<Vec<Value>>,
}

/// A place in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// A note that is to be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// Its identity; null while nobody took it.
    pub id: Option<String>,
    /// The file it comes from.
    pub source: String,
    /// Its size.
    pub bytes: u64,
}

/// What the end of an instance costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Interrupts {
    /// For how many seconds it has been up; null for processes of an earlier life of which no record tells.
    pub uptime_s: Option<u64>,
    /// Whether it is working; null if that cannot be told.
    pub busy: Option<bool>,
    /// How many people are attached.
    pub attached: u32,
}

/// What must still be so when a plan is applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Precondition {
    /// The newest life of the agent; 0 if there was none.
    pub generation: u64,
    /// Its program's process; null if it does not run.
    pub pid: Option<u32>,
    /// `blake3:…` of the launch it was started with; null if there was none.
    pub launch_digest: Option<String>,
}

/// What is due for the tmux server of the fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerEntry {
    /// `update`: options are set anew; `delete`: it ends, because no agent needs it.
    pub actions: Vec<Act>,
    /// The fields that differ.
    pub paths: Vec<Vec<Value>>,
    /// The same in words.
    pub why: String,
}

/// A change that waits for its release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldEntry {
    /// The agent.
    pub address: String,
    /// What holds it, as one word.
    pub reason: HoldReason,
    /// What releases it.
    pub release: String,
}

/// What a change waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitEntry {
    /// What for, as one word.
    pub reason: WaitReason,
    /// When the wait is over at the latest; null if that depends on other agents.
    pub until: Option<Timestamp>,
    /// The same in words.
    pub why: String,
}

impl WaitEntry {
    /// What a step waits for.
    pub(super) fn of(wait: &Wait) -> Self {
        let until = match wait {
            Wait::Backoff { until }
            | Wait::Condition { until }
            | Wait::Dialog { until }
            | Wait::Screen { until }
            | Wait::Wave { until }
            | Wait::Ready { until, .. }
            | Wait::Read { until, .. }
            | Wait::Leave { until, .. } => Some(*until),
            Wait::After { .. } | Wait::Dependants(_) | Wait::Turn => None,
        };
        Self { reason: wait.reason(), until, why: wait.to_string() }
    }
}

/// A change that needs a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlockedEntry {
    /// The agent.
    pub address: String,
    /// The reason as one word.
    pub reason: Reason,
    /// What is wrong and what to do.
    pub message: String,
}

/// A limit on what the plan may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GuardEntry {
    /// Which one.
    pub name: GuardName,
    /// The limit.
    pub limit: String,
    /// What the plan would do.
    pub value: usize,
    /// Whether that is within the limit.
    pub pass: bool,
}

/// The counts of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// To be started for the first time.
    pub spawn: usize,
    /// To be replaced.
    pub replace: usize,
    /// To be started again.
    pub restart: usize,
    /// To be changed in place.
    pub amend: usize,
    /// To be stopped.
    pub stop: usize,
    /// To get a note.
    pub deliver: usize,
    /// To be taken over.
    pub adopt: usize,
    /// To be remembered no more.
    pub forget: usize,
    /// Running, and not ready yet.
    pub starting: usize,
    /// Due and held.
    pub held: usize,
    /// In need of a person.
    pub blocked: usize,
    /// At rest.
    pub rest: usize,
}

/// The schema of a plan.
pub fn plan_schema() -> Schema {
    super::schema_of::<PlanDocument>()
}
