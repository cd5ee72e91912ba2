//! Probes of every kind, and that they do not wait for each other.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use reconcile::desired::{Owner, Probe};
use reconcile::host::{Answer, Host, Query};
use reconcile::observed::Instance;
use reconcile::process;
use reconcile::time::Duration as Length;

use super::{Bench, becomes};

#[test]
fn a_server_of_another_process_is_named_where_it_must_be_of_the_own_tree() {
    let mut bench = Bench::new();
    let spec = bench.pane("a", &["sleep", "100000"]);
    let mark = bench.spawn("a", spec);
    let seen = bench.running(&mark);
    // The listener is held by the test itself: a stranger to the one, and the program of the other.
    let own = Instance { keeper: None, program: Some(process::me().unwrap()), mark: None, ..seen.clone() };
    for bound in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
        let Ok(listener) = TcpListener::bind(bound) else { continue };
        let port = listener.local_addr().unwrap().port();
        let host = if bound.starts_with("[::1]") { "[::1]" } else { "127.0.0.1" };
        let ask = |bench: &mut Bench, instance: &Instance, owner| {
            let probe = Probe::Tcp(format!("{host}:{port}"));
            bench.live.probe(&[Query { instance: instance.clone(), probe, owner, cwd: None, since: None }]).remove(0)
        };
        let named = format!("{host}:{port} is served by process {} (", std::process::id());
        let answer = ask(&mut bench, &seen, Owner::Tree);
        assert!(matches!(&answer, Answer::No(why) if why.starts_with(&named)), "{bound}: {answer:?}");
        assert_eq!([ask(&mut bench, &seen, Owner::Any), ask(&mut bench, &own, Owner::Tree)], [Answer::Yes, Answer::Yes], "{bound}");
    }
}

#[test]
fn probes_are_answered_at_the_same_time() {
    let mut bench = Bench::new();
    let spec = bench.pane("a", &["sh", "-c", "printf '> ready %0250d\\n' 7; exec sleep 100000"]);
    let mark = bench.spawn("a", spec);
    let seen = bench.running(&mark);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/healthz", web.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in web.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 503 Busy\r\n\r\n");
        }
    });
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/", silent.local_addr().unwrap());
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let since = bench.live.now();
    let query = |probe| Query { instance: seen.clone(), probe, owner: Owner::Any, cwd: None, since: Some(since) };
    becomes("its line is there", || bench.live.probe(&[query(Probe::Screen("ready".to_owned()))]) == [Answer::Yes]);
    std::fs::write(bench.path("beat"), "").unwrap();
    let command = |line: &str| Probe::Command(["sh", "-c", line].map(str::to_owned).into());
    let here = bench.folder.path().to_str().unwrap().to_owned();
    let questions = [
        (Probe::Screen("^> ready 0+7$".to_owned()), Some(false)),
        (Probe::Screen("(?m)^> ready 0+7$".to_owned()), Some(true)),
        (Probe::Screen("(".to_owned()), None),
        (Probe::File(bench.path("state")), Some(true)),
        (Probe::File(bench.path("none")), Some(false)),
        (Probe::Heartbeat { file: bench.path("beat"), max_age: Length::from_secs(60) }, Some(true)),
        (Probe::Heartbeat { file: bench.path("none"), max_age: Length::from_secs(60) }, Some(false)),
        (Probe::Heartbeat { file: bench.path("beat/x"), max_age: Length::from_secs(60) }, Some(false)),
        (Probe::Tcp(address.to_string()), Some(true)),
        (Probe::Tcp(refused), Some(false)),
        (Probe::Http { url: url.clone(), status: 503 }, Some(true)),
        (Probe::Http { url, status: 200 }, Some(false)),
        (Probe::Http { url: silent, status: 200 }, Some(false)),
        (command(&format!("test $(pwd -P) = $(cd {here}; pwd -P) && test $RECONCILE_AGENT = a")), Some(true)),
        (command("exit 3"), Some(false)),
        (command("sleep 60 & sleep 60"), None),
        (Probe::Command(vec!["/nowhere/program".to_owned()]), None),
        (Probe::Delay(Length::from_millis(1)), Some(true)),
        (Probe::Delay(Length::from_secs(3600)), Some(false)),
    ];
    let asked: Vec<Query> = questions.iter().map(|(probe, _)| query(probe.clone())).collect();
    let begun = Instant::now();
    let answers = bench.live.probe(&asked);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    for ((probe, expected), answer) in questions.iter().zip(&answers) {
        let seen = match answer {
            Answer::Yes => Some(true),
            Answer::No(_) => Some(false),
            Answer::Unknown(_) | Answer::Pending => None,
        };
        assert_eq!(seen, *expected, "{probe:?}: {answer:?}");
    }
}
