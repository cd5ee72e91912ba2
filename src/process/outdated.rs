//! Whether what runs is what lies on the disk. Of a script, that is its interpreter: the script itself was read and is not looked at.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use super::{ProcId, stat};

/// How exact the time of a start is: the clock of files, that of processes and that on the wall are read one after the other.
const EXACTNESS: Duration = Duration::from_secs(1);

/// Whether the executable file of a process is another one on the disk now, or was written to after the process was started; none if that cannot be told.
pub fn is_outdated(process: &ProcId) -> Option<bool> {
    let link = format!("/proc/{}/exe", process.pid);
    let path = std::fs::read_link(&link).ok()?;
    let running = std::fs::metadata(&link).ok()?;
    let started = started_at(process)?;
    match std::fs::metadata(&path) {
        Ok(there) if (there.dev(), there.ino()) == (running.dev(), running.ino()) => {
            Some(there.modified().ok()?.duration_since(started).is_ok_and(|later| later > EXACTNESS))
        }
        Ok(_) => Some(true),
        // Without that word it is a path that only the process itself sees.
        Err(error) if error.kind() == ErrorKind::NotFound => path.as_os_str().as_bytes().ends_with(b" (deleted)").then_some(true),
        Err(_) => None,
    }
}

/// When a process was started, by the clock on the wall; none if it is gone.
fn started_at(process: &ProcId) -> Option<SystemTime> {
    stat(process.pid).ok()?.filter(|seen| seen.start_time == process.start_time)?;
    let uptime: f64 = std::fs::read_to_string("/proc/uptime").ok()?.split_ascii_whitespace().next()?.parse().ok()?;
    let age = uptime - process.start_time as f64 / rustix::param::clock_ticks_per_second().max(1) as f64;
    SystemTime::now().checked_sub(Duration::try_from_secs_f64(age.max(0.0)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    fn copy_of_sleep(to: &Path) {
        let aside = to.with_extension("new");
        // By another process: a file that is open for writing in a child of another test cannot be run.
        assert!(Command::new("/bin/cp").arg("/bin/sleep").arg(&aside).status().unwrap().success());
        std::fs::rename(aside, to).unwrap();
    }

    #[test]
    fn a_file_that_was_replaced_removed_or_changed_is_not_what_runs() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tool");
        copy_of_sleep(&file);
        let mut child = Command::new(&file).arg("1000").spawn().unwrap();
        let id = ProcId::of(child.id()).unwrap().unwrap();
        assert_eq!(is_outdated(&id), Some(false));
        let other = ProcId { start_time: id.start_time + 1, ..id.clone() };
        assert_eq!(is_outdated(&other), None, "it is another process");

        let before = std::fs::metadata(&file).unwrap().modified().unwrap();
        let changed = |time: SystemTime| {
            let file = std::fs::File::open(&file).unwrap();
            file.set_modified(time).unwrap();
        };
        changed(before + Duration::from_secs(60));
        assert_eq!(is_outdated(&id), Some(true));
        changed(before - Duration::from_secs(60));
        assert_eq!(is_outdated(&id), Some(false));

        copy_of_sleep(&file);
        assert_eq!(is_outdated(&id), Some(true));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(is_outdated(&id), Some(true));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(is_outdated(&id), None);
    }
}
