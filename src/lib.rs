//! A declarative reconciler for fleets of AI agents in tmux panes and pidfile daemons. This page is the architecture; what users may rely on is in
//! the README and in `schema/`.
//!
//! # The picture
//!
//! ```text
//! manifest ──load──▶ Desired ─┐
//!                             ├─plan──▶ Plan ──execute──▶ events
//! machine ──observe▶ Observed ┘
//!    ▲                                    │
//!    └────────── next round ◀─────────────┘        converge: until at rest · watch: for ever
//! ```
//!
//! **Actions ask, observations answer.** No action waits: a spawn starts and returns, a drain step asks and returns, and the next look says what
//! came of it. Whatever takes long (drain, readiness, the pause before a restart) is a [phase](observed::Phase) that can be observed, never a stack
//! frame. So the program can be killed between any two instructions, and a manifest that is edited in the middle of a drain just changes the next round.
//!
//! **At most one step per agent and round.** Order, dependencies, patience and limits are the planner's ([`plan::Next`]); [`execute`](execute::execute)
//! hands the steps of a round to the machine as one batch and decides nothing.
//!
//! **One door.** Whatever is not a function of its arguments goes through [`host::Host`], of which there are two: the [machine](host::Live), and a
//! [simulated one](host::sim::Sim) with a virtual clock and faults.
//!
//! **The machine is the truth** for what runs: a mark on each instance, and the identity of a process (pid, start time, boot). The
//! [state folder](state) remembers what the machine cannot tell: what was asked when, how often it failed, with which spec it was started.
//!
//! **Foresight.** [`plan::foresee`] runs the planner against the pure model [`plan::after`]: that is what `plan` shows as rounds to come, and what
//! the tests hold against the machine.
//!
//! **A screen is a fact.** What a terminal shows is read by [rules](screen) that are data and becomes a part of the look
//! ([`observed::Activity`]); what follows from it is planned like everything else, one key or one text per round, and each text is written down
//! before its first key.
//!
//! **A watcher owns nothing.** It does the rounds that `apply` does, one at a time under the lock, and between them it waits for news: the death of a
//! process, a change of a file, a signal, a time. What it must not forget is in the records, so it may be killed whenever anybody likes.
//!
//! **One keeper per instance.** Every instance runs under this same program as its [keeper]: it starts the program exactly as declared, is
//! the subreaper of all its descendants, writes down how it ended, and ends the whole tree when told to. It holds the agent's lock while it
//! lives, so there is one instance. It decides nothing and never restarts anything. A process asks for a stop by a signal to the keeper; nothing
//! depends on the run that started it.
//!
//! # The code, in the order data flows
//!
//! Each `x.rs` is the front door of the folder `x/`: module docs, public types, the public functions. Read the front doors and you know the program.
//!
//! | module | is | may import |
//! |---|---|---|
//! | [`time`] | timestamps, and durations written `"90s"` | – |
//! | [`desired`] | a fleet with nothing left open: `AgentSpec` is `Launch` (a change replaces the instance) and `Care` (applied in place) | time |
//! | [`diagnostic`] | what is wrong with a manifest, where, and a hint | – |
//! | [`paths`] | where everything of a fleet lies; names only | desired |
//! | [`safe_open`] | opening files that others name: regular files of limited size, without waiting; their owners | – |
//! | [`process`] | identity, trees and signals of processes | desired (`Mark`) |
//! | [`quit`] | how this process ends when it is asked to, whatever hangs | process |
//! | [`observed`] | one look at the machine | desired, process (`ProcId`), time |
//! | [`intent`] | what one run is asked for beyond the manifest | desired, observed |
//! | [`screen`] | what the text of a pane means, and which keys answer a dialog | desired, time |
//! | [`manifest`] | texts → `Desired`, all errors in one run | desired, diagnostic, schema, screen, time |
//! | [`schema`] | the JSON Schema of the manifest, from its types | manifest |
//! | [`sources`] | the disk and environment, as far as a manifest may ask for them | desired, manifest, process, safe_open, time |
//! | [`plan`] | (`Desired`, `Observed`) → the one next step of each agent, and why | desired, observed, time |
//! | [`event`] | the one stream behind journal, progress and `--json` | desired, plan (its reasons), time |
//! | [`keeper`] | the resident parent of one instance | desired, process, safe_open, time |
//! | [`state`] | records, locks, journal, runs, handoff notes | desired, event, observed, paths, plan (what is unfinished), quit, safe_open, time |
//! | [`host`] | the only door to clock, tmux, processes and probes | desired, keeper (its files), observed, paths, process, quit, safe_open, time |
//! | [`observe`] | host, state, intent and rules of screens → `Observed` | desired, event, host, intent, observed, plan (`successors`), process (`ProcId`), screen, state, time |
//! | [`execute`] | the batch of one round | desired, event, host, observe, observed, plan, state, time |
//! | [`ownership`] | what a person says of whose something is: adopted, let go | desired, event, host, observe, observed, state |
//! | [`converge`] | rounds until at rest or out of time | the same, execute, intent, plan, process, quit |
//! | [`watch`] | rounds for ever; events, timers and signals only wake it | the same, converge, less execute |
//! | [`simulate`] | a manifest played on the simulated machine in virtual time | the same, watch |
//! | [`doctor`] | whether the ground that a fleet stands on is sound | desired, observed, plan |
//! | [`service`] | the text by which the system's own supervisor runs the watcher | desired |
//! | [`render`] | one function per thing shown and format | desired, diagnostic, event, manifest, observed, plan, screen, simulate, time |
//! | [`cli`] | arguments, dispatch, exit codes; a file per command | everything; nothing imports it |
//!
//! Pure, that is without disk, clock, processes and network: time, desired, diagnostic, paths, event, observed, intent, manifest, schema, screen, plan, doctor,
//! service, render, `host/look/pane_owner.rs` and `observe/health.rs`. `tests/it/architecture.rs` holds this table and checks it.
//!
//! # What is deliberately absent
//!
//! - no async runtime and no thread pool: nothing waits but [`host::Host::wait`]
//! - no database and no daemon that must run: files in one folder, written by temp and rename
//! - no decision outside `plan`, and no effect outside `host`, `state` and `keeper`
//! - no shell between a command and its program, no command line that carries a secret or a prompt
//! - no failure inside `plan`: what is odd becomes [`plan::Blocked`]
//!
//! # The promises, and where each is tested
//!
//! | | promise | tests |
//! |---|---|---|
//! | 1 | plan is pure: equal inputs, equal plan | `convergence::plan_is_pure_and_holds`, `plan::tests::laws` |
//! | 2 | settled is what was asked for | `convergence`, `World::settled` after every run |
//! | 3 | every fleet comes to rest, or names what holds or blocks it | `convergence::every_fleet_comes_to_rest`, `cli::a_fleet_is_planned_approved_and_comes_to_rest` |
//! | 4 | no wait without an end | `convergence`, `Judge`: no run goes round and round; `cli::time_that_is_over_ends_an_apply_and_not_the_work` |
//! | 5 | one instance per agent, whoever acts | `World::never_two`; `simulate::laws`, exhaustively for small worlds; `keeper::refuse::there_is_one_instance_and_the_second_keeper_writes_nothing` |
//! | 6 | steps of a drain only go forward, unless the agent is wanted again | `plan::tests::leave` |
//! | 7 | dependencies first in, last out; nobody waits in a circle | `plan::tests::order`, `plan::tests::circles`, `cli::down_leaves_no_process`, `examples` |
//! | 8 | strangers are never touched | `reality::strangers`, `cli::what_is_blocked_says_why_and_leaves_the_rest_alone`, `keeper::refuse::a_strangers_pidfile_is_left_alone_and_nothing_starts` |
//! | 9 | write, then act: a crash between any two calls loses nothing. One exception: on a full or read-only disk, instances are ended all the same, and what could not be recorded is reported | `convergence::a_crash_anywhere_loses_nothing`, `reality::worst`, `a_crash_at_every_single_call_of_one_life`, `cli::an_interrupted_apply_is_finished_by_the_next`; `converge::full_disk` |
//! | 10 | an exit that was asked for is no verdict | `plan::tests::start`, `plan::tests::order` |
//! | 11 | the journal explains every change of phase | `cli`, the events of every run |
//! | 12 | unknown leads to nothing destructive | `convergence::faults_delay_and_do_not_destroy` |
//! | 13 | guards hold at every moment | `plan::tests::guard`, `cli::more_stops_than_the_guard_allows_are_refused` |
//! | 14 | an upgrade restarts no agent | `state::records_of_every_version_are_understood`, `tests/long/upgrade` |
//! | 15 | nothing is typed twice, at a shell, at a dialog, at a stopped program, over a draft or behind a text that was not confirmed; dialogs are answered by label | `plan::tests::talk`, `plan::tests::dialogs`, `cli::terminal`, `convergence::a_crash_at_every_single_call_of_dialogs_a_prompt_and_a_note` |
//! | 16 | a note arrives exactly once, or is kept and named | `state::handoff::tests`, `cli::terminal::reads`, `cli::handoff::a_killed_apply_delivers_nothing_twice_and_loses_nothing` |
//! | 17 | a watcher owns nothing, and may be killed at any moment; nobody who has nothing to do with a change is touched | `convergence::soak`, `cli::watch` |
//! | 18 | no instance is ended unless its successor could start or it should not run; a protected or attended one is not ended without its release | `simulate::laws`, `faults::successors`, `tests/long/soak` |
//! | 19 | each end is told exactly once | `simulate::laws`, `watch::told_once`, `tests/long/soak` |
//! | 20 | one agent's trouble delays no other by more than a round | `simulate::laws::trouble`, `simulate::laws::beside`, `faults::beside` |

pub mod time;

pub mod desired;
pub mod diagnostic;
pub mod paths;
pub mod safe_open;

pub mod process;

pub mod quit;

pub mod observed;

pub mod intent;

pub mod screen;

pub mod manifest;
pub mod schema;
pub mod sources;

pub mod plan;

pub mod event;

pub mod keeper;

pub mod state;

pub mod host;

pub mod observe;

pub mod execute;

pub mod ownership;

pub mod converge;

pub mod watch;

pub mod simulate;

pub mod doctor;

pub mod service;

pub mod render;

pub mod cli;

#[cfg(test)]
mod tests {
    #[test]
    fn tests_have_a_home_folder_of_their_own() {
        let own = std::env::current_exe().unwrap().with_extension("home");
        assert_eq!(std::env::var_os("HOME"), Some(own.into()), "tests are started by cargo, which runs .cargo/with-own-home");
        for variable in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "HISTFILE", "TMUX", "RECONCILE_STATE_DIR"] {
            assert_eq!(std::env::var_os(variable), None, "{variable}");
        }
    }
}
