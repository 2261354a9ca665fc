//! Garbage collections, and samples that fell into one.

use tracer_common::gc::{Pause, Sampled, UNKNOWN};

use super::{since, task};
use crate::event::{Event, GcPause, Nanos, StackId};

pub(super) fn pause(pause: &Pause, start_ns: Nanos) -> GcPause {
    GcPause {
        at: since(start_ns, pause.header.at_ns),
        task: task(&pause.header),
        lasted: pause.header.at_ns.saturating_sub(pause.since_ns),
        stack: StackId(pause.stack),
        generation: known(pause.generation),
        collected: (pause.collected != u64::MAX).then_some(pause.collected),
        waiters: known(pause.waiters),
    }
}

pub(super) fn sampled(sampled: &Sampled, start_ns: Nanos) -> Event {
    Event::GcSample {
        at: since(start_ns, sampled.header.at_ns),
        task: task(&sampled.header),
        stack: StackId(sampled.stack),
        number: (sampled.number != 0).then_some(sampled.number),
    }
}

fn known(figure: u32) -> Option<u32> {
    (figure != UNKNOWN).then_some(figure)
}
