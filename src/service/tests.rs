use proptest::prelude::*;

use super::*;
use crate::manifest::{Memory, load};

fn watcher() -> Watcher {
    let environment =
        [("HOME", "/home/ada"), ("LANG", "C.UTF-8"), ("PATH", "/home/ada/b n:/bin"), ("RECONCILE_VAR_model", "a \"b\" 5% $HOME\n\\")];
    Watcher {
        fleet: "atlas".parse().unwrap(),
        exe: "/opt/a $b/reconcile".to_owned(),
        manifest: "/home/ada/100% <ours>/con\"st$ell.toml".to_owned(),
        folder: "/home/ada/100% <ours>".to_owned(),
        state: "/home/ada/.local/state/reconcile".to_owned(),
        log: "/home/ada/.local/state/reconcile/atlas/watch.log".to_owned(),
        vars: vec!["--var=who=me & you".to_owned()],
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    }
}

#[test]
fn a_unit_says_how_the_watcher_is_run() {
    insta::assert_snapshot!(Supervisor::Systemd.text(&watcher()).unwrap(), @r#"
    # Written by `reconcile service install`, which replaces it; removed by `reconcile service uninstall`.

    [Unit]
    Description=reconcile: the fleet atlas
    StartLimitIntervalSec=0

    [Service]
    Type=notify
    NotifyAccess=main
    ExecStart="/opt/a $b/reconcile" watch --file "/home/ada/100%% <ours>/con\"st$$ell.toml" --state-dir /home/ada/.local/state/reconcile "--var=who=me & you"
    ExecReload=kill -HUP $MAINPID
    WorkingDirectory=/home/ada/100%% <ours>
    Restart=on-failure
    RestartSec=5
    RestartPreventExitStatus=4
    WatchdogSec=120
    KillMode=process
    OOMPolicy=continue
    Environment=HOME=/home/ada
    Environment=LANG=C.UTF-8
    Environment="PATH=/home/ada/b n:/bin"
    Environment="RECONCILE_VAR_model=a \"b\" 5%% $HOME\n\\"

    [Install]
    WantedBy=default.target
    "#);
}

#[test]
fn a_property_list_says_how_the_watcher_is_run() {
    insta::assert_snapshot!(Supervisor::Launchd.text(&watcher()).unwrap(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <!-- Written by `reconcile service install`, which replaces it; removed by `reconcile service uninstall`. -->
    <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
    <plist version="1.0">
    <dict>
      <key>Label</key>
      <string>reconcile.atlas</string>
      <key>ProgramArguments</key>
      <array>
        <string>/opt/a $b/reconcile</string>
        <string>watch</string>
        <string>--file</string>
        <string>/home/ada/100% &lt;ours&gt;/con"st$ell.toml</string>
        <string>--state-dir</string>
        <string>/home/ada/.local/state/reconcile</string>
        <string>--var=who=me &amp; you</string>
      </array>
      <key>WorkingDirectory</key>
      <string>/home/ada/100% &lt;ours&gt;</string>
      <key>EnvironmentVariables</key>
      <dict>
        <key>HOME</key><string>/home/ada</string>
        <key>LANG</key><string>C.UTF-8</string>
        <key>PATH</key><string>/home/ada/b n:/bin</string>
        <key>RECONCILE_VAR_model</key><string>a "b" 5% $HOME&#10;\</string>
      </dict>
      <key>RunAtLoad</key>
      <true/>
      <key>KeepAlive</key>
      <dict>
        <key>SuccessfulExit</key>
        <false/>
      </dict>
      <key>AbandonProcessGroup</key>
      <true/>
      <key>ProcessType</key>
      <string>Interactive</string>
      <key>StandardErrorPath</key>
      <string>/home/ada/.local/state/reconcile/atlas/watch.log</string>
    </dict>
    </plist>
    "#);
}

#[test]
fn what_cannot_stand_in_a_file_is_refused() {
    let both = [Supervisor::Systemd, Supervisor::Launchd];
    let spoilt: [fn(&mut Watcher); 6] = [
        |watcher| watcher.exe.push('\n'),
        |watcher| watcher.manifest.push('\t'),
        |watcher| watcher.folder.push('\n'),
        |watcher| watcher.state.push('\x1b'),
        |watcher| watcher.log.push('\0'),
        |watcher| watcher.vars.push("--var=a=\x01".to_owned()),
    ];
    for spoil in spoilt {
        let mut watcher = watcher();
        spoil(&mut watcher);
        for supervisor in both {
            assert!(supervisor.text(&watcher).unwrap_err().contains("control characters"));
        }
    }
    let lines = Watcher { vars: vec!["--var=a=b\n\tc".to_owned()], ..watcher() };
    assert!(both.iter().all(|supervisor| supervisor.text(&lines).is_ok()));
    // systemd takes no program with such a path, however it is written.
    let quote = Watcher { exe: "/opt/it's/reconcile".to_owned(), ..watcher() };
    assert!(Supervisor::Systemd.text(&quote).is_err() && Supervisor::Launchd.text(&quote).is_ok());
}

#[test]
fn the_end_of_a_folder_stays_in_its_line() {
    for (folder, line) in [("/a\\", "/a\\/"), ("/a ", "/a /"), ("/a", "/a"), ("/%h\\n", "/%%h\\n")] {
        let text = Supervisor::Systemd.text(&Watcher { folder: folder.to_owned(), ..watcher() }).unwrap();
        assert!(text.contains(&format!("\nWorkingDirectory={line}\n")), "{text}");
    }
}

#[test]
fn what_a_login_gives_and_a_manifest_reads_is_written_down() {
    let environment = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let read = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let all: BTreeMap<String, String> = environment(&[
        ("PATH", "/bin"),
        ("LC_ALL", "C"),
        ("TMUX_TMPDIR", "/t"),
        ("TMUX", "/t/default,1,0"),
        ("XDG_STATE_HOME", "/s"),
        ("XDG_SESSION_ID", "3"),
        ("XDG_SEAT_PATH", "/seat"),
        ("RECONCILE", "v1/atlas/lead"),
        ("RECONCILE_VAR_model", "opus"),
        ("TOKEN_DIR", "/tokens"),
        ("API_KEY", "secret"),
        ("LC_ODD", "\x1b[0m"),
    ]);
    let names = |written: BTreeMap<String, String>| written.into_keys().collect::<Vec<_>>().join(" ");
    assert_eq!(names(written_down(&all, &read(&[])).unwrap()), "LC_ALL PATH RECONCILE_VAR_model TMUX_TMPDIR XDG_STATE_HOME");
    assert_eq!(
        names(written_down(&all, &read(&["TOKEN_DIR", "XDG_SESSION_ID"])).unwrap()),
        "LC_ALL PATH RECONCILE_VAR_model TMUX_TMPDIR TOKEN_DIR XDG_SESSION_ID XDG_STATE_HOME"
    );
    // What means something to the manifest is not lost in silence.
    assert!(written_down(&all, &read(&["LC_ODD"])).unwrap_err().contains("LC_ODD"));
    assert!(written_down(&environment(&[("RECONCILE_VAR_a-b", "1")]), &read(&[])).unwrap_err().contains("--var"));
}

#[test]
fn what_agents_miss_is_named() {
    let world = Memory::with_manifest(
        r#"
version = 1
fleet = "atlas"
[agents.ada]
command = ["a"]
secrets.KEY = { env = "API_KEY" }
secrets.OTHER = { file = "key" }
[agents.bob]
command = ["b"]
inherit_env = ["AWS_*", "PATH", "TMUX"]
"#,
    );
    let desired = load("constellation.toml", &world, &BTreeMap::new()).desired.unwrap();
    let environment: BTreeMap<String, String> =
        ["AWS_ID", "AWS_KEY", "PATH", "TMUX", "OTHER"].map(|name| (name.to_owned(), String::new())).into();
    let written = written_down(&environment, &BTreeSet::new()).unwrap();
    let missed: Vec<String> = left_out(&desired, &environment, &written).into_iter().collect();
    assert_eq!(missed, ["API_KEY", "AWS_ID", "AWS_KEY"]);
}

#[test]
fn a_file_is_ours_by_its_sign_and_current_but_for_the_environment() {
    for supervisor in [Supervisor::Systemd, Supervisor::Launchd] {
        let text = supervisor.text(&watcher()).unwrap();
        let judge = |there: Option<&str>| supervisor.judge(there, &text);
        assert_eq!((judge(None), judge(Some(""))), (Installed::Absent, Installed::Strangers));
        let strangers: String = text.lines().filter(|line| !line.contains(SIGN)).map(|line| format!("{line}\n")).collect();
        assert_eq!(judge(Some(&strangers)).word(), "stranger");
        // One that only mentions it is no file of ours.
        assert_eq!(judge(Some(&format!("{strangers}# {SIGN}\n"))).word(), "stranger");
        assert_eq!(judge(Some(&text)), Installed::Ours(Likeness::default()));

        let shell = text.replace("C.UTF-8", "de_DE.UTF-8").replace("RECONCILE_VAR_model", "RECONCILE_VAR_size");
        let Installed::Ours(likeness) = judge(Some(&shell)) else { panic!("{shell}") };
        let variables: Vec<&str> = likeness.variables.iter().map(String::as_str).collect();
        assert_eq!(variables, ["LANG", "RECONCILE_VAR_model", "RECONCILE_VAR_size"]);
        assert!(judge(Some(&shell)).is_current() && likeness.changes.len() == 4, "{likeness:?}");

        let Installed::Ours(likeness) = judge(Some(&text.replace("/opt/a", "/opt/z"))) else { panic!("{text}") };
        assert!(likeness.is_outdated && likeness.variables.is_empty() && likeness.changes.len() == 2, "{likeness:?}");
    }
}

#[test]
fn a_supervisor_is_told_what_is_due() {
    let standing = |supervisor: Supervisor, said: &str| supervisor.standing(!said.is_empty(), said);
    let fleet: FleetName = "atlas".parse().unwrap();
    let changed = Installed::Ours(Likeness { changes: vec!["+ a".to_owned()], ..Likeness::default() });
    let same = Installed::Ours(Likeness::default());
    let told = |supervisor: Supervisor, before: &Installed, said: &str| {
        let due = supervisor.due(before, standing(supervisor, said).as_ref());
        let commands = supervisor.commands(due, &fleet, "/a/b.plist", 7);
        commands.iter().map(|command| command.join(" ")).collect::<Vec<_>>().join("; ")
    };
    let reload = "systemctl --user daemon-reload; systemctl --user";
    for (before, said, expected) in [
        (&Installed::Absent, "inactive", "enable --now reconcile-atlas.service"),
        (&Installed::Absent, "active", "enable reconcile-atlas.service; systemctl --user restart reconcile-atlas.service"),
        (&same, "active", "enable --now reconcile-atlas.service"),
        (&changed, "active", "enable reconcile-atlas.service; systemctl --user restart reconcile-atlas.service"),
        (&changed, "activating", "enable reconcile-atlas.service; systemctl --user restart reconcile-atlas.service"),
        (&changed, "failed", "enable --now reconcile-atlas.service"),
        (&changed, "", "enable --now reconcile-atlas.service"),
    ] {
        assert_eq!(told(Supervisor::Systemd, before, said), format!("{reload} {expected}"), "{before:?} {said}");
    }
    let (bootout, bootstrap) = ("launchctl bootout gui/7/reconcile.atlas", "launchctl bootstrap gui/7 /a/b.plist");
    assert_eq!(told(Supervisor::Launchd, &Installed::Absent, ""), bootstrap);
    assert_eq!(told(Supervisor::Launchd, &same, ""), bootstrap);
    assert_eq!(told(Supervisor::Launchd, &same, "…"), "");
    assert_eq!(told(Supervisor::Launchd, &changed, "…"), format!("{bootout}; {bootstrap}"));

    let last = |supervisor: Supervisor, said: &str| supervisor.last(standing(supervisor, said).as_ref());
    assert_eq!((last(Supervisor::Systemd, "inactive"), last(Supervisor::Systemd, "")), (Order::Stop, Order::Stop));
    assert_eq!((last(Supervisor::Launchd, "…"), last(Supervisor::Launchd, "")), (Order::Stop, Order::Rest));
}

/// A word as systemd.syntax(7), systemd.service(5) and systemd.unit(5) say that it is read.
fn read_by_systemd(word: &str, is_argument: bool) -> String {
    let inner = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let mut read = String::new();
    let mut rest = inner.unwrap_or(word).chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => read.push(match rest.next().unwrap() {
                'n' => '\n',
                't' => '\t',
                c @ ('"' | '\\') => c,
                c => panic!("\\{c}"),
            }),
            '%' => read.push(rest.next().filter(|c| *c == '%').unwrap()),
            '$' if is_argument => read.push(rest.next().filter(|c| *c == '$').unwrap()),
            c => {
                assert!(inner.is_some() || !" \"'#;\\%".contains(c) && !c.is_whitespace(), "{word}");
                assert!(c != '"' && c != '\n', "{word}");
                read.push(c);
            }
        }
    }
    read
}

/// What XML means by a text.
fn read_by_launchd(text: &str) -> String {
    assert!(!text.contains(['<', '>', '\n']), "{text}");
    let named = text.replace("&lt;", "<").replace("&gt;", ">").replace("&#10;", "\n").replace("&#9;", "\t");
    named.replace("&amp;", "&")
}

proptest! {
    #[test]
    fn every_value_is_read_as_it_was_written(value in r#"[a-z"'\\%$ \n\t&<>#;=é-]{0,12}"#) {
        let with = Watcher {
            vars: vec![format!("--var=k={value}")],
            environment: [("A".to_owned(), value.clone())].into(),
            ..watcher()
        };
        let unit = Supervisor::Systemd.text(&with).unwrap();
        let assignment = unit.lines().find_map(|line| line.strip_prefix("Environment=")).unwrap();
        prop_assert_eq!(read_by_systemd(assignment, false), format!("A={value}"));
        let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let flag = start.rsplit_once(" --var").map(|(_, flag)| format!("--var{flag}"));
        let flag = flag.unwrap_or_else(|| format!("\"--var{}", start.rsplit_once(" \"--var").unwrap().1));
        prop_assert_eq!(read_by_systemd(&flag, true), format!("--var=k={value}"));

        let list = Supervisor::Launchd.text(&with).unwrap();
        let start = "    <key>A</key><string>";
        let escaped = list.lines().find_map(|line| line.strip_prefix(start)?.strip_suffix("</string>")).unwrap();
        prop_assert_eq!(read_by_launchd(escaped), value);
    }
}
