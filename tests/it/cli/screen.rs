//! What a screen means, from a file and from a pane.

use insta::assert_snapshot;

use crate::support::{LIMIT, Program, eventually};

const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/screens/claude-2.1.329-bypass.txt");

#[test]
fn a_screen_is_read_from_a_file() {
    let program = Program::new("version = 1\nfleet = \"screen\"\n");
    let head = |text: String| text.lines().take(6).collect::<Vec<_>>().join("\n");
    assert_snapshot!(head(program.shot(&["screen", "--capture", CAPTURE, "--preset", "claude"])), @"
    exit 0
    --- stdout
    dialog bypass
      › No, exit
        Yes, I accept
    accepted, the next key would be Down
    ");
    let document = program.json(&["screen", "--capture", CAPTURE, "--preset", "claude", "--json"]);
    assert_eq!((&document["meaning"], &document["next_keys"]), (&"dialog".into(), &serde_json::json!(["Down"])));
    // Another program's rules do not know it, and rules of one's own come on top.
    assert_eq!(program.json(&["screen", "--capture", CAPTURE, "--preset", "codex", "--json"])["meaning"], "unknown_dialog");
    program
        .write("own.toml", "version = 1\nname = \"own\"\n[[dialog]]\nname = \"mine\"\nmatch = \"running in Bypass\"\nchoose = \"^No\"\n");
    let own = program.json(&["screen", "--capture", CAPTURE, "--preset", "codex", "--preset", "own.toml", "--json"]);
    assert_eq!((&own["dialog"]["name"], &own["next_keys"]), (&"mine".into(), &serde_json::json!(["Enter"])));

    program.write("bad.toml", "version = 1\nname = \"bad\"\n[signs]\nbusy = [\"(\"]\n");
    assert_snapshot!(program.shot(&["screen", "--capture", CAPTURE, "--preset", "bad.toml"]), @r#"
    exit 1
    --- stderr
    error: bad.toml: TOML parse error at line 4, column 8
      |
    4 | busy = ["("]
      |        ^^^^^
    `(` is not a regular expression: regex parse error:
        (
        ^
    error: unclosed group
    "#);
    assert_snapshot!(program.shot(&["screen", "--capture", CAPTURE, "--preset", "cloude"]), @"
    exit 1
    --- stderr
    error: `cloude` is no preset, of which there are claude, codex, gemini, opencode, and no file of rules that can be read: No such file or directory (os error 2)
    ");
    assert_snapshot!(program.shot(&["screen", "--capture", "missing.txt", "--preset", "claude"]), @"
    exit 1
    --- stderr
    error: the screen missing.txt cannot be read: No such file or directory (os error 2)
    ");
}

#[test]
fn a_screen_is_read_from_the_pane_of_an_agent() {
    let manifest = format!(
        "version = 1\nfleet = \"screen\"\n[agents.ada]\ncommand = \"cat {CAPTURE}; sleep 1009\"\nready = {{ delay = \"10ms\" }}\n\
         [agents.box]\nruntime = \"daemon\"\ncommand = [\"sleep\", \"1009\"]\nready = {{ delay = \"10ms\" }}\n"
    );
    let program = Program::new(&manifest);
    assert_snapshot!(program.shot(&["screen", "ada", "--preset", "claude"]), @"
    exit 1
    --- stderr
    ada does not run: this is what its pane showed last
    error: ada has no terminal now
    ");
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let look = || program.json(&["screen", "ada", "-f", "constellation.toml", "--preset", "claude", "--json"]);
    eventually(|| (look()["dialog"]["name"] == "bypass").then_some(()), LIMIT);
    assert_eq!(program.code(&["screen", "box", "--preset", "claude"]), 1);
    // The manifest is named in front of the command or behind it.
    let before = program.json(&["-f", "constellation.toml", "screen", "ada", "--preset", "claude", "--json"]);
    assert_eq!(before["dialog"]["name"], "bypass");
    for place in [["--file", "missing.toml", "screen", "ada"], ["screen", "ada", "--file", "missing.toml"]] {
        let report = program.shot(&place);
        assert!(report.starts_with("exit 1") && report.contains("missing.toml"), "{report}");
    }
}

#[test]
fn presets_say_on_which_versions_they_were_tried() {
    let program = Program::new("version = 1\nfleet = \"screen\"\n");
    assert_snapshot!(program.shot(&["screen", "--presets"]), @"
    exit 0
    --- stdout
    claude  tried on 2.1.197, 2.1.329, 2.1.332
      dialogs: trust, bypass, api-key, mcp, channels, theme, security-notes, imports, auto-mode, default-mode, resume, limit, background, rewind
    codex  tried on 0.169.0, 0.171.0
      dialogs: trust, update, hooks, rate-limit
    gemini  tried on 0.61.0
      dialogs: trust, limit
    opencode  tried on 1.18.33
    ");
    let document = program.json(&["screen", "--presets", "--json"]);
    let presets = document["presets"].as_array().unwrap();
    assert!(presets.len() == 4 && presets.iter().all(|preset| !preset["tried"].as_array().unwrap().is_empty()), "{document}");
}
