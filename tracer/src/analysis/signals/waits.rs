//! What kept a Python handler from beginning at once.
//!
//! From the generation of a signal to its delivery the mask may block it. Else the main thread either runs, and then is
//! in C, since between two instructions of bytecode it checks for signals; or it does not run, and then waits for the
//! GIL, or for a CPU, or sleeps because it was another thread that the signal woke.

use super::row::{SignalRow, SiteInSpace, Started};
use crate::event::{Nanos, StackId, Waited};
use crate::report::HandlerWait;
use crate::symbols::Symbols;

/// No wait: a handler begins some tens of microseconds after the delivery, later if the machine is busy.
const AT_ONCE: Nanos = 1_000_000;
/// What looks like so much time on a CPU is: a hypervisor takes a few milliseconds at a time, which is not seen.
const NOT_STOLEN: Nanos = 10_000_000;
/// The same where the thread has not advanced meanwhile: that is so in a C call, but also between the delivery and the
/// next check of the interpreter.
const NOT_STOLEN_IN_C: Nanos = 5_000_000;

/// The reason, `None` where it is not known, or where there was only no CPU: see [`run_queue`].
pub fn reason(row: &SignalRow, started: &Started, symbols: &Symbols) -> Option<HandlerWait> {
    if started.after < AT_ONCE {
        return Some(HandlerWait::Nothing);
    }
    if started.follows_other || was_in_handler(row, started, symbols) {
        return Some(HandlerWait::Nested);
    }
    let (after, before) = (started.after, row.delivered_after()?);
    // Another thread took what the main thread's mask kept from it.
    if !row.aim.blocked || row.aim.group && row.is_of_other_thread() {
        return of_main_thread(row, started, after, row.aim.main);
    }
    if before * 2 >= after {
        return Some(HandlerWait::Blocked);
    }
    of_main_thread(row, started, after.saturating_sub(before), row.main_at_delivery())
}

/// From the generation to the begin, how long the main thread was ready and had no CPU.
pub fn run_queue(row: &SignalRow, started: &Started) -> Option<Nanos> {
    started.waited.map(|now| since(row.aim.main, now).run_queue)
}

/// Why the main thread did not call the handler for so long. A busy machine makes every wait longer, and is no reason
/// for it: what counts is the rest.
fn of_main_thread(
    row: &SignalRow,
    started: &Started,
    waited: Nanos,
    before: Option<Waited>,
) -> Option<HandlerWait> {
    // It has not advanced by one instruction, nor come out of a system call, after which it may have gone on to wait for
    // the GIL.
    let stays = !row.is_of_other_thread() && !row.stack().is_none() && row.stack() == started.stack;
    let since_delivery = row.delivered_after().map_or(0, |before| started.after.saturating_sub(before));
    let in_c = stays && !row.interrupted_call() && since_delivery >= NOT_STOLEN_IN_C;
    let Some(main) = started.waited.map(|now| since(before, now)) else {
        return in_c.then_some(HandlerWait::CCall);
    };
    let (on_cpu, rest) = (waited.saturating_sub(main.off_cpu), waited.saturating_sub(main.run_queue));
    let asleep = main.off_cpu.saturating_sub(main.gil + main.run_queue);
    let most = |part: Nanos| part * 2 >= rest;
    match () {
        () if rest < AT_ONCE => None,
        () if most(main.gil) => Some(HandlerWait::Gil),
        () if most(on_cpu) => (in_c || on_cpu >= NOT_STOLEN).then_some(HandlerWait::CCall),
        () if asleep * 4 >= rest * 3 && stays => Some(HandlerWait::CCall),
        () if most(asleep)
            && row.is_of_other_thread()
            && row.main_at_delivery().is_some_and(|main| main.asleep) =>
        {
            Some(HandlerWait::WrongThread)
        }
        () => None,
    }
}

/// What the main thread has waited for since then; it had not, if nothing was known of it then.
fn since(before: Option<Waited>, now: Waited) -> Waited {
    let part = |of: fn(&Waited) -> Nanos| of(&now).saturating_sub(before.as_ref().map_or(0, of));
    Waited {
        off_cpu: part(|waited| waited.off_cpu),
        gil: part(|waited| waited.gil),
        run_queue: part(|waited| waited.run_queue),
        asleep: now.asleep,
    }
}

/// The handler that had begun last was still running when the signal was delivered.
fn was_in_handler(row: &SignalRow, started: &Started, symbols: &Symbols) -> bool {
    let is_running = |site: SiteInSpace| !row.is_of_other_thread() && runs(row.stack(), site, symbols);
    started.previous.is_some_and(is_running)
}

/// Whether a stack has a frame of this function.
fn runs(stack: StackId, (space, code): SiteInSpace, symbols: &Symbols) -> bool {
    let Some(function) = symbols.site(space, &code).map(|id| symbols.frame(id)) else { return false };
    let Some(stack) = symbols.stacks.get(stack) else { return false };
    let frames = stack.frames.iter().map(|&id| symbols.frame(id));
    frames.into_iter().any(|frame| (&frame.function, &frame.file) == (&function.function, &function.file))
}
