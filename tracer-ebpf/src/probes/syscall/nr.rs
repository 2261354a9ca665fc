//! System call numbers of x86-64.
//! <https://github.com/torvalds/linux/blob/v6.12/arch/x86/entry/syscalls/syscall_64.tbl>

pub const READ: i64 = 0;
pub const OPEN: i64 = 2;
pub const PREAD64: i64 = 17;
pub const READV: i64 = 19;
pub const PIPE: i64 = 22;
pub const SENDFILE: i64 = 40;
pub const SOCKET: i64 = 41;
pub const ACCEPT: i64 = 43;
pub const RECVFROM: i64 = 45;
pub const RECVMSG: i64 = 47;
pub const SOCKETPAIR: i64 = 53;
pub const WAIT4: i64 = 61;
pub const CREAT: i64 = 85;
pub const EPOLL_WAIT: i64 = 232;
pub const WAITID: i64 = 247;
pub const OPENAT: i64 = 257;
pub const EPOLL_PWAIT: i64 = 281;
pub const ACCEPT4: i64 = 288;
pub const PIPE2: i64 = 293;
pub const PREADV: i64 = 295;
pub const RECVMMSG: i64 = 299;
pub const MEMFD_CREATE: i64 = 319;
pub const PREADV2: i64 = 327;
pub const OPENAT2: i64 = 437;
pub const EPOLL_PWAIT2: i64 = 441;
