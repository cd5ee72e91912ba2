//! Each example is foreseen to come to rest (that it loads and fits the schema stands in `manifest.rs`); the two that the README names really run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use reconcile::desired::Desired;
use reconcile::manifest::load;
use reconcile::observed::Observed;
use reconcile::plan::{Action, Next, Plan, Terms, foresee};
use reconcile::screen::{Meaning, Rules, read};
use reconcile::sources::Disk;
use reconcile::time::Timestamp;

use crate::support::Program;

/// The examples, by name.
fn examples() -> BTreeMap<String, PathBuf> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let examples = paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    examples.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

fn loaded(path: &std::path::Path) -> Desired {
    let loaded = load(path.to_str().unwrap(), &Disk::new("/nowhere".into()), &BTreeMap::new());
    let found: Vec<String> = loaded.diagnostics.iter().map(|found| format!("{found:?}")).collect();
    assert!(found.is_empty(), "{}: {found:#?}", path.display());
    loaded.desired.unwrap()
}

#[test]
fn every_example_loads_and_is_foreseen_to_rest() {
    let examples = examples();
    assert!(examples.contains_key("quickstart") && examples.contains_key("constellation"), "{examples:?}");
    for (name, path) in examples {
        let desired = loaded(&path);
        let nothing = Observed {
            halted: None,
            fleet: desired.fleet.clone(),
            at: Timestamp::from_millis(0),
            agents: BTreeMap::new(),
            strangers: Vec::new(),
            server: None,
            gaps: Vec::new(),
            warnings: Vec::new(),
            foreign_server: false,
            conditions: Vec::new(),
        };
        let rounds = foresee(&desired, &nothing, &Terms::default());
        let spawns = |plan: &Plan| plan.changes.values().filter(|change| matches!(change.next, Next::Act(Action::Spawn { .. }))).count();
        let spawned: usize = rounds.iter().map(spawns).sum();
        assert_eq!(spawned, desired.agents.len(), "{name}: not everything is foreseen to start");
        assert!(rounds.iter().all(|plan| plan.broken_guards().next().is_none()), "{name}");
        let stuck = |plan: &Plan| plan.changes.values().any(|change| matches!(change.next, Next::Held(_) | Next::Blocked(_)));
        assert!(!rounds.iter().any(stuck), "{name}");
    }
}

/// Runs an example in a folder of its own until it is at rest, and ends it.
fn runs(name: &str, agents: usize) {
    let text = std::fs::read_to_string(&examples()[name]).unwrap();
    let program = Program::new(&text);
    // Where the examples write.
    program.write("constellation.toml", &text.replace("\"/tmp", &format!("\"{}", program.folder.path().display())));
    let run = |arguments: &[&str]| {
        let output = program.command(arguments).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
        (output.status.code(), out, err)
    };
    let (code, out, err) = run(&["apply", "--auto-approve"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let (_, out, _) = run(&["plan", "--detailed-exitcode"]);
    assert_eq!(out, format!("No changes. {agents} agents at rest.\n"));
    let (code, out, err) = run(&["down", "--auto-approve", "--allow-kill", "*"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(program.keepers().is_empty());
}

#[test]
fn the_quickstart_runs() {
    runs("quickstart", 3);
}

#[test]
fn the_constellation_runs() {
    runs("constellation", 8);
}

#[test]
fn the_manifests_and_rules_of_the_readme_load() {
    let readme = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks: Vec<&str> = readme.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    let (rules, manifests): (Vec<&str>, Vec<&str>) = blocks.into_iter().partition(|block| block.contains("[signs]"));
    assert!(manifests.len() >= 4 && rules.len() == 1);
    for block in rules {
        let reading = read("Do you trust this folder?\n ❯ No\n   Yes\n", &Rules::parse(block).unwrap());
        assert!(matches!(reading.meaning, Meaning::Dialog { name, .. } if name == "trust"));
    }
    // What the texts speak of is there.
    let folder = tempfile::tempdir().unwrap();
    for name in ["teams", "rigs/one"] {
        std::fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("teams.json"), r#"{ "teams": ["red"] }"#).unwrap();
    std::fs::write(folder.path().join("mailbox.conf"), "").unwrap();
    for block in manifests {
        let start = if block.contains("version = 1") { "" } else { "version = 1\nfleet = \"atlas\"\n" };
        let text = format!("{start}{block}").replace("mailboxd", "sleep").replace("{ env = \"TOKEN_FILE\" }", "\"token\"");
        let path = folder.path().join("constellation.toml");
        std::fs::write(&path, &text).unwrap();
        let loaded = load(path.to_str().unwrap(), &Disk::new("/nowhere".into()), &BTreeMap::new());
        assert!(loaded.desired.is_some(), "{text}\n{:#?}", loaded.diagnostics);
    }
}
