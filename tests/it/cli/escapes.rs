//! That nothing of a path or an argument commands the terminal that it is told on.

use regex::Regex;

use crate::support::Program;

/// What a terminal obeys or hides: a title, a colour, a text that is not seen, the same by C1, the direction of text, a letter without width.
const COMMANDS: &str = "\u{1b}]0;x\u{7}\u{1b}[35m\u{1b}[8m\u{9b}2J\u{202e}\u{200b}";

/// A program that does nothing, a manifest under such a name, and one that does not hold, which includes such a file.
fn program() -> (Program, String, String) {
    let program = Program::new("\nfleet = \"escapes\"\n");
    let fleet = &program.fleet.1;
    let folder = format!("d{COMMANDS}");
    std::fs::create_dir(program.at(&folder)).unwrap();
    let (good, bad) = (format!("{folder}/good.toml"), format!("{folder}/bad.toml"));
    let head = format!("version = 1\nfleet = \"{fleet}\"\n");
    let agent = "[agents.ada]\nruntime = \"daemon\"\ncommand = [\"sleep\", \"1013\"]\n[vars]\nv = \"\"\n";
    program.write(&good, &format!("{head}{agent}"));
    program.write(&bad, &format!("{head}include = [\"part*.toml\"]\n"));
    program.write(&format!("{folder}/part{COMMANDS}.toml"), "[agents.bob]\ncommand = 3\n");
    (program, good, bad)
}

/// What is left of an output that a terminal obeys or hides, without the colours that this program gives its own words.
fn obeyed(output: &[u8], color: bool) -> String {
    let text = String::from_utf8(output.to_vec()).unwrap();
    let own = Regex::new("\u{1b}\\[([0124]|1;31|3[123]|9[1-6])m").unwrap();
    let text = if color { own.replace_all(&text, "").into_owned() } else { text };
    let is_unsafe = |letter: &char| {
        letter.is_control() && !matches!(letter, '\n' | '\t') || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
    };
    if text.chars().any(|letter| is_unsafe(&letter)) { format!("{text:?}") } else { String::new() }
}

#[test]
fn no_path_and_no_argument_commands_the_terminal() {
    let (program, good, bad) = program();
    let value = format!("--var=v={COMMANDS}");
    let state = program.at(&format!("state{COMMANDS}")).display().to_string();
    let odd = format!("x{COMMANDS}");
    let mut runs: Vec<Vec<&str>> = Vec::new();
    for command in ["validate", "plan", "status", "apply", "doctor", "config", "simulate", "watch"] {
        for manifest in [&good, &bad, &odd] {
            runs.push(vec![command, manifest]);
        }
    }
    runs.retain(|run| run != &["watch", good.as_str()]);
    runs.push(vec!["plan", &good, &value]);
    runs.push(vec!["status", &good, "--state-dir", &state, &value]);
    runs.push(vec!["apply", &good, "--auto-approve", "--timeout", "10s"]);
    for command in ["explain", "logs", "stop", "start", "restart", "kill", "pause", "resume", "reset", "forget", "attach", "wait"] {
        runs.push(vec![command, &odd, "--file", &good]);
        runs.push(vec![command, "ada", "--file", &good, &odd]);
    }
    runs.push(vec!["pause", "ada", "--file", &good, "-m", &odd]);
    for command in ["status", "plan", "explain ada", "history", "events"] {
        runs.push(command.split(' ').chain(["--file", &good]).collect());
    }
    for words in
        [&["send", "ada"], &["keys", "ada"], &["handoff", "put"], &["handoff", "show"], &["screen", "--capture"], &["adopt", "ada"]]
    {
        runs.push(words.iter().copied().chain([odd.as_str(), "--file", &good]).collect());
    }
    runs.push(vec!["restart", "ada", "--file", &good, "--handoff", &odd]);
    runs.push(vec!["apply", &good, "--timeout", &odd]);
    runs.push(vec![&odd]);
    runs.push(vec!["plan", &good, "--json", "--lock-timeout", &odd]);
    runs.push(vec!["down", "--file", &good, "--auto-approve", "--timeout", "10s"]);
    let mut found = Vec::new();
    for color in ["never", "always"] {
        for run in &runs {
            let output = program.command(&["--color", color]).args(run).output().unwrap();
            for stream in [&output.stdout, &output.stderr] {
                let obeyed = obeyed(stream, color == "always");
                found.extend((!obeyed.is_empty()).then(|| format!("{run:?}: {obeyed}")));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
