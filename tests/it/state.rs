//! The state folder on a real disk: locks between processes, torn and foreign files, interruptions.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use reconcile::desired::{AgentName, FleetName, Generation, Wish};
use reconcile::event::{Event, What};
use reconcile::observed::{Exit, Purpose, Step};
use reconcile::state::{Claim, Fleet, NoLock, Record, StateDir};
use reconcile::time::{Duration, Timestamp};
use tempfile::TempDir;

fn fleet(root: &Path) -> Fleet {
    let atlas: FleetName = "atlas".parse().unwrap();
    StateDir::locate(Some(root)).unwrap().fleet(&atlas).unwrap()
}

fn agent(name: &str) -> AgentName {
    name.parse().unwrap()
}

fn scratch() -> (TempDir, Fleet) {
    let root = tempfile::tempdir().unwrap();
    let fleet = fleet(root.path());
    (root, fleet)
}

/// The names of all files and folders below, sorted.
fn tree(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
        if path.is_dir() {
            names.extend(tree(&path));
        }
    }
    names.sort();
    names
}

#[test]
fn looking_at_a_fleet_that_never_ran_leaves_no_trace() {
    let (root, fleet) = scratch();
    assert!(fleet.records().unwrap().is_empty());
    assert!(fleet.record(&agent("lead")).unwrap().is_none());
    assert_eq!(fleet.claim().unwrap(), None);
    assert!(fleet.entries_after(0).unwrap().is_empty());
    assert!(fleet.runs().unwrap().is_empty());
    assert!(fleet.key().unwrap().is_none());
    assert_eq!(fleet.watcher().unwrap(), None);
    fleet.remove(&agent("lead")).unwrap();
    assert_eq!(tree(root.path()), Vec::<String>::new());
}

#[test]
fn everything_is_for_its_user_only() {
    let root = tempfile::tempdir().unwrap();
    let fleet = fleet(&root.path().join("deep/state"));
    fleet.prepare().unwrap();
    let _lock = fleet.lock("apply", Duration::ZERO).unwrap();
    fleet.write(&Record::new(agent("lead"))).unwrap();
    fleet.write_claim(&Claim::new("/m.toml".into())).unwrap();
    fleet.make_key().unwrap();
    fleet.begin_run("apply", Duration::ZERO, Timestamp::from_millis(0)).unwrap();
    let began = Event { at: Timestamp::from_millis(0), agent: None, generation: None, what: What::Began, reason: None, why: String::new() };
    fleet.journal().unwrap().append(&[began]).unwrap();
    let mut folders = vec![root.path().join("deep")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o7777, 0o700, "{}", folder.display());
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600, "{}", path.display());
            }
        }
    }
    assert_eq!(files, 6);
}

#[test]
fn a_folder_that_others_can_write_is_refused() {
    let (root, fleet) = scratch();
    fleet.write(&Record::new(agent("lead"))).unwrap();
    for folder in ["", "atlas", "atlas/agents"] {
        let path = root.path().join(folder);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
        let error = fleet.records().unwrap_err().to_string();
        assert!(error.contains("other users can write to the state folder"), "{error}");
        assert!(fleet.write(&Record::new(agent("lead"))).is_err());
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
    }
    std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o777)).unwrap();
    assert!(StateDir::locate(Some(root.path())).unwrap().fleet(&"atlas".parse().unwrap()).is_err());
}

#[test]
fn a_lock_names_its_holder_and_ends_with_it() {
    let (_root, fleet) = scratch();
    let lock = fleet.lock("apply", Duration::ZERO).unwrap();
    let Err(NoLock::Held(Some(holder))) = fleet.lock("stop", Duration::ZERO) else { panic!("two hold the lock") };
    assert_eq!((holder.pid, holder.command.as_str()), (std::process::id(), "apply"));
    drop(lock);
    assert!(fleet.paths().lock().exists());
    fleet.lock("stop", Duration::ZERO).unwrap();
}

#[test]
fn a_lock_of_a_process_that_dies_is_free() {
    let (_root, fleet) = scratch();
    fleet.prepare().unwrap();
    let mut holder = crate::support::command("flock")
        .arg(fleet.paths().lock())
        .args(["sh", "-c", "echo held; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    assert!(matches!(fleet.lock("apply", Duration::ZERO), Err(NoLock::Held(None))));
    // `flock` waits for its child, which has inherited the lock: both end when the child's input does.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| fleet.lock("apply", Duration::from_secs(10)).map(drop));
        drop(holder.stdin.take());
        waiting.join().unwrap().unwrap();
    });
    holder.wait().unwrap();
}

#[test]
fn a_lock_is_held_by_one_at_a_time() {
    let (root, fleet) = scratch();
    let counter = root.path().join("counter");
    std::fs::write(&counter, "0").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let _lock = fleet.lock("apply", Duration::from_secs(30)).unwrap();
                    let count: u32 = std::fs::read_to_string(&counter).unwrap().parse().unwrap();
                    std::thread::yield_now();
                    std::fs::write(&counter, (count + 1).to_string()).unwrap();
                }
            });
        }
    });
    assert_eq!(std::fs::read_to_string(&counter).unwrap(), "40");
}

#[test]
fn a_watcher_is_seen_and_not_disturbed() {
    let (_root, fleet) = scratch();
    let watch = fleet.watch_lock().unwrap();
    assert_eq!(fleet.watcher().unwrap().unwrap().unwrap().pid, std::process::id());
    assert!(matches!(fleet.watch_lock(), Err(NoLock::Held(Some(_)))));
    fleet.lock("apply", Duration::ZERO).unwrap();
    drop(watch);
    // A process that another test is just starting has our files until it is its own program.
    crate::support::eventually(|| fleet.watcher().unwrap().is_none().then_some(()), crate::support::LIMIT);
}

#[test]
fn records_of_every_version_are_understood() {
    let (_root, fleet) = scratch();
    fleet.prepare().unwrap();
    let put = |name: &str, text: &str| std::fs::write(fleet.paths().record(&agent(name)), text).unwrap();
    put("lead", include_str!("fixtures/record-v1.json"));
    let record = fleet.record(&agent("lead")).unwrap().unwrap().unwrap();
    assert_eq!((record.generation, record.wanted), (Generation(7), Wish::Stopped));
    assert_eq!(record.mark.as_ref().map(ToString::to_string).unwrap(), "v1/atlas/lead/7/0123456789abcdef0123456789abcdef/00ff00ff00ff00ff");
    assert_eq!(record.leaving.as_ref().unwrap().step, Step::Drain(1));
    let ended = record.ended.as_ref().unwrap();
    assert_eq!((&ended.exit, ended.asked), (&Exit::Code(1), Some((Purpose::Stop, Step::Kill))));
    assert_eq!(record.failures.restarts, 4);
    assert!(record.spec.as_ref().unwrap().care.protect);
    // Written again by this version, it says the same.
    fleet.write(&record).unwrap();
    assert_eq!(fleet.record(&agent("lead")).unwrap().unwrap().unwrap(), record);

    put("lead", include_str!("fixtures/record-v1-oldest.json"));
    let record = fleet.record(&agent("lead")).unwrap().unwrap().unwrap();
    let asked_at = serde_json::from_str("\"2026-11-20T14:02:11Z\"").unwrap();
    assert_eq!(record, Record { generation: Generation(7), asked_at, ..Record::new(agent("lead")) });
}

#[test]
fn a_record_that_is_of_no_use_hides_no_other() {
    let (_root, fleet) = scratch();
    fleet.write(&Record::new(agent("whole"))).unwrap();
    let text = include_str!("fixtures/record-v1.json").trim_end();
    for end in (0..text.len()).step_by(97) {
        std::fs::write(fleet.paths().record(&agent("lead")), &text[..end]).unwrap();
        let records = fleet.records().unwrap();
        assert!(records["whole"].is_ok());
        let why = records["lead"].as_ref().unwrap_err();
        assert!(why.contains("agents/lead.json is not usable"), "{why}");
    }
    std::fs::write(fleet.paths().record(&agent("lead")), r#"{ "version": 2, "agent": "lead" }"#).unwrap();
    let why = fleet.records().unwrap()["lead"].as_ref().unwrap_err().clone();
    assert!(why.contains("a newer version of reconcile wrote it (format 2, this one knows 1)"), "{why}");
    std::fs::create_dir(fleet.paths().record(&agent("folder"))).unwrap();
    std::fs::write(fleet.paths().agents().join("Not a name.json"), "").unwrap();
    let records = fleet.records().unwrap();
    assert_eq!(records.keys().map(AgentName::as_str).collect::<Vec<_>>(), ["folder", "lead", "whole"]);
    assert!(records["folder"].is_err());
}

#[test]
fn a_writer_that_died_half_way_changed_nothing() {
    let (_root, fleet) = scratch();
    let record = Record { generation: Generation(3), ..Record::new(agent("lead")) };
    fleet.write(&record).unwrap();
    let unfinished = fleet.paths().agents().join(".lead.json.4242.0.tmp");
    std::fs::write(&unfinished, r#"{"version":1,"agent":"le"#).unwrap();
    assert_eq!(fleet.records().unwrap(), [(agent("lead"), Ok(record))].into());
    fleet.lock("apply", Duration::ZERO).unwrap();
    assert!(!unfinished.exists());
    assert!(fleet.paths().record(&agent("lead")).exists());
}

#[test]
fn readers_never_see_half_a_record() {
    let (_root, fleet) = scratch();
    let text = include_str!("fixtures/record-v1.json");
    let long: Record = serde_json::from_str(text).unwrap();
    let short = Record::new(agent("lead"));
    fleet.write(&short).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..200 {
                fleet.write(&Record { wanted: Wish::Running, ..long.clone() }).unwrap();
                fleet.write(&short).unwrap();
            }
        });
        while !writer.is_finished() {
            fleet.records().unwrap()["lead"].as_ref().unwrap();
        }
    });
}

#[test]
fn a_renamed_record_has_one_of_its_names_whatever_happens() {
    let (_root, fleet) = scratch();
    let record = Record { generation: Generation(3), ..Record::new(agent("old")) };
    fleet.write(&record).unwrap();
    fleet.rename(&agent("old"), &agent("new")).unwrap();
    let renamed = Record { agent: agent("new"), ..record.clone() };
    assert_eq!(fleet.records().unwrap(), [(agent("new"), Ok(renamed.clone()))].into());
    // Interrupted after the first step: the new name, the old content.
    std::fs::write(fleet.paths().record(&agent("new")), serde_json::to_string(&record).unwrap()).unwrap();
    assert_eq!(fleet.records().unwrap(), [(agent("new"), Ok(renamed))].into());
    // A copy made by hand is no rename: both would speak for the same instance.
    fleet.write(&record).unwrap();
    let records = fleet.records().unwrap();
    assert!(records["old"].is_ok());
    assert!(records["new"].as_ref().unwrap_err().contains("is that of `old`, which has its own"));
}

#[test]
fn a_fleet_belongs_to_one_manifest() {
    let (root, fleet) = scratch();
    let ours = root.path().join("a.toml");
    std::fs::write(&ours, "").unwrap();
    std::os::unix::fs::symlink(&ours, root.path().join("link.toml")).unwrap();
    assert_eq!(fleet.claimed_by_another(&ours).unwrap(), None);
    fleet.write_claim(&Claim::new(ours.clone())).unwrap();
    assert_eq!(fleet.claimed_by_another(&ours).unwrap(), None);
    assert_eq!(fleet.claimed_by_another(&root.path().join("link.toml")).unwrap(), None);
    let another = root.path().join("b.toml");
    assert_eq!(fleet.claimed_by_another(&another).unwrap(), None, "nothing is owned, so nothing is bound");
    fleet.write(&Record::new("a".parse().unwrap())).unwrap();
    assert_eq!(fleet.claimed_by_another(&another).unwrap(), Some(ours.clone()));
    fleet.release_claim().unwrap();
    assert!(fleet.claim().unwrap().is_some());
    std::fs::remove_file(&ours).unwrap();
    assert_eq!(fleet.claimed_by_another(&another).unwrap(), Some(ours));
    fleet.remove(&"a".parse().unwrap()).unwrap();
    fleet.release_claim().unwrap();
    assert_eq!(fleet.claim().unwrap(), None);
    std::fs::write(fleet.paths().claim(), r#"{ "version": 2, "manifest": "/m" }"#).unwrap();
    assert!(fleet.claim().unwrap_err().to_string().contains("a newer version of reconcile"));
    std::fs::write(fleet.paths().claim(), "{").unwrap();
    assert!(fleet.claim().is_err());
}

#[test]
fn digests_of_secrets_depend_on_the_key() {
    let (_root, fleet) = scratch();
    let key = fleet.make_key().unwrap();
    let digest = key.digest("TOKEN", b"value");
    assert_eq!(fleet.make_key().unwrap().digest("TOKEN", b"value"), digest);
    assert_eq!(fleet.key().unwrap().unwrap().digest("TOKEN", b"value"), digest);
    assert_ne!(key.digest("TOKEN", b"other"), digest);
    assert_ne!(key.digest("TOKE", b"Nvalue"), digest);
    assert_ne!(scratch().1.make_key().unwrap().digest("TOKEN", b"value"), digest);
    std::fs::write(fleet.paths().key(), "short").unwrap();
    assert!(fleet.make_key().is_err());
}
