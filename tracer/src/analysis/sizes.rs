//! How often each size occurred: exactly while there are few, by powers of two beyond.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Different sizes of one row that the report keeps exact.
const EXACT: usize = 16;

/// Calls by size. Both lists are in order of size; most rows have one or two, for which a tree takes 200 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    exact: Vec<(u64, u64)>,
    powers: Vec<(u64, u64)>,
}

impl Sizes {
    /// Counts calls of one size.
    pub fn add(&mut self, size: u64, calls: u64) {
        if self.exact.len() < EXACT || position(&self.exact, size).is_ok() {
            add_to(&mut self.exact, size, calls);
        } else {
            self.add_power(size, calls);
        }
    }

    /// Counts calls that are known by the power of two at or below their size only.
    pub fn add_power(&mut self, size: u64, calls: u64) {
        add_to(&mut self.powers, power_of_two(size), calls);
    }

    /// Adds the calls of another row.
    pub fn merge(&mut self, other: &Self) {
        other.exact.iter().for_each(|(size, calls)| add_to(&mut self.exact, *size, *calls));
        other.powers.iter().for_each(|(size, calls)| add_to(&mut self.powers, *size, *calls));
    }

    /// Calls by size: the most frequent sizes as they are, the rest under their power of two.
    pub fn finish(&self) -> BTreeMap<u64, u64> {
        let mut by_calls = self.exact.clone();
        by_calls.sort_by_key(|&(size, calls)| (Reverse(calls), size));
        let (exact, others) = by_calls.split_at(by_calls.len().min(EXACT));
        let rounded = others.iter().map(|&(size, calls)| (power_of_two(size), calls));
        let mut sizes = BTreeMap::new();
        for (size, calls) in exact.iter().copied().chain(rounded).chain(self.powers.iter().copied()) {
            *sizes.entry(size).or_default() += calls;
        }
        sizes
    }
}

fn add_to(list: &mut Vec<(u64, u64)>, size: u64, calls: u64) {
    match position(list, size) {
        Ok(at) => list[at].1 += calls,
        Err(at) => list.insert(at, (size, calls)),
    }
}

fn position(list: &[(u64, u64)], size: u64) -> Result<usize, usize> {
    list.binary_search_by_key(&size, |(size, _)| *size)
}

fn power_of_two(size: u64) -> u64 {
    size.checked_ilog2().map_or(0, |log| 1 << log)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(of: impl IntoIterator<Item = (u64, u64)>) -> Sizes {
        let mut sizes = Sizes::default();
        of.into_iter().for_each(|(size, calls)| sizes.add(size, calls));
        sizes
    }

    #[test]
    fn keeps_sixteen_sizes_exact() {
        for (name, sizes, expected) in [
            ("none", sizes([]), vec![]),
            ("few", sizes([(1000, 1), (17, 2), (1000, 3)]), vec![(17, 2), (1000, 4)]),
            ("one too many", sizes((0..16).map(|n| (n, 1)).chain([(1000, 5)])), {
                (0..16).map(|n| (n, 1)).chain([(512, 5)]).collect()
            }),
            ("a power joins its exact size", sizes((1..=17).map(|n| (n, 1))), {
                (1..=16).map(|n| (n, if n == 16 { 2 } else { 1 })).collect()
            }),
        ] {
            assert_eq!(sizes.finish(), expected.into_iter().collect(), "{name}");
        }
    }

    #[test]
    fn rows_that_are_merged_keep_the_most_frequent_sizes_and_every_call() {
        let (mut one, other) =
            (sizes((0..16).map(|n| (n * 10, 1))), sizes((0..16).map(|n| (n * 1000 + 1, 2))));
        one.merge(&other);
        let merged = one.finish();
        assert_eq!(merged.values().sum::<u64>(), 16 + 32);
        assert_eq!(merged[&15_001], 2);
        assert_eq!(merged[&128], 3); // 130, 140, 150
    }
}
