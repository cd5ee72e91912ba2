//! Rules as data, and answers that are refused.

use super::*;

const OWN: &str = "version = 1\nname = \"own\"\n\n[[dialog]]\nname = \"terms\"\nmatch = 'Accept the terms\\?'\nchoose = '^I accept'\n";

#[test]
fn every_preset_is_read_and_bears_its_name() {
    for name in Rules::names() {
        assert_eq!(rules(name).name, name);
    }
    assert!(Rules::names().is_sorted());
    assert_eq!(Rules::preset("nobody"), None);
}

#[test]
fn no_preset_confirms_a_row_that_it_declines() {
    for rules in Rules::names().map(rules) {
        for dialog in &rules.dialogs {
            assert!(
                dialog.max >= 1 && dialog.human == (dialog.choose.is_none() && dialog.keys.is_empty()),
                "{} {}",
                rules.name,
                dialog.name
            );
            assert!(dialog.choose.is_none() || dialog.choose != dialog.decline, "{} {}", rules.name, dialog.name);
        }
    }
}

#[test]
fn what_is_wrong_with_rules_is_said_with_its_place() {
    for (from, to, expected) in [
        ("version = 1", "version = 2", "version = 2: this program reads rules of version 1"),
        ("match", "matches", "unknown field `matches`"),
        ("Accept the", "Accept (the", "TOML parse error at line 6, column 9"),
        ("Accept the", "Accept (the", "unclosed group"),
        ("'Accept the terms\\?'", "' '", "an empty pattern matches every screen"),
        ("choose = '^I accept'", "", "dialog `terms` needs exactly one of `choose`, `keys` and `human = true`"),
        ("choose = '^I accept'", "choose = 'x'\n[[dialog]]\nname = 'terms'\nmatch = 'x'\nchoose = 'x'", "two dialogs are named `terms`"),
    ] {
        let wrong = OWN.replacen(from, to, 1);
        assert_ne!(wrong, OWN);
        let error = Rules::parse(&wrong).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn later_rules_win() {
    let own = Rules::parse(&format!("{OWN}\n[signs]\nbusy = ['WORKING']\n")).unwrap();
    let merged = rules("claude").merge(own.clone());
    assert_eq!((merged.name.as_str(), &merged.signs.busy), ("own", &own.signs.busy));
    assert_eq!((&merged.signs.limit, &merged.composer), (&rules("claude").signs.limit, &rules("claude").composer));
    assert_eq!(merged.dialogs.len(), rules("claude").dialogs.len() + 1);

    let trust = Dialog { name: "trust".to_owned(), ..own.dialogs[0].clone() };
    let replaced = rules("claude").with_dialogs(vec![trust.clone()]);
    assert_eq!((replaced.dialog("trust"), replaced.dialogs.len()), (Some(&trust), rules("claude").dialogs.len()));
}

#[test]
fn own_rules_need_no_composer() {
    let own = Rules::parse(&format!("{OWN}\n[signs]\nready = ['session \\d']\n")).unwrap();
    assert_eq!(line(&read("booting\nsession 7\n", &own)), "ready");
    assert_eq!(line(&read("booting\n", &own)), "unclear");
    let terms = "Accept the terms?\n\n> I decline\n  I accept\n";
    let reading = read(terms, &own);
    assert_eq!(line(&reading), "terms: *I decline / I accept");
    assert_eq!(answer(&reading, &own.dialogs[0]).keys(), ["Down"]);
    assert_eq!(reading.evidence.rule, "dialog terms");
    assert_eq!(reading.evidence.lines, ["Accept the terms?", "> I decline", "  I accept"]);
}

#[test]
fn no_key_is_pressed_on_a_screen_that_is_not_sure() {
    let rules = rules("claude");
    let trust = rules.dialog("trust").unwrap();
    let dialog = |rows: &str| format!("Do you trust the files in this folder?\n\n{rows}\n\n Enter to confirm · Esc to cancel\n");
    let with = |change: fn(&mut Dialog)| {
        let mut dialog = trust.clone();
        change(&mut dialog);
        dialog
    };
    let both = dialog(" ❯ 1. Yes, proceed\n   2. No, exit");
    for (screen, wanted, why) in [
        (dialog("   1. Yes, proceed\n   2. No, exit"), trust.clone(), "it cannot be seen which row of the dialog `trust` is selected"),
        (dialog(" ❯ 1. No, exit\n   2. Maybe"), trust.clone(), "0 rows of the dialog `trust` have a label like"),
        (dialog(" ❯ 1. Yes, proceed\n   2. Yes, proceed always"), trust.clone(), "2 rows of the dialog `trust` have a label like"),
        (both.clone(), rules.dialog("bypass").unwrap().clone(), "the screen shows the dialog `trust`, not `bypass`"),
        (both.clone(), with(|dialog| dialog.human = true), "only a person may answer the dialog `trust`"),
        (both.clone(), with(|dialog| dialog.choose = None), "no rule says how to answer the dialog `trust`"),
        (
            both.clone(),
            with(|dialog| dialog.decline = dialog.choose.clone()),
            "`Yes, proceed` both accepts and declines the dialog `trust`",
        ),
        (claude("", "", ""), trust.clone(), "the screen does not show the dialog `trust`"),
    ] {
        let answer = answer(&read(&screen, &rules), &wanted);
        assert!(matches!(&answer, Answer::Refuse(text) if text.starts_with(why)), "{answer:?}: {screen}");
        assert!(answer.keys().is_empty());
    }
    assert_eq!(answer(&read(&both, &rules), trust), Answer::Confirm);
}

#[test]
fn a_blank_in_a_pattern_is_any_white_space() {
    let pattern = Pattern::parse(r"a b[ c]\ d").unwrap();
    for (text, matches) in [("a b d", false), ("a b  d", true), ("a\n  bc d", true), ("abc d", true), ("abcd", false), ("a xbc d", false)] {
        assert_eq!(pattern.matches(text), matches, "{text:?}");
    }
    assert!(Pattern::parse("trust this").unwrap().matches_broken("tru\nst this"));
}
