//! The only reader of `struct task_struct`.

use aya_ebpf::bindings::{pt_regs, task_struct};
use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_task_pt_regs};
use tracer_common::target::Target;

use crate::kernel::{self, Typed, field};
use crate::maps::TARGETS;

/// A thread, as the kernel sees it.
#[derive(Clone, Copy)]
pub struct Task(Typed);

impl Task {
    /// # Safety
    /// `task` must be an argument of a BTF tracepoint whose prototype says `struct task_struct *`.
    #[inline(always)]
    pub unsafe fn new(task: Typed) -> Self {
        Self(task)
    }

    /// The thread that runs now.
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: always there.
        Self(unsafe { bpf_get_current_task_btf() }.cast())
    }

    /// Its process.
    #[inline(always)]
    pub fn pid(self) -> u32 {
        // SAFETY: `self.0` is typed, here and in all methods.
        unsafe { field(self.0, &kernel::TASK_TGID) }
    }

    /// Itself.
    #[inline(always)]
    pub fn tid(self) -> u32 {
        // SAFETY: typed.
        unsafe { field(self.0, &kernel::TASK_PID) }
    }

    /// 15 bytes and a NUL, loaded as words: the verifier knows an array of `char` by any aligned width.
    #[inline(always)]
    pub fn comm(self) -> [u8; 16] {
        // SAFETY: typed.
        let words: [u64; 2] = unsafe {
            let start = self.0.cast::<u8>().add(kernel::TASK_COMM.load() as usize).cast::<u64>();
            [core::ptr::read_volatile(start), core::ptr::read_volatile(start.add(1))]
        };
        // SAFETY: both are 16 plain bytes.
        unsafe { core::mem::transmute(words) }
    }

    /// What `pthread_self` returns on x86-64 with glibc and musl.
    #[inline(always)]
    pub fn fsbase(self) -> u64 {
        // SAFETY: typed.
        unsafe { field(self.0, &kernel::TASK_FSBASE) }
    }

    /// Voluntary switches; at `sched_switch` the one in progress has been counted.
    /// <https://github.com/torvalds/linux/blob/v6.12/kernel/sched/core.c#L6680>
    #[inline(always)]
    pub fn voluntary_switches(self) -> u64 {
        // SAFETY: typed.
        unsafe { field(self.0, &kernel::TASK_NVCSW) }
    }

    /// Nanoseconds of `CLOCK_MONOTONIC`.
    #[inline(always)]
    pub fn start_time(self) -> u64 {
        // SAFETY: typed.
        unsafe { field(self.0, &kernel::TASK_START_TIME) }
    }

    /// It runs no more user code, and its memory is gone.
    #[inline(always)]
    pub fn is_dead(self) -> bool {
        // SAFETY: typed.
        unsafe { field::<u32>(self.0, &kernel::TASK_EXIT_STATE) != 0 }
    }

    /// As wait(2) will have it, once the last thread ends.
    #[inline(always)]
    pub fn wait_status(self) -> u32 {
        // SAFETY: typed, and `signal` is.
        unsafe {
            let signal: Typed = field(self.0, &kernel::TASK_SIGNAL);
            match field::<u32>(signal, &kernel::SIGNAL_GROUP_EXIT_CODE) {
                0 => field(self.0, &kernel::TASK_EXIT_CODE),
                code => code,
            }
        }
    }

    /// No other thread of its process is left.
    #[inline(always)]
    pub fn is_last_thread(self) -> bool {
        // SAFETY: typed, and `signal` is.
        unsafe {
            let signal: Typed = field(self.0, &kernel::TASK_SIGNAL);
            field::<u32>(signal, &kernel::SIGNAL_LIVE) == 0
        }
    }

    /// Process of its parent.
    #[inline(always)]
    pub fn parent_pid(self) -> u32 {
        // SAFETY: typed, and `real_parent` is.
        unsafe { field(field::<Typed>(self.0, &kernel::TASK_REAL_PARENT), &kernel::TASK_TGID) }
    }

    /// Its mask blocks this signal.
    #[inline(always)]
    pub fn blocks(self, signal: u32) -> bool {
        // SAFETY: typed.
        let mask: u64 = unsafe { field(self.0, &kernel::TASK_BLOCKED) };
        mask >> (signal.wrapping_sub(1) & 63) & 1 == 1
    }

    /// It has let go of its memory: it is on its way out, and runs no more Python.
    #[inline(always)]
    pub fn is_leaving(self) -> bool {
        // SAFETY: typed.
        unsafe { field::<Typed>(self.0, &kernel::TASK_MM) }.is_null()
    }

    /// Where the command line lies in its memory: start and end.
    #[inline(always)]
    pub fn arguments(self) -> (u64, u64) {
        // SAFETY: typed, and `mm` is.
        unsafe {
            let mm: Typed = field(self.0, &kernel::TASK_MM);
            (field(mm, &kernel::MM_ARG_START), field(mm, &kernel::MM_ARG_END))
        }
    }

    /// `files_struct`
    #[inline(always)]
    pub fn files(self) -> Typed {
        // SAFETY: typed.
        unsafe { field(self.0, &kernel::TASK_FILES) }
    }

    /// Dentry and mount of its root directory.
    #[inline(always)]
    pub fn root(self) -> (u64, u64) {
        // SAFETY: typed, and `fs` is.
        unsafe {
            let fs: Typed = field(self.0, &kernel::TASK_FS);
            (field(fs, &kernel::FS_ROOT_DENTRY), field(fs, &kernel::FS_ROOT_MNT))
        }
    }

    /// The registers with which it last entered the kernel.
    #[inline(always)]
    pub fn registers(self) -> Registers {
        // SAFETY: typed as the helper wants it (5.15).
        Registers(unsafe { bpf_task_pt_regs(self.0.cast_mut().cast::<task_struct>()) as *const pt_regs })
    }

    /// How its process is traced, if it is.
    #[inline(always)]
    pub fn target(self) -> Option<&'static Target> {
        target(self.pid())
    }
}

/// How a process is traced, if it is.
#[inline(always)]
pub fn target(pid: u32) -> Option<&'static Target> {
    if pid == 0 {
        return None; // the idle task
    }
    // SAFETY: entries are preallocated, so that the memory outlives this program's run.
    TARGETS.get_ptr(pid).map(|target| unsafe { &*target })
}

/// Registers at the entry into the kernel.
#[derive(Clone, Copy)]
pub struct Registers(*const pt_regs);

impl Registers {
    /// # Safety
    /// `registers` must be an argument of a BTF tracepoint whose prototype says `struct pt_regs *`.
    #[inline(always)]
    pub unsafe fn new(registers: *const pt_regs) -> Self {
        Self(registers)
    }

    /// The system call's number; -1 when it is none: an interrupt, or a fault.
    #[inline(always)]
    pub fn syscall(self) -> i64 {
        // SAFETY: typed: the verifier follows `pt_regs`; here and below.
        unsafe { (*self.0).orig_rax as i64 }
    }

    /// First argument.
    #[inline(always)]
    pub fn first(self) -> u64 {
        // SAFETY: typed.
        unsafe { (*self.0).rdi }
    }

    /// Second argument.
    #[inline(always)]
    pub fn second(self) -> u64 {
        // SAFETY: typed.
        unsafe { (*self.0).rsi }
    }

    /// Third argument.
    #[inline(always)]
    pub fn third(self) -> u64 {
        // SAFETY: typed.
        unsafe { (*self.0).rdx }
    }

    /// Fourth argument.
    #[inline(always)]
    pub fn fourth(self) -> u64 {
        // SAFETY: typed.
        unsafe { (*self.0).r10 }
    }

    /// What the system call returns, when it has run.
    #[inline(always)]
    pub fn result(self) -> i64 {
        // SAFETY: typed.
        unsafe { (*self.0).rax as i64 }
    }
}
