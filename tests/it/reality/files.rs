//! Files that are lost, damaged, old, or tell of other processes than there are.

use reconcile::desired::{Generation, LaunchDigest, Mark, canonical_digest};

use super::*;

const PAIR: &str =
    "[defaults]\ncommand = [\"sleep\", \"2030\"]\nready = { delay = \"0s\" }\n[agents.ada]\n[agents.box]\nruntime = \"daemon\"\n";

impl World {
    fn record_file(&self, agent: &str) -> std::path::PathBuf {
        self.fleet().paths().record(&agent.parse().unwrap())
    }

    fn edit_record(&self, agent: &str, edit: impl FnOnce(&mut Record)) {
        let mut record = self.record(agent);
        edit(&mut record);
        self.fleet().write(&record).unwrap();
    }
}

/// Ends an instance so that nobody sees how. A terminal takes its program along.
#[track_caller]
fn end(keeper: &ProcId, program: &ProcId) {
    kill(keeper);
    process::signal(program, Signal::KILL).unwrap();
    gone(program);
}

#[test]
fn a_lost_state_folder_loses_nobody() {
    let world = World::new(PAIR);
    world.comes_to_rest();
    let before = world.keepers();
    std::fs::remove_dir_all(world.program.at("state")).unwrap();
    world.comes_to_rest();
    assert_eq!(world.keepers(), before, "nobody was restarted");
    // Lost again, and one is to be another: that one alone.
    std::fs::remove_dir_all(world.program.at("state")).unwrap();
    world.declare(&PAIR.replace("[agents.ada]", "[agents.ada]\ncommand = [\"sleep\", \"2031\"]"));
    world.comes_to_rest();
    assert_eq!(world.keepers()["box"], before["box"]);
    assert_eq!(world.instance("ada").generation, Generation(2), "the mark told which life it was");
    // Lost again, and everything is to go: the marks tell whose it is.
    std::fs::remove_dir_all(world.program.at("state")).unwrap();
    world.declare("");
    world.apply(0);
    assert_eq!((world.kept(), world.marked()), (Vec::new(), Vec::new()));
}

#[test]
fn a_damaged_record_touches_nobody() {
    let world = World::new(PAIR);
    world.comes_to_rest();
    let before = world.keepers();
    for agent in ["ada", "box"] {
        std::fs::write(world.record_file(agent), "{ \"version\": 1, \"agent\": ").unwrap();
    }
    world.declare(&PAIR.replace("2030", "2032"));
    let text = world.apply(3);
    assert!(text.contains("is not usable"), "{text}");
    assert_eq!(world.keepers(), before);
    world.declare("");
    world.apply(3);
    assert_eq!(world.keepers(), before, "what cannot be told is not stopped either");
    // Out of the way, it is no worse than lost.
    for agent in ["ada", "box"] {
        std::fs::remove_file(world.record_file(agent)).unwrap();
    }
    world.declare(PAIR);
    world.comes_to_rest();
    assert_eq!(world.keepers(), before);
}

#[test]
fn a_record_of_a_newer_version_touches_nobody() {
    let world = World::new(PAIR);
    world.comes_to_rest();
    let before = world.keepers();
    std::fs::write(world.record_file("ada"), r#"{ "version": 2, "agent": "ada", "all": "new" }"#).unwrap();
    let text = world.apply(3);
    assert!(text.contains("newer version"), "{text}");
    assert_eq!(world.keepers(), before);
}

#[test]
fn a_number_that_became_another_process_is_not_ours() {
    let world = World::new(PAIR);
    world.comes_to_rest();
    let mut other = crate::support::command("sleep").arg("2033").spawn().unwrap();
    let stranger = ProcId::of(other.id()).unwrap().unwrap();
    let _doomed = crate::support::Doomed(vec![stranger.clone()]);
    // Once with another start of the process, once with another boot of the machine.
    let reused = ProcId { start_time: stranger.start_time + 1, ..stranger.clone() };
    let rebooted = ProcId { boot_id: "00000000-0000-0000-0000-000000000000".into(), ..stranger.clone() };
    for (life, id) in [reused, rebooted].into_iter().enumerate() {
        for agent in ["ada", "box"] {
            let Instance { keeper, program, .. } = world.instance(agent);
            end(&keeper.unwrap(), &program.unwrap());
            world.edit_record(agent, |record| {
                let instance = record.instance.as_mut().unwrap();
                (instance.keeper, instance.program) = (Some(id.clone()), Some(id.clone()));
            });
        }
        world.comes_to_rest();
        assert_eq!(stranger.liveness(), Liveness::Alive, "the stranger was touched");
        assert!(world.record("box").generation >= Generation(life as u64 + 2));
    }
    // The same on the way out, where it would be signalled.
    let Instance { keeper, program, .. } = world.instance("box");
    end(&keeper.unwrap(), &program.unwrap());
    world.edit_record("box", |record| {
        let id = ProcId { start_time: stranger.start_time + 1, ..stranger.clone() };
        let instance = record.instance.as_mut().unwrap();
        (instance.keeper, instance.program) = (Some(id.clone()), Some(id));
    });
    world.declare("");
    world.apply(0);
    assert_eq!(world.kept(), Vec::<String>::new());
    assert!(other.try_wait().unwrap().is_none(), "the stranger was touched");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn a_rename_that_was_interrupted_is_finished() {
    let world = World::new(PAIR);
    world.comes_to_rest();
    let before = world.keepers();
    let old = std::fs::read_to_string(world.record_file("ada")).unwrap();
    world.declare(&PAIR.replace("[agents.ada]", "[agents.zoe]\nrenamed_from = \"ada\""));
    world.apply(0);
    // As if the tool had been killed between the new record and the removal of the old one.
    std::fs::write(world.record_file("ada"), old).unwrap();
    world.apply(0);
    assert!(world.run(&["plan", "--detailed-exitcode"], 0).contains("No changes"));
    assert_eq!(world.keepers(), before);
    assert!(!world.record_file("ada").exists());
}

#[test]
fn the_oldest_record_restarts_nobody() {
    let world = World::new(PAIR);
    world.comes_to_rest();
    let before = world.keepers();
    for agent in ["ada", "box"] {
        let mut oldest: serde_json::Value = serde_json::from_str(include_str!("../fixtures/record-v1-oldest.json")).unwrap();
        oldest["agent"] = agent.into();
        oldest["generation"] = 1.into();
        std::fs::write(world.record_file(agent), oldest.to_string()).unwrap();
    }
    world.comes_to_rest();
    assert_eq!(world.keepers(), before);
    // With everything that a record may hold, and fields of a version to come.
    for agent in ["ada", "box"] {
        let mut record: serde_json::Value = serde_json::from_str(include_str!("../fixtures/record-v1.json")).unwrap();
        let own = serde_json::to_value(world.record(agent)).unwrap();
        for field in ["agent", "generation", "mark", "instance"] {
            record[field] = own[field].clone();
        }
        for field in ["launch", "care"] {
            let mut spec = own["spec"][field].clone();
            spec["field_of_a_later_version"] = record["spec"][field]["field_of_a_later_version"].clone();
            record["spec"][field] = spec;
        }
        for field in ["leaving", "ended", "wanted", "replace_up_to", "secrets"] {
            record.as_object_mut().unwrap().remove(field);
        }
        std::fs::write(world.record_file(agent), record.to_string()).unwrap();
    }
    world.comes_to_rest();
    assert_eq!(world.keepers(), before);
    assert_eq!(world.record("ada").failures.restarts, 4, "what it remembered is kept");
}

#[test]
fn the_oldest_mark_and_digest_mean_the_same() {
    let record: Record = serde_json::from_str(include_str!("../fixtures/record-v1.json")).unwrap();
    let mark = record.mark.unwrap();
    assert_eq!(mark, "v1/atlas/lead/7/0123456789abcdef0123456789abcdef/00ff00ff00ff00ff".parse::<Mark>().unwrap());
    assert_eq!((mark.fleet.as_str(), mark.agent.as_str(), mark.generation), ("atlas", "lead", Generation(7)));
    assert_eq!(mark.digest, LaunchDigest("0123456789abcdef0123456789abcdef".into()));
    assert_eq!(&*mark.id, "00ff00ff00ff00ff");
    // A digest that changed with the tool would restart every agent whose record is lost.
    assert_eq!(&*canonical_digest(&record.spec.unwrap().launch).0, "1742e0db65df280d8172015e120f8787");
}
