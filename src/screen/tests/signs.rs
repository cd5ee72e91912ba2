//! Everything but dialogs that have a name: work, drafts, limits, and what must not be taken for something.

use super::*;

const FOOTER: &str = "  ⏵⏵ bypass permissions on (shift+tab to cycle)";

#[test]
fn work_is_told_from_rest() {
    let hint = "  ⏵⏵ auto mode on (shift+tab to cycle) · esc to interrupt";
    for (above, below, means) in [
        ("✻ Herding… (4s · ↓ 88 tokens)", FOOTER, "busy"),
        ("· Running the tests… (1m 12s · ↑ 1.2k tokens · esc to interrupt)", FOOTER, "busy"),
        ("* Thinking… (esc to interrupt)", FOOTER, "busy"),
        ("· Herding…", FOOTER, "busy"),
        ("✽ API Error (529) · Retrying in 1m 4s · attempt 9/10", FOOTER, "busy"),
        ("● It logs `· Retrying in 5s · attempt 1/3` when it fails.", FOOTER, "ready"),
        ("● Two:\n· the first… and more\n· the second…", FOOTER, "ready"),
        ("✢ Thinking…\n  ⎿ ☐ write\n    ☒ read", FOOTER, "busy"),
        ("● Bash(cargo test)\n  ⎿  Running… (12s · ↓ 3 tokens)", hint, "busy"),
        ("● Done.", hint, "ready"),
        ("✻ Worked for 1m 52s", FOOTER, "ready"),
        ("✻ Worked for 1m 52s\n(3s · ↓ 1 tokens)", hint, "ready"),
        ("● Reading… is what I did", FOOTER, "ready"),
        ("* Notes… for later", FOOTER, "ready"),
    ] {
        assert_eq!(shown(&claude(above, "", below), "claude"), means, "{above} {below}");
    }
    let codex = |above: &str| format!("{above}\n\n› Ask Codex to do anything\n\n  gpt-6 default · ~/work\n");
    assert_eq!(shown(&codex("• Working (12s • esc to interrupt)"), "codex"), "busy");
    assert_eq!(shown(&codex("• I was working (for long)"), "codex"), "ready");
}

#[test]
fn a_draft_is_told_from_a_placeholder() {
    for (composer, means) in [
        ("", "ready"),
        ("Try \"how does main.rs work?\"", "ready"),
        ("Try harder", "draft: Try harder"),
        ("1. first\n  2. second", "draft: 1. first|2. second"),
        ("You've hit your limit · resets 7pm", "draft: You've hit your limit · resets 7pm"),
        ("Do you want to proceed?\n  ❯ 1. Yes\n    2. No", "draft: Do you want to proceed?|❯ 1. Yes|  2. No"),
    ] {
        assert_eq!(shown(&claude("● Done.", composer, FOOTER), "claude"), means, "{composer}");
    }
    let pasted = read(&claude("", "[Pasted text #1 +9 lines]", FOOTER), &rules("claude"));
    assert_eq!((pasted.meaning, pasted.composer.map(|composer| composer.pasted)), (Meaning::Draft, Some(true)));

    let queued = read(&claude("✻ Herding… (4s)", "next", FOOTER), &rules("claude"));
    assert_eq!((queued.meaning, queued.composer.map(|composer| composer.text)), (Meaning::Busy, Some("next".to_owned())));

    let codex = |composer: &str| shown(&format!("\n› {composer}\n\n  gpt-6 default · ~/work\n"), "codex");
    assert_eq!(codex("Explain this codebase"), "ready");
    assert_eq!(codex("Explain this\n  and that"), "draft: Explain this|and that");
    assert_eq!(codex("1. Yes\n  2. No"), "draft: 1. Yes|2. No");

    let gemini = |composer: &str| shown(&format!(" ╭{0}╮\n │ > {composer:<36}│\n ╰{0}╯\n ~/work\n", "─".repeat(39)), "gemini");
    assert_eq!(gemini("  Type your message or @path/to/file"), "ready");
    assert_eq!(gemini("hello"), "draft: hello");

    let busy = format!(" ⠏ Thinking... (esc to cancel, 4s)\n\n ╭{0}╮\n │ > {1:<36}│\n ╰{0}╯\n", "─".repeat(39), "  Type your message");
    assert_eq!(shown(&busy, "gemini"), "busy");

    let opencode = |composer: &str, below: &str| {
        shown(
            &format!("  ┃\n  ┃  {composer}\n  ┃\n  ┃  Build · model\n  ╹▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀\n  {below}\n"),
            "opencode",
        )
    };
    assert_eq!(opencode("Ask anything... \"Fix a TODO\"", "ctrl+p commands"), "ready");
    assert_eq!(opencode("esc interrupt", "ctrl+p commands"), "draft: esc interrupt");
    assert_eq!(opencode("", "⬝⬝■■  esc interrupt   ctrl+p commands"), "busy");
}

#[test]
fn limits_name_their_end() {
    let clock = |hour, minute, day, zone: Option<&str>| Some(Until::Clock { hour, minute, day, zone: zone.map(str::to_owned) });
    let angeles = Some("America/Los_Angeles");
    for (text, until) in [
        ("⎿  You've hit your limit · resets 7pm (America/Los_Angeles)", clock(19, 0, None, angeles)),
        ("⎿  You've hit your limit · resets 7:30am\n     (America/Los_Angeles)", clock(7, 30, None, angeles)),
        ("● You’ve hit your weekly limit · resets Oct 9 at 5pm (UTC)", clock(17, 0, Some((10, 9)), Some("UTC"))),
        ("5-hour limit reached ∙ resets 4pm", clock(16, 0, None, None)),
        ("5-hour limit reached ∙ resets 12am", clock(0, 0, None, None)),
        ("Weekly limit reached ∙ resets 12pm", clock(12, 0, None, None)),
        ("Session limit reached · resets 13pm", None),
        ("Claude usage limit reached", None),
    ] {
        let screen = claude(&format!("❯ go\n\n  {text}"), "", FOOTER);
        assert_eq!(shown(&screen, "claude"), format!("limit: {until:?}"), "{text}");
    }
    let codex = |end: &str| {
        shown(&format!("› go\n\n■ You've hit your usage limit. Upgrade to Pro or\n  {end}\n\n› \n\n  gpt-6 · ~/work\n"), "codex")
    };
    assert_eq!(codex("try again at 3:05 PM."), format!("limit: {:?}", clock(15, 5, None, None)));
    assert_eq!(codex("try again at Feb 5th, 2026 3:05 PM."), format!("limit: {:?}", clock(15, 5, Some((2, 5)), None)));
    let after = Until::After(crate::time::Duration::from_secs(2 * 86_400 + 3 * 3_600));
    assert_eq!(codex("try again in 2 days 3 hours."), format!("limit: {:?}", Some(after)));
    assert_eq!(codex("try again later."), "limit: None");
}

#[test]
fn what_stops_a_program_is_told() {
    for (above, means) in [
        ("❯ go\n  ⎿  Context limit reached · /compact or /clear to continue", "context exhausted"),
        ("❯ go\n  ⎿  Invalid API key · Please run /login", "login"),
        ("❯ go\n  ⎿  API Error: 401 {\"type\":\"error\"} · Please run /login", "login"),
        ("❯ go\n  ⎿  You've hit your limit · resets 7pm\n\n❯ again\n\n● Done.", "ready"),
        ("❯ go\n  ⎿  Invalid API key · Please run /login\n\n❯ again\n\n● Done.", "ready"),
        ("❯ go\n● The log says: You've hit your limit · resets 7pm", "ready"),
    ] {
        assert_eq!(shown(&claude(above, "", FOOTER), "claude"), means, "{above}");
    }
    let permission = " Bash command\n\n   rm -r target\n\n Do you want to proceed?\n ❯ 1. Yes\n   2. No, and tell Claude what to do differently (esc)\n\n Esc to cancel\n";
    assert_eq!(shown(permission, "claude"), "permission");
    let codex = "  Would you like to run the following command?\n\n  $ touch a\n\n› 1. Yes, proceed (y)\n  2. No (esc)\n\n  Press enter to confirm or esc to cancel\n";
    assert_eq!(shown(codex, "codex"), "permission");
    assert_eq!(shown(" Select login method:\n\n ❯ 1. Claude account\n   2. Console account\n", "claude"), "login");
    assert_eq!(shown("<--- Last few GCs --->\nFATAL ERROR: JavaScript heap out of memory\n", "claude"), "crashed");
}

#[test]
fn a_dialog_that_nobody_knows_is_seen() {
    let menu = " What colour?\n\n ❯ 1. Red\n   2. Green\n\n Enter to select · Esc to cancel\n";
    assert_eq!(shown(menu, "claude"), "unknown dialog");
    assert_eq!(read(menu, &rules("claude")).evidence.lines.len(), 4);
    assert_eq!(shown(" Something new happened.\n\n Press Enter to continue…\n", "claude"), "unknown dialog");
    let boxed = " │ How now?          │\n │ ● 1. Keep trying  │\n │   2. Go home      │\n ╰───────────────────╯\n";
    assert_eq!(shown(boxed, "gemini"), "unknown dialog");
    // The question of a dialog that is known, but none of its labels.
    assert_eq!(shown(&menu.replace("What colour?", "Do you trust the files in this folder?"), "claude"), "unknown dialog");
    // The labels of a dialog that is known, but not all of them.
    assert_eq!(shown(" ❯ No, exit\n   Yes, I agree\n\n Enter to confirm\n", "claude"), "unknown dialog");
}

#[test]
fn the_question_of_an_answered_dialog_gives_no_name_to_the_next() {
    let api_key = " Detected a custom API key in your environment\n Do you want to use this API key?\n\n";
    let trust = " Accessing workspace:\n\n Quick safety check: Is this a project you created or one you trust?\n\n ❯ Yes, I trust this folder\n   No, exit\n\n Enter to confirm\n";
    assert_eq!(shown(&format!("{api_key}{trust}"), "claude"), "trust: *Yes, I trust this folder / No, exit");
    assert_eq!(shown(&trust.replace("Yes, I trust this folder", "Yes, I accept"), "claude"), "bypass: *Yes, I accept / No, exit");
}

#[test]
fn rows_of_codex_are_no_draft() {
    let trust = "  Do you trust the contents of this directory?\n\n› 1. Yes, continue\n  2. No, quit\n\n  Press enter to continue\n";
    assert_eq!(shown(trust, "codex"), "trust: *1 Yes, continue / 2 No, quit");
    assert_eq!(shown(&format!("{trust}\n  gpt-6 default · ~/work\n"), "codex"), "trust: *1 Yes, continue / 2 No, quit");
    let hooks = "  Hooks need review\n\n› 1. Review hooks\n  2. Trust all and continue\n  3. Continue without trusting\n\n  Press enter to confirm\n";
    let reading = read(hooks, &rules("codex"));
    assert_eq!(answer(&reading, rules("codex").dialog("hooks").unwrap()), Answer::Move("Down"));
}

#[test]
fn codex_is_never_updated_by_accident() {
    let update = "  ✨ Update available! 0.1 -> 0.2\n\n› 1. Update now (runs `npm install -g @openai/codex`)\n  2. Skip\n  3. Skip until next version\n\n  Press enter to continue\n";
    let rules = rules("codex");
    let reading = read(update, &rules);
    assert_eq!(answer(&reading, rules.dialog("update").unwrap()), Answer::Move("Down"));
    let moved = update.replace("› 1.", "  1.").replace("  2.", "› 2.");
    assert_eq!(answer(&read(&moved, &rules), rules.dialog("update").unwrap()), Answer::Confirm);
}

#[test]
fn what_only_looks_like_something_is_nothing() {
    let trust = "Do you trust the files in this folder?\n\n ❯ 1. Yes, proceed\n   2. No, exit\n\n Enter to confirm · Esc to cancel\n";
    for (text, means) in [
        ("", "unclear"),
        ("\n\n\n", "unclear"),
        ("user@host:~/work$ \n", "unclear"),
        ("~/work\n❯ \n", "unclear"),
        ("~/work\n❯ ls\nsrc\ntests\n❯ \n", "unclear"),
        ("────────\n❯ ls\n", "unclear"),
        ("12:00:01 INFO it asked: Do you trust the files in this folder?\n12:00:02 INFO gone\n", "unclear"),
        ("1. Create GEMINI.md files\n2. /help for more\n3. Ask coding questions\n", "unclear"),
        (&format!("{trust}\nuser@host:~/work$ "), "unclear"),
        (&format!("{trust}\n❯ "), "unclear"),
        (&claude(trust, "", FOOTER), "ready"),
        (&claude("● Do you want to proceed?", "", FOOTER), "ready"),
        (&claude("● Select login method: none", "", FOOTER), "ready"),
        (&claude("> 1. one\n  2. two\n\n Enter to confirm", "", FOOTER), "ready"),
        (&format!("{trust}{}", "line\n".repeat(30)), "unclear"),
    ] {
        assert_eq!(shown(text, "claude"), means, "{text}");
    }
    for text in ["~/work\n› \n", "› 1. Yes, continue\n  2. Perhaps\n", "user@host:~/work$ codex --help\n"] {
        assert_eq!(shown(text, "codex"), "unclear", "{text}");
    }
    assert_eq!(shown("* one\n* two\n> quoted\n  more\n", "gemini"), "unclear");
}
