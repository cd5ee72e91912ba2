//! Rules about the code itself: who may import whom, what is pure, how long a file may be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// Each module with those that it may import, in the order of `lib.rs`: only modules above it, so there are no circles. The table of `lib.rs`
/// says the same in words.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("desired", &["time"]),
    ("diagnostic", &[]),
    ("paths", &["desired"]),
    ("safe_open", &[]),
    ("process", &["desired"]),
    ("quit", &["process"]),
    ("observed", &["desired", "process", "time"]),
    ("intent", &["desired", "observed"]),
    // `schema` is the form of the manifest's own types: the two are one subject, and the only circle.
    ("screen", &["desired", "time"]),
    ("manifest", &["desired", "diagnostic", "schema", "screen", "time"]),
    ("schema", &["manifest"]),
    ("sources", &["desired", "manifest", "process", "safe_open", "time"]),
    ("plan", &["desired", "observed", "time"]),
    ("event", &["desired", "plan", "time"]),
    ("keeper", &["desired", "process", "safe_open", "time"]),
    ("state", &["desired", "event", "observed", "paths", "plan", "quit", "safe_open", "time"]),
    // Of the keeper, its protocol: the spec that it is given, the status and pidfile that it writes.
    ("host", &["desired", "keeper", "observed", "paths", "process", "quit", "safe_open", "time"]),
    ("observe", &["desired", "event", "host", "intent", "observed", "plan", "process", "screen", "state", "time"]),
    ("execute", &["desired", "event", "host", "observe", "observed", "plan", "state", "time"]),
    ("ownership", &["desired", "event", "host", "observe", "observed", "state"]),
    ("converge", &["desired", "event", "execute", "host", "intent", "observe", "observed", "plan", "process", "quit", "state", "time"]),
    ("watch", &["converge", "desired", "event", "host", "intent", "observe", "observed", "plan", "process", "state", "time"]),
    ("simulate", &["converge", "desired", "event", "host", "observed", "plan", "state", "time", "watch"]),
    ("doctor", &["desired", "observed", "plan"]),
    ("service", &["desired"]),
    ("render", &["desired", "diagnostic", "event", "manifest", "observed", "plan", "screen", "simulate", "time"]),
    ("cli", EVERYTHING),
];

const EVERYTHING: &[&str] = &[
    "time",
    "desired",
    "diagnostic",
    "paths",
    "safe_open",
    "process",
    "quit",
    "observed",
    "intent",
    "screen",
    "manifest",
    "schema",
    "sources",
    "plan",
    "event",
    "keeper",
    "state",
    "host",
    "observe",
    "execute",
    "ownership",
    "converge",
    "watch",
    "simulate",
    "doctor",
    "service",
    "render",
];

/// Modules and files that are functions of their arguments: no disk, no clock, no processes, no network.
const PURE: &[&str] = &[
    "time",
    "desired",
    "diagnostic",
    "paths",
    "event",
    "observed",
    "intent",
    "manifest",
    "schema",
    "screen",
    "plan",
    "doctor",
    "service",
    "render",
    "host/look/pane_owner",
    "observe/health",
];

/// The most lines that a file has before its tests.
const LINES: usize = 400;

/// A file of `src/` without its comments and tests.
struct File {
    /// Like `plan/order.rs`.
    name: String,
    text: String,
    /// All lines before the tests, with comments.
    lines: usize,
}

impl File {
    /// The module of `lib.rs` that it belongs to.
    fn module(&self) -> &str {
        self.name.split(['/', '.']).next().unwrap_or_default()
    }

    /// How many names lead from the crate to this file: 1 for `plan.rs`, 2 for `plan/order.rs`.
    fn depth(&self) -> usize {
        self.name.split('/').count()
    }
}

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    rust_files(&root, &mut paths);
    let texts: BTreeMap<String, String> = paths
        .iter()
        .map(|path| (path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap()))
        .collect();
    let tests: BTreeSet<String> = texts.iter().flat_map(|(name, text)| files_of_tests(name, text)).collect();
    let is_test = |name: &str| tests.iter().any(|test| name == format!("{test}.rs") || name.starts_with(&format!("{test}/")));
    texts
        .into_iter()
        .filter(|(name, _)| !is_test(name))
        .map(|(name, text)| {
            let own = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            File { name, text: without_comments(own), lines: own.lines().count() }
        })
        .collect()
});

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The modules in files of their own that are only compiled for tests, like `plan/tests`.
fn files_of_tests(name: &str, text: &str) -> Vec<String> {
    let folder = name.strip_suffix(".rs").unwrap();
    let modules = Regex::new(r"#\[cfg\(test\)\]\s+(?:pub(?:\([a-z]+\))? )?mod ([a-z_]+);").unwrap();
    modules.captures_iter(text).map(|found| format!("{folder}/{}", &found[1])).collect()
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The modules of `lib.rs` that a file names, anywhere.
fn imports(file: &File) -> BTreeSet<String> {
    let up = vec!["super"; file.depth()].join("::");
    let root = Regex::new(&format!(r"(?:\bcrate|(?:^|[^:a-z_])(?:self::)?{up})::(?:(\w+)|\{{)")).unwrap();
    let mut found = BTreeSet::new();
    for import in root.captures_iter(&file.text) {
        match import.get(1) {
            Some(module) => drop(found.insert(module.as_str().to_owned())),
            None => found.extend(first_names(&file.text[import.get(0).unwrap().end()..])),
        }
    }
    found
}

/// The first name of each path in a list of imports, up to its closing brace.
fn first_names(list: &str) -> Vec<String> {
    let mut depth = 0;
    let mut names = vec![String::new()];
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(String::new()),
            c if depth == 0 => names.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    names.iter().map(|name| name.trim().split("::").next().unwrap().to_owned()).filter(|name| !name.is_empty()).collect()
}

#[test]
fn modules_import_only_what_stands_in_their_row() {
    let rows: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for file in FILES.iter().filter(|file| file.module() != "lib" && file.module() != "main") {
        let Some(row) = rows.get(file.module()) else { panic!("{} stands in no row", file.name) };
        let mut others = imports(file);
        others.remove(file.module());
        wrong.extend(others.iter().filter(|other| !row.contains(&other.as_str())).map(|other| format!("{} imports {other}", file.name)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_has_all_modules_in_the_order_of_lib_and_no_circle() {
    let lib = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let declared: Vec<&str> = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(declared, MAY_IMPORT.iter().map(|(module, _)| *module).collect::<Vec<_>>());
    for (place, (module, row)) in MAY_IMPORT.iter().enumerate() {
        let above: Vec<&str> = MAY_IMPORT[..place].iter().map(|(module, _)| *module).collect();
        for other in row.iter().filter(|other| (*module, **other) != ("manifest", "schema")) {
            assert!(above.contains(other), "{module} imports {other}, which is not above it");
        }
    }
    assert_eq!(EVERYTHING, declared.split_last().unwrap().1);
}

#[test]
fn pure_modules_touch_nothing() {
    let machine = r"\bstd::(fs|process|env|thread|net)\b|\bstd::\{[^}]*\b(fs|process|env|thread|net)\b|Instant::now|SystemTime|Timestamp::now|\brustix::";
    let machine = Regex::new(machine).unwrap();
    let is_pure = |file: &File| PURE.contains(&file.module()) || PURE.contains(&file.name.strip_suffix(".rs").unwrap());
    let wrong: Vec<String> = FILES
        .iter()
        .filter(|file| is_pure(file))
        .filter_map(|file| Some(format!("{} names {}", file.name, machine.find(&file.text)?.as_str())))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_short() {
    let long: Vec<&str> = FILES.iter().filter(|file| file.lines > LINES).map(|file| file.name.as_str()).collect();
    assert!(long.is_empty(), "longer than {LINES} lines: {long:?}");
}

/// What names the fleet is added to such a command, so that it works when it is copied: see `render::Invocation`.
#[test]
fn a_command_in_a_message_stands_in_backticks() {
    let verbs = "plan|apply|watch|start|stop|restart|resume|reset|pause|kill|down|adopt|forget|status|explain|history|events|wait|send|\
                 handoff|attach|logs|doctor|service|validate|simulate|config";
    let bare = Regex::new(&format!("[^`]\\breconcile (?:{verbs})\\b")).unwrap();
    let found =
        FILES.iter().flat_map(|file| file.text.lines().filter(|line| bare.is_match(line)).map(|line| format!("{}: {line}", file.name)));
    let found: Vec<String> = found.filter(|line| !line.contains("//!") && !line.contains("///")).collect();
    assert!(found.is_empty(), "{found:#?}");
}

fn is_of_the_soak(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("tests/long/soak-program"))
}

#[test]
fn tests_wait_for_something() {
    let mut paths = Vec::new();
    rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), &mut paths);
    let sleep = ["thread", "sleep("].join("::");
    // The model server that is started by hand is no test, and an answer of its takes its time. A soak lasts.
    paths.retain(|path| !path.ends_with("tests/real/model/main.rs") && !is_of_the_soak(path));
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let sleeps: Vec<usize> = text.match_indices(&sleep).map(|(at, _)| at).collect();
        // The pause between two looks is the only one.
        let inside = |at: usize| text[..at].rfind("\n}\n").unwrap_or(0) < text[..at].rfind("fn eventually").unwrap_or(0);
        assert!(sleeps.len() <= 1 && sleeps.into_iter().all(inside), "{} sleeps instead of waiting for something", path.display());
    }
}

#[test]
fn a_thread_that_cannot_be_started_is_no_panic() {
    let panics = Regex::new(r"thread::spawn\(|\bscope\.spawn\(").unwrap();
    let wrong: Vec<&str> = FILES.iter().filter(|file| panics.is_match(&file.text)).map(|file| file.name.as_str()).collect();
    assert!(wrong.is_empty(), "use std::thread::Builder, whose error can be dealt with: {wrong:?}");
}

#[test]
fn tests_start_every_process_with_a_clean_environment() {
    let mut paths = Vec::new();
    rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), &mut paths);
    let start = Regex::new(&["(?:Command|Process)", "::new\\("].concat()).unwrap();
    let mut starts = Vec::new();
    // The soak is another program, with one such place of its own.
    let is_looked_at = |path: &&PathBuf| !path.ends_with("architecture.rs") && !path.ends_with("soak-program/commands.rs");
    for path in paths.iter().filter(is_looked_at) {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().enumerate().filter(|(_, line)| start.is_match(line));
        starts.extend(lines.map(|(at, _)| format!("{}:{}", path.display(), at + 1)));
    }
    // Only `support::command` may.
    assert!(starts.len() == 1 && starts[0].contains("tests/it/support.rs"), "use support::command: {starts:#?}");
}

#[test]
fn tests_never_see_the_home_folder_of_the_person_who_runs_them() {
    use std::os::unix::fs::MetadataExt;
    let user = std::fs::metadata("/proc/self").unwrap().uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let of_user = |line: &&str| line.split(':').nth(2) == Some(user.as_str());
    let real = users.lines().find(of_user).and_then(|line| line.split(':').nth(5));
    let home = crate::support::home();
    assert_ne!(Some(home.as_path()), real.map(Path::new));
    // A shell that is given none asks the system for it.
    let output = crate::support::command("bash").args(["-c", "echo ~; echo $HISTFILE $XDG_CONFIG_HOME"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n\n", home.display()));
}

#[test]
fn the_rules_see_what_they_look_for() {
    let file = |name: &str, text: &str| File { name: name.to_owned(), text: without_comments(text), lines: 0 };
    let found = |name: &str, text: &str| imports(&file(name, text)).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(
        found("plan/order.rs", "use crate::{cli::exit, state::{Fleet, Lock}};\nfn f() { crate::host::go() } // crate::render"),
        "cli host state"
    );
    assert_eq!(found("plan/order.rs", "use super::start; use super::super::host::Host;"), "host");
    assert_eq!(found("plan.rs", "use super::cli::run;"), "cli");
    assert_eq!(files_of_tests("render.rs", "#[cfg(test)]\nmod sample;\n#[cfg(test)]\nmod tests {"), ["render/sample"]);
    assert_eq!(FILES.iter().filter(|file| file.module() == "plan" && file.text.contains("#[test]")).count(), 0);
}
