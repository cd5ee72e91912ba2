//! Open files that came with the start of a keeper: of a shell, a build, an editor's pipe. Neither the keeper nor its program may hold them,
//! or whoever waits for the end of such a pipe or for such a lock waits for the agent.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Set for the second start, which has nothing to close.
const DONE: &str = "RECONCILE_KEEP_CLOSED";

/// Closes everything beyond the three standard streams: it starts this process's program anew without them, as the same process, if there is
/// anything. To be called before any file is opened. Returns when there is nothing to close; the error says why it could not be done.
pub(super) fn close() -> io::Result<()> {
    let mut streams = 0;
    for entry in std::fs::read_dir("/proc/self/fd")? {
        streams += u32::from(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()).is_some_and(|number| number > 2));
    }
    // The listing itself is one.
    if streams <= 1 || std::env::var_os(DONE).is_some() {
        return Ok(());
    }
    close_fds::set_fds_cloexec(3, &[]);
    let mut words = std::env::args_os();
    let mut again = Command::new("/proc/self/exe");
    again.arg0(words.next().unwrap_or_default()).args(words).env(DONE, "1");
    Err(again.exec())
}
