//! What the kernel's breakpoints cost here, the programs behind them aside: measured on a function of our own.

use std::arch::global_asm;
use std::path::Path;
use std::time::Instant;

use procfs::process::{MMapPath, Process};

use crate::attach::breakpoints::collections::{BEGIN, ReturnProbe};
use crate::attach::probes::Probes;
use crate::event::Nanos;

/// Calls that are timed at once. The least of several rounds counts: the others were interrupted.
const CALLS: u32 = 100;
const ROUNDS: u32 = 5;
/// Where the `ret` of the function lies.
const RET: u64 = 2;

// As compilers begin and end functions: the kernel emulates the `push`, and has to step over the `ret`. One for each
// breakpoint: to set the next one in the same place, the one before would have to be waited for until it is removed.
// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/kernel/uprobes.c> (`push_setup_xol_ops`)
macro_rules! trapped {
    ($($name:ident),+) => {$(
        global_asm!(
            concat!(".pushsection .text.", stringify!($name), ",\"ax\",@progbits"),
            concat!(".globl ", stringify!($name)),
            concat!(".type ", stringify!($name), ",@function"),
            concat!(stringify!($name), ":"),
            "push rbp",
            "pop rbp",
            "ret",
            concat!(".size ", stringify!($name), ", . - ", stringify!($name)),
            ".popsection",
        );
        unsafe extern "C" {
            safe fn $name();
        }
    )+};
}
trapped!(tracer_trapped_emulated, tracer_trapped_stepped, tracer_trapped_returned);

/// What one breakpoint costs the thread that runs into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapCost {
    /// On an instruction that the kernel emulates, as functions begin with.
    pub emulated_ns: Nanos,
    /// On one that it has to step over.
    pub stepped_ns: Nanos,
    /// Where a function returns to, beside the one at its begin.
    pub returned_ns: Nanos,
}

impl Default for TrapCost {
    /// Measured on a virtual machine, Linux 6.18.
    fn default() -> Self {
        Self { emulated_ns: 1_000, stepped_ns: 15_000, returned_ns: 3_000 }
    }
}

impl TrapCost {
    /// As it is here. Where that cannot be measured (before Linux 6.10, to remove a breakpoint takes a tenth of a second),
    /// as it was elsewhere. The breakpoints are removed aside.
    pub fn measure(probes: &mut Probes) -> Self {
        let elsewhere = Self::default();
        if !probes.breakpoints.are_many_at_once() {
            return elsewhere;
        }
        let plain = least(tracer_trapped_emulated);
        let mut cost = |name, function: extern "C" fn(), within| {
            let at = [offset(function)? + within];
            let breakpoint = probes.set(name, std::process::id(), Path::new("/proc/self/exe"), &at).ok()?;
            let took = least(function);
            probes.breakpoints.remove(breakpoint);
            Some(took.saturating_sub(plain))
        };
        let emulated = cost(BEGIN, tracer_trapped_emulated, 0);
        let stepped = cost(BEGIN, tracer_trapped_stepped, RET);
        let returned = cost(ReturnProbe::Return.program(), tracer_trapped_returned, 0);
        let beside = |whole: Nanos| whole.saturating_sub(emulated.unwrap_or(elsewhere.emulated_ns));
        Self {
            emulated_ns: emulated.unwrap_or(elsewhere.emulated_ns),
            stepped_ns: stepped.unwrap_or(elsewhere.stepped_ns),
            returned_ns: returned.map_or(elsewhere.returned_ns, beside),
        }
    }
}

/// What a call of the function takes, in nanoseconds.
fn least(function: extern "C" fn()) -> Nanos {
    let round = |_| {
        let began = Instant::now();
        (0..CALLS).for_each(|_| function());
        u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX) / u64::from(CALLS)
    };
    (0..ROUNDS).map(round).min().unwrap_or(0)
}

/// Where the function lies in our executable.
fn offset(function: extern "C" fn()) -> Option<u64> {
    let address = function as *const () as u64;
    let maps = Process::myself().ok()?.maps().ok()?;
    let map = maps.iter().find(|map| (map.address.0..map.address.1).contains(&address))?;
    matches!(map.pathname, MMapPath::Path(_)).then(|| address - map.address.0 + map.offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_are_found_in_the_executable() {
        let executable = std::fs::read("/proc/self/exe").unwrap();
        for function in [tracer_trapped_emulated, tracer_trapped_stepped, tracer_trapped_returned] {
            let offset = usize::try_from(offset(function).unwrap()).unwrap();
            assert_eq!(executable[offset..offset + 3], [0x55, 0x5d, 0xc3], "push, pop, ret");
            assert!(least(function) < 1_000, "nothing but two moves and a return");
        }
    }
}
