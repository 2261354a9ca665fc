//! The turns of event loops, as the probes count them.

use aya::maps::{HashMap, MapData};
use tracer_common::turn::{LONG_NS, Loop, waits};

use crate::attach::by_name::take;
use crate::attach::error::Error;
use crate::attach::probes::Probes;
use crate::event::{Nanos, Tid};

/// All loops.
pub struct Loops {
    loops: HashMap<MapData, u32, Loop>,
}

impl Loops {
    /// Takes the map over.
    ///
    /// # Errors
    /// When it has been taken already.
    pub fn new(probes: &mut Probes) -> Result<Self, Error> {
        Ok(Self { loops: take(&mut probes.ebpf, "LOOPS", HashMap::try_from)? })
    }

    /// Every thread that has turned, by the kernel's numbers.
    pub fn all(&self) -> impl Iterator<Item = (Tid, Loop)> {
        self.loops.iter().flatten()
    }

    /// Those in the middle of a long turn, which does not wait now.
    pub fn long<'a>(&'a self, probes: &'a Probes, now_ns: Nanos) -> impl Iterator<Item = (Tid, Loop)> + 'a {
        let is_long = move |turns: &Loop| {
            now_ns.saturating_sub(turns.began_ns).saturating_sub(turns.waited_ns) >= LONG_NS
        };
        let works = |tid| {
            let thread = probes.threads.get(&tid, 0);
            thread.is_ok_and(|thread| thread.running == 1 || !waits(thread.key.syscall))
        };
        self.all().filter(move |(tid, turns)| is_long(turns) && works(*tid))
    }

    /// Whether a thread is still in that turn.
    #[must_use]
    pub fn is_in(&self, tid: Tid, turn: &Loop) -> bool {
        self.loops.get(&tid, 0).is_ok_and(|now| now.began_ns == turn.began_ns)
    }
}
