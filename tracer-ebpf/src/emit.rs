//! Reserve, submit, and count what became of each hit.

use core::arch::asm;

use aya_ebpf::helpers::generated::{
    bpf_get_prandom_u32, bpf_get_smp_processor_id, bpf_ktime_get_ns, bpf_ringbuf_output,
};
use aya_ebpf::maps::HashMap;
use tracer_common::control::{self, Control};
use tracer_common::counters::{Counters, Part, Probe, RunEnd};
use tracer_common::event::Header;

use crate::config::RING_WATERMARK;
use crate::maps::{CONTROL, COUNTERS, EVENTS};
use crate::narrow::low;
use crate::task::Task;

/// `BPF_RB_NO_WAKEUP`: the reader polls by itself, every few milliseconds.
const NO_WAKEUP: u64 = 1;
/// `BPF_RB_FORCE_WAKEUP`
const FORCE_WAKEUP: u64 = 2;
/// `BPF_RB_AVAIL_DATA`
const AVAILABLE: u64 = 0;
/// `BPF_NOEXIST`
pub const NO_EXIST: u64 = 1;
/// Two programs insert the same new key at once: one gets this error.
const EEXIST: i32 = -17;
/// The map is full.
const E2BIG: i32 = -7;
/// The map is full, said by maps that allocate.
const ENOMEM: i32 = -12;

/// Where a hit ends: the place of its counter after `hits` in [`Counters`]. A number rather than an enum, since it
/// may take a detour through a map.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Outcome(pub u32);

impl Outcome {
    /// Nothing of ours.
    pub const FILTERED: Self = Self(1);
    /// Sent as one event.
    pub const EMITTED: Self = Self(2);
    /// Added to a row.
    pub const AGGREGATED: Self = Self(3);
    /// Lost: no room in the ring buffer.
    pub const RING_FULL: Self = Self(4);
    /// Lost: no room in a map.
    pub const MAP_FULL: Self = Self(5);
    /// Lost: a map's bucket was locked by the program that this one interrupted.
    pub const MAP_BUSY: Self = Self(6);

    /// What a failed insertion means.
    #[inline(always)]
    pub fn refused(error: i32) -> Self {
        if error == E2BIG || error == ENOMEM { Self::MAP_FULL } else { Self::MAP_BUSY }
    }

    /// Its counter; the mask shows the verifier that it lies inside.
    #[inline(always)]
    fn counter(self, counters: *mut Counters) -> *mut u64 {
        const _: () = assert!(size_of::<Counters>() > 7 * size_of::<u64>());
        // SAFETY: at most the eighth word of more.
        unsafe { counters.cast::<u64>().add(self.0 as usize & 7) }
    }
}

/// Runs a probe's body, if tracing is on, and counts its hit and where it ended.
///
/// The kernel never lets a BTF tracepoint or perf program run twice at once on a CPU, so that plain additions do.
#[inline(always)]
pub fn counted(probe: Probe, body: impl FnOnce(&'static Control) -> Outcome) -> i32 {
    let Some(control) = CONTROL.get(0) else { return 0 };
    if control.running == 0 {
        return 0;
    }
    let Some(counters) = COUNTERS.get_ptr_mut(probe as u32) else { return 0 };
    // SAFETY: this CPU's counters of this probe: no other code touches them now.
    unsafe { (*counters).hits += 1 };
    start_timing(counters);
    let outcome = body(control);
    // SAFETY: this CPU's counters of this probe, which does not interrupt itself.
    unsafe { *outcome.counter(counters) += 1 };
    stop_timing(counters, outcome);
    0
}

/// Counts a hit that was lost in a part of its probe's, too.
///
/// # Safety
/// `part` must be a part of this CPU's entry of a probe that does not interrupt itself.
#[inline(always)]
pub unsafe fn count_loss(part: *mut Part, outcome: Outcome) {
    // SAFETY: the caller's.
    unsafe {
        match outcome {
            Outcome::RING_FULL => (*part).lost_ring_full += 1,
            Outcome::MAP_FULL => (*part).lost_map_full += 1,
            Outcome::MAP_BUSY => (*part).lost_map_busy += 1,
            _ => {}
        }
    }
}

/// Notes when this run began, if it is one of those that are timed. The kernel's own count of run times would cost every
/// run of every BPF program of the machine more than a filter does.
#[inline(always)]
fn start_timing(counters: *mut Counters) {
    // SAFETY: callers pass this CPU's entry. Another run of a uprobe's program may come between: one of them is then
    // not timed, or for too long.
    let counters = unsafe { &mut *counters };
    if counters.hits >= counters.time.due {
        let began: *mut u64 = &raw mut counters.time.began_ns;
        // SAFETY: a field of this CPU's entry. Volatile, so that the verifier follows one state for runs that are timed and all others.
        unsafe { began.write_volatile(now()) };
    }
}

#[inline(always)]
fn stop_timing(counters: *mut Counters, outcome: Outcome) {
    // SAFETY: callers pass this CPU's entry, and only its plain words are read and written.
    unsafe {
        if (&raw const (*counters).time.began_ns).read_volatile() != 0 {
            let now_ns = now();
            let end = RunEnd {
                now_ns,
                clock_ns: now() - now_ns,
                hits: (&raw const (*counters).hits).read_volatile(),
                filtered: outcome == Outcome::FILTERED,
            };
            (*counters).time.stop(end, bpf_get_prandom_u32());
        }
    }
}

/// [`counted`] for a uprobe, which may be preempted by another thread's run of the same program.
#[inline(always)]
pub fn counted_preemptible(probe: Probe, body: impl FnOnce(&'static Control) -> Outcome) {
    let Some(control) = CONTROL.get(0) else { return };
    if control.running == 0 {
        return;
    }
    let Some(counters) = COUNTERS.get_ptr_mut(probe as u32) else { return };
    // SAFETY: a counter of this CPU's entry.
    add(unsafe { &raw mut (*counters).hits }, 1);
    start_timing(counters);
    let outcome = body(control);
    add(outcome.counter(counters), 1);
    stop_timing(counters, outcome);
}

/// Adds to a counter that another run of the program may be adding to.
#[inline(always)]
pub fn add(counter: *mut u64, amount: u64) {
    // The precompiled `core` of this target has no atomic additions; the machine does.
    // SAFETY: callers pass an aligned word of a map's value.
    unsafe { asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) counter, in(reg) amount) };
}

/// Replaces a word that another CPU may be changing, unless it is not `was` any more: whether it has done so.
#[inline(always)]
pub fn replace(word: *mut u64, was: u64, new: u64) -> bool {
    #[cfg(target_arch = "bpf")]
    {
        let mut found = was;
        // SAFETY: callers pass an aligned word of a map's value.
        unsafe { asm!("r0 = cmpxchg_64({0} + 0, r0, {1})", in(reg) word, in(reg) new, inout("r0") found) };
        found == was
    }
    // Clippy compiles this crate for the host, which has no such register.
    #[cfg(not(target_arch = "bpf"))]
    {
        use core::sync::atomic::{AtomicU64, Ordering};
        // SAFETY: as above.
        let word = unsafe { AtomicU64::from_ptr(word) };
        word.compare_exchange(was, new, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

/// Takes what one run of a program at a time may have; false if another run has it.
#[inline(always)]
pub fn claim(busy: *mut u64) -> bool {
    let mut was = 1_u64;
    // SAFETY: callers pass an aligned word of a map's value.
    unsafe { asm!("{0} = xchg_64({1} + 0, {0})", inout(reg) was, in(reg) busy) };
    was == 0
}

/// Gives it back.
#[inline(always)]
pub fn release(busy: *mut u64) {
    // SAFETY: as in `claim`.
    unsafe { busy.write_volatile(0) };
}

/// The header of an event of the thread that runs now.
#[inline(always)]
pub fn header(kind: u32, bytes: usize, at_ns: u64, task: Task) -> Header {
    Header { kind, bytes: low(bytes as u64), at_ns, pid: task.pid(), tid: task.tid() }
}

/// Nanoseconds of `CLOCK_MONOTONIC`.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: always callable.
    unsafe { bpf_ktime_get_ns() }
}

/// Sends one event that is built in place.
#[inline(always)]
pub fn send<T: 'static>(fill: impl FnOnce(*mut T)) -> Outcome {
    let Some(mut entry) = EVENTS.reserve::<T>(0) else { return Outcome::RING_FULL };
    fill(entry.as_mut_ptr());
    entry.submit(wakeup());
    Outcome::EMITTED
}

/// Sends one event that the reader should not let wait.
#[inline(always)]
pub fn send_urgent<T: 'static>(fill: impl FnOnce(*mut T)) -> Outcome {
    let Some(mut entry) = EVENTS.reserve::<T>(0) else { return Outcome::RING_FULL };
    fill(entry.as_mut_ptr());
    entry.submit(FORCE_WAKEUP);
    Outcome::EMITTED
}

/// Sends a record of a length that is known only now, and counts it under the records' own law.
///
/// # Safety
/// `bytes` bytes at `record` must be readable, in a way that the verifier can follow.
#[inline(always)]
pub unsafe fn send_record(probe: u32, record: *const u8, bytes: u64) -> bool {
    let Some(counters) = COUNTERS.get_ptr_mut(probe) else { return false };
    let ring = (&raw const EVENTS).cast_mut().cast();
    // SAFETY: the caller's.
    let sent = unsafe { bpf_ringbuf_output(ring, record.cast_mut().cast(), bytes, wakeup()) } == 0;
    // SAFETY: an entry of this CPU.
    unsafe {
        add(&raw mut (*counters).records_tried, 1);
        if !sent {
            add(&raw mut (*counters).records_lost, 1);
        }
    }
    sent
}

/// A wake-up costs more than an event: the reader polls by itself, unless the buffer fills.
#[inline(always)]
fn wakeup() -> u64 {
    if EVENTS.query(AVAILABLE) > u64::from(RING_WATERMARK.load()) { FORCE_WAKEUP } else { NO_WAKEUP }
}

/// What keys of aggregates carry now and here.
#[inline(always)]
pub fn slice(control: &Control) -> u32 {
    // SAFETY: always callable; a probe stays on its CPU.
    control::slice(control.epoch, unsafe { bpf_get_smp_processor_id() })
}

/// A row of an aggregate, made of `zero` at its first sight; `fresh` is called with it.
#[inline(always)]
pub fn row<K, V>(map: &HashMap<K, V>, key: &K, zero: &V) -> Result<(*mut V, bool), Outcome> {
    if let Some(row) = map.get_ptr_mut(key) {
        return Ok((row, false));
    }
    match map.insert(key, zero, NO_EXIST) {
        Ok(()) | Err(EEXIST) => {}
        Err(error) => return Err(Outcome::refused(error)),
    }
    map.get_ptr_mut(key).map(|row| (row, true)).ok_or(Outcome::MAP_BUSY)
}
