//! `service`, with a supervisor that writes down what it is told.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::shown;
use crate::support::{Program, command};

const FLEET: &str = r#"
version = 1
fleet = "it"

[vars]
tokens = { env = "TOKEN_DIR" }

[agents.ada]
command = ["sleep", "1001"]
env = { TOKENS = "${var.tokens}" }
secrets.KEY = { env = "API_KEY" }
"#;

/// Notes its arguments; cannot be reached while there is a file `unreachable`; says of the watcher what stands in the file `word`.
const SUPERVISOR: &str = r#"#!/bin/sh
cd "${0%/*}/.." || exit
echo "${0##*/} $*" >> told
if [ -e unreachable ]; then echo 'Failed to connect to bus' >&2; exit 1; fi
case "$*" in
*is-active*) if [ -e word ]; then cat word; else echo inactive; exit 3; fi ;;
print*) [ -e word ] ;;
esac
"#;

/// A machine with both supervisors, as far as this fleet sees it.
struct Machine(Program);

impl Machine {
    fn new(manifest: &str) -> Self {
        let program = Program::new(manifest);
        std::fs::create_dir(program.at("bin")).unwrap();
        std::fs::write(program.at("supervisor"), SUPERVISOR).unwrap();
        for name in ["systemctl", "launchctl"] {
            // By a process of its own: one of another test that is started now would keep a file open that we write to, and it could not be run.
            let copied = command("install").arg("-m755").arg(program.at("supervisor")).arg(program.at("bin").join(name)).status();
            assert!(copied.unwrap().success());
        }
        Self(program)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.0.command(&[&["service"], arguments].concat());
        command.env("PATH", format!("{}:/usr/bin:/bin", self.0.at("bin").display())).env("XDG_CONFIG_HOME", self.0.at("config"));
        command.env("TOKEN_DIR", "/tokens").env("API_KEY", "so secret");
        command
    }

    fn shot(&self, arguments: &[&str]) -> String {
        self.shown(&self.command(arguments).output().unwrap())
    }

    fn shown(&self, output: &Output) -> String {
        let exe = std::fs::canonicalize(env!("CARGO_BIN_EXE_reconcile")).unwrap();
        let user = format!("gui/{}", rustix::process::geteuid().as_raw());
        shown(output, |text| self.0.normal(&text.replace(exe.to_str().unwrap(), "EXE").replace(&user, "gui/USER")))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_slice(&self.command(arguments).output().unwrap().stdout).unwrap()
    }

    fn code(&self, arguments: &[&str]) -> i32 {
        self.command(arguments).output().unwrap().status.code().unwrap()
    }

    /// What the supervisor was told since the last time.
    fn told(&self) -> String {
        let told = std::fs::read_to_string(self.0.at("told")).unwrap_or_default();
        let _ = std::fs::remove_file(self.0.at("told"));
        self.0.normal(&told.replace(&format!("gui/{}", rustix::process::geteuid().as_raw()), "gui/USER"))
    }

    fn unit(&self) -> PathBuf {
        self.0.at(&format!("config/systemd/user/reconcile-{}.service", self.0.fleet.1))
    }

    fn says(&self, word: &str) {
        std::fs::write(self.0.at("word"), format!("{word}\n")).unwrap();
    }
}

#[test]
fn a_watcher_is_installed_brought_up_to_date_and_removed() {
    let machine = Machine::new(FLEET);
    assert_snapshot!(machine.shot(&["status"]), @"
    exit 3
    --- stdout
    reconcile-it.service  inactive
    FOLDER/config/systemd/user/reconcile-it.service  not installed: `reconcile service install`
    ");
    assert_snapshot!(machine.told(), @"systemctl --user is-active reconcile-it.service");
    assert_snapshot!(machine.shot(&["install"]), @"
    exit 0
    --- stdout
    installed: FOLDER/config/systemd/user/reconcile-it.service
    --- stderr
    hint: agents take API_KEY from the environment, which is not written down: systemctl --user import-environment API_KEY && systemctl --user restart reconcile-it.service
    ");
    assert_snapshot!(machine.told(), @"
    systemctl --user is-active reconcile-it.service
    systemctl --user daemon-reload
    systemctl --user enable --now reconcile-it.service
    ");
    let mode = std::fs::metadata(machine.unit()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let text = std::fs::read_to_string(machine.unit()).unwrap();
    assert!(text.contains("\nEnvironment=TOKEN_DIR=/tokens\n") && !text.contains("so secret"), "{text}");
    assert_eq!(std::fs::read_dir(machine.unit().parent().unwrap()).unwrap().count(), 1, "a file was left");

    machine.says("active");
    assert_snapshot!(machine.shot(&["status", "constellation.toml"]), @"
    exit 0
    --- stdout
    reconcile-it.service  active
    FOLDER/config/systemd/user/reconcile-it.service  installed and current
    ");
    machine.told();
    assert_snapshot!(machine.shot(&["install", "constellation.toml"]), @"
    exit 0
    --- stdout
    already installed: FOLDER/config/systemd/user/reconcile-it.service
    --- stderr
    hint: agents take API_KEY from the environment, which is not written down: systemctl --user import-environment API_KEY && systemctl --user restart reconcile-it.service
    ");
    assert_snapshot!(machine.told(), @"
    systemctl --user is-active reconcile-it.service
    systemctl --user daemon-reload
    systemctl --user enable --now reconcile-it.service
    ");

    // Another environment is taken over by the next install, and what is installed is no less right for it.
    let status = machine.command(&["status"]).env("LANG", "C").output().unwrap();
    assert_snapshot!(machine.shown(&status), @"
    exit 0
    --- stdout
    reconcile-it.service  active
    FOLDER/config/systemd/user/reconcile-it.service  installed and current, with other values than here of LANG
    ");
    assert_snapshot!(machine.shot(&["status", "--var", "tokens=/other"]), @"
    exit 3
    --- stdout
    reconcile-it.service  active
    FOLDER/config/systemd/user/reconcile-it.service  out of date: `reconcile service install`
      - ExecStart=EXE watch --file FOLDER/constellation.toml --state-dir FOLDER/state
      + ExecStart=EXE watch --file FOLDER/constellation.toml --state-dir FOLDER/state --var=tokens=/other
      - Environment=TOKEN_DIR=/tokens
    ");
    machine.told();
    assert_snapshot!(machine.shot(&["install", "--var", "tokens=/other"]), @"
    exit 0
    --- stdout
    rewritten: FOLDER/config/systemd/user/reconcile-it.service
      - ExecStart=EXE watch --file FOLDER/constellation.toml --state-dir FOLDER/state
      + ExecStart=EXE watch --file FOLDER/constellation.toml --state-dir FOLDER/state --var=tokens=/other
      - Environment=TOKEN_DIR=/tokens
    --- stderr
    hint: agents take API_KEY from the environment, which is not written down: systemctl --user import-environment API_KEY && systemctl --user restart reconcile-it.service
    ");
    assert_snapshot!(machine.told(), @"
    systemctl --user is-active reconcile-it.service
    systemctl --user daemon-reload
    systemctl --user enable reconcile-it.service
    systemctl --user restart reconcile-it.service
    ");
    let status = machine.json(&["status", "--json"]);
    assert_eq!(
        (&status["state"], &status["active"], &status["environment"]),
        (&json!("outdated"), &json!("active"), &json!(["TOKEN_DIR"]))
    );

    machine.told();
    assert_snapshot!(machine.shot(&["uninstall"]), @"
    exit 0
    --- stdout
    removed: FOLDER/config/systemd/user/reconcile-it.service
    Agents go on running; `reconcile down` ends them.
    ");
    assert_snapshot!(machine.told(), @"
    systemctl --user is-active reconcile-it.service
    systemctl --user disable --now reconcile-it.service
    systemctl --user daemon-reload
    ");
    assert!(!machine.unit().exists());
    assert_snapshot!(machine.shot(&["uninstall"]), @"
    exit 0
    --- stdout
    not installed: there is no FOLDER/config/systemd/user/reconcile-it.service
    ");
    assert_eq!(machine.told(), "");
}

#[test]
fn what_is_installed_runs_this_program_for_this_manifest() {
    let machine = Machine::new(FLEET);
    assert_snapshot!(machine.shot(&["install", "--print"]), @"
    exit 0
    --- stdout
    # Written by `reconcile service install`, which replaces it; removed by `reconcile service uninstall`.

    [Unit]
    Description=reconcile: the fleet it
    StartLimitIntervalSec=0

    [Service]
    Type=notify
    NotifyAccess=main
    ExecStart=EXE watch --file FOLDER/constellation.toml --state-dir FOLDER/state
    ExecReload=kill -HUP $MAINPID
    WorkingDirectory=FOLDER
    Restart=on-failure
    RestartSec=5
    RestartPreventExitStatus=4
    WatchdogSec=120
    KillMode=process
    OOMPolicy=continue
    Environment=HOME=FOLDER
    Environment=PATH=FOLDER/bin:/usr/bin:/bin
    Environment=TMUX_TMPDIR=FOLDER
    Environment=TOKEN_DIR=/tokens
    Environment=TZ=UTC
    Environment=XDG_CONFIG_HOME=FOLDER/config

    [Install]
    WantedBy=default.target
    ");
    assert_eq!(machine.told(), "");
    assert!(!machine.0.at("config").exists() && !machine.0.at("state").exists());
    assert_eq!(machine.code(&["install", "--print", "--no-start"]), 1);
    // However the manifest is named, it is found from anywhere.
    std::fs::create_dir(machine.0.at("below")).unwrap();
    let from_below = machine.command(&["install", "--print", "../constellation.toml"]).current_dir(machine.0.at("below")).output().unwrap();
    assert_eq!(machine.shown(&from_below), machine.shot(&["install", "--print"]));
}

#[test]
fn a_file_of_somebody_else_is_left_alone() {
    let machine = Machine::new(FLEET);
    std::fs::create_dir_all(machine.unit().parent().unwrap()).unwrap();
    std::fs::write(machine.unit(), "[Service]\nExecStart=/bin/true\n").unwrap();
    assert_snapshot!(machine.shot(&["install"]), @"
    exit 4
    --- stderr
    error: FOLDER/config/systemd/user/reconcile-it.service was not written by `reconcile service install`: move it away if it is not needed; nothing was done
    ");
    assert_snapshot!(machine.shot(&["uninstall"]), @"
    exit 4
    --- stderr
    error: FOLDER/config/systemd/user/reconcile-it.service was not written by `reconcile service install`: move it away if it is not needed; nothing was done
    ");
    assert_eq!((machine.told().as_str(), machine.code(&["status"])), ("", 3));
    assert_eq!(machine.json(&["status", "--json"])["state"], "stranger");
    assert_eq!(std::fs::read_to_string(machine.unit()).unwrap(), "[Service]\nExecStart=/bin/true\n");
    // A unit that somebody masked is a link.
    std::fs::remove_file(machine.unit()).unwrap();
    std::os::unix::fs::symlink("/dev/null", machine.unit()).unwrap();
    assert_eq!((machine.code(&["install"]), machine.code(&["uninstall"])), (4, 4));
    assert_eq!(std::fs::read_link(machine.unit()).unwrap(), PathBuf::from("/dev/null"));
}

#[test]
fn nothing_is_installed_for_a_manifest_that_is_wrong_or_not_the_fleets() {
    let machine = Machine::new(FLEET);
    let other = machine.0.at("other.toml");
    std::fs::copy(machine.0.at("constellation.toml"), &other).unwrap();
    machine.0.edit("command = ", "comand = ");
    assert_eq!((machine.code(&["install"]), machine.code(&["status"])), (1, 1));
    let error = machine.json(&["status", "--json"]);
    assert_eq!(error["error"]["code"], "manifest_invalid", "{error}");
    machine.0.edit("comand = ", "command = ");
    let applied = machine.0.command(&["apply", "--auto-approve"]).env("TOKEN_DIR", "/tokens").env("API_KEY", "so secret").output().unwrap();
    assert!(applied.status.success(), "{}", machine.shown(&applied));
    assert_snapshot!(machine.shot(&["install", "other.toml"]), @"
    exit 4
    --- stderr
    error: the fleet it belongs to FOLDER/constellation.toml. If it is the same fleet, say so with `reconcile apply --moved --file other.toml`; nothing was done
    ");
    assert!(!machine.0.at("config").exists() && machine.told().is_empty());

    // What is installed can be removed without a manifest.
    assert_eq!(machine.code(&["install"]), 0);
    assert_eq!(machine.code(&["uninstall", "other.toml"]), 4);
    assert!(machine.unit().exists());
    std::fs::remove_file(machine.0.at("constellation.toml")).unwrap();
    assert_eq!(machine.code(&["uninstall", "--fleet", &machine.0.fleet.1]), 0);
    assert!(!machine.unit().exists());
}

#[test]
fn without_a_supervisor_it_is_said_what_is_left_to_do() {
    let machine = Machine::new(FLEET);
    std::fs::write(machine.0.at("unreachable"), "").unwrap();
    assert_snapshot!(machine.shot(&["install"]), @"
    exit 3
    --- stdout
    installed: FOLDER/config/systemd/user/reconcile-it.service
    --- stderr
    hint: agents take API_KEY from the environment, which is not written down: systemctl --user import-environment API_KEY && systemctl --user restart reconcile-it.service
    error: `systemctl --user daemon-reload` failed: Failed to connect to bus. The file is in its place; what is left to do:
      systemctl --user daemon-reload
      systemctl --user enable --now reconcile-it.service
    ");
    assert!(machine.unit().exists());
    assert_snapshot!(machine.shot(&["status"]), @"
    exit 0
    --- stdout
    reconcile-it.service  not known: Failed to connect to bus
    FOLDER/config/systemd/user/reconcile-it.service  installed and current
    ");
    let wants = machine.unit().parent().unwrap().join("default.target.wants");
    std::fs::create_dir(&wants).unwrap();
    std::os::unix::fs::symlink(machine.unit(), wants.join(machine.unit().file_name().unwrap())).unwrap();
    assert_snapshot!(machine.shot(&["uninstall"]), @"
    exit 3
    --- stdout
    removed: FOLDER/config/systemd/user/reconcile-it.service
    Agents go on running; `reconcile down` ends them.
    --- stderr
    error: `systemctl --user disable --now reconcile-it.service` failed: Failed to connect to bus. If the watcher still runs, end it:
      systemctl --user stop reconcile-it.service
      systemctl --user daemon-reload
    ");
    assert!(!machine.unit().exists() && std::fs::read_dir(&wants).unwrap().count() == 0);

    std::fs::remove_file(machine.0.at("unreachable")).unwrap();
    machine.told();
    assert_eq!((machine.code(&["install", "--no-start"]), machine.told().as_str()), (0, ""));
    let missing = machine.command(&["install"]).env("PATH", machine.0.at("nowhere")).output().unwrap();
    assert!(machine.shown(&missing).contains("there is no systemctl in PATH. The file is in its place"), "{}", machine.shown(&missing));
    assert_eq!(missing.status.code(), Some(3));
}

#[test]
fn a_watcher_that_ends_with_the_login_is_told_of() {
    let machine = Machine::new(FLEET);
    let output = machine.command(&["install"]).env("USER", "nobody-has-this-name").output().unwrap();
    assert!(machine.shown(&output).contains("loginctl enable-linger"), "{}", machine.shown(&output));
}

#[test]
fn launchd_is_told_in_its_own_words() {
    let machine = Machine::new(FLEET);
    assert_snapshot!(machine.shot(&["install", "--to", "launchd"]), @r#"
    exit 0
    --- stdout
    installed: FOLDER/Library/LaunchAgents/reconcile.it.plist
    --- stderr
    hint: agents take API_KEY from the environment, which is not written down: launchctl setenv API_KEY "$API_KEY" && launchctl kickstart -k gui/USER/reconcile.it
    "#);
    assert_snapshot!(machine.told(), @"
    launchctl print gui/USER/reconcile.it
    launchctl bootstrap gui/USER FOLDER/Library/LaunchAgents/reconcile.it.plist
    ");
    // It does not make the folder of its log.
    assert!(machine.0.at("state").join(&machine.0.fleet.1).is_dir());
    machine.says("");
    assert_snapshot!(machine.shot(&["status", "--to", "launchd"]), @"
    exit 0
    --- stdout
    reconcile.it  loaded
    FOLDER/Library/LaunchAgents/reconcile.it.plist  installed and current
    ");
    machine.told();
    assert_eq!(machine.code(&["install", "--to", "launchd"]), 0);
    assert_snapshot!(machine.told(), @"launchctl print gui/USER/reconcile.it");
    assert_eq!(machine.code(&["install", "--to", "launchd", "--var", "tokens=/t"]), 0);
    assert_snapshot!(machine.told(), @"
    launchctl print gui/USER/reconcile.it
    launchctl bootout gui/USER/reconcile.it
    launchctl bootstrap gui/USER FOLDER/Library/LaunchAgents/reconcile.it.plist
    ");
    assert_eq!(machine.code(&["uninstall", "--to", "launchd"]), 0);
    assert_snapshot!(machine.told(), @"
    launchctl print gui/USER/reconcile.it
    launchctl bootout gui/USER/reconcile.it
    ");
    assert!(!machine.0.at(&format!("Library/LaunchAgents/reconcile.{}.plist", machine.0.fleet.1)).exists());
}
