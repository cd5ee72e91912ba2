//! Whatever a watcher wrote into the journal itself is no news to it.

use rustix::io::Errno;

use super::*;
use crate::host::sim::Sim;
use crate::manifest::{Memory as Texts, load};
use crate::state::{StateDir, crash};

#[derive(Default)]
struct Told(Vec<What>);

impl Audience for Told {
    fn event(&mut self, entry: &Entry) {
        self.0.push(entry.event.what);
    }

    fn round(&mut self, _: &Plan, _: &Observed) {}
}

#[test]
fn what_it_tells_between_two_rounds_is_told_once_and_what_others_write_too() {
    let root = tempfile::tempdir().unwrap();
    let fleet = StateDir::locate(Some(root.path())).unwrap().fleet(&"f".parse().unwrap()).unwrap();
    let text = "version = 1\nfleet = \"f\"\n[agents.ada]\nruntime = \"daemon\"\ncommand = [\"x\"]\n";
    let desired = load("constellation.toml", &Texts::with_manifest(text), &BTreeMap::new()).desired.unwrap();
    let mut host = Sim::new(Timestamp::from_millis(1_000_000));
    let mut watch = Watch::new(Path::new("/constellation.toml"), Auto::All, host.now());
    let mut told = Told::default();
    let count = |told: &Told, what| told.0.iter().filter(|told| **told == what).count();
    for _ in 0..3 {
        watch.renew(Auto::All);
        watch.round(&desired, &fleet, &mut host, &mut told).unwrap();
    }
    let event = of_fleet(host.now(), What::Manifest, "the manifest has changed".to_owned());
    watch.tell(event, &desired, &fleet, &mut host, &mut told).unwrap();
    fleet.journal().unwrap().append(&[of_fleet(host.now(), What::Requested, "by another".to_owned())]).unwrap();
    for _ in 0..3 {
        watch.renew(Auto::All);
        watch.round(&desired, &fleet, &mut host, &mut told).unwrap();
    }
    assert_eq!((count(&told, What::Manifest), count(&told, What::Requested), count(&told, What::Spawn)), (1, 1, 1), "{:?}", told.0);
}

#[test]
fn what_was_told_on_a_full_disk_is_written_down_once_there_is_room() {
    let root = tempfile::tempdir().unwrap();
    let fleet = StateDir::locate(Some(root.path())).unwrap().fleet(&"f".parse().unwrap()).unwrap();
    fleet.prepare().unwrap();
    let desired = Desired::nothing("f".parse().unwrap());
    let mut host = Sim::new(Timestamp::from_millis(1_000_000));
    let mut watch = Watch::new(Path::new("/constellation.toml"), Auto::All, host.now());
    watch.heard = Some(5);
    crash::full(Errno::NOSPC, || watch.send(&desired, &fleet, &mut host)).unwrap();
    assert_eq!(fleet.told().unwrap(), None);
    watch.send(&desired, &fleet, &mut host).unwrap();
    assert_eq!(fleet.told().unwrap(), Some(5));
}
