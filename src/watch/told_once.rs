//! Whatever a watcher wrote into the journal itself is no news to it.

use rustix::io::Errno;

use super::*;
use crate::host::sim::Sim;
use crate::manifest::{Memory as Texts, load};
use crate::observed::Exit;
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
    let text = "version = 1\nfleet = \"f\"\n[agents.ada]\nruntime = \"daemon\"\ncommand = [\"x\"]\n[[notify]]\non = [\"crash\"]\nfile = \"/told\"\n";
    let desired = load("constellation.toml", &Texts::with_manifest(text), &BTreeMap::new()).desired.unwrap();
    let mut host = Sim::new(Timestamp::from_millis(1_000_000));
    let watcher = |host: &Sim| Watch::new(Path::new("/constellation.toml"), Auto::All, host.now());
    let rounds = |watch: &mut Watch, host: &mut Sim| {
        for _ in 0..3 {
            watch.renew(Auto::All);
            watch.round(&desired, &fleet, host, &mut Told::default()).unwrap();
        }
    };
    let mut watch = watcher(&host);
    rounds(&mut watch, &mut host);
    host.end(&"ada".parse().unwrap(), Exit::Code(1));
    rounds(&mut watch, &mut host);
    host.pass(Duration::from_secs(10));
    crash::full(Errno::NOSPC, || rounds(&mut watch, &mut host));
    assert_eq!(host.told.len(), 1);
    rounds(&mut watch, &mut host);
    // It is killed, and another one begins.
    let mut watch = watcher(&host);
    rounds(&mut watch, &mut host);
    host.pass(Duration::from_secs(10));
    rounds(&mut watch, &mut host);
    assert_eq!(host.told.len(), 1, "{:?}", host.told);
}
