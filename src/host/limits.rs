//! How many panes a tmux server can hold before it freezes: each takes an open file of the server's and a pseudo terminal of the machine's.

/// The limits of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// What is in force.
    pub(super) soft: u64,
    /// Up to where it may be raised.
    pub(super) hard: u64,
}

/// How many files the process may open; none if that cannot be read.
pub(super) fn open_files(pid: u32) -> Option<Limits> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?)
}

fn parse(limits: &str) -> Option<Limits> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut numbers = line.split_whitespace().map(|word| if word == "unlimited" { Some(u64::MAX) } else { word.parse().ok() });
    Some(Limits { soft: numbers.next()??, hard: numbers.next()?? })
}

/// How many panes a server with this limit can hold: a tenth is left for clients, and what a server itself opens.
pub(super) fn panes_for(open_files: u64) -> u64 {
    (open_files.min(1 << 32) * 9 / 10).saturating_sub(64)
}

/// How many more pseudo terminals the machine can make; none if that cannot be read.
pub(super) fn free_terminals() -> Option<u64> {
    let number = |name: &str| std::fs::read_to_string(format!("/proc/sys/kernel/pty/{name}")).ok()?.trim().parse::<u64>().ok();
    Some(number("max")?.saturating_sub(number("nr")?))
}

/// For how many more panes there is room: by the open files that a tmux server started now may have, and by the machine's pseudo terminals. None where
/// that cannot be read.
pub fn room_for_panes() -> (Option<u64>, Option<u64>) {
    let files = open_files(std::process::id()).map(|limits| panes_for(limits.hard.min(super::tmux::FILES)));
    (files, free_terminals())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_the_kernel_writes_them() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             95000                95000                processes \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(parse(text), Some(Limits { soft: 1024, hard: 524_288 }));
        assert_eq!(parse("Max open files  unlimited  unlimited  files"), Some(Limits { soft: u64::MAX, hard: u64::MAX }));
        assert_eq!(parse(""), None);
        assert!(open_files(std::process::id()).is_some_and(|limits| limits.soft > 0));
    }

    #[test]
    fn a_usual_server_stays_below_the_number_at_which_it_froze() {
        assert_eq!(panes_for(1024), 857);
        assert_eq!(panes_for(64), 0);
        assert!(panes_for(u64::MAX) > 1_000_000);
    }
}
