//! Whether a file is root's or ours, and which other users can write to it. A group without other members is no other user, as where every user has a
//! group of their own and files are commonly writable by it.

use std::fmt;
use std::sync::LazyLock;

/// Which users can write to a file, besides root and us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenBy {
    /// Nobody.
    Us,
    /// Its owner, who is another user.
    Owner(u32),
    /// Members of a group that is not ours alone.
    Group {
        /// The group.
        group: u32,
        /// The mode of the file.
        mode: u32,
    },
    /// Every user of the machine.
    Everybody {
        /// The mode of the file.
        mode: u32,
    },
}

impl fmt::Display for WrittenBy {
    /// A clause about the file, without its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Us => f.write_str("can be written by no other user"),
            Self::Owner(user) => write!(f, "belongs to another user (uid {user})"),
            Self::Group { group, mode } => {
                write!(f, "can be written by other users: those of the group {group} (mode {:04o})", mode & 0o7777)
            }
            Self::Everybody { mode } => write!(f, "can be written by other users (mode {:04o})", mode & 0o7777),
        }
    }
}

/// Which users can write to a file of this owner, group and mode.
pub fn written_by(owner: u32, group: u32, mode: u32) -> WrittenBy {
    let user = rustix::process::geteuid().as_raw();
    // Two files are read for it, so only where it matters.
    judge(user, owner, group, mode, || *PRIVATE_GROUP)
}

fn judge(user: u32, owner: u32, group: u32, mode: u32, private_group: impl FnOnce() -> Option<u32>) -> WrittenBy {
    match () {
        () if owner != user && owner != 0 => WrittenBy::Owner(owner),
        () if mode & 0o002 != 0 => WrittenBy::Everybody { mode },
        () if mode & 0o020 != 0 && private_group() != Some(group) => WrittenBy::Group { group, mode },
        () => WrittenBy::Us,
    }
}

static PRIVATE_GROUP: LazyLock<Option<u32>> = LazyLock::new(|| {
    let read = |path: &str| super::read_text(super::open(path.as_ref()).ok()?).ok();
    private_group(rustix::process::geteuid().as_raw(), &read("/etc/passwd")?, &read("/etc/group")?)
});

/// The primary group of a user if it bears the user's name and has no other member, by the texts of `/etc/passwd` and `/etc/group`.
fn private_group(user: u32, users: &str, groups: &str) -> Option<u32> {
    let users: Vec<(&str, u32, u32)> = users.lines().filter_map(user_line).collect();
    let (name, _, primary) = *users.iter().find(|(_, uid, _)| *uid == user)?;
    let is_alone = users.iter().all(|(_, uid, group)| *uid == user || *group != primary);
    let mut groups = groups.lines().filter_map(group_line);
    let (group_name, _, members) = groups.find(|(_, gid, _)| *gid == primary)?;
    let has_others = members.split(',').any(|member| !member.is_empty() && member != name);
    (is_alone && group_name == name && !has_others).then_some(primary)
}

fn user_line(line: &str) -> Option<(&str, u32, u32)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let mut number = fields.skip(1).map(str::parse);
    Some((name, number.next()?.ok()?, number.next()?.ok()?))
}

fn group_line(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.split(':');
    Some((fields.next()?, fields.nth(1)?.parse().ok()?, fields.next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_root_and_a_group_without_others_may_write() {
        const ADA: u32 = 1000;
        let check = |owner, group, mode| judge(ADA, owner, group, mode, || Some(1000));
        assert_eq!(check(ADA, 100, 0o100_644), WrittenBy::Us);
        assert_eq!(check(0, 0, 0o100_644), WrittenBy::Us);
        assert_eq!(check(ADA, 1000, 0o100_664), WrittenBy::Us);
        assert_eq!(check(ADA, 100, 0o100_664), WrittenBy::Group { group: 100, mode: 0o100_664 });
        assert_eq!(check(0, 0, 0o100_664), WrittenBy::Group { group: 0, mode: 0o100_664 });
        assert_eq!(check(ADA, 1000, 0o100_666), WrittenBy::Everybody { mode: 0o100_666 });
        assert_eq!(check(1001, 1000, 0o100_600), WrittenBy::Owner(1001));
        assert_eq!(check(ADA, 100, 0o100_664).to_string(), "can be written by other users: those of the group 100 (mode 0664)");
    }

    #[test]
    fn a_private_group_bears_the_users_name_and_has_no_other_member() {
        let users = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\nbob:x:1001:100::/home/bob:/bin/sh\n# odd\n";
        let check = |user, users: &str, groups: &str| private_group(user, users, groups);
        assert_eq!(check(1000, users, "root:x:0:\nada:x:1000:\nusers:x:100:\n"), Some(1000));
        assert_eq!(check(1000, users, "ada:x:1000:ada\n"), Some(1000));
        assert_eq!(check(1000, users, "ada:x:1000:ada,bob\n"), None, "bob is a member");
        assert_eq!(check(1000, users, "staff:x:1000:\n"), None, "it bears another name");
        assert_eq!(check(1000, users, ""), None, "it is not there");
        assert_eq!(
            check(1000, &users.replace("bob:x:1001:100", "bob:x:1001:1000"), "ada:x:1000:\n"),
            None,
            "it is bob's primary group too"
        );
        assert_eq!(check(1002, users, "ada:x:1000:\n"), None, "the user is not there");
        assert_eq!(check(0, users, "root:x:0:\n"), Some(0));
    }
}
