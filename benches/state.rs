//! How long it takes to read and write what is remembered of a thousand agents.

use divan::Bencher;
use reconcile::desired::{AgentName, Generation, Wish};
use reconcile::state::{Fleet, Record, StateDir};

fn main() {
    divan::main();
}

fn thousand() -> (tempfile::TempDir, Fleet, Vec<Record>) {
    let root = tempfile::tempdir().expect("there is room for a folder");
    let fleet = "atlas".parse().expect("it is a name");
    let fleet = StateDir::locate(Some(root.path())).and_then(|state| state.fleet(&fleet)).expect("the folder is ours");
    let record: Record = serde_json::from_str(include_str!("../tests/it/fixtures/record-v1.json")).expect("the fixture is a record");
    let records = (0..1000).map(|index| {
        let agent: AgentName = format!("agent-{index}").parse().expect("it is a name");
        Record { agent, generation: Generation(index + 1), wanted: Wish::Running, replace_up_to: Generation(0), ..record.clone() }
    });
    let records: Vec<Record> = records.collect();
    for record in &records {
        fleet.write(record).expect("there is room for a record");
    }
    (root, fleet, records)
}

#[divan::bench]
fn read_1000_records(bencher: Bencher<'_, '_>) {
    let (_root, fleet, _) = thousand();
    bencher.bench_local(|| fleet.records().expect("they can be listed").len());
}

#[divan::bench]
fn write_1000_records(bencher: Bencher<'_, '_>) {
    let (_root, fleet, records) = thousand();
    bencher.bench_local(|| records.iter().all(|record| fleet.write(record).is_ok()));
}
