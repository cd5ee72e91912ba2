//! What one process was started with and whose it is. The answers are hints about a number, not about an identity:
//! who needs more compares the [`super::ProcId`] before and after.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::stat::is_gone;

/// The file of the program that `pid` runs, without the ` (deleted)` that an upgrade leaves. Errors if it is gone or not ours.
pub fn exe(pid: u32) -> io::Result<PathBuf> {
    let path = std::fs::read_link(format!("/proc/{pid}/exe"))?.into_os_string().into_vec();
    let kept = path.strip_suffix(b" (deleted)").unwrap_or(&path);
    Ok(PathBuf::from(OsStr::from_bytes(kept)))
}

/// The words of the command line of `pid`; none for a zombie. Errors if it is gone.
pub fn cmdline(pid: u32) -> io::Result<Vec<OsString>> {
    let text = std::fs::read(format!("/proc/{pid}/cmdline"))?;
    let text = text.strip_suffix(b"\0").unwrap_or(&text);
    Ok(if text.is_empty() { Vec::new() } else { text.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect() })
}

/// The working folder of `pid`. Errors if it is gone or not ours.
pub fn cwd(pid: u32) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/cwd"))
}

/// The value of the variable `name` in the environment that `pid` was started with. Errors if it is gone or not ours.
pub fn variable(pid: u32, name: &str) -> io::Result<Option<OsString>> {
    let environ = std::fs::read(format!("/proc/{pid}/environ"))?;
    Ok(environ
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        .map(|value| OsString::from_vec(value.to_vec())))
}

/// Whether `pid` belongs to the user that asks, both by who started it and by what it may do; `None` if it is gone.
/// Errors when it could not be told.
pub fn is_ours(pid: u32) -> io::Result<Option<bool>> {
    let status = match std::fs::read_to_string(format!("/proc/{pid}/status")) {
        Ok(status) => status,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let mut uids = uids.unwrap_or_default().split_ascii_whitespace().map(str::parse::<u32>);
    let (Some(Ok(real)), Some(Ok(effective))) = (uids.next(), uids.next()) else {
        return Err(io::Error::other(format!("/proc/{pid}/status names no user")));
    };
    let ours = rustix::process::geteuid().as_raw();
    Ok(Some(real == ours && effective == ours))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn facts_of_a_child_are_those_it_was_started_with() {
        let mut child = Command::new("/bin/sleep")
            .arg("1000")
            .env_clear()
            .env("RECONCILE", "v1/a")
            .env("XRECONCILE", "no")
            .env("EMPTY", "")
            .current_dir("/")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let pid = child.id();
        assert_eq!(cmdline(pid).unwrap(), ["/bin/sleep", "1000"]);
        assert_eq!(cwd(pid).unwrap(), PathBuf::from("/"));
        assert_eq!(variable(pid, "RECONCILE").unwrap().unwrap(), "v1/a");
        assert_eq!(variable(pid, "EMPTY").unwrap().unwrap(), "");
        assert_eq!(variable(pid, "RECON").unwrap(), None);
        assert!(exe(pid).unwrap().is_absolute());
        assert_eq!(is_ours(pid).unwrap(), Some(true));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(is_ours(pid).unwrap(), None);
    }
}
