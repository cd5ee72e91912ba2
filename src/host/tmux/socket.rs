//! Where a server listens, and who does: asked of the socket itself, without a client.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::desired::Socket;
use crate::process::{self, ProcId};

/// What a path in a socket's address may have at most, with the zero at its end (`sun_path` of Linux).
const PATH_LIMIT: usize = 108;

/// A server that takes connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::host) struct ServerAt {
    /// The path of its socket.
    pub(in crate::host) socket: PathBuf,
    /// Who it is.
    pub(in crate::host) id: ProcId,
    /// The binary that can talk to it, whatever version was installed since.
    pub(in crate::host) binary: PathBuf,
}

/// What answers at a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::host) enum Door {
    /// A server.
    Open(ServerAt),
    /// Nobody: there is no server.
    Nobody,
    /// It cannot be told.
    Unreadable(String),
}

/// The path of a socket as `tmux -L` and `tmux -S` find it. Errors when no socket can have that path.
pub(in crate::host) fn socket_path(socket: &Socket, tmpdir: Option<&OsStr>) -> Result<PathBuf, String> {
    let path = if socket.is_path() {
        PathBuf::from(&socket.0)
    } else {
        let base = tmpdir.filter(|folder| !folder.is_empty()).map_or_else(|| Path::new("/tmp"), Path::new);
        // tmux resolves links in the folder, so that a record names one server by one path.
        let base = base.canonicalize().unwrap_or_else(|_| base.to_owned());
        base.join(format!("tmux-{}", rustix::process::getuid().as_raw())).join(&socket.0)
    };
    if path.as_os_str().len() >= PATH_LIMIT {
        return Err(format!("the path of the tmux socket is longer than {} bytes: {}", PATH_LIMIT - 1, path.display()));
    }
    Ok(path)
}

/// Asks the socket who listens there: some microseconds, no client.
pub(in crate::host) fn knock(path: &Path) -> Door {
    match peer(path) {
        Ok(Some(pid)) => match identify(path, pid) {
            // It has just ended, or lives where this process cannot see it.
            Door::Nobody if matches!(peer(path), Ok(Some(again)) if again == pid) => Door::Unreadable(format!(
                "the process that listens at the tmux socket {} cannot be seen from this pid namespace",
                path.display()
            )),
            door @ (Door::Open(_) | Door::Nobody | Door::Unreadable(_)) => door,
        },
        Ok(None) => Door::Nobody,
        Err(error) => Door::Unreadable(format!("the tmux socket {} did not answer: {error}", path.display())),
    }
}

/// The process that listens, if one does.
fn peer(path: &Path) -> io::Result<Option<u32>> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::NOENT | Errno::CONNREFUSED | Errno::NOTDIR) => return Ok(None),
        Err(Errno::AGAIN) => return Err(io::Error::other("too many clients wait for the server")),
        Err(error) => return Err(error.into()),
    }
    let peer = match rustix::net::sockopt::socket_peercred(&socket) {
        Ok(peer) => peer,
        Err(error) if error.raw_os_error() == 0 => {
            return Err(io::Error::other("the process that listens there cannot be seen from this pid namespace"));
        }
        Err(error) => return Err(error.into()),
    };
    if peer.uid != rustix::process::geteuid() {
        return Err(io::Error::other(format!("it belongs to user {}", peer.uid.as_raw())));
    }
    Ok(Some(peer.pid.as_raw_nonzero().get().unsigned_abs()))
}

fn identify(path: &Path, pid: u32) -> Door {
    match ProcId::of(pid) {
        Ok(Some(id)) => {
            // The link itself, not what it points to: it leads to the right binary even after an upgrade replaced the file.
            let binary = PathBuf::from(format!("/proc/{pid}/exe"));
            Door::Open(ServerAt { socket: path.to_owned(), id, binary })
        }
        Ok(None) => Door::Nobody,
        Err(error) => Door::Unreadable(format!("the tmux server {pid} could not be looked at: {error}")),
    }
}

/// Makes the folder that tmux expects for sockets that are names. Errors when it is not ours alone.
pub(super) fn ready_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let seen = std::fs::metadata(folder)?;
    // A folder of a socket that is a path is the user's choice; in the shared temporary folder, others could have made it.
    let is_tmuxs = folder.file_name().is_some_and(|name| name == format!("tmux-{}", rustix::process::getuid().as_raw()).as_str());
    if is_tmuxs && (seen.uid() != rustix::process::geteuid().as_raw() || seen.mode() & 0o007 != 0) {
        return Err(io::Error::other(format!("{} is not a folder of ours alone", folder.display())));
    }
    Ok(())
}

/// Waits at most `patience` for the end of a server that is leaving, so that the next one is not refused by it.
pub(in crate::host) fn wait_for_end(of: &ProcId, patience: std::time::Duration) {
    use std::os::fd::AsFd;
    if let Ok(Some(notice)) = process::death_notice(of) {
        // Whatever came of the wait, the socket is asked again.
        let _ = process::wait_any(&[notice.as_fd()], Some(patience));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_where_tmux_puts_it_and_a_path_is_itself() {
        let uid = rustix::process::getuid().as_raw();
        let named = |tmpdir: Option<&str>| socket_path(&Socket("atlas".to_owned()), tmpdir.map(OsStr::new)).unwrap();
        assert_eq!(named(None), PathBuf::from(format!("/tmp/tmux-{uid}/atlas")));
        assert_eq!(named(Some("")), PathBuf::from(format!("/tmp/tmux-{uid}/atlas")));
        assert_eq!(named(Some("/nowhere/x")), PathBuf::from(format!("/nowhere/x/tmux-{uid}/atlas")));
        assert_eq!(socket_path(&Socket("/run/a.sock".to_owned()), None).unwrap(), PathBuf::from("/run/a.sock"));
        assert!(socket_path(&Socket(format!("/{}", "x".repeat(107))), None).is_err());
        assert!(socket_path(&Socket(format!("/{}", "x".repeat(106))), None).is_ok());
    }

    #[test]
    fn nobody_behind_a_socket_is_not_the_same_as_no_answer() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(knock(&folder.path().join("none")), Door::Nobody);
        let stale = folder.path().join("stale");
        drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
        assert_eq!(knock(&stale), Door::Nobody);
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        assert_eq!(knock(&plain), Door::Nobody);
        let live = folder.path().join("live");
        let _listener = std::os::unix::net::UnixListener::bind(&live).unwrap();
        match knock(&live) {
            Door::Open(server) => assert_eq!(server.id, process::me().unwrap()),
            door @ (Door::Nobody | Door::Unreadable(_)) => panic!("{door:?}"),
        }
    }
}
