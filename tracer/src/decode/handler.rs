//! Python's signal handlers, as they begin and end.

use tracer_common::{handler, python};

use super::{since, task};
use crate::event::{Event, HandlerStart, Nanos, SpaceId, StackId, Waited};

pub(super) fn start(start: &handler::Start, start_ns: Nanos) -> HandlerStart {
    HandlerStart {
        at: since(start_ns, start.header.at_ns),
        task: task(&start.header),
        signal: start.signal,
        stack: StackId(start.stack),
        space: SpaceId(start.space),
        // No instruction: the function as a whole, at its first line.
        code: python::Frame { code: start.code, instruction: -1, identity: start.identity },
        level: start.level,
        // It runs: if it is asked to sleep, its switches are not seen.
        waited: waited(&start.waited).filter(|waited| !waited.asleep),
    }
}

pub(super) fn end(end: &handler::HandlerEnd, start_ns: Nanos) -> Event {
    Event::HandlerEnd { at: since(start_ns, end.header.at_ns), pid: end.header.pid, level: end.level }
}

pub(super) fn waited(waited: &handler::Waited) -> Option<Waited> {
    let known = waited.known == 1;
    known.then_some(Waited {
        off_cpu: waited.off_cpu_ns,
        gil: waited.gil_ns,
        run_queue: waited.run_queue_ns,
        asleep: waited.asleep == 1,
    })
}
