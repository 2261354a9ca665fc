//! What kept a Python handler from beginning at once.
//!
//! From the generation of a signal to its delivery the mask may block it. From there the main thread either runs, and
//! then is in C, since between two instructions of bytecode it looks for signals; or it does not run, and then waits
//! for the GIL, or sleeps because it was another thread that the signal woke.

use super::row::{Row, Site, Started};
use crate::event::{Nanos, StackId, Waited};
use crate::report::HandlerWait;
use crate::symbols::Symbols;

/// No wait: a handler begins some tens of microseconds after the delivery, later if the machine is busy.
const AT_ONCE: Nanos = 1_000_000;

/// The reason, `None` where it is not known.
pub fn reason(row: &Row, started: &Started, symbols: &Symbols) -> Option<HandlerWait> {
    if started.after.is_some_and(|after| after < AT_ONCE) {
        return Some(HandlerWait::Nothing);
    }
    if started.follows_other || was_in_handler(row, started, symbols) {
        return Some(HandlerWait::Nested);
    }
    let (after, before) = (started.after?, row.delivered_after?);
    let waited = after.saturating_sub(before);
    if before > waited {
        return row.blocked.then_some(HandlerWait::Blocked);
    }
    of_main_thread(row, started, waited)
}

/// Why the main thread did not call the handler of a delivered signal.
fn of_main_thread(row: &Row, started: &Started, waited: Nanos) -> Option<HandlerWait> {
    let most = |part: Nanos| part * 2 >= waited;
    // It has not advanced by one instruction.
    let stays = !row.is_of_other_thread() && row.stack() != 0 && row.stack() == started.stack;
    match started.waited.map(|now| since(row.main, now)) {
        Some(main) if most(main.gil) => Some(HandlerWait::Gil),
        Some(main) if most(waited.saturating_sub(main.off_cpu)) => Some(HandlerWait::CCall),
        Some(_) if row.is_of_other_thread() && row.main_slept() => Some(HandlerWait::WrongThread),
        Some(main) if stays && main.gil == 0 => Some(HandlerWait::CCall),
        // Out of an interrupted system call it may have gone on to wait for the GIL.
        None if stays && !row.interrupted_call() => Some(HandlerWait::CCall),
        _ => None,
    }
}

/// What the main thread has waited for since the delivery; it had not, if nothing was known of it then.
fn since(before: Option<Waited>, now: Waited) -> Waited {
    let before = before.map_or((0, 0), |before| (before.off_cpu, before.gil));
    Waited {
        off_cpu: now.off_cpu.saturating_sub(before.0),
        gil: now.gil.saturating_sub(before.1),
        asleep: now.asleep,
    }
}

/// The handler that had begun last was still running when the signal was delivered.
fn was_in_handler(row: &Row, started: &Started, symbols: &Symbols) -> bool {
    let is_running = |site: Site| !row.is_of_other_thread() && runs(row.stack(), site, symbols);
    started.previous.is_some_and(is_running)
}

/// Whether a stack has a frame of this function.
fn runs(stack: StackId, (space, code): Site, symbols: &Symbols) -> bool {
    let Some(function) = symbols.site(space, &code).map(|id| symbols.frame(id)) else { return false };
    let Some(stack) = symbols.stack(stack) else { return false };
    let frames = stack.frames.iter().map(|&id| symbols.frame(id));
    frames.into_iter().any(|frame| (&frame.function, &frame.file) == (&function.function, &function.file))
}
