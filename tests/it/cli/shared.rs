//! A server that an agent's program starts for all sessions of its user, as Codex does once somebody has logged in: it outlives the agent.

use reconcile::process::{Liveness, ProcId};

use crate::support::{Doomed, LIMIT, Program, eventually};

/// Stands in for Codex: with a login it starts its server if none runs, then it waits for its end.
const CODEX: &str = r#"#!/bin/sh
if [ "$1" = app-server ]; then
    # What it runs for its sessions.
    sleep 1013 &
    wait
fi
if [ -e "$CODEX_HOME/auth.json" ] && ! kill -0 "$(cat "$CODEX_HOME/daemon.pid" 2>/dev/null)" 2>/dev/null; then
    setsid "$0" app-server --listen unix:// --managed-daemon </dev/null >/dev/null 2>&1 &
    echo $! > "$CODEX_HOME/daemon.pid"
fi
echo $$ >> "$CODEX_HOME/sessions"
sleep 1012
"#;

struct Stand {
    program: Program,
}

impl Stand {
    fn new() -> Self {
        let program = Program::new("\nfleet = \"shared\"\n");
        program.write("codex", CODEX);
        std::fs::set_permissions(program.at("codex"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::create_dir(program.at("home")).unwrap();
        program.write("home/auth.json", "{\"tokens\":{\"access_token\":\"made-up\"}}");
        let (codex, home) = (program.at("codex").display().to_string(), program.at("home").display().to_string());
        program.write(
            "constellation.toml",
            &format!(
                "version = 1\nfleet = \"shared\"\n[agents.ada]\ncommand = [{codex:?}]\nready = {{ delay = \"10ms\" }}\n\
                 env = {{ CODEX_HOME = {home:?} }}\ndrain = [{{ signal = \"TERM\", to = \"tree\" }}]\n"
            ),
        );
        Self { program }
    }

    fn server(&self) -> ProcId {
        let pid = || std::fs::read_to_string(self.program.at("home/daemon.pid")).ok()?.trim().parse().ok();
        eventually(|| ProcId::of(pid()?).ok().flatten(), LIMIT)
    }

    fn sessions(&self) -> usize {
        std::fs::read_to_string(self.program.at("home/sessions")).unwrap_or_default().lines().count()
    }
}

#[test]
fn it_outlives_the_agent_that_started_it_however_that_ends() {
    let stand = Stand::new();
    let program = &stand.program;
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    let server = stand.server();
    let helper = eventually(|| reconcile::process::descendants(server.pid).unwrap().pop(), LIMIT);
    let _doomed = Doomed(vec![helper.clone(), server.clone()]);
    let lives = |after: &str| {
        for one in [&server, &helper] {
            assert_eq!(one.liveness(), Liveness::Alive, "{after}: {one}");
        }
    };
    // Asked with its whole tree, and replaced by another.
    assert_eq!(program.code(&["restart", "ada", "--max-stop", "1"]), 0);
    eventually(|| (stand.sessions() == 2).then_some(()), LIMIT);
    lives("restart");
    assert_eq!(program.code(&["kill", "ada"]), 0);
    lives("kill");
    assert_eq!(program.code(&["start", "ada"]), 0);
    eventually(|| (stand.sessions() == 3).then_some(()), LIMIT);
    // Of one whose keeper is gone, what bears its mark is swept.
    let keeper = program.keepers().pop().unwrap().process;
    reconcile::process::signal(&keeper, reconcile::process::Signal::KILL).unwrap();
    assert_eq!(program.code(&["apply", "--auto-approve"]), 0);
    eventually(|| (stand.sessions() == 4).then_some(()), LIMIT);
    lives("sweep");
    assert_eq!(program.code(&["down", "--auto-approve"]), 0);
    lives("down");
    assert_eq!(stand.server(), server);
}
