//! Sums by key, in memory that does not grow with the length of a run.

use std::hash::Hash;

use crate::quick::QuickMap;

/// A key that can be made coarser.
pub trait Key: Copy + Eq + Hash {
    /// The same with one detail less; `None` when what is left can take few values only.
    fn coarser(self) -> Option<Self>;
}

/// Sums by key. Once there are `limit` of them, new keys add to the row of a coarser key: detail ends, no sum does.
#[derive(Debug)]
pub struct Sums<K, V> {
    rows: QuickMap<K, V>,
    limit: usize,
}

impl<K: Key, V: Default> Sums<K, V> {
    /// No sums yet, and room for this many different keys.
    pub fn new(limit: usize) -> Self {
        Self { rows: QuickMap::default(), limit }
    }

    /// The sums that this key adds to.
    pub fn row(&mut self, key: K) -> &mut V {
        let key = self.admitted(key);
        self.rows.entry(key).or_default()
    }

    /// All sums, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    /// The most exact form of a key that there is still room for; each coarser form has some room of its own.
    fn admitted(&self, mut key: K) -> K {
        let mut limit = self.limit;
        while self.rows.len() >= limit && !self.rows.contains_key(&key) {
            let Some(coarser) = key.coarser() else { break };
            key = coarser;
            limit += self.limit / 4;
        }
        key
    }
}

/// A part of a whole on a fixed scale: to compare, and to add shares of different wholes.
pub fn share(part: u64, whole: u64) -> u128 {
    (u128::from(part) << 40) / u128::from(whole.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Key for (u32, u32) {
        fn coarser(self) -> Option<Self> {
            match self {
                (0, 0) => None,
                (pid, 0) => Some((pid & 1, 0)).filter(|coarse| *coarse != self).or(Some((0, 0))),
                (pid, _) => Some((pid, 0)),
            }
        }
    }

    #[test]
    fn a_full_table_loses_detail_and_no_sum() {
        for (name, limit, keys, rows_at_most) in
            [("fits", 100, 50, 50), ("just full", 100, 100, 100), ("far too many", 100, 10_000, 152)]
        {
            let mut sums = Sums::<_, u64>::new(limit);
            for n in 0..keys {
                *sums.row((n % 97 + 1, n + 1)) += 1;
            }
            assert!(sums.iter().count() <= rows_at_most, "{name}: {}", sums.iter().count());
            assert_eq!(sums.iter().map(|(_, count)| count).sum::<u64>(), u64::from(keys), "{name}");
        }
    }

    #[test]
    fn a_row_that_is_there_stays_exact() {
        let mut sums = Sums::<_, u64>::new(1);
        *sums.row((7, 7)) += 1;
        *sums.row((7, 8)) += 1;
        *sums.row((7, 7)) += 1;
        assert!(sums.iter().any(|(key, count)| (*key, *count) == ((7, 7), 2)));
    }
}
