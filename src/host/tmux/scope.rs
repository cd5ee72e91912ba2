//! Whether a server that is to be started must be put outside of the service unit that its starter belongs to: systemd ends
//! everything in a unit with it, and the fleet must outlive a watcher.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::desired::DEFAULT_PATH;

/// How a long-lived process is started so that it does not end with our own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::host) enum Scope {
    /// As a plain child.
    Plain,
    /// In a scope of the system's manager.
    System,
    /// In a scope of the user's manager.
    User,
}

impl Scope {
    /// What suits this process.
    pub(in crate::host) fn here() -> Self {
        let cgroup = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let has_systemd = Path::new("/run/systemd/system").is_dir() && in_path("systemd-run");
        Self::decide(&cgroup, has_systemd)
    }

    /// `cgroup` is the text of `/proc/self/cgroup`.
    fn decide(cgroup: &str, has_systemd: bool) -> Self {
        let path = |line: &str| {
            let mut parts = line.splitn(3, ':');
            let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            (controllers == "name=systemd" || (number == "0" && controllers.is_empty())).then(|| path.to_owned())
        };
        let unit = |path: &String| {
            let innermost = path.rsplit('/').find(|part| part.ends_with(".service") || part.ends_with(".scope"));
            innermost.is_some_and(|part| part.ends_with(".service"))
        };
        let Some(path) = cgroup.lines().filter_map(path).find(unit).filter(|_| has_systemd) else { return Self::Plain };
        if path.split('/').any(|part| part.starts_with("user@") && part.ends_with(".service")) { Self::User } else { Self::System }
    }

    /// The words to put before a command so that it is outside of our unit. It keeps the environment that the first of them gets.
    pub(in crate::host) fn words(self) -> Vec<OsString> {
        let manager = ["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];
        let mut words = Vec::new();
        if self == Self::User {
            // Only to find the user's manager.
            words.push(OsString::from("env"));
            for name in manager {
                let Some(value) = std::env::var_os(name) else { continue };
                let mut word = OsString::from(format!("{name}="));
                word.push(value);
                words.push(word);
            }
        }
        words.extend(self.runner().iter().map(OsString::from));
        if self == Self::User {
            words.extend(["env", "-u", manager[0], "-u", manager[1]].map(OsString::from));
        }
        words
    }

    fn runner(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &[],
            Self::System => &["systemd-run", "--scope", "--collect", "--quiet", "--"],
            Self::User => &["systemd-run", "--user", "--scope", "--collect", "--quiet", "--"],
        }
    }
}

/// Whether a program can be found in the PATH of this process.
pub(in crate::host) fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    let is_program = |file: PathBuf| file.is_file() && access(&file, Access::EXEC_OK).is_ok();
    std::env::split_paths(&path).any(|folder| is_program(folder.join(program)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_left_and_a_login_is_not() {
        for (cgroup, expected) in [
            ("0::/system.slice/reconcile.service\n", Scope::System),
            ("0::/system.slice/reconcile.service/payload\n", Scope::System),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/reconcile.service\n", Scope::User),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-1.scope\n", Scope::Plain),
            ("0::/user.slice/user-1000.slice/session-3.scope\n", Scope::Plain),
            ("5:cpu:/x.service\n1:name=systemd:/system.slice/cron.service\n0::/\n", Scope::System),
            ("5:cpu:/x.service\n1:name=systemd:/\n0::/\n", Scope::Plain),
            ("", Scope::Plain),
        ] {
            assert_eq!(Scope::decide(cgroup, true), expected, "{cgroup}");
            assert_eq!(Scope::decide(cgroup, false), Scope::Plain, "{cgroup}");
        }
    }
}
