//! Which processes hold the sockets that listen at an address of this machine: the kernel's table of sockets, and the open files of processes. What
//! another user's process holds cannot be seen.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::scan::all_pids;

/// How the kernel writes that a socket listens.
const LISTENS: &str = "0A";

/// The sockets, by inode, of which one takes a connection to `at`: those bound to just this address, else those bound to any. Only the network namespace
/// of the calling process is seen. Errors when the kernel's table could not be read.
pub fn listeners(at: SocketAddr) -> io::Result<BTreeSet<u64>> {
    let mut exact = BTreeSet::new();
    let mut any = BTreeSet::new();
    for table in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        let text = match std::fs::read_to_string(table) {
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text?,
        };
        for (bound, inode) in text.lines().filter_map(listener).filter(|(bound, _)| bound.port() == at.port()) {
            match bound.ip().to_canonical() {
                ip if ip == at.ip().to_canonical() => drop(exact.insert(inode)),
                // One bound to any address of IPv6 usually takes IPv4 too.
                IpAddr::V6(Ipv6Addr::UNSPECIFIED) => drop(any.insert(inode)),
                IpAddr::V4(Ipv4Addr::UNSPECIFIED) if at.ip().to_canonical().is_ipv4() => drop(any.insert(inode)),
                IpAddr::V4(_) | IpAddr::V6(_) => {}
            }
        }
    }
    Ok(if exact.is_empty() { any } else { exact })
}

/// The processes among `pids` that hold one of these sockets. What cannot be read holds none.
pub fn holders(sockets: &BTreeSet<u64>, pids: impl IntoIterator<Item = u32>) -> Vec<u32> {
    pids.into_iter().filter(|pid| holds(*pid, sockets)).collect()
}

/// All processes that are seen to hold one of these sockets. Errors when `/proc` could not be listed.
pub fn all_holders(sockets: &BTreeSet<u64>) -> io::Result<Vec<u32>> {
    Ok(holders(sockets, all_pids()?))
}

fn holds(pid: u32, sockets: &BTreeSet<u64>) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let socket = |file: io::Result<std::fs::DirEntry>| {
        let target = std::fs::read_link(file.ok()?.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
    };
    files.filter_map(socket).any(|inode| sockets.contains(&inode))
}

/// The address and inode of a line of the table, if that socket listens.
fn listener(line: &str) -> Option<(SocketAddr, u64)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (address, port) = fields.get(1)?.split_once(':')?;
    let inode = fields.get(9)?.parse().ok()?;
    let at = SocketAddr::new(ip(address)?, u16::from_str_radix(port, 16).ok()?);
    (*fields.get(3)? == LISTENS && inode != 0).then_some((at, inode))
}

/// The kernel writes an address as numbers of 32 bits in the machine's own order.
fn ip(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let mut bytes = [0; 16];
            bytes.iter_mut().zip(words.iter().flatten()).for_each(|(to, from)| *to = *from);
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[cfg(target_endian = "little")]
    #[test]
    fn a_table_is_read_as_the_kernel_writes_it() {
        let line = "   1: 0100007F:492E 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 77123 1 0000 100 0 0 10 0";
        assert_eq!(listener(line), Some(("127.0.0.1:18734".parse().unwrap(), 77_123)));
        let line = "   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 5 1";
        assert_eq!(listener(line), Some(("[::1]:8080".parse().unwrap(), 5)));
        assert_eq!(listener(&line.replace(" 0A ", " 01 ")), None, "it is connected");
        assert_eq!(listener("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"), None);
    }

    #[test]
    fn the_holder_of_a_port_is_found_by_each_address_that_reaches_it() {
        let me = std::process::id();
        for (bound, asked) in
            [("127.0.0.1:0", "127.0.0.1"), ("0.0.0.0:0", "127.0.0.1"), ("[::1]:0", "::1"), ("[::]:0", "::1"), ("[::]:0", "127.0.0.1")]
        {
            // A machine without IPv6 has nothing to be told of it.
            let Ok(listener) = TcpListener::bind(bound) else { continue };
            let at = SocketAddr::new(asked.parse().unwrap(), listener.local_addr().unwrap().port());
            let sockets = listeners(at).unwrap();
            assert_eq!(holders(&sockets, [me, 1_u32 << 30]), [me], "{bound}");
            assert!(all_holders(&sockets).unwrap().contains(&me));
            drop(listener);
            // Another process may have taken the port by now.
            assert!(listeners(at).unwrap().is_disjoint(&sockets), "{bound}");
        }
    }
}
