//! Samples of what runs, by the cpu-clock of every CPU.

use aya_ebpf::macros::perf_event;
use aya_ebpf::programs::PerfEventContext;
use tracer_common::counters::Probe;
use tracer_common::python::status;
use tracer_common::sample::SampleKey;

use crate::emit::{Outcome, counted, row, slice};
use crate::gil;
use crate::maps::SAMPLES;
use crate::probes::gc;
use crate::python::walk;
use crate::task::Task;
use crate::turn::turn_sampled;

/// One tick of this CPU's clock, in an interrupt of whatever runs.
#[perf_event]
pub fn sample(_ctx: PerfEventContext) -> u32 {
    counted(Probe::Sample, |control| {
        let task = Task::current();
        let Some(target) = task.target() else { return Outcome::FILTERED };
        let stack = walk(Probe::Sample, target);
        gc::sampled(task, target, stack.id);
        turn_sampled(task.tid(), stack.id);
        let keeps_waiting = gil::keeps_others_waiting(task, target);
        let key = SampleKey {
            stack: stack.id,
            pid: task.pid(),
            tid: task.tid(),
            slice: slice(control),
            status: stack.status | if keeps_waiting { status::KEEPS_OTHERS_WAITING } else { 0 },
        };
        match row(&SAMPLES, &key, &0) {
            Ok((count, _)) => {
                // SAFETY: this CPU's row; the program does not interrupt itself.
                unsafe { *count += 1 };
                Outcome::AGGREGATED
            }
            Err(refused) => refused,
        }
    });
    0
}
