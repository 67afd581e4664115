//! What the files are that a process has open.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::Process;

/// A process's open files, looked up while it runs: one may have been closed, and its number
/// given to another, since the process was stopped.
pub struct OpenFiles<'p> {
    process: &'p Process,
    /// What the kernel says of the sockets in its network namespace, by inode; read when the first is met.
    sockets: Option<HashMap<u64, String>>,
}

impl Process {
    /// Its open files.
    pub fn open_files(&self) -> OpenFiles<'_> {
        OpenFiles {
            process: self,
            sockets: None,
        }
    }
}

impl OpenFiles<'_> {
    /// What a file is: a path, `pipe:[7]`, `anon_inode:[eventfd]`, or for a socket its kind and its ends (`tcp
    /// 10.0.0.1:80 -> 10.0.0.2:5432`); `None` where there is none of that number, or it may not be known.
    pub fn describe(&mut self, fd: i32) -> Option<String> {
        let inner = &self.process.inner;
        let link = inner.dir.link(&format!("{}fd/{fd}", inner.prefix)).ok()?;
        let link = link.to_string_lossy().into_owned();
        let inode = link
            .strip_prefix("socket:[")
            .and_then(|rest| rest.strip_suffix(']'))
            .and_then(|inode| inode.parse::<u64>().ok());
        let Some(inode) = inode else {
            return Some(link);
        };
        let sockets = self.sockets.get_or_insert_with(|| sockets(self.process));
        Some(sockets.get(&inode).cloned().unwrap_or(link))
    }
}

/// The sockets of a process's network namespace (`/proc/PID/net`, proc_pid_net(5)).
fn sockets(process: &Process) -> HashMap<u64, String> {
    let inner = &process.inner;
    let read = |name: &str| {
        let text = inner.dir.read(&format!("{}net/{name}", inner.prefix));
        String::from_utf8_lossy(&text.unwrap_or_default()).into_owned()
    };
    let mut found = HashMap::new();
    for kind in ["tcp", "tcp6", "udp", "udp6"] {
        found.extend(
            read(kind)
                .lines()
                .skip(1)
                .filter_map(|line| inet(kind, line)),
        );
    }
    found.extend(read("unix").lines().skip(1).filter_map(unix));
    found
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`
fn inet(kind: &str, line: &str) -> Option<(u64, String)> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_whitespace().skip(1);
    let (local, remote, state) = (
        address(fields.next()?)?,
        address(fields.next()?)?,
        fields.next()?,
    );
    let inode = fields.nth(5)?.parse().ok()?;
    let kind = kind.trim_end_matches('6');
    let text = if state == LISTEN && kind == "tcp" {
        format!("{kind} {local} (listens)")
    } else if remote.port() == 0 {
        format!("{kind} {local}")
    } else {
        format!("{kind} {local} -> {remote}")
    };
    Some((inode, text))
}

/// `0100007F:1F90`: words in the processor's byte order, which is little-endian here; the port is not.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        u32::from_str_radix(ip.get(at..at + 8)?, 16)
            .ok()
            .map(u32::swap_bytes)
    };
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from_bits(word(0)?)),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bits = words
                .into_iter()
                .fold(0u128, |bits, word| bits << 32 | u128::from(word));
            IpAddr::V6(Ipv6Addr::from_bits(bits)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// `Num RefCount Protocol Flags Type St Inode Path`; the path, which may have spaces in it, is left out where
/// there is none. (The inode is right-aligned.)
fn unix(line: &str) -> Option<(u64, String)> {
    let mut rest = line;
    let mut inode = "";
    for _ in 0..7 {
        let field = rest.trim_start_matches(' ');
        (inode, rest) = field.split_once(' ').unwrap_or((field, ""));
    }
    let path = if rest.is_empty() { "(no name)" } else { rest };
    Some((inode.parse().ok()?, format!("unix {path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_understood() {
        let line = "   0: 0100007F:1F90 0200007F:C350 01 00000000:00000000 00:00000000 00000000  0  0 4711 1 0 20";
        let expected = (4711, "tcp 127.0.0.1:8080 -> 127.0.0.2:50000".to_owned());
        assert_eq!(inet("tcp", line), Some(expected));
        let line = "   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 9";
        assert_eq!(
            inet("tcp6", line),
            Some((9, "tcp [::1]:80 (listens)".to_owned()))
        );
        let line = "   2: 0000000000000000FFFF00000100007F:0050 0000000000000000FFFF00000100007F:1234 01 0:0 0:0 0 0 0 8";
        let expected = (8, "tcp 127.0.0.1:80 -> 127.0.0.1:4660".to_owned());
        assert_eq!(inet("tcp6", line), Some(expected));
        assert_eq!(inet("tcp", "  0: zz"), None);
        let line = "ffff: 00000002 00000000 00010000 0001 01 77 /run/x.sock";
        assert_eq!(unix(line), Some((77, "unix /run/x.sock".to_owned())));
        let line = "ffff: 00000002 00000000 00010000 0001 01    77  a socket of mine ";
        assert_eq!(unix(line), Some((77, "unix  a socket of mine ".to_owned())));
        assert_eq!(
            unix("ffff: 00000003 0 0 0001 03 78"),
            Some((78, "unix (no name)".to_owned()))
        );
    }
}
