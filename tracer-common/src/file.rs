//! Files: what a descriptor meant at the time.

use crate::event::Header;
use crate::sized;

/// Bytes of a path that are kept, the leaf first.
pub const PATH_BYTES: usize = 4096;
/// Longest component, NUL included (`NAME_MAX` + 1).
pub const COMPONENT_BYTES: usize = 256;
/// Components that are followed upwards.
pub const COMPONENTS: u32 = 64;

/// A file at its first sight.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Its kind is [`crate::event::kind::FILE`].
    pub header: Header,
    /// [`crate::hash::file_id`]
    pub id: u64,
    /// `i_ino`
    pub inode: u64,
    /// `s_magic` of its file system: statfs(2).
    pub magic: u64,
    /// `s_dev`
    pub device: u32,
    /// `i_rdev`: what a device node stands for.
    pub rdev: u32,
    /// `i_mode`
    pub mode: u32,
    /// `f_flags`: open(2).
    pub open_flags: u32,
    /// See [`flag`].
    pub flags: u32,
    /// Address family of a socket, else 0.
    pub family: u32,
    /// Port of an inet socket at the end that is reported, in host order; 0 where no port is.
    pub port: u32,
    /// Bytes of `path` that are valid.
    pub path_bytes: u32,
    /// The address there: IPv4 in the first 4 bytes, or IPv6.
    pub address: [u8; 16],
    /// Components from the leaf upwards, each with its NUL.
    pub path: [u8; PATH_BYTES],
}

/// Flags of [`File`].
pub mod flag {
    /// The walk upwards reached the process's root: the path is whole.
    pub const ROOTED: u32 = 1;
    /// More components than are followed, or more bytes than are kept.
    pub const TRUNCATED: u32 = 2;
    /// Unlinked, where `ROOTED` is set too (pseudo files are always unhashed).
    pub const UNHASHED: u32 = 4;
    /// Not the first object that this id stands for: see [`crate::hash::fleeting_id`].
    pub const SEVERAL: u32 = 8;
    /// The path is the name of a Unix socket, which begins with a NUL if it is abstract: unix(7).
    pub const NAMED: u32 = 16;
}

impl File {
    /// Bytes before the path.
    pub const FIXED: usize = size_of::<Self>() - PATH_BYTES;
}

sized!(File = 96 + PATH_BYTES);
