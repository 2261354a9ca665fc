//! Uprobes by links of `BPF_TRACE_UPROBE_MULTI`, which aya does not make in this release.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use aya_obj::generated::bpf_insn;

/// Commands of bpf(2).
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/bpf.h#L935>
const PROG_LOAD: libc::c_long = 5;
const BTF_LOAD: libc::c_long = 18;
const LINK_CREATE: libc::c_long = 28;
/// `BPF_PROG_TYPE_KPROBE`, `BPF_TRACE_UPROBE_MULTI`, `BPF_F_UPROBE_MULTI_RETURN`.
const KPROBE: u32 = 2;
const MULTI: u32 = 48;
const RETURN: u32 = 1;

/// A program for such links.
pub struct Program<'a> {
    /// As `ps` of BPF programs shows it: at most 15 bytes are kept.
    pub name: &'a str,
    /// With maps and calls in place.
    pub instructions: &'a [bpf_insn],
    /// What the kernel has to know before it lends its functions.
    pub license: &'a CStr,
    /// Which types its functions have, in records of this size.
    pub functions: (&'a [u8], usize),
    /// The types.
    pub btf: BorrowedFd<'a>,
}

/// The head of `union bpf_attr` for a load.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    instructions: u32,
    instruction: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
    btf: u32,
    function_bytes: u32,
    function: u64,
    functions: u32,
    line_bytes: u32,
    line: u64,
    lines: u32,
    attach_btf: u32,
}
const _: () = assert!(size_of::<Load>() == 112);

/// Likewise for types.
#[repr(C)]
#[derive(Default)]
struct Types {
    btf: u64,
    log: u64,
    bytes: u32,
    log_bytes: u32,
    log_level: u32,
    pad: u32,
}

/// Likewise for a link.
#[repr(C)]
#[derive(Default)]
struct PerfLink {
    program: u32,
    target: u32,
    attach_type: u32,
    link_flags: u32,
    path: u64,
    offsets: u64,
    counters: u64,
    cookies: u64,
    count: u32,
    flags: u32,
    pid: u32,
    pad: u32,
}

/// Gives the kernel the types of an object.
///
/// # Errors
/// When it does not take them.
pub fn load_types(btf: &[u8]) -> io::Result<OwnedFd> {
    let bytes = btf.len() as u32;
    // SAFETY: the attributes point at `btf`, which outlives the call.
    unsafe { bpf(BTF_LOAD, &Types { btf: btf.as_ptr() as u64, bytes, ..Types::default() }) }
}

/// Has the kernel verify a program. It breaks off at a signal, which has been handled then: so it is asked again, as often as
/// libbpf does. <https://github.com/torvalds/linux/blob/v6.12/kernel/bpf/verifier.c> (`do_check`)
///
/// # Errors
/// When it refuses.
pub fn load(program: &Program<'_>) -> io::Result<OwnedFd> {
    const TRIES: u32 = 5;
    let is_broken_off = |error: &io::Error| error.raw_os_error() == Some(libc::EAGAIN);
    let mut loaded = try_load(program);
    for _ in 1..TRIES {
        if !loaded.as_ref().is_err_and(is_broken_off) {
            break;
        }
        loaded = try_load(program);
    }
    loaded
}

fn try_load(program: &Program<'_>) -> io::Result<OwnedFd> {
    let mut name = [0; 16];
    let kept = program.name.len().min(15);
    name[..kept].copy_from_slice(&program.name.as_bytes()[..kept]);
    let (functions, record) = program.functions;
    let load = Load {
        kind: KPROBE,
        instructions: program.instructions.len() as u32,
        instruction: program.instructions.as_ptr() as u64,
        license: program.license.as_ptr() as u64,
        name,
        attach_type: MULTI,
        btf: program.btf.as_raw_fd().cast_unsigned(),
        function_bytes: record as u32,
        function: functions.as_ptr() as u64,
        functions: functions.len().checked_div(record).unwrap_or(0) as u32,
        ..Load::default()
    };
    // SAFETY: all that the attributes point at is borrowed by `program`, which outlives the call.
    unsafe { bpf(PROG_LOAD, &load) }
}

/// Sets breakpoints at places of a file, for one process; `returns` is where the functions that begin there return to.
///
/// # Errors
/// `ESRCH` when the process has ended; else when the kernel refuses.
pub fn attach(
    program: BorrowedFd<'_>,
    path: &CStr,
    offsets: &[u64],
    returns: bool,
    pid: u32,
) -> io::Result<OwnedFd> {
    let link = PerfLink {
        program: program.as_raw_fd().cast_unsigned(),
        attach_type: MULTI,
        path: path.as_ptr() as u64,
        offsets: offsets.as_ptr() as u64,
        count: offsets.len() as u32,
        flags: if returns { RETURN } else { 0 },
        pid,
        ..PerfLink::default()
    };
    // SAFETY: `path` ends with a zero, there are `count` offsets, and both outlive the call.
    unsafe { bpf(LINK_CREATE, &link) }
}

/// Whether the kernel has these links, and whether they are for processes: before 6.10 they were for single threads. One
/// that knows processes compares their number before it compares the file.
/// <https://github.com/torvalds/linux/blob/v6.12/kernel/trace/bpf_trace.c#L3360>
#[must_use]
pub fn are_for_processes(program: BorrowedFd<'_>) -> bool {
    let refused = |pid| attach(program, c"/", &[0], false, pid).err().and_then(|error| error.raw_os_error());
    (refused(0), refused(u32::MAX)) == (Some(libc::EBADF), Some(libc::EINVAL))
}

/// # Safety
/// The attributes must be the command's, and point at what may be read.
unsafe fn bpf<T>(command: libc::c_long, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: the caller's; the kernel only reads attributes of these commands.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    let fd = i32::try_from(fd).ok().filter(|&fd| fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: a new descriptor, which the kernel closes at an exec, and which nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
