//! What the garbage collector of a process has counted so far, read from outside.

use tracer_common::gc::{Collector, Counts, GENERATIONS, RING_COUNTS, RING_ENTRY, RINGS, SINGLE_RINGS, flag};

use crate::cpython::memory::Memory;

/// Bytes of `struct gc_generation_stats`: collections, collected, uncollectable.
/// <https://github.com/python/cpython/blob/v3.12.0/Include/internal/pycore_gc.h>
const GENERATION: u64 = 24;

/// By generation; `None` where that is not known, or the process is gone.
#[must_use]
pub fn counts(memory: &dyn Memory, collector: &Collector) -> Option<[Counts; GENERATIONS]> {
    if collector.statistics == 0 {
        return None;
    }
    let mut counts = [Counts::default(); GENERATIONS];
    for (generation, counts) in counts.iter_mut().enumerate() {
        *counts = counts_at(memory, place(memory, collector, generation)?)?;
    }
    Some(counts)
}

/// Where those of a generation lie.
fn place(memory: &dyn Memory, collector: &Collector, generation: usize) -> Option<u64> {
    if collector.flags & flag::RINGS == 0 {
        return Some(collector.statistics.wrapping_add(generation as u64 * GENERATION));
    }
    let rings = memory.u64(collector.statistics).ok()?;
    let (start, index) =
        if collector.flags & flag::SINGLE == 0 { RINGS[generation] } else { SINGLE_RINGS[generation] };
    let entry = *memory.bytes(rings.wrapping_add(index), 1).ok()?.first()?;
    Some(rings.wrapping_add(start + u64::from(entry) * RING_ENTRY + RING_COUNTS))
}

fn counts_at(memory: &dyn Memory, address: u64) -> Option<Counts> {
    let collections = memory.u64(address).ok()?;
    Some(Counts { collections, collected: memory.u64(address.wrapping_add(8)).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::memory::fake::Fake;

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn told(counts: Option<[Counts; GENERATIONS]>) -> Option<[(u64, u64); GENERATIONS]> {
        counts.map(|counts| counts.map(|counts| (counts.collections, counts.collected)))
    }

    #[test]
    fn counts_lie_side_by_side_or_in_rings() {
        let mut memory = Fake::default();
        memory.map(0x1000, words(&[1, 10, 0, 2, 20, 0, 3, 30, 0]));
        memory.map(0x2000, words(&[0x3000]));
        memory.map(0x3000, vec![0; 1112]);
        // The third entry of the first ring, the first of the second, the second of the third.
        memory.set(0x3000 + 704, &[2]);
        memory.set(0x3000 + 1104, &[1]);
        for (at, collections, collected) in [(128 + 16, 4, 40), (712 + 16, 5, 50), (912 + 64 + 16, 6, 60)] {
            memory.set(0x3000 + at, &words(&[collections, collected]));
        }
        let plain = Collector { statistics: 0x1000, ..Collector::default() };
        let rings = Collector { statistics: 0x2000, flags: flag::RINGS, ..plain };
        for (name, collector, expected) in [
            ("side by side", plain, Some([(1, 10), (2, 20), (3, 30)])),
            ("rings", rings, Some([(4, 40), (5, 50), (6, 60)])),
            ("none", Collector::default(), None),
            ("not mapped", Collector { statistics: 0x9000, ..plain }, None),
        ] {
            assert_eq!(told(counts(&memory, &collector)), expected, "{name}");
        }
    }
}
