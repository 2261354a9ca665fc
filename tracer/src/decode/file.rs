//! What a descriptor meant, in the words of `/proc/PID/fd`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tracer_common::file::{self as wire, flag};

use crate::event::Bytes;
use crate::redact;
use crate::symbols::{DELETED, File, FileKind, any_deleted};

/// Types of files: inode(7).
mod mode {
    pub const MASK: u32 = 0o170_000;
    pub const FIFO: u32 = 0o010_000;
    pub const CHARACTER: u32 = 0o020_000;
    pub const BLOCK: u32 = 0o060_000;
    pub const SOCKET: u32 = 0o140_000;
}

/// File systems: <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/magic.h>
mod magic {
    pub const PROC: u64 = 0x9fa0;
    pub const SYSFS: u64 = 0x6265_6572;
    pub const PIPEFS: u64 = 0x5049_5045;
}

const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;

/// From the wire.
#[must_use]
pub fn file(file: &wire::File) -> File {
    let path = path(file);
    let kind = kind(file, &path);
    redact::file(File { path: shown(file, kind, path), kind })
}

fn kind(file: &wire::File, path: &[u8]) -> FileKind {
    match file.mode & mode::MASK {
        mode::FIFO if file.magic == magic::PIPEFS => FileKind::Pipe,
        mode::FIFO => FileKind::Fifo,
        mode::SOCKET if file.family == AF_UNIX => FileKind::Unix,
        mode::SOCKET if matches!(file.family, AF_INET | AF_INET6) => FileKind::Inet,
        mode::CHARACTER if is_tty(file.rdev) => FileKind::Tty,
        mode::CHARACTER | mode::BLOCK => FileKind::Device,
        mode::SOCKET | 0 => FileKind::Other,
        _ if file.magic == magic::PROC => FileKind::Procfs,
        _ if file.magic == magic::SYSFS => FileKind::Sysfs,
        _ if path.starts_with(b"memfd:") => FileKind::Memfd,
        _ => FileKind::Regular,
    }
}

/// Terminals, by major number: <https://github.com/torvalds/linux/blob/v6.12/Documentation/admin-guide/devices.txt>
fn is_tty(rdev: u32) -> bool {
    matches!(rdev >> 20, 3 | 4 | 5 | 136..=143 | 204)
}

fn shown(file: &wire::File, kind: FileKind, path: Vec<u8>) -> Bytes {
    let several = file.flags & flag::SEVERAL != 0;
    match kind {
        FileKind::Pipe if several => Bytes::from_static(b"pipe:[*]"),
        FileKind::Pipe => format!("pipe:[{}]", file.inode).into_bytes().into(),
        FileKind::Unix => unix(file).into(),
        FileKind::Inet => inet(file).into_bytes().into(),
        _ if path.starts_with(b"[") => [b"anon_inode:", &path[..]].concat().into(),
        FileKind::Other if file.mode & mode::MASK == mode::SOCKET => Bytes::from_static(b"socket"),
        FileKind::Memfd if several => Bytes::from_static(b"memfd:*"),
        FileKind::Regular if several => any_deleted(&path),
        _ => path.into(),
    }
}

/// By the end that its next connection will have too; without a number of its own, as it may be one of thousands.
fn inet(file: &wire::File) -> String {
    let port = file.port as u16;
    let address = match file.family {
        AF_INET => {
            Ipv4Addr::from([file.address[0], file.address[1], file.address[2], file.address[3]]).into()
        }
        _ => Ipv6Addr::from(file.address).to_canonical(),
    };
    if port == 0 { "inet socket".to_owned() } else { SocketAddr::new(address, port).to_string() }
}

/// By its path or, after `@` as ss(8) has it, its abstract name; most pairs have none.
fn unix(file: &wire::File) -> Vec<u8> {
    let name = file.path.get(..file.path_bytes as usize).unwrap_or_default();
    match name {
        _ if file.flags & flag::NAMED == 0 => b"unix socket".to_vec(),
        [0, name @ ..] => [b"@", name].concat(),
        name => name.split(|&byte| byte == 0).next().unwrap_or_default().to_vec(),
    }
}

/// The components, which came leaf first.
fn path(file: &wire::File) -> Vec<u8> {
    let bytes = file.path.get(..file.path_bytes as usize).unwrap_or(&file.path);
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    let rooted = file.flags & flag::ROOTED != 0;
    if bytes.is_empty() {
        return if rooted { b"/".to_vec() } else { format!("inode:[{}]", file.inode).into_bytes() };
    }
    let components: Vec<_> = bytes.split(|&byte| byte == 0).rev().collect();
    let mut path = components.join(&b'/');
    let alone = components.len() == 1 && !rooted && file.flags & flag::TRUNCATED == 0;
    if file.flags & flag::TRUNCATED != 0 {
        path.splice(..0, *b".../");
    } else if !alone {
        path.insert(0, b'/');
    }
    if rooted && file.flags & flag::UNHASHED != 0 {
        path.extend_from_slice(DELETED);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_common::event::Header;

    fn record(mode: u32, magic: u64, flags: u32, components: &[u8]) -> wire::File {
        let mut file = wire::File {
            header: Header::default(),
            id: 1,
            inode: 77,
            magic,
            device: 1,
            rdev: 0,
            mode,
            open_flags: 0,
            flags,
            family: 0,
            port: 0,
            path_bytes: components.len() as u32,
            address: [0; 16],
            path: [0; wire::PATH_BYTES],
        };
        file.path[..components.len()].copy_from_slice(components);
        file
    }

    #[test]
    fn paths_read_as_in_proc() {
        const REGULAR: u32 = 0o100_644;
        for (name, record, path, kind) in [
            (
                "regular",
                record(REGULAR, 0xef53, flag::ROOTED, b"hosts\0etc\0"),
                "/etc/hosts",
                FileKind::Regular,
            ),
            (
                "procfs",
                record(REGULAR, magic::PROC, flag::ROOTED, b"stat\x007\0proc\0"),
                "/proc/7/stat",
                FileKind::Procfs,
            ),
            (
                "unlinked",
                record(REGULAR, 0xef53, flag::ROOTED | flag::UNHASHED, b"a\0tmp\0"),
                "/tmp/a (deleted)",
                FileKind::Regular,
            ),
            ("cut", record(REGULAR, 0xef53, flag::TRUNCATED, b"a\0b\0"), ".../b/a", FileKind::Regular),
            ("of a mount that is gone", record(REGULAR, 0xef53, 0, b"f\0sub\0"), "/sub/f", FileKind::Regular),
            ("memfd", record(REGULAR, 0x0102_1994, flag::UNHASHED, b"memfd:x\0"), "memfd:x", FileKind::Memfd),
            ("pipe", record(0o010_600, magic::PIPEFS, 0, b""), "pipe:[77]", FileKind::Pipe),
            ("named", record(0o010_600, 0xef53, flag::ROOTED, b"f\0tmp\0"), "/tmp/f", FileKind::Fifo),
            (
                "epoll",
                record(0o600, 0x0904_1934, 0, b"[eventpoll]\0"),
                "anon_inode:[eventpoll]",
                FileKind::Other,
            ),
        ] {
            let file = file(&record);
            assert_eq!((&*file.path, file.kind), (path.as_bytes(), kind), "{name}");
        }
    }

    #[test]
    fn a_socket_is_its_address() {
        let mut record = record(0o140_777, 0, 0, b"");
        assert_eq!((&*file(&record).path, file(&record).kind), (&b"socket"[..], FileKind::Other));
        record.family = AF_INET;
        assert_eq!(&*file(&record).path, b"inet socket");
        record.address[..4].copy_from_slice(&[10, 0, 0, 5]);
        record.port = 5432;
        assert_eq!((&*file(&record).path, file(&record).kind), (&b"10.0.0.5:5432"[..], FileKind::Inet));
        record.family = AF_INET6;
        assert_eq!(&*file(&record).path, b"[a00:5::]:5432");
    }

    #[test]
    fn a_unix_socket_is_its_name() {
        for (name, flags, expected) in [
            (&b""[..], 0, &b"unix socket"[..]),
            (b"UNIX-STREAM\0", flag::UNHASHED, b"unix socket"),
            (b"/run/app.sock\0", flag::NAMED, b"/run/app.sock"),
            (b"\0bus", flag::NAMED, b"@bus"),
        ] {
            let record = wire::File { family: AF_UNIX, ..record(0o140_777, 0, flags, name) };
            assert_eq!((&*file(&record).path, file(&record).kind), (expected, FileKind::Unix));
        }
    }

    #[test]
    fn several_that_came_and_went_are_no_one_of_them() {
        let several = |mode, magic, components: &[u8]| {
            let flags = flag::ROOTED | flag::UNHASHED | flag::SEVERAL;
            String::from_utf8(file(&record(mode, magic, flags, components)).path.to_vec()).unwrap()
        };
        assert_eq!(several(0o010_600, magic::PIPEFS, b""), "pipe:[*]");
        assert_eq!(several(0o100_600, 0xef53, b"#12\0tmp\0"), "/tmp/* (deleted)");
    }

    #[test]
    fn lengths_that_lie_are_bounded() {
        let mut record = record(0o100_644, 0, flag::ROOTED, b"a\0");
        record.path_bytes = u32::MAX;
        assert!(file(&record).path.len() <= wire::PATH_BYTES + 16);
    }
}
