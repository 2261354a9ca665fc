//! Loads from kernel memory: where the fields lie comes from the running kernel's BTF, by `.rodata`.

use core::ffi::c_void;
use core::mem::MaybeUninit;

use aya_ebpf::Global;
use aya_ebpf::helpers::generated::{bpf_get_current_task, bpf_probe_read_kernel};

use crate::config::{CFS_RQ_RQ, HAS_RDONLY_CAST, RQ_PREEMPT_COUNT, TASK_CFS_RQ, WORD_TYPE};
use crate::narrow::low;

macro_rules! declare {
    ($($name:ident = $struct:ident . $path:literal;)*) => { $(
        #[doc = concat!("Offset of `", stringify!($struct), ".", $path, "`.")]
        #[unsafe(no_mangle)]
        pub static $name: Global<u32> = Global::new(0);
    )* };
}
tracer_common::kernel_fields!(declare);

/// A pointer whose type the verifier knows.
pub type Typed = *const c_void;

/// Loads a field straight through a typed pointer: no helper call, and the kernel's fault table catches a bad
/// pointer. The verifier checks that `T` is as wide as the field.
///
/// # Safety
/// `base` must be a pointer that the verifier knows the BTF type of.
#[inline(always)]
pub unsafe fn field<T: Copy>(base: Typed, offset: &Global<u32>) -> T {
    // SAFETY: the verifier rejects a load outside the struct; a fault reads as 0.
    unsafe { core::ptr::read_volatile(base.cast::<u8>().add(offset.load() as usize).cast::<T>()) }
}

/// Copies a value from an address that is only a number to the verifier; `None` where it is not mapped.
#[expect(clippy::cast_possible_truncation, reason = "it fits on the stack")]
#[inline(always)]
pub fn copied<T: Copy>(address: u64) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper checks the address, and fills `value` whole or fails.
    let failed = unsafe {
        bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, address as *const _)
    };
    // SAFETY: filled, since the helper did not fail.
    (failed == 0).then(|| unsafe { value.assume_init() })
}

/// A word at a plain address; 0 where nothing is mapped. A helper is called only where there is no cast.
#[inline(always)]
pub fn load(address: u64) -> u64 {
    if HAS_RDONLY_CAST.load() == 0 {
        return copied(address).unwrap_or(0);
    }
    // SAFETY: as just checked.
    unsafe { load_cast(address) }
}

/// The same where a helper is never needed, for programs that have no stack to spare.
///
/// # Safety
/// Only with `HAS_RDONLY_CAST`.
#[inline(always)]
pub unsafe fn load_cast(address: u64) -> u64 {
    // SAFETY: the caller's; the loader has checked that the type begins with a word.
    unsafe { core::ptr::read_volatile(cast(address, &WORD_TYPE).cast()) }
}

/// Half a word, likewise.
#[inline(always)]
pub fn load_half(address: u64) -> u32 {
    low(load(address & !7) >> (8 * (address & 4)))
}

/// A field of a struct at a plain address; 0 where nothing is mapped.
#[inline(always)]
pub fn word(base: u64, offset: &Global<u32>) -> u64 {
    load(base + u64::from(offset.load()))
}

/// `__preempt_count`, the interrupts that this CPU is in; 0 where it is not known.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/preempt.h#L36>
#[inline(always)]
pub fn preempt_count() -> u32 {
    if TASK_CFS_RQ.load() == 0 {
        return 0;
    }
    // SAFETY: always there.
    let task = unsafe { bpf_get_current_task() };
    let run_queue = word(word(task, &TASK_CFS_RQ), &CFS_RQ_RQ);
    load_half(run_queue.wrapping_add_signed(i64::from(RQ_PREEMPT_COUNT.load().cast_signed())))
}

/// A plain address seen as a struct, whose BTF id is `id`, by the kernel function `bpf_rdonly_cast`.
///
/// aya knows no kernel functions: this calls a helper number that does not exist, and the loader rewrites the
/// instruction. The verifier turns the call into a move.
/// <https://github.com/torvalds/linux/blob/v6.12/kernel/bpf/helpers.c#L2581>
///
/// # Safety
/// Only with `HAS_RDONLY_CAST`: elsewhere the verifier refuses the unknown helper.
#[inline(always)]
pub unsafe fn cast(address: u64, id: &Global<u32>) -> Typed {
    // SAFETY: what the number calls after the loader's rewrite has this signature.
    let rdonly_cast: unsafe extern "C" fn(u64, u64) -> Typed =
        unsafe { core::mem::transmute(tracer_common::control::RDONLY_CAST_PLACEHOLDER as usize) };
    // SAFETY: any address may be cast; loads through the result are checked.
    unsafe { rdonly_cast(address, u64::from(id.load())) }
}
