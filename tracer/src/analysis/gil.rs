//! The GIL: what waiting for it cost, who held it meanwhile, and who slept with it in hand.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use tracer_common::gil::{HoldKey, Holder};
use tracer_common::switch::{SwitchKey, flag};

use super::causes::{cause, syscall_name};
use super::lines;
use super::sums::{Key, Sums};
use super::switches::{self, Switches, is_voluntary};
use crate::event::{Event, Nanos, Pid, Tid};
use crate::report::{self, BlockedHolder, Bounded, GilHolder};
use crate::symbols::{FrameId, Symbols};

/// Different holders and lines that are kept apart.
const ROWS: usize = 8_192;

/// Why holders may not be known.
const NOT_SAID: &str = "CPython 2.7 does not say who holds the GIL";

/// Time in which threads waited for a GIL, by who held it.
#[derive(Debug)]
pub struct Gil {
    rows: Sums<HoldKey, Nanos>,
    /// There is a GIL whose waits are told from others.
    known: bool,
    /// There is one that says who holds it.
    holders_known: bool,
}

impl Default for Gil {
    fn default() -> Self {
        Self { rows: Sums::new(ROWS), known: false, holders_known: false }
    }
}

impl Gil {
    /// Adds the rows of one drain.
    pub fn fold(&mut self, event: &Event) {
        match event {
            Event::Process(process) => {
                self.known |= process.gil;
                self.holders_known |= process.gil_holder;
            }
            Event::GilHeld { key, waited_ns } => *self.rows.row(HoldKey { slice: 0, ..*key }) += waited_ns,
            _ => {}
        }
    }

    /// The section of the report; `None` where no process has a GIL that is known.
    pub fn finish(&self, symbols: &Symbols, switches: &Switches) -> Option<report::Gil> {
        let waits = || switches.rows().filter(|(key, _)| key.flags & flag::GIL != 0 && is_voluntary(key));
        let total = |of: fn(&switches::Sum) -> u64| waits().map(|(_, sum)| of(sum)).sum();
        self.known.then(|| report::Gil {
            wait_ns: total(|sum| sum.off_cpu_ns),
            waits: total(|sum| sum.gil_waits),
            switches: total(|sum| sum.count),
            held_ns: None,
            holders: self.holders(symbols),
            blocked_while_held: blocked(symbols, switches),
            holders_unknown: (!self.holders_known).then(|| NOT_SAID.to_owned()),
        })
    }

    fn holders(&self, symbols: &Symbols) -> Bounded<GilHolder> {
        let mut merged = HashMap::<(Pid, Tid, Option<FrameId>), Nanos>::new();
        for (key, ns) in self.rows.iter() {
            let line = lines::site(symbols, key.space, &key.holder.site);
            *merged.entry((key.pid, key.holder.tid, line)).or_default() += ns;
        }
        let mut ranked: Vec<_> = merged.into_iter().collect();
        ranked.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
        let rows = ranked.into_iter().map(|((pid, tid, line), ns)| GilHolder {
            pid,
            tid,
            frame: line.map(|line| lines::frame(symbols, line)),
            held_while_others_waited_ns: ns,
        });
        rows.collect()
    }
}

/// Who went to sleep with the GIL in hand.
fn blocked(symbols: &Symbols, switches: &Switches) -> Bounded<BlockedHolder> {
    let mut merged = BTreeMap::<_, (u64, Nanos)>::new();
    let with_gil =
        |key: &SwitchKey| key.flags & flag::HOLDS_GIL != 0 && key.flags & flag::GIL == 0 && is_voluntary(key);
    for (key, sum) in switches.rows().filter(|(key, _)| with_gil(key)) {
        let file = symbols.file(key.object);
        let cause = cause(key, file.map(|file| file.kind));
        let path = file.map(|file| file.path.clone());
        let row = merged.entry((key.pid, cause, key.syscall, path, symbols.leaf(key.stack))).or_default();
        *row = (row.0 + sum.count, row.1 + sum.off_cpu_ns);
    }
    let rows =
        merged.into_iter().map(|((pid, cause, syscall, path, line), (count, off_cpu_ns))| BlockedHolder {
            pid,
            cause,
            syscall: syscall_name(syscall.into()).map(Into::into),
            object: path.as_ref().map(report::Name::new),
            frame: line.map(|line| lines::frame(symbols, line)),
            count,
            off_cpu_ns,
        });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|row| Reverse(row.off_cpu_ns));
    rows.into()
}

/// First the holder's line is forgotten, then the thread, then the process.
impl Key for HoldKey {
    fn coarser(self) -> Option<Self> {
        let nobody = Holder::default();
        if self.holder.site.code != 0 {
            return Some(Self { space: 0, holder: Holder { tid: self.holder.tid, ..nobody }, ..self });
        }
        let coarser =
            if self.holder.tid != 0 { Self { space: 0, holder: nobody, ..self } } else { Self::default() };
        (coarser != self).then_some(coarser)
    }
}
