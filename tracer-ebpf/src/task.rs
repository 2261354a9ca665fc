//! The only reader of `struct task_struct`.

use core::arch::asm;

use aya_ebpf::bindings::{pt_regs, task_struct};
use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_task_pt_regs};
use tracer_common::control::Control;
use tracer_common::target::{Target, place};
use tracer_common::task::TaskId;
use tracer_common::wakeup::EXIT;

use crate::config::{HAS_RDONLY_CAST, TASK_TYPE};
use crate::kernel::{self, Typed, cast, field, load};
use crate::maps::{TARGETS, TRACED};
use crate::number;
use crate::registers::Registers;

/// Places in `signal_struct.pids`: <https://github.com/torvalds/linux/blob/v6.12/include/linux/pid_types.h#L5>
const PIDTYPE_PGID: u64 = 2;
const PIDTYPE_SID: u64 = 3;

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

    /// As the kernel has it.
    #[inline(always)]
    pub fn typed(self) -> Typed {
        self.0
    }

    /// The thread that runs now.
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: always there.
        Self(unsafe { bpf_get_current_task_btf() }.cast())
    }

    /// To reach what it points at. The verifier searches all of the kernel's types, several times, for each pointer
    /// that is loaded from a trusted one; by a cast one it loads pointers without.
    /// <https://github.com/torvalds/linux/blob/v6.12/kernel/bpf/verifier.c#L6581>
    #[inline(always)]
    fn reach(self) -> Typed {
        if HAS_RDONLY_CAST.load() == 0 {
            return self.0; // before 6.2 there is no search
        }
        // SAFETY: as just checked.
        unsafe { cast(self.0 as u64, &TASK_TYPE) }
    }

    /// Its process, as the initial pid namespace numbers it: what maps and rows are keyed by.
    #[inline(always)]
    pub fn pid(self) -> u32 {
        // SAFETY: the verifier knows the pointer as a `task_struct`, and checks the load.
        unsafe { field(self.0, &kernel::TASK_TGID) }
    }

    /// Itself, likewise.
    #[inline(always)]
    pub fn tid(self) -> u32 {
        // SAFETY: the verifier knows the pointer as a `task_struct`, and checks the load.
        unsafe { field(self.0, &kernel::TASK_PID) }
    }

    /// 15 bytes and a NUL, loaded as words: the verifier knows an array of `char` by any aligned width.
    #[inline(always)]
    pub fn comm(self) -> [u8; 16] {
        // SAFETY: the verifier knows the pointer as a `task_struct`, and checks the load.
        let words: [u64; 2] = unsafe {
            let start = self.0.cast::<u8>().add(kernel::TASK_COMM.load() as usize).cast::<u64>();
            [core::ptr::read_volatile(start), core::ptr::read_volatile(start.add(1))]
        };
        // SAFETY: both are 16 plain bytes.
        unsafe { core::mem::transmute(words) }
    }

    /// The system call that it is in by its own will; -1 for none. A thread on its way out is in `exit_group`.
    /// <https://github.com/torvalds/linux/blob/v6.12/include/linux/sched.h#L1674>
    #[inline(always)]
    pub fn own_call(self) -> i32 {
        const PF_EXITING: u32 = 0x4;
        /// `PF_KTHREAD`, `PF_IO_WORKER`, `PF_USER_WORKER`: their registers are of no program.
        const PF_KERNELS_OWN: u32 = 0x0020_0000 | 0x10 | 0x4000;
        // SAFETY: the verifier knows the pointer as a `task_struct`, and checks the load.
        let flags: u32 = unsafe { field(self.0, &kernel::TASK_FLAGS) };
        if flags & PF_KERNELS_OWN != 0 {
            -1
        } else if flags & PF_EXITING != 0 {
            EXIT
        } else {
            self.registers().call()
        }
    }

    /// It runs, on whatever CPU.
    #[inline(always)]
    pub fn is_on_cpu(self) -> bool {
        // An int, and since 7.x a byte in its place: 0 or 1, whose lowest byte comes first.
        // SAFETY: the verifier knows the pointer as a `task_struct`, and checks the load.
        let on_cpu: u8 = unsafe { field(self.0, &kernel::TASK_ON_CPU) };
        on_cpu != 0
    }

    /// What `pthread_self` returns on x86-64 with glibc and musl.
    #[inline(always)]
    pub fn fsbase(self) -> u64 {
        // SAFETY: the verifier knows the pointer as a `task_struct`, and checks the load.
        unsafe { field(self.0, &kernel::TASK_FSBASE) }
    }

    /// Voluntary switches; at `sched_switch` the one in progress has been counted.
    /// <https://github.com/torvalds/linux/blob/v6.12/kernel/sched/core.c#L6680>
    #[inline(always)]
    pub fn voluntary_switches(self) -> u64 {
        // SAFETY: the verifier knows the pointer as a `task_struct`, and checks the load.
        unsafe { field(self.0, &kernel::TASK_NVCSW) }
    }

    /// Involuntary ones, likewise.
    #[inline(always)]
    pub fn involuntary_switches(self) -> u64 {
        // SAFETY: the verifier knows the pointer as a `task_struct`, and checks the load.
        unsafe { field(self.0, &kernel::TASK_NIVCSW) }
    }

    /// Nanoseconds that it has been on a CPU.
    #[inline(always)]
    pub fn cpu_time(self) -> u64 {
        // SAFETY: the verifier knows the pointer as a `task_struct`, and checks the load.
        unsafe { field(self.0, &kernel::TASK_CPU_TIME) }
    }

    /// Nanoseconds of `CLOCK_MONOTONIC`.
    #[inline(always)]
    pub fn start_time(self) -> u64 {
        // SAFETY: the verifier knows the pointer as a `task_struct`, and checks the load.
        unsafe { field(self.0, &kernel::TASK_START_TIME) }
    }

    /// It runs no more user code, and its memory is gone.
    #[inline(always)]
    pub fn is_dead(self) -> bool {
        // SAFETY: the verifier knows the pointer as a `task_struct`, and checks the load.
        unsafe { field::<u32>(self.0, &kernel::TASK_EXIT_STATE) != 0 }
    }

    /// What its process shares with none, until the kernel has let go of it: a pid may be another's before that.
    #[inline(always)]
    pub fn life(self) -> u64 {
        // SAFETY: the verifier knows the pointer as a `task_struct`, and checks the load.
        unsafe { field(self.reach(), &kernel::TASK_SIGNAL) }
    }

    /// As wait(2) will have it, once the last thread ends.
    #[inline(always)]
    pub fn wait_status(self) -> u32 {
        // SAFETY: the verifier knows the pointers as a `task_struct` and a `signal_struct`, and checks the loads.
        unsafe {
            let signal: Typed = field(self.reach(), &kernel::TASK_SIGNAL);
            match field::<u32>(signal, &kernel::SIGNAL_GROUP_EXIT_CODE) {
                0 => field(self.0, &kernel::TASK_EXIT_CODE),
                code => code,
            }
        }
    }

    /// No other thread of its process is left.
    #[inline(always)]
    pub fn is_last_thread(self) -> bool {
        self.threads() == 0
    }

    /// Threads of its process that have not begun to end.
    #[inline(always)]
    pub fn threads(self) -> u32 {
        // SAFETY: the verifier knows the pointers as a `task_struct` and a `signal_struct`, and checks the loads.
        unsafe {
            let signal: Typed = field(self.reach(), &kernel::TASK_SIGNAL);
            field(signal, &kernel::SIGNAL_LIVE)
        }
    }

    /// Its process group, as the tracer's pid namespace numbers it.
    #[inline(always)]
    pub fn group(self, control: &Control) -> u32 {
        self.shared_id(PIDTYPE_PGID, control)
    }

    /// Its session, likewise.
    #[inline(always)]
    pub fn session(self, control: &Control) -> u32 {
        self.shared_id(PIDTYPE_SID, control)
    }

    /// What its process shares with others.
    #[inline(always)]
    fn shared_id(self, which: u64, control: &Control) -> u32 {
        let ids = load(self.life() + u64::from(kernel::SIGNAL_PIDS.load()) + 8 * which);
        number::Namespace::of_tracer(control).number_in(ids)
    }

    /// The kernel chose it as the one to die because memory ran out.
    /// <https://github.com/torvalds/linux/blob/v6.12/mm/oom_kill.c#L755>
    #[inline(always)]
    pub fn is_out_of_memory(self) -> bool {
        // SAFETY: the verifier knows the pointers as a `task_struct` and a `signal_struct`, and checks the loads.
        unsafe {
            !field::<Typed>(field::<Typed>(self.reach(), &kernel::TASK_SIGNAL), &kernel::SIGNAL_OOM_MM)
                .is_null()
        }
    }

    /// Its ids, as the tracer's pid namespace numbers them.
    #[inline(always)]
    pub fn shown(self, control: &Control) -> TaskId {
        if control.pid_level == 0 {
            return TaskId { pid: self.pid(), tid: self.tid() };
        }
        let tracers = number::Namespace::of_tracer(control);
        TaskId { pid: tracers.number_of_process(self.0), tid: tracers.number_of(self.0) }
    }

    /// Its process, as the innermost pid namespace of another task numbers it.
    #[inline(always)]
    pub fn pid_to(self, other: Self) -> u32 {
        number::Namespace::new(other.0).number_of_process(self.0)
    }

    /// Its parent.
    #[inline(always)]
    pub fn parent(self) -> Self {
        // SAFETY: the verifier knows the pointer as a `task_struct`, and checks the load.
        Self(unsafe { field(self.reach(), &kernel::TASK_REAL_PARENT) })
    }

    /// Its mask blocks this signal. While a thread waits in `sigtimedwait`, the kernel keeps its mask elsewhere.
    /// <https://github.com/torvalds/linux/blob/v6.12/kernel/signal.c> (`do_sigtimedwait`)
    #[inline(always)]
    pub fn blocks(self, signal: u32) -> bool {
        // SAFETY: the verifier knows the pointer as a `task_struct`, and checks the load.
        let masks: (u64, u64) =
            unsafe { (field(self.0, &kernel::TASK_BLOCKED), field(self.0, &kernel::TASK_REAL_BLOCKED)) };
        (masks.0 | masks.1) >> (signal.wrapping_sub(1) & 63) & 1 == 1
    }

    /// Signals that wait for it, and those that wait for any thread of its process: bit N - 1 is set for signal N.
    #[inline(always)]
    pub fn pending(self) -> (u64, u64) {
        // SAFETY: the verifier knows the pointers as a `task_struct` and a `signal_struct`, and checks the loads.
        unsafe {
            let signal: Typed = field(self.reach(), &kernel::TASK_SIGNAL);
            (field(self.0, &kernel::TASK_PENDING), field(signal, &kernel::SIGNAL_PENDING))
        }
    }

    /// `mm_struct`; null once it has let go of its memory.
    #[inline(always)]
    pub fn memory(self) -> Typed {
        // SAFETY: the verifier knows the pointer as a `task_struct`, and checks the load.
        unsafe { field(self.reach(), &kernel::TASK_MM) }
    }

    /// It has let go of its memory: it is on its way out, and runs no more Python.
    #[inline(always)]
    pub fn is_leaving(self) -> bool {
        self.memory().is_null()
    }

    /// Where the command line lies in its memory: start and end.
    #[inline(always)]
    pub fn arguments(self) -> (u64, u64) {
        let mm = self.memory();
        // SAFETY: the verifier knows the pointer as a `mm_struct`, and checks the loads.
        unsafe { (field(mm, &kernel::MM_ARG_START), field(mm, &kernel::MM_ARG_END)) }
    }

    /// `files_struct`
    #[inline(always)]
    pub fn files(self) -> Typed {
        // SAFETY: the verifier knows the pointer as a `task_struct`, and checks the load.
        unsafe { field(self.reach(), &kernel::TASK_FILES) }
    }

    /// Dentry and mount of its root directory.
    #[inline(always)]
    pub fn root(self) -> (u64, u64) {
        // SAFETY: the verifier knows the pointers as a `task_struct` and a `fs_struct`, and checks the loads.
        unsafe {
            let fs: Typed = field(self.reach(), &kernel::TASK_FS);
            (field(fs, &kernel::FS_ROOT_DENTRY), field(fs, &kernel::FS_ROOT_MNT))
        }
    }

    /// The registers with which it last entered the kernel.
    #[inline(always)]
    pub fn registers(self) -> Registers {
        // SAFETY: the helper takes a typed `task_struct`, which this is, and returns a typed `pt_regs` (5.15).
        unsafe { Registers::new(bpf_task_pt_regs(self.0.cast_mut().cast::<task_struct>()) as *const pt_regs) }
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
    let (word, bit) = place(pid);
    if TRACED.get(word)? & bit == 0 {
        return None;
    }
    // SAFETY: entries are preallocated, so that the memory outlives this program's run.
    TARGETS.get_ptr(pid).map(|target| unsafe { &*target })
}

/// Traces a process that is born as its parent is traced, whatever is left of another with its pid.
#[inline(always)]
pub fn trace(child: Task, parent: &Target) -> Result<(), i32> {
    let pid = child.pid();
    TARGETS.insert(pid, parent, 0)?;
    if let Some(target) = TARGETS.get_ptr_mut(pid) {
        // SAFETY: words of a preallocated entry, of a process that has not run yet.
        unsafe { ((*target).life, (*target).ended) = (child.life(), 0) };
    }
    let (word, bit) = place(pid);
    if let Some(word) = TRACED.get_ptr_mut(word) {
        // SAFETY: an aligned word of a map's value, which other CPUs change too.
        unsafe { asm!("lock *(u64 *)({0} + 0) |= {1}", in(reg) word, in(reg) bit) };
    }
    Ok(())
}

/// Forgets one that has ended.
#[inline(always)]
pub fn forget(pid: u32) {
    let (word, bit) = place(pid);
    if let Some(word) = TRACED.get_ptr_mut(word) {
        // SAFETY: an aligned word of a map's value, which other CPUs change too: so it is atomic.
        unsafe { asm!("lock *(u64 *)({0} + 0) &= {1}", in(reg) word, in(reg) !bit) };
    }
    let _ = TARGETS.remove(pid);
}
