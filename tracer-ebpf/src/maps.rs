//! Every map, with the reason for its kind and its capacity.
//!
//! What is updated under the run-queue lock or in an interrupt is preallocated (no `BPF_F_NO_PREALLOC`, no LRU).
//! User space may change capacities at load; these are for two CPUs.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray, PerCpuHashMap, RingBuf};
use tracer_common::control::Control;
use tracer_common::counters::{Counters, Probe};
use tracer_common::handler::Place;
use tracer_common::sample::{EntryKey, SampleKey};
use tracer_common::switch::{SwitchKey, SwitchValue, Thread};
use tracer_common::syscall::{ReadKey, ReadValue, SizeKey};
use tracer_common::target::Target;

use crate::scratch::Scratch;

/// The run switch, the epoch, what is shed.
#[map]
pub static CONTROL: Array<Control> = Array::with_max_entries(1, 0);

/// What became of every hit, one entry per probe.
#[map]
pub static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(Probe::ALL.len() as u32, 0);

/// Traced processes: as many as a busy pre-forking server has, times ten.
#[map]
pub static TARGETS: HashMap<u32, Target> = HashMap::with_max_entries(8192, 0);

/// What each traced thread does now.
#[map]
pub static THREADS: HashMap<u32, Thread> = HashMap::with_max_entries(16384, 0);

/// Switches: rows of two epochs.
#[map]
pub static SWITCHES: PerCpuHashMap<SwitchKey, SwitchValue> = PerCpuHashMap::with_max_entries(16384, 0);

/// Reads: rows of two epochs. The widest value by far, hence fewer.
#[map]
pub static READS: PerCpuHashMap<ReadKey, ReadValue> = PerCpuHashMap::with_max_entries(4096, 0);

/// Sizes that found no slot in their row: few, since a row has room for 16.
#[map]
pub static READ_SIZES: PerCpuHashMap<SizeKey, u64> = PerCpuHashMap::with_max_entries(2048, 0);

/// Samples: at most the rate times two epochs new rows a second and CPU.
#[map]
pub static SAMPLES: PerCpuHashMap<SampleKey, u64> = PerCpuHashMap::with_max_entries(8192, 0);

/// Functions that the evaluation function was entered for.
#[map]
pub static ENTRIES: PerCpuHashMap<EntryKey, u64> = PerCpuHashMap::with_max_entries(4096, 0);

/// Processes whose signal handlers are watched: as many as there are file descriptors for their watchpoints.
#[map]
pub static HANDLERS: HashMap<u32, Place> = HashMap::with_max_entries(64, 0);

/// Everything that is told one by one.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(8 << 20, 0);

/// Room to put a stack, a code object or a path together, one per probe that does so, so that one may interrupt another.
#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(Probe::WITH_SCRATCH, 0);

/// Ids of stacks that have been sent, by the low bits of the id: a collision only sends one again.
#[map]
pub static SEEN_STACKS: Array<u64> = Array::with_max_entries(SEEN, 0);

/// Likewise of code objects.
#[map]
pub static SEEN_CODES: Array<u64> = Array::with_max_entries(SEEN, 0);

/// Likewise of files.
#[map]
pub static SEEN_FILES: Array<u64> = Array::with_max_entries(SEEN, 0);

/// Slots of each such cache: 128 KiB hold far more than a program's working set.
pub const SEEN: u32 = 16384;
