//! Whether a file is a program as it lies there: empty, cut off, of no known format, or still being written. What it is run by is judged in
//! [`interpreter`](super::interpreter).

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::scan::own_pids;

/// How long after its last change a file is looked for among the open files of all processes: who writes a program does so without a long pause.
const RECENT: Duration = Duration::from_secs(60);

/// After so long without a change a file is taken for complete, as notes are.
const SETTLED: Duration = Duration::from_secs(1);

/// The head of an ELF file for 64 bits and little-endian numbers.
const HEAD: usize = 64;

/// The shortest head of any ELF file: for 32 bits.
const SHORTEST_HEAD: usize = 52;

/// Why a file that begins like this cannot be executed, in words that continue its name.
pub(super) fn check(file: &File, head: &[u8]) -> Result<(), String> {
    if head.is_empty() {
        return Err("it is empty".to_owned());
    }
    if head.starts_with(b"#!") {
        return Ok(());
    }
    if head.starts_with(b"\x7fELF") {
        let length = file.metadata().map_or(u64::MAX, |facts| facts.len());
        return match end_of_elf(file, head) {
            Some(end) if end <= length => Ok(()),
            Some(end) => Err(format!("it is cut off: of {end} bytes that its ELF header names, {length} are there")),
            None => Err("it is cut off within its ELF header".to_owned()),
        };
    }
    if is_registered() {
        return Ok(());
    }
    Err("it is neither a binary nor a script whose first line names an interpreter, such as `#!/bin/sh`".to_owned())
}

/// Where the last part ends that an ELF file names; 0 for one that is not judged, none if the header itself is not whole.
fn end_of_elf(file: &File, head: &[u8]) -> Option<u64> {
    let number = |bytes: &[u8], at: usize, length: usize| -> Option<u64> {
        let mut wide = [0; 8];
        wide[..length].copy_from_slice(bytes.get(at..at + length)?);
        Some(u64::from_le_bytes(wide))
    };
    head.get(..SHORTEST_HEAD)?;
    // Of 32 bits, or of another byte order: that may be run by an emulator.
    if *head.get(4)? != 2 || *head.get(5)? != 1 {
        return Some(0);
    }
    let head = head.get(..HEAD)?;
    let table = |at: usize, size: usize| -> Option<(u64, u64, u64)> {
        Some((number(head, at, 8)?, number(head, size, 2)?, number(head, size + 2, 2)?))
    };
    let (programs, size, count) = table(32, 54)?;
    let (sections, section, sections_count) = table(40, 58)?;
    let end_of = |at: u64, size: u64, count: u64| if at == 0 { 0 } else { at.saturating_add(size * count) };
    let mut end = end_of(programs, size, count).max(end_of(sections, section, sections_count));
    const LOAD: u64 = 1;
    for entry in 0..count {
        let mut header = [0; 56];
        if file.read_exact_at(&mut header, programs.saturating_add(entry * size)).is_err() {
            break;
        }
        if number(&header, 0, 4)? == LOAD {
            end = end.max(number(&header, 8, 8)?.saturating_add(number(&header, 32, 8)?));
        }
    }
    Some(end)
}

/// Whether this machine runs files of formats that are registered with the kernel: which ones is not judged.
fn is_registered() -> bool {
    let Ok(entries) = std::fs::read_dir("/proc/sys/fs/binfmt_misc") else { return false };
    let own = ["register", "status"];
    entries.flatten().any(|entry| {
        let is_own = own.iter().any(|name| entry.file_name() == *name);
        // Those for ELF files of other machines say nothing of files that are none.
        !is_own && std::fs::read_to_string(entry.path()).is_ok_and(|text| text.starts_with("enabled") && !text.contains("magic 7f454c46"))
    })
}

/// Why a program is better not executed yet: a process of our own user has its file open for writing, so that the kernel refuses it.
pub fn written_by(file: &Path) -> Option<u32> {
    let facts = std::fs::metadata(file).ok()?;
    if age(&facts) > RECENT {
        return None;
    }
    let own = (facts.dev(), facts.ino());
    let writes = |pid: &u32| {
        let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        files.flatten().any(|entry| {
            std::fs::metadata(entry.path()).is_ok_and(|open| (open.dev(), open.ino()) == own)
                && entry.file_name().to_str().is_some_and(|number| is_writable(*pid, number))
        })
    };
    own_pids().ok()?.into_iter().find(writes)
}

/// Whether a file was changed just now: who writes it may not be done, though it is not open at this moment.
pub fn is_settling(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|facts| age(&facts) < SETTLED)
}

/// Whether a file is no program as it lies there and was changed within the last minute: the rest of it may be on its way.
pub fn is_unfinished(file: &Path) -> bool {
    let mut head = [0; 256];
    let Ok(mut opened) = File::open(file) else { return false };
    let is_recent = opened.metadata().is_ok_and(|facts| age(&facts) < RECENT);
    is_recent && opened.read(&mut head).is_ok_and(|length| check(&opened, &head[..length]).is_err())
}

/// How long ago a file was changed; long ago if its time lies ahead, for then it says nothing.
fn age(facts: &std::fs::Metadata) -> Duration {
    facts.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or(Duration::MAX)
}

fn is_writable(pid: u32, number: &str) -> bool {
    // `flags:` in octal; the last two bits are how it was opened.
    let text = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & 0o3 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(content: &[u8]) -> Result<(), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        check(file.as_file(), &content[..content.len().min(256)])
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_is_no_program() {
        let whole = std::fs::read("/bin/sh").unwrap();
        assert_eq!(verdict(&whole), Ok(()));
        let end = end_of_elf(&File::open("/bin/sh").unwrap(), &whole[..256]).unwrap();
        for length in [1, 3, 4, 20, 63, 64, 100, 20_000, usize::try_from(end).unwrap() - 1] {
            assert!(verdict(&whole[..length]).is_err(), "{length}");
        }
        assert_eq!(verdict(b""), Err("it is empty".to_owned()));
        assert_eq!(verdict(&whole[..20]), Err("it is cut off within its ELF header".to_owned()));
    }

    #[test]
    fn who_has_a_file_open_for_writing_writes_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(written_by(file.path()), Some(std::process::id()));
        let path = file.into_temp_path();
        assert_eq!(written_by(&path), None);
        let reader = File::open(&path).unwrap();
        assert_eq!(written_by(&path), None, "who reads it harms nobody");
        assert!(is_settling(&path) && is_unfinished(&path));
        let writer = File::options().append(true).open(&path).unwrap();
        assert_eq!(written_by(&path), Some(std::process::id()));
        writer.set_modified(SystemTime::now() - Duration::from_secs(30)).unwrap();
        assert!(!is_settling(&path) && is_unfinished(&path), "it is empty");
        drop((reader, writer));
    }
}
