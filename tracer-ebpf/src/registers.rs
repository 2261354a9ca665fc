//! The only reader of `struct pt_regs`.

use aya_ebpf::bindings::pt_regs;

use crate::narrow::int;

/// Errors that a system call returns inside the kernel when a signal interrupts it: `-EINTR` and `-ERESTART*`.
const INTERRUPTED: [i64; 5] = [-4, -512, -513, -514, -516];

/// Registers at the entry into the kernel.
#[derive(Clone, Copy)]
pub struct Registers(*const pt_regs);

impl Registers {
    /// # Safety
    /// The verifier must know `registers` as a `struct pt_regs *`: an argument of a BTF tracepoint whose prototype says so,
    /// or what `bpf_task_pt_regs` returns.
    #[inline(always)]
    pub unsafe fn new(registers: *const pt_regs) -> Self {
        Self(registers)
    }

    /// The system call's number; -1 when it is none: an interrupt, or a fault.
    #[inline(always)]
    pub fn syscall(self) -> i64 {
        // SAFETY: the verifier knows the pointer as a `struct pt_regs *`, and lets its fields be read.
        unsafe { (*self.0).orig_rax.cast_signed() }
    }

    /// The same as the kernel has it: an `int`.
    #[inline(always)]
    pub fn call(self) -> i32 {
        int(self.syscall().cast_unsigned())
    }

    /// First argument.
    #[inline(always)]
    pub fn first(self) -> u64 {
        // SAFETY: the verifier knows the pointer as a `struct pt_regs *`, and lets its fields be read.
        unsafe { (*self.0).rdi }
    }

    /// Second argument.
    #[inline(always)]
    pub fn second(self) -> u64 {
        // SAFETY: the verifier knows the pointer as a `struct pt_regs *`, and lets its fields be read.
        unsafe { (*self.0).rsi }
    }

    /// Third argument.
    #[inline(always)]
    pub fn third(self) -> u64 {
        // SAFETY: the verifier knows the pointer as a `struct pt_regs *`, and lets its fields be read.
        unsafe { (*self.0).rdx }
    }

    /// Fourth argument.
    #[inline(always)]
    pub fn fourth(self) -> u64 {
        // SAFETY: the verifier knows the pointer as a `struct pt_regs *`, and lets its fields be read.
        unsafe { (*self.0).r10 }
    }

    /// Fifth argument.
    #[inline(always)]
    pub fn fifth(self) -> u64 {
        // SAFETY: the verifier knows the pointer as a `struct pt_regs *`, and lets its fields be read.
        unsafe { (*self.0).r8 }
    }

    /// Where the thread's stack ends.
    #[inline(always)]
    pub fn stack_pointer(self) -> u64 {
        // SAFETY: the verifier knows the pointer as a `struct pt_regs *`, and lets its fields be read.
        unsafe { (*self.0).rsp }
    }

    /// The system call that a signal interrupts, -1 for none.
    #[inline(always)]
    pub fn interrupted(self) -> i64 {
        if self.syscall() >= 0 && INTERRUPTED.contains(&self.result()) { self.syscall() } else { -1 }
    }

    /// What the system call returns, when it has run.
    #[inline(always)]
    pub fn result(self) -> i64 {
        // SAFETY: the verifier knows the pointer as a `struct pt_regs *`, and lets its fields be read.
        unsafe { (*self.0).rax.cast_signed() }
    }
}
