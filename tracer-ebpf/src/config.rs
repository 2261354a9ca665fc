//! What user space decides before the load: frozen `.rodata`, which the verifier sees as constants, so that the
//! branches of other kernels are not even verified.

use aya_ebpf::Global;

/// Frames that are kept of a stack.
#[unsafe(no_mangle)]
pub static DEPTH: Global<u32> = Global::new(128);
/// Fill of the ring buffer, in bytes, above which an event wakes the reader at once.
#[unsafe(no_mangle)]
pub static RING_WATERMARK: Global<u32> = Global::new(1 << 20);
/// 1 where the kernel has `bpf_rdonly_cast` (6.2) and the loader has patched its calls in.
#[unsafe(no_mangle)]
pub static HAS_RDONLY_CAST: Global<u32> = Global::new(0);
/// BTF id of `struct kiocb`, whose first member is a `struct file *`.
#[unsafe(no_mangle)]
pub static KIOCB_TYPE: Global<u32> = Global::new(0);
/// BTF id of `struct timespec64`, which begins with a word.
#[unsafe(no_mangle)]
pub static WORD_TYPE: Global<u32> = Global::new(0);
/// Address of two words of the tracer's own memory. Not 0 before that is set: the compiler would let it share its place
/// with the constant from which new rows take their 0.
#[unsafe(no_mangle)]
pub static WITNESS: Global<u64> = Global::new(u64::MAX);
/// Physical address after the last of the memory.
#[unsafe(no_mangle)]
pub static MEMORY_END: Global<u64> = Global::new(u64::MAX);
/// BTF id of `struct task_struct`.
#[unsafe(no_mangle)]
pub static TASK_TYPE: Global<u32> = Global::new(0);
/// Offset of `task_struct.se.cfs_rq`, and so on to the preemption counter of the CPU; 0 where that is not known.
#[unsafe(no_mangle)]
pub static TASK_CFS_RQ: Global<u32> = Global::new(0);
/// Offset of `cfs_rq.rq`.
#[unsafe(no_mangle)]
pub static CFS_RQ_RQ: Global<u32> = Global::new(0);
/// Distance from a CPU's `runqueues` to its `__preempt_count`: a signed number.
#[unsafe(no_mangle)]
pub static RQ_PREEMPT_COUNT: Global<u32> = Global::new(0);
/// Which argument of `sched_switch` is `prev_state`; 0 where it has none (before 5.18).
#[unsafe(no_mangle)]
pub static PREV_STATE_ARGUMENT: Global<u32> = Global::new(3);
/// Offset of the byte that begins with, or holds, `sock.sk_userlocks`, and the bit of that where it begins.
#[unsafe(no_mangle)]
pub static SOCK_USERLOCKS: Global<u32> = Global::new(0);
/// See there.
#[unsafe(no_mangle)]
pub static SOCK_USERLOCKS_BIT: Global<u32> = Global::new(0);
/// Offset of `unix_sock.addr`; 0 where Unix sockets are a module, whose types are not known.
#[unsafe(no_mangle)]
pub static UNIX_ADDRESS: Global<u32> = Global::new(0);
/// Offset of `unix_sock.peer`.
#[unsafe(no_mangle)]
pub static UNIX_PEER: Global<u32> = Global::new(0);
/// Offset of `unix_address.name`.
#[unsafe(no_mangle)]
pub static UNIX_NAME: Global<u32> = Global::new(0);
