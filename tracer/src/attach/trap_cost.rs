//! What the kernel's breakpoints cost here, the programs behind them aside: measured on a function of our own.

use std::arch::global_asm;
use std::path::Path;
use std::time::Instant;

use procfs::process::{MMapPath, Process};

use super::collections::{BEGIN, End};
use super::probes::Probes;
use crate::event::Nanos;

/// Calls that are timed at once. The least of several rounds counts: the others were interrupted.
const CALLS: u32 = 100;
const ROUNDS: u32 = 5;
/// Where the `ret` of the function lies.
const RET: u64 = 2;

// As compilers begin and end functions: the kernel emulates the `push`, and has to step over the `ret`.
// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/kernel/uprobes.c> (`push_setup_xol_ops`)
global_asm!(
    ".pushsection .text.tracer_trapped,\"ax\",@progbits",
    ".globl tracer_trapped",
    ".type tracer_trapped,@function",
    "tracer_trapped:",
    "push rbp",
    "pop rbp",
    "ret",
    ".size tracer_trapped, . - tracer_trapped",
    ".popsection",
);

unsafe extern "C" {
    safe fn tracer_trapped();
}

/// What one breakpoint costs whoever runs into it.
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
    /// as it was elsewhere.
    pub fn measure(probes: &mut Probes) -> Self {
        let elsewhere = Self::default();
        let Some(offset) = offset().filter(|_| probes.multi.is_some()) else { return elsewhere };
        let plain = least();
        let mut cost = |name, offset| {
            let breakpoint = probes.set(name, std::process::id(), Path::new("/proc/self/exe"), &[offset]);
            let breakpoint = breakpoint.ok()?;
            let took = least();
            drop(breakpoint); // here and now: the next one may be at the same place
            Some(took.saturating_sub(plain))
        };
        let emulated = cost(BEGIN, offset);
        let stepped = cost(BEGIN, offset + RET);
        let returned = cost(End::Return.program(), offset);
        let beside = |whole: Nanos| whole.saturating_sub(emulated.unwrap_or(elsewhere.emulated_ns));
        Self {
            emulated_ns: emulated.unwrap_or(elsewhere.emulated_ns),
            stepped_ns: stepped.unwrap_or(elsewhere.stepped_ns),
            returned_ns: returned.map_or(elsewhere.returned_ns, beside),
        }
    }
}

/// What a call of the function takes, in nanoseconds.
fn least() -> Nanos {
    let round = |_| {
        let began = Instant::now();
        (0..CALLS).for_each(|_| tracer_trapped());
        u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX) / u64::from(CALLS)
    };
    (0..ROUNDS).map(round).min().unwrap_or(0)
}

/// Where the function lies in our executable.
fn offset() -> Option<u64> {
    let address = tracer_trapped as *const () as u64;
    let maps = Process::myself().ok()?.maps().ok()?;
    let map = maps.iter().find(|map| (map.address.0..map.address.1).contains(&address))?;
    matches!(map.pathname, MMapPath::Path(_)).then(|| address - map.address.0 + map.offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_is_found_in_the_executable() {
        let offset = usize::try_from(offset().unwrap()).unwrap();
        let executable = std::fs::read("/proc/self/exe").unwrap();
        assert_eq!(executable[offset..offset + 3], [0x55, 0x5d, 0xc3], "push, pop, ret");
        assert!(least() < 1_000, "nothing but two moves and a return");
    }
}
