//! What nobody can mean is not adopted, and what was adopted does not end itself.

use super::{FLEET, Own, alive, server, session};
use crate::support::{LIMIT, Program, eventually};
use reconcile::process;

#[test]
fn what_cannot_be_meant_is_refused_and_left_as_it_is() {
    let program = Program::new(&FLEET.replace(
        "[agents.bob]",
        "[agents.cyd]\ncommand = [\"sleep\", \"1043\"]\n[agents.dan]\nruntime = \"daemon\"\ncommand = [\"sleep\", \"1044\"]\ndesired = \"stopped\"\n[agents.bob]",
    ));
    let tmux = server(&program);
    let (pane, ada) = session(&program, &tmux, "notes", "sleep 1041");
    session(&program, &tmux, "_helper", "sleep 1045");
    let (_, shell) = session(&program, &tmux, "shell", "sh");
    session(&program, &tmux, "pair", "sleep 1046");
    tmux.run(["split-window", "-d", "-t", "=pair:", "sleep 1047"]);
    let own = Own::start(&program, &["sh", "-c", "sleep 1048; :"]);
    let below = eventually(|| process::children(own.0.id()).unwrap().pop(), LIMIT).to_string();
    let mut gone = Own::start(&program, &["sleep", "1049"]);
    let gone_pid = gone.pid().to_string();
    gone.0.kill().unwrap();
    gone.0.wait().unwrap();
    let server_pid = tmux.run(["display-message", "-p", "#{pid}"]).trim().to_owned();
    let refused = |words: &[&str], code: i32, why: &str| {
        let output = program.command(&[&["adopt"], words].concat()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        assert!(said.contains(why), "{words:?}: {said}");
        assert!(code != 4 || said.ends_with("; nothing was done\n"), "{said}");
    };
    let pid = own.pid().to_string();
    refused(&["eve", "--pid", &pid], 1, "no agent is called `eve`");
    refused(&["bob"], 1, "--session");
    refused(&["bob", "--pid", &gone_pid], 4, &format!("there is no process {gone_pid}"));
    refused(&["bob", "--pid", "1"], 4, "process 1 is no agent");
    refused(&["bob", "--pid", &std::process::id().to_string()], 4, "this command is a part of process");
    refused(&["bob", "--pid", &server_pid], 4, "is a tmux server");
    refused(&["bob", "--session", "notes"], 4, "point to its process with --pid");
    refused(&["ada", "--pid", &pid], 4, "point to its session with --session");
    refused(&["dan", "--pid", &pid], 4, "is declared with desired = \"stopped\"");
    refused(&["ada", "--session", "not"], 4, "there is no tmux session `not`");
    refused(&["ada", "--session", "%99"], 4, "there is no pane %99");
    refused(&["ada", "--session", "_helper"], 4, "names that begin with `_` are its own");
    refused(&["ada", "--session", "shell"], 4, "there is no program to adopt");
    refused(&["bob", "--pid", &shell.to_string()], 4, &format!("process {shell} is a shell, `sh`"));
    refused(&["ada", "--session", "pair"], 4, "the session pair has 2 panes");
    assert_eq!(program.code(&["plan", "--target", "bob", "--detailed-exitcode"]), 2, "nothing is remembered of it");

    assert_eq!(program.code(&["adopt", "ada", "--session", &pane]), 0);
    refused(&["cyd", "--session", "notes"], 4, &format!("bears the mark of ada of the fleet {}", program.fleet.1));
    assert_eq!(program.code(&["adopt", "bob", "--pid", &pid]), 0);
    refused(&["dan", "--pid", &pid], 4, &format!("process {pid} is the instance of bob; let it go first: `reconcile forget bob`"));
    refused(&["ada", "--session", "pair"], 4, "2 panes");
    let (other, _) = session(&program, &tmux, "other", "sleep 1041");
    refused(&["ada", "--session", &other], 4, &format!("ada runs already, as process {ada}; stop it first: `reconcile stop ada`"));
    refused(&["dan", "--pid", &below], 4, &format!("process {below} and that of bob are of one tree"));
    // What another fleet's keeper has is that fleet's.
    let beside = Program::new(FLEET);
    assert_eq!(beside.code(&["apply", "--target", "bob", "--auto-approve"]), 0);
    let theirs = beside.pids()["bob"];
    refused(&["dan", "--pid", &theirs.to_string()], 4, &format!("bears the mark of bob of the fleet {}", beside.fleet.1));
    let keeper = beside.keepers()[0].process.pid;
    refused(&["dan", "--pid", &keeper.to_string()], 4, "bears the mark of bob");
    assert!(alive(theirs) && alive(ada) && alive(own.pid()));
}

#[test]
fn a_program_that_was_typed_at_a_shell_is_adopted_with_its_shell_and_does_not_end_itself() {
    let program = Program::new(FLEET);
    let tmux = server(&program);
    let binary = env!("CARGO_BIN_EXE_reconcile");
    let folder = program.folder.path().display();
    program.write(
        "tool",
        &format!(
            "export HOME='{folder}' TMUX_TMPDIR='{folder}' RECONCILE_STATE_DIR='{folder}/state'\nwhile [ ! -e go ]; do sleep 0.01; done\n\
             '{binary}' restart ada > out 2>&1\necho $? > code.new\nmv code.new code\nsleep 1041\n"
        ),
    );
    let (pane, shell) = session(&program, &tmux, "notes", "sh");
    tmux.run(["send-keys", "-t", &pane, "sh ./tool", "Enter"]);
    eventually(|| process::children(u32::try_from(shell).unwrap()).unwrap().pop(), LIMIT);
    let said = program.shot(&["adopt", "ada", "--session", "notes"]);
    assert!(said.contains("which is `sh`: when that ends, so does this life"), "{said}");
    std::fs::write(program.at("go"), "").unwrap();
    let code = eventually(|| std::fs::read_to_string(program.at("code")).ok(), LIMIT);
    let out = std::fs::read_to_string(program.at("out")).unwrap();
    assert_eq!(code.trim(), "4", "{out}");
    assert!(out.contains("this command is a part of ada, which it would end: nothing was done. Run it outside"), "{out}");
    assert_eq!(program.pids()["ada"], shell);
}
