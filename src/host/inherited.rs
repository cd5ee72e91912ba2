//! File descriptors that this process was given by its own parent and that a long-lived child must not keep: a lock of the
//! launcher's would be held for the life of a tmux server.

use std::ffi::OsString;
use std::fmt::Write;

/// `O_CLOEXEC` of Linux as `/proc/self/fdinfo` shows it.
const CLOSE_ON_EXEC: u64 = 0o2_000_000;

/// The words to put before a command so that it starts without them; none if there is nothing to close.
pub(super) fn closing() -> Vec<OsString> {
    words(&open())
}

fn words(numbers: &[u32]) -> Vec<OsString> {
    let Some(largest) = numbers.iter().max() else { return Vec::new() };
    // The plain shell reads only one digit before the sign.
    let shell = if *largest > 9 { "bash" } else { "sh" };
    let mut line = String::from("exec");
    for number in numbers {
        let _ = write!(line, " {number}>&-");
    }
    line.push_str("; exec \"$@\"");
    [shell, "-c", &line, shell].map(OsString::from).into()
}

/// The numbers, from 3, of descriptors that a child would get.
fn open() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fdinfo") else { return Vec::new() };
    let mut numbers: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .filter(|number| {
            let facts = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
            let flags = facts.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
            flags.is_some_and(|flags| flags & CLOSE_ON_EXEC == 0)
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_command_runs_without_them() {
        assert!(words(&[]).is_empty());
        for numbers in [&[7][..], &[7, 12]] {
            let prefix = words(numbers);
            // Opened by a shell around it, for descriptors of this process close themselves.
            let script = "exec 7</dev/null 12</dev/null; exec \"$@\"";
            let output = Command::new("bash").args(["-c", script, "bash"]).args(prefix).args(["ls", "/proc/self/fd"]).output().unwrap();
            let listed = String::from_utf8(output.stdout).unwrap();
            assert_eq!(numbers.iter().filter(|number| listed.lines().any(|line| line == number.to_string())).count(), 0, "{listed}");
        }
    }
}
