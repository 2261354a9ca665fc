//! Turns of event loops: from the return of one wait for any of many descriptors until the next one.
//!
//! Global functions, see `python::walk_current`: three probes add to a turn.

use tracer_common::counters::Probe;
use tracer_common::event::{Header, kind};
use tracer_common::switch::{Thread, flag};
use tracer_common::turn::{LONG_NS, Loop, PIECE_NS, Piece, Turn, Turned, waits};

use crate::emit::{Outcome, add, header, now, send, send_record};
use crate::maps::{LOOPS, THREADS};
use crate::narrow::count;
use crate::task::Task;

/// The current thread, of a traced Python, has returned from such a wait: the turn before it is over.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn turn_begins(pid: u32, tid: u32) -> u32 {
    let Some(thread) = thread(tid) else { return Outcome::FILTERED.0 };
    let Some(turns) = entry(tid) else { return Outcome::MAP_FULL.0 };
    let (at, began) = (now(), turns.began_ns);
    let busy = at.saturating_sub(began).saturating_sub(turns.waited_ns);
    (turns.began_ns, turns.waited_ns, turns.reported_ns, turns.queued_ns, turns.pid) = (at, 0, at, 0, pid);
    if thread.turns == 0 {
        thread.turns = 1; // what it did before is not known
        return Outcome::AGGREGATED.0;
    }
    if busy < LONG_NS {
        turns.turns += 1;
        turns.busy_ns += busy;
        if busy > turns.longest_ns {
            turns.longest_ns = busy;
        }
        return Outcome::AGGREGATED.0;
    }
    let outcome = send::<Turn>(|event| {
        let header = header(kind::LOOP_TURN, size_of::<Turn>(), at, Task::current());
        // SAFETY: the entry has room for one event.
        unsafe { event.write(Turn { header, began_ns: began, busy_ns: busy }) };
    });
    outcome.0
}

/// A thread that turns has been off its CPU for so long, for the reason that its row gives; in the last part of that it could
/// have run.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn turn_waited(tid: u32, waited_ns: u64, queued_ns: u64) -> u32 {
    let (Some(thread), Some(turns)) = (thread(tid), turning(tid)) else { return 0 };
    let key = &thread.key;
    if waits(key.syscall) {
        turns.waited_ns += waited_ns;
        return 0;
    }
    turns.queued_ns += queued_ns;
    send_piece(Probe::Switch, tid, turns, key.stack, key.object, key.syscall, key.flags)
}

/// A sample has found the current thread with this stack.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn turn_sampled(tid: u32, stack: u64) -> u32 {
    match (thread(tid), turning(tid)) {
        (Some(thread), Some(turns)) if thread.turns == 1 => {
            send_piece(Probe::Sample, tid, turns, stack, 0, -1, flag::RUNNING)
        }
        _ => 0,
    }
}

/// Sends what the turn has been spent on, if it is long.
#[inline(always)]
fn send_piece(
    probe: Probe,
    tid: u32,
    turns: &mut Loop,
    stack: u64,
    object: u64,
    syscall: i32,
    flags: u32,
) -> u32 {
    let at = now();
    let busy = at.saturating_sub(turns.began_ns).saturating_sub(turns.waited_ns);
    let lasted_ns = at.saturating_sub(turns.reported_ns);
    if busy < LONG_NS || lasted_ns < PIECE_NS {
        return 0;
    }
    let queued_ns = turns.queued_ns;
    (turns.reported_ns, turns.queued_ns) = (at, 0);
    let header =
        Header { kind: kind::LOOP_PIECE, bytes: count(size_of::<Piece>()), at_ns: at, pid: turns.pid, tid };
    let piece =
        Piece { header, began_ns: turns.began_ns, lasted_ns, queued_ns, stack, object, syscall, flags };
    // SAFETY: a value on this program's stack.
    unsafe { send_record(probe as u32, (&raw const piece).cast(), size_of::<Piece>() as u64) };
    0
}

/// A thread has ended: what its turns add up to goes to its process's main thread, so that room is taken by threads that
/// live alone.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn turns_end(pid: u32, tid: u32) -> u32 {
    let Some(turns) = turning(tid) else { return 0 };
    if pid == tid {
        return 0;
    }
    if turns.turns != 0
        && let Some(all) = entry(pid)
    {
        all.pid = pid;
        add(&raw mut all.turns, turns.turns);
        add(&raw mut all.busy_ns, turns.busy_ns);
        if turns.longest_ns > all.longest_ns {
            all.longest_ns = turns.longest_ns;
        }
    }
    let _ = LOOPS.remove(tid);
    0
}

/// A process has ended: its turns are sent, to make room for others.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn send_turns(pid: u32) -> u32 {
    let Some(turns) = turning(pid) else { return 0 };
    let Loop { turns, busy_ns, longest_ns, .. } = *turns;
    let header =
        Header { kind: kind::LOOP_END, bytes: count(size_of::<Turned>()), at_ns: now(), pid, tid: pid };
    let turned = Turned { header, turns, busy_ns, longest_ns };
    // SAFETY: a value on this program's stack.
    unsafe { send_record(Probe::Exit as u32, (&raw const turned).cast(), size_of::<Turned>() as u64) };
    let _ = LOOPS.remove(pid);
    0
}

#[inline(always)]
fn thread(tid: u32) -> Option<&'static mut Thread> {
    // SAFETY: a preallocated entry, whose thread is the current one, or arrives on this CPU.
    THREADS.get_ptr_mut(tid).map(|thread| unsafe { &mut *thread })
}

#[inline(always)]
fn turning(tid: u32) -> Option<&'static mut Loop> {
    // SAFETY: an entry of this thread, which is the current one, or arrives on this CPU: no other CPU changes it.
    LOOPS.get_ptr_mut(tid).map(|turns| unsafe { &mut *turns })
}

#[inline(always)]
fn entry(tid: u32) -> Option<&'static mut Loop> {
    if let Some(turns) = turning(tid) {
        return Some(turns);
    }
    LOOPS.insert(tid, &Loop::default(), 0).ok()?;
    turning(tid)
}
