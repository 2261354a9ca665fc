//! The clock of a CPU: a perf event whose interrupts run a BPF program. aya opens such events, too, but does not let
//! their period be changed.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `PERF_TYPE_SOFTWARE`, `PERF_COUNT_SW_CPU_CLOCK`, `PERF_FLAG_FD_CLOEXEC`; bits of `struct perf_event_attr`.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/perf_event.h#L388>
const SOFTWARE: u32 = 1;
const CPU_CLOCK: u64 = 0;
const CLOSE_ON_EXEC: libc::c_ulong = 8;
const DISABLED: u64 = 1;
const IS_FREQUENCY: u64 = 1 << 10;
/// `PERF_EVENT_IOC_ENABLE`, `_PERIOD`, `_SET_BPF`
const ENABLE: libc::Ioctl = 0x2400;
const SET_PERIOD: libc::Ioctl = 0x4008_2404;
const SET_PROGRAM: libc::Ioctl = 0x4004_2408;

/// The head of `struct perf_event_attr`, as its first version had it.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    frequency: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    config1: u64,
}
const _: () = assert!(size_of::<Attributes>() == 64);

/// The clock of one CPU. Closed, it runs its program no more.
pub struct Clock(OwnedFd);

impl Clock {
    /// Runs the program so often a second, whatever the CPU does.
    ///
    /// # Errors
    /// When the kernel refuses: for want of rights, or since the rate is above `kernel.perf_event_max_sample_rate`.
    pub fn start(cpu: u32, rate_hz: u32, program: BorrowedFd<'_>) -> io::Result<Self> {
        let attributes = Attributes {
            kind: SOFTWARE,
            size: size_of::<Attributes>() as u32,
            config: CPU_CLOCK,
            frequency: rate_hz.into(),
            flags: DISABLED | IS_FREQUENCY,
            ..Attributes::default()
        };
        let (every_process, no_group) = (-1, -1);
        // SAFETY: the kernel reads `size` bytes of the attributes, which outlive the call.
        let fd = unsafe {
            libc::syscall(libc::SYS_perf_event_open, &attributes, every_process, cpu, no_group, CLOSE_ON_EXEC)
        };
        let fd = i32::try_from(fd).ok().filter(|&fd| fd >= 0).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: a new descriptor, which nobody else has.
        let clock = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        // SAFETY: this request takes a descriptor, and reads no memory.
        done(unsafe { libc::ioctl(fd, SET_PROGRAM, program.as_raw_fd()) })?;
        // SAFETY: this request takes 0 for the event alone.
        done(unsafe { libc::ioctl(fd, ENABLE, 0) })?;
        Ok(clock)
    }

    /// The next run comes after so long, and every further one. The kernel keeps no frequency of this clock once it is
    /// open, only its period: <https://github.com/torvalds/linux/blob/v6.12/kernel/events/core.c#L11514>
    ///
    /// # Errors
    /// When the CPU is gone.
    pub fn set_period(&self, ns: u64) -> io::Result<()> {
        // SAFETY: the kernel reads one word, which outlives the call.
        done(unsafe { libc::ioctl(self.0.as_raw_fd(), SET_PERIOD, &ns) })
    }
}

fn done(code: libc::c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
