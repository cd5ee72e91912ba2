//! Screens of the real programs, as they were captured and as they look in panes of other sizes.

use super::*;

/// A capture, the preset that reads it, and what it means.
const CAPTURES: [(&str, &str, &str, &str); 37] = [
    (
        "claude-2.1.197-api-key",
        include_str!("../../../tests/it/fixtures/screens/claude-2.1.197-api-key.txt"),
        "claude",
        "api-key: 1 Yes / *2 No (recommended)",
    ),
    (
        "claude-2.1.197-bypass",
        include_str!("../../../tests/it/fixtures/screens/claude-2.1.197-bypass.txt"),
        "claude",
        "bypass: *1 No, exit / 2 Yes, I accept",
    ),
    ("claude-2.1.197-ready", include_str!("../../../tests/it/fixtures/screens/claude-2.1.197-ready.txt"), "claude", "ready"),
    ("claude-2.1.197-retrying", include_str!("../../../tests/it/fixtures/screens/claude-2.1.197-retrying.txt"), "claude", "busy"),
    (
        "claude-2.1.197-trust",
        include_str!("../../../tests/it/fixtures/screens/claude-2.1.197-trust.txt"),
        "claude",
        "trust: *1 Yes, I trust this folder / 2 No, exit",
    ),
    (
        "claude-2.1.329-bypass",
        include_str!("../../../tests/it/fixtures/screens/claude-2.1.329-bypass.txt"),
        "claude",
        "bypass: *No, exit / Yes, I accept",
    ),
    (
        "claude-2.1.329-draft",
        include_str!("../../../tests/it/fixtures/screens/claude-2.1.329-draft.txt"),
        "claude",
        "draft: line one of a handoff|line two of a handoff",
    ),
    ("claude-2.1.329-ready", include_str!("../../../tests/it/fixtures/screens/claude-2.1.329-ready.txt"), "claude", "ready"),
    ("codex-0.169.0-login", include_str!("../../../tests/it/fixtures/screens/codex-0.169.0-login.txt"), "codex", "login"),
    ("codex-0.169.0-ready", include_str!("../../../tests/it/fixtures/screens/codex-0.169.0-ready.txt"), "codex", "ready"),
    (
        "gemini-0.61.0-trust",
        include_str!("../../../tests/it/fixtures/screens/gemini-0.61.0-trust.txt"),
        "gemini",
        "trust: *1 Trust folder (work) / 2 Trust parent folder (agents) / 3 Don't trust",
    ),
    ("gemini-0.61.0-ready", include_str!("../../../tests/it/fixtures/screens/gemini-0.61.0-ready.txt"), "gemini", "ready"),
    ("opencode-1.18.33-ready", include_str!("../../../tests/it/fixtures/screens/opencode-1.18.33-ready.txt"), "opencode", "ready"),
    (
        "opencode-1.18.33-draft",
        include_str!("../../../tests/it/fixtures/screens/opencode-1.18.33-draft.txt"),
        "opencode",
        "draft: a half written draft that is quite long and so on|and on and on",
    ),
    ("opencode-1.18.33-idle", include_str!("../../../tests/it/fixtures/screens/opencode-1.18.33-idle.txt"), "opencode", "ready"),
    ("gemini-0.61.0-login-low", include_str!("../../../tests/it/fixtures/screens/gemini-0.61.0-login-low.txt"), "gemini", "login"),
    (
        "claude-2.1.197-security-notes-62x14",
        include_str!("../../../tests/it/fixtures/screens/claude-2.1.197-security-notes-62x14.txt"),
        "claude",
        "security-notes: ",
    ),
    (
        "claude-2.1.332-permission-bash-120",
        include_str!("../../../tests/it/fixtures/screens/claude-2.1.332-permission-bash-120.txt"),
        "claude",
        "permission",
    ),
    (
        "claude-2.1.332-queued-message-120",
        include_str!("../../../tests/it/fixtures/screens/claude-2.1.332-queued-message-120.txt"),
        "claude",
        "busy",
    ),
    ("claude-2.1.332-retrying-120", include_str!("../../../tests/it/fixtures/screens/claude-2.1.332-retrying-120.txt"), "claude", "busy"),
    (
        "claude-2.1.332-theme-120",
        include_str!("../../../tests/it/fixtures/screens/claude-2.1.332-theme-120.txt"),
        "claude",
        "theme: *Auto (match terminal) / Dark mode / Light mode / Dark mode (colorblind-friendly) / Light mode (colorblind-friendly) / Dark mode (ANSI colors only) / Light mode (ANSI colors only)",
    ),
    ("codex-0.171.0-loading-120", include_str!("../../../tests/it/fixtures/screens/codex-0.171.0-loading-120.txt"), "codex", "starting"),
    (
        "codex-0.171.0-loading-pasted-120",
        include_str!("../../../tests/it/fixtures/screens/codex-0.171.0-loading-pasted-120.txt"),
        "codex",
        "draft: [Pasted Content 11091 chars]",
    ),
    (
        "codex-0.171.0-streaming-answer-120",
        include_str!("../../../tests/it/fixtures/screens/codex-0.171.0-streaming-answer-120.txt"),
        "codex",
        "ready",
    ),
    (
        "codex-0.171.0-waiting-for-startup-120",
        include_str!("../../../tests/it/fixtures/screens/codex-0.171.0-waiting-for-startup-120.txt"),
        "codex",
        "starting",
    ),
    ("gemini-0.61.0-api-401-120", include_str!("../../../tests/it/fixtures/screens/gemini-0.61.0-api-401-120.txt"), "gemini", "login"),
    ("gemini-0.61.0-auth-120", include_str!("../../../tests/it/fixtures/screens/gemini-0.61.0-auth-120.txt"), "gemini", "login"),
    (
        "gemini-0.61.0-composer-before-trust-120",
        include_str!("../../../tests/it/fixtures/screens/gemini-0.61.0-composer-before-trust-120.txt"),
        "gemini",
        "starting",
    ),
    (
        "gemini-0.61.0-restarting-120",
        include_str!("../../../tests/it/fixtures/screens/gemini-0.61.0-restarting-120.txt"),
        "gemini",
        "starting",
    ),
    (
        "opencode-1.18.33-sidebar-idle-200x50",
        include_str!("../../../tests/it/fixtures/screens/opencode-1.18.33-sidebar-idle-200x50.txt"),
        "opencode",
        "ready",
    ),
    (
        "opencode-1.18.33-pasted-120",
        include_str!("../../../tests/it/fixtures/screens/opencode-1.18.33-pasted-120.txt"),
        "opencode",
        "draft: [Pasted ~3 lines]",
    ),
    // Programs without a preset, by the rules of the one that they are most like.
    (
        "copilot-1.0.102-trust-120",
        include_str!("../../../tests/it/fixtures/screens/copilot-1.0.102-trust-120.txt"),
        "claude",
        "unknown dialog",
    ),
    ("qwen-0.24.4-busy-120", include_str!("../../../tests/it/fixtures/screens/qwen-0.24.4-busy-120.txt"), "gemini", "busy"),
    (
        "claude-2.1.332-auto-mode-120",
        include_str!("../../../tests/it/fixtures/screens/claude-2.1.332-auto-mode-120.txt"),
        "claude",
        "default-mode: *Yes, set auto mode as my default permission mode / No, keep manual mode",
    ),
    (
        "codex-0.171.0-trust-120",
        include_str!("../../../tests/it/fixtures/screens/codex-0.171.0-trust-120.txt"),
        "codex",
        "trust: *1 Trust and continue / 2 Back to Agent Command Center",
    ),
    (
        "gemini-0.61.0-composer-before-trust-62x14",
        include_str!("../../../tests/it/fixtures/screens/gemini-0.61.0-composer-before-trust-62x14.txt"),
        "gemini",
        "starting",
    ),
    (
        "gemini-0.61.0-restarting-62x14",
        include_str!("../../../tests/it/fixtures/screens/gemini-0.61.0-restarting-62x14.txt"),
        "gemini",
        "starting",
    ),
];

/// The captures that show a dialog of few rows.
fn dialogs() -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str, &'static str)> {
    CAPTURES.iter().filter(|(_, _, _, means)| {
        !means.starts_with("theme") && !means.starts_with("default-mode") && (means.contains(": *") || means.contains("/ *"))
    })
}

/// The screen as a pane of this many columns and rows shows it: words wrapped under the start of their line, the top scrolled away.
fn in_pane(text: &str, columns: usize, rows: usize) -> String {
    let mut wrapped = Vec::new();
    for line in text.trim_end().lines() {
        let framed = line.trim_start().starts_with('│') && line.trim_end().ends_with('│');
        let inner = if framed { line.trim().trim_matches('│').to_owned() } else { line.to_owned() };
        let indent = inner.chars().take_while(|c| *c == ' ').count();
        let room = if framed { columns - 4 } else { columns };
        let mut part = " ".repeat(indent.min(room / 2));
        let hang = part.len() + if inner.contains(". ") { 5 } else { 0 };
        let mut parts = Vec::new();
        for word in inner.split_whitespace() {
            if part.trim().is_empty() || part.chars().count() + 1 + word.chars().count() <= room {
                let blank = if part.trim().is_empty() { "" } else { " " };
                part = format!("{part}{blank}{word}");
            } else {
                parts.push(std::mem::replace(&mut part, format!("{}{word}", " ".repeat(hang))));
            }
        }
        parts.push(part);
        let cut = |part: &String| part.chars().take(room).collect::<String>();
        wrapped.extend(parts.iter().map(|part| if framed { format!(" │{:<room$}│", cut(part)) } else { cut(part) }));
    }
    let shown = wrapped.len().saturating_sub(rows);
    wrapped[shown..].join("\n")
}

/// The same dialog with the mark at another row.
fn with_mark_moved(text: &str, steps: isize) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let is_marked = |line: &String| ["❯ ", "● ", "› "].iter().any(|mark| line.contains(mark));
    let from = lines.iter().position(is_marked).unwrap();
    let to = from.checked_add_signed(steps).unwrap();
    let mark = ['❯', '●', '›'].into_iter().find(|mark| lines[from].contains(*mark)).unwrap();
    let column = lines[from].chars().position(|c| c == mark).unwrap();
    lines[from] = lines[from].replace(mark, " ");
    lines[to] = lines[to].chars().enumerate().map(|(at, c)| if at == column { mark } else { c }).collect();
    lines.join("\n")
}

#[test]
fn every_capture_is_read_as_what_it_is() {
    for (name, text, preset, means) in CAPTURES {
        assert_eq!(shown(text, preset), means, "{name}");
    }
}

#[test]
fn a_narrow_low_pane_shows_the_same_dialogs() {
    assert_eq!(dialogs().count(), 6);
    for (name, text, preset, means) in dialogs() {
        for (columns, rows) in [(62, 14), (62, 40), (80, 24), (40, 14)] {
            let pane = in_pane(text, columns, rows);
            assert_eq!(shown(&pane, preset), *means, "{name} in {columns}x{rows}:\n{pane}");
        }
    }
}

#[test]
fn labels_are_enough_when_the_question_scrolled_away() {
    for (name, text, preset, means) in dialogs() {
        let options = text
            .trim_end()
            .lines()
            .position(|line| line.contains(". Yes") || line.contains("No, exit") || line.contains("● 1.") || line.contains("Trust and"))
            .unwrap();
        let rest = text.lines().skip(options).collect::<Vec<_>>().join("\n");
        assert_eq!(shown(&rest, preset), *means, "{name}:\n{rest}");
    }
}

#[test]
fn a_dialog_at_the_top_of_a_tall_empty_pane_is_seen() {
    for (name, text, preset, means) in CAPTURES {
        let rows = text.trim_end().lines().count();
        let tall = format!("{}{}", text.trim_end(), format!("\n{}", " ".repeat(220)).repeat(50 - rows));
        assert_eq!(shown(&tall, preset), means, "{name}");
    }
}

#[test]
fn a_repaint_that_swallows_blanks_changes_no_name() {
    let eaten = "Isthisaprojectyoucreatedoroneyoutrust?\n\n ❯ 1. Yes,Itrustthisfolder\n   2. No,exit\n\n Entertoconfirm";
    assert_eq!(shown(&eaten.replace("Isthis", "Quicksafetycheck:Isthis"), "claude"), "trust: *1 Yes,Itrustthisfolder / 2 No,exit");
}

#[test]
fn each_dialog_is_answered_by_label_from_every_row() {
    for (name, text, preset, means) in dialogs() {
        let rows = means.matches(" / ").count() + 1;
        let selected = means.split(" / ").position(|row| row.contains('*')).unwrap();
        for start in 0..rows {
            let steps = isize::try_from(start).unwrap() - isize::try_from(selected).unwrap();
            let mut screen = with_mark_moved(text, steps);
            let rules = rules(preset);
            let mut keys = Vec::new();
            let label = loop {
                let reading = read(&screen, &rules);
                let Meaning::Dialog { name: dialog, choices, selected } = &reading.meaning else { panic!("{name}: {reading:?}") };
                match answer(&reading, rules.dialog(dialog).unwrap()) {
                    Answer::Move(key) => {
                        keys.push(key);
                        screen = with_mark_moved(&screen, if key == "Down" { 1 } else { -1 });
                    }
                    Answer::Confirm => break choices[selected.unwrap()].label.clone(),
                    other @ (Answer::Press(_) | Answer::Refuse(_)) => panic!("{name}: {other:?}"),
                }
                assert!(keys.len() < rows, "{name}: {keys:?}");
            };
            assert!(
                ["Yes", "Trust", "No, keep manual mode"].iter().any(|start| label.starts_with(start)),
                "{name} from row {start}: {label}"
            );
        }
    }
}
