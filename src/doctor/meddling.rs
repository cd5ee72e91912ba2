//! What else works on the panes of the fleet: pipes of other programs, and hooks of the tmux server.

use super::Finding;
use crate::observed::{LogPipe, Observed};

/// What a hook must not do to panes, sessions and windows that this program looks after.
const MEDDLING: [&str; 14] = [
    "respawn-pane",
    "respawn-window",
    "kill-pane",
    "kill-window",
    "kill-session",
    "kill-server",
    "pipe-pane",
    "break-pane",
    "join-pane",
    "move-pane",
    "swap-pane",
    "rename-session",
    "rename-window",
    "send-keys",
];

/// Panes whose output another program has.
pub(super) fn logs(observed: &Observed) -> Option<Finding> {
    let trouble = |pipe: &Option<LogPipe>| match pipe {
        Some(pipe @ LogPipe::Taken { .. }) => pipe.trouble(),
        Some(LogPipe::Ours | LogPipe::Closed) | None => None,
    };
    let taken = observed.agents.iter().filter_map(|(name, sighting)| Some(format!("{name}: {}", trouble(&sighting.log_pipe)?)));
    let taken: Vec<String> = taken.collect();
    let hint = "close it with `tmux pipe-pane -t PANE`: the next apply, or a watcher, goes on with the log";
    (!taken.is_empty()).then(|| Finding::yellow("logs", taken.join("; "), hint))
}

/// Hooks that work against the fleet.
pub(super) fn hooks(hooks: &[String]) -> Option<Finding> {
    let meddles = |hook: &&String| {
        let words = hook.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'));
        words.skip(1).any(|word| MEDDLING.contains(&word))
    };
    let found: Vec<&str> = hooks.iter().filter(meddles).map(String::as_str).collect();
    let hint =
        "take it out of the tmux configuration, or unset it with `tmux set-hook -gu NAME`: it changes panes that the fleet looks after";
    (!found.is_empty()).then(|| Finding::yellow("hooks", found.join("; "), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_that_change_panes_are_named_and_others_are_not() {
        let hooks_of = |lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            hooks(&lines).map(|finding| finding.found)
        };
        assert_eq!(hooks_of(&["session-created[0] display-message hello", "client-attached[0] set-option -g status on"]), None);
        // The name of a hook is no command.
        assert_eq!(hooks_of(&["after-kill-pane[0] display-message gone", "after-send-keys[0] refresh-client"]), None);
        assert_eq!(
            hooks_of(&[
                "pane-died[0] respawn-pane",
                "session-created[1] run-shell \"tmux kill-session -t x\"",
                "window-linked[0] list-keys"
            ]),
            Some("pane-died[0] respawn-pane; session-created[1] run-shell \"tmux kill-session -t x\"".to_owned())
        );
    }
}
