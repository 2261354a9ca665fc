//! What the garbage collector of a process has counted so far, read from outside.

use tracer_common::gc::{Collector, Counts, GENERATIONS, RING_COUNTS, RING_ENTRY, RINGS, SINGLE_RINGS, flag};

use crate::cpython::memory::Memory;

/// Bytes of `struct gc_generation_stats`: collections, collected, uncollectable.
/// <https://github.com/python/cpython/blob/v3.12.0/Include/internal/pycore_gc.h>
const GENERATION: usize = 24;

/// By generation; `None` where that is not known, or the process is gone. This is asked once a second and oftener: all are
/// copied at once, since each copy takes a turn of the thread that reads.
#[must_use]
pub fn counts(memory: &dyn Memory, collector: &Collector) -> Option<[Counts; GENERATIONS]> {
    if collector.statistics == 0 {
        return None;
    }
    let rings = if collector.flags & flag::SINGLE == 0 { &RINGS } else { &SINGLE_RINGS };
    let has_rings = collector.flags & flag::RINGS != 0;
    let (statistics, bytes) = if has_rings {
        (memory.u64(collector.statistics).ok()?, rings[GENERATIONS - 1].1 as usize + 1)
    } else {
        (collector.statistics, GENERATIONS * GENERATION)
    };
    let copied = memory.bytes(statistics, bytes).ok()?;
    let mut counts = [Counts::default(); GENERATIONS];
    for (generation, counts) in counts.iter_mut().enumerate() {
        let at = if has_rings { last(&copied, rings[generation])? } else { generation * GENERATION };
        *counts = Counts { collections: word(&copied, at)?, collected: word(&copied, at + 8)? };
    }
    Some(counts)
}

/// Where the counts of a ring's last entry lie.
fn last(copied: &[u8], (start, index): (u64, u64)) -> Option<usize> {
    let entry = u64::from(*copied.get(index as usize)?);
    Some((start + entry * RING_ENTRY + RING_COUNTS) as usize)
}

fn word(copied: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*copied.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::memory::fake::Fake;

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn pairs(counts: Option<[Counts; GENERATIONS]>) -> Option<[(u64, u64); GENERATIONS]> {
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
            assert_eq!(pairs(counts(&memory, &collector)), expected, "{name}");
        }
    }
}
