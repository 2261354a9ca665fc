//! Which rows an object belongs to that comes and goes. A server has a socket for each connection, whose inode is
//! not seen twice: with rows of their own they would fill the maps.

use tracer_common::hash::{SEED, fleeting_id, mix};

use super::Opened;
use crate::config::{SOCK_USERLOCKS, SOCK_USERLOCKS_BIT, UNIX_ADDRESS, UNIX_NAME, UNIX_PEER};
use crate::kernel::{self, copied, load_half, word};
use crate::narrow::{low, low_quarter};
use crate::task::Task;

/// inode(7)
const S_IFMT: u32 = 0o170_000;
const S_IFSOCK: u32 = 0o140_000;
const S_IFREG: u32 = 0o100_000;
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/magic.h#L90>
const PIPEFS: u64 = 0x5049_5045;
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/magic.h> (`ANON_INODE_FS_MAGIC`)
const ANON_INODES: u64 = 0x0904_1934;

pub const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// The lower half of an id, which [`Opened::own`] shares.
const LOWER: u64 = 0xffff_ffff;

/// Gives what comes and goes the id of others like it.
#[inline(always)]
pub fn identify(opened: &mut Opened, task: Task, descriptor: u32) {
    let kind = opened.mode & S_IFMT;
    if is_socket(opened) {
        opened.id = socket_id(sock(opened));
        opened.own = opened.id;
        return;
    }
    if is_internal(opened) && word(opened.super_block, &kernel::SB_MAGIC) == ANON_INODES {
        opened.id = mix(opened.id, word(opened.file, &kernel::FILE_OPERATIONS));
        opened.own = opened.id;
        return;
    }
    let is_pipe = opened.is_pipe() && word(opened.super_block, &kernel::SB_MAGIC) == PIPEFS;
    if is_pipe || (kind == S_IFREG && opened.links == 0) {
        let kind_and_device = u64::from(kind) << 32 | u64::from(opened.device);
        let id = fleeting_id(kind_and_device, opened.number, task.pid(), descriptor);
        opened.own = opened.id & !LOWER | id & LOWER;
        opened.id = id;
    }
}

/// May be an eventfd, an epoll, a timerfd or the like: they all share one inode, and differ by their operations. Before Linux 6.17
/// that inode has no type, since then that of a regular file. Those of block devices have a major number, and are most.
/// <https://github.com/torvalds/linux/blob/v6.12/fs/anon_inodes.c> (`anon_inode_getfile`)
#[inline(always)]
fn is_internal(opened: &Opened) -> bool {
    const MINOR_BITS: u32 = 20;
    let kind = opened.mode & S_IFMT;
    opened.device >> MINOR_BITS == 0 && (kind == 0 || kind == S_IFREG)
}

/// Whether what has been sent under this id was another object.
#[inline(always)]
pub fn is_another(opened: &Opened, sent: u64) -> bool {
    opened.own != opened.id && sent & LOWER == opened.id & LOWER
}

#[inline(always)]
pub fn is_socket(opened: &Opened) -> bool {
    opened.mode & S_IFMT == S_IFSOCK
}

/// The `struct sock` behind a socket's file.
#[inline(always)]
pub fn sock(opened: &Opened) -> u64 {
    word(word(opened.file, &kernel::FILE_PRIVATE), &kernel::SOCKET_SK)
}

#[inline(always)]
pub fn family(sock: u64) -> u16 {
    low_quarter(word(sock, &kernel::SOCK_FAMILY))
}

#[inline(always)]
fn socket_id(sock: u64) -> u64 {
    let family = family(sock);
    let id = mix(SEED, u64::from(family) << 32);
    match family {
        AF_INET | AF_INET6 => {
            let Some(end) = inet_end(sock, family) else { return id };
            let address = copied::<[u64; 2]>(end.address).unwrap_or_default();
            // IPv4 has four bytes.
            let (low, high) =
                if family == AF_INET6 { (address[0], address[1]) } else { (address[0] & LOWER, 0) };
            mix(mix(mix(id, u64::from(end.port)), low), high)
        }
        AF_UNIX => {
            let Some(name) = unix_name(sock) else { return id };
            // Another name may have come to lie there: most differ in their last bytes.
            mix(mix(id, name.address), word_at_end(name))
        }
        _ => id,
    }
}

/// One end of an inet socket.
pub struct SocketEnd {
    /// Where its address lies.
    pub address: u64,
    /// Host order.
    pub port: u16,
}

/// The end of a socket that its next connection will have too: its own where it serves or has chosen its port, else that
/// of its peer.
///
/// A connection that was accepted has its listener's port without having bound it, and its backlog, as it is a copy. A
/// listener's backlog may be 0: then its port decides: the kernel gives ports from 32,768 on to sockets that ask for none.
/// <https://github.com/torvalds/linux/blob/v6.12/net/core/sock.c#L2367>
#[inline(always)]
pub fn inet_end(sock: u64, family: u16) -> Option<SocketEnd> {
    const BOUND_PORT: u64 = 8; // SOCK_BINDPORT_LOCK
    const EPHEMERAL: u16 = 32_768;
    let (remote, local) = if family == AF_INET6 {
        (&kernel::SOCK_V6_DADDR, &kernel::SOCK_V6_RCV_SADDR)
    } else {
        (&kernel::SOCK_DADDR, &kernel::SOCK_RCV_SADDR)
    };
    let peer = u16::from_be(low_quarter(word(sock, &kernel::SOCK_DPORT)));
    let own = low_quarter(word(sock, &kernel::SOCK_NUM));
    let locks = word(sock, &SOCK_USERLOCKS) >> SOCK_USERLOCKS_BIT.load();
    let backlog = low(word(sock, &kernel::SOCK_BACKLOG));
    let serves = backlog != 0 || own < EPHEMERAL && peer >= EPHEMERAL;
    if own != 0 && (locks & BOUND_PORT != 0 || serves) {
        return Some(SocketEnd { address: sock + u64::from(local.load()), port: own });
    }
    (peer != 0).then(|| SocketEnd { address: sock + u64::from(remote.load()), port: peer })
}

/// The name of a Unix socket.
#[derive(Clone, Copy)]
pub struct SocketName {
    /// Where its first byte lies, which is NUL if the name is not a path.
    pub address: u64,
    /// Bytes; those of a path end with NUL, as a rule.
    pub bytes: u32,
}

/// Its own, which is the listener's for a connection that was accepted, or else its peer's: unix(7).
/// <https://github.com/torvalds/linux/blob/v6.12/include/net/af_unix.h#L27>
#[inline(always)]
pub fn unix_name(sock: u64) -> Option<SocketName> {
    /// `struct unix_address`: a counter, and the length of what begins with the family.
    const LENGTH: u64 = 4;
    const FAMILY_BYTES: u32 = 2;
    if UNIX_ADDRESS.load() == 0 {
        return None;
    }
    let own = word(sock, &UNIX_ADDRESS);
    let address = if own == 0 { word(word(sock, &UNIX_PEER), &UNIX_ADDRESS) } else { own };
    if address == 0 {
        return None;
    }
    let bytes = load_half(address + LENGTH).wrapping_sub(FAMILY_BYTES);
    let name = address + u64::from(UNIX_NAME.load() + FAMILY_BYTES);
    (bytes > 0 && bytes <= 108).then_some(SocketName { address: name, bytes })
}

#[inline(always)]
fn word_at_end(name: SocketName) -> u64 {
    copied(name.address + u64::from(name.bytes) - 8).unwrap_or(0)
}
