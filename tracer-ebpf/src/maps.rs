//! Every map, with the reason for its kind and its capacity.
//!
//! What is updated under the run-queue lock or in an interrupt is preallocated (no `BPF_F_NO_PREALLOC`, no LRU).
//! User space may change capacities at load; these are for two CPUs.

use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf};
use tracer_common::control::{Control, rows};
use tracer_common::counters::{Counters, Probe};
use tracer_common::gc::Collection;
use tracer_common::gil::{HoldKey, Pthread, Queue, QueueKey};
use tracer_common::handler::{Check, HandlerAddresses};
use tracer_common::sample::{EntryKey, SampleKey};
use tracer_common::switch::{SwitchKey, SwitchValue, Thread};
use tracer_common::syscall::{ReadKey, ReadValue, SizeKey};
use tracer_common::target::{NUMBERS, Target};
use tracer_common::turn::Loop;
use tracer_common::wakeup::WakeKey;

use crate::narrow::count;
use crate::opens::Open;
use crate::scratch::Scratch;

/// The run switch, the epoch, what is shed.
#[map]
pub static CONTROL: Array<Control> = Array::with_max_entries(1, 0);

/// What became of every hit, one entry per probe.
#[map]
pub static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(count(Probe::ALL.len()), 0);

/// Traced processes: as many as a busy pre-forking server has, times ten.
#[map]
pub static TARGETS: HashMap<u32, Target> = HashMap::with_max_entries(8192, 0);

/// The address space that a traced process made by its last exec, while user space may still be probing what it was
/// before: the oldest are forgotten. User space writes whole entries of [`TARGETS`], and never here.
#[map]
pub static EXECS: LruHashMap<u32, u64> = LruHashMap::with_max_entries(1024, 0);

/// A bit for each number that a process can have (`PID_MAX_LIMIT`), set for those in [`TARGETS`]: most runs are for
/// processes that are not traced, and a hash map would take them longer than all else. User space maps it, to set bits
/// while the probes do.
#[map]
pub static TRACED: Array<u64> = Array::with_max_entries(NUMBERS / u64::BITS, BPF_F_MMAPABLE);

/// What each traced thread does now.
#[map]
pub static THREADS: HashMap<u32, Thread> = HashMap::with_max_entries(16384, 0);

/// Switches: rows of two epochs. As all aggregates a plain map with the CPU in its keys: a per-CPU map would have room
/// for every row on every CPU, and takes long to make.
#[map]
pub static SWITCHES: HashMap<SwitchKey, SwitchValue> = HashMap::with_max_entries(rows::SWITCHES, 0);

/// Wakeups: rows of two epochs; as many as there are rows of switches, since most sleeps have one waker.
#[map]
pub static WAKEUPS: HashMap<WakeKey, u64> = HashMap::with_max_entries(rows::WAKEUPS, 0);

/// Threads that held the GIL while others waited: rows of two epochs.
#[map]
pub static HOLDS: HashMap<HoldKey, u64> = HashMap::with_max_entries(rows::HOLDS, 0);

/// Threads that wait for each GIL: of a process that is traced, and of its interpreters beside the main one.
#[map]
pub static QUEUES: HashMap<QueueKey, Queue> = HashMap::with_max_entries(8192, 0);

/// Threads as the interpreter knows them; as many as [`THREADS`].
#[map]
pub static PTHREADS: HashMap<Pthread, u32> = HashMap::with_max_entries(16384, 0);

/// Reads: rows of two epochs. Fewer, since their value is the widest by far.
#[map]
pub static READS: HashMap<ReadKey, ReadValue> = HashMap::with_max_entries(rows::READS, 0);

/// Sizes that found no slot in their row: few, since a row has room for 16.
#[map]
pub static READ_SIZES: HashMap<SizeKey, u64> = HashMap::with_max_entries(rows::READ_SIZES, 0);

/// Samples: rows of two epochs; user space makes room for the rate and the CPUs.
#[map]
pub static SAMPLES: HashMap<SampleKey, u64> = HashMap::with_max_entries(1024, 0);

/// Functions that the evaluation function was entered for.
#[map]
pub static ENTRIES: HashMap<EntryKey, u64> = HashMap::with_max_entries(rows::ENTRIES, 0);

/// Processes whose signal handlers are watched: more than there are breakpoints for.
#[map]
pub static HANDLERS: HashMap<u32, HandlerAddresses> = HashMap::with_max_entries(64, 0);

/// Threads that turn as event loops do: one of most processes.
#[map]
pub static LOOPS: HashMap<u32, Loop> = HashMap::with_max_entries(4096, 0);

/// Garbage collections that go on: one thread of a process at a time.
#[map]
pub static COLLECTIONS: HashMap<u32, Collection> = HashMap::with_max_entries(1024, 0);

/// Main threads whose calls of the functions that look for signals are counted.
#[map]
pub static CHECKS: HashMap<u32, Check> = HashMap::with_max_entries(64, 0);

/// Signals that traced processes have sent to those that are not, by receiver, as a set: the oldest are forgotten.
/// Signals are not sent under a run-queue lock, so that an LRU map will do.
#[map]
pub static RECEIVERS: LruHashMap<u32, u64> = LruHashMap::with_max_entries(1024, 0);

/// Pythons that are not traced and may well send signals to those that are: where they are then is reported, and nothing
/// else of them.
#[map]
pub static SENDERS: HashMap<u32, Target> = HashMap::with_max_entries(64, 0);

/// Everything that is sent one by one.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(4 << 20, 0);

/// Room to put a stack, a code object or a path together, one per probe that does so, so that one may interrupt another.
#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(Probe::WITH_SCRATCH, 0);

/// Open files and where they have been read, by the address of the `struct file`.
#[map]
pub static OPENS: Array<Open> = Array::with_max_entries(OPENS_SLOTS, 0);

/// As many files as are open at a time in a few busy servers: two that share a slot are reported, not mixed up.
pub const OPENS_SLOTS: u32 = 16384;

/// Ids of stacks that have been sent, by the low bits of the id: a collision only sends one again.
#[map]
pub static SEEN_STACKS: Array<u64> = Array::with_max_entries(SEEN, 0);

/// Likewise of code objects.
#[map]
pub static SEEN_CODES: Array<u64> = Array::with_max_entries(SEEN, 0);

/// Likewise of files.
#[map]
pub static SEEN_FILES: Array<u64> = Array::with_max_entries(SEEN, 0);

/// Threads at lines whose callers have been read, by their hash: a collision only makes another walk.
#[map]
pub static CALLERS_READ: Array<u64> = Array::with_max_entries(SEEN, 0);

/// Slots of each such cache: 128 KiB hold far more than a program's working set.
pub const SEEN: u32 = 16384;
