//! What can be found out again is kept only as long as it is used: a program may make new code for hours.

use std::collections::HashMap;
use std::hash::Hash;

/// What was used lately: so many entries, and up to as many that were used before.
pub struct Recent<K, V> {
    room: usize,
    new: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// Empty.
    pub fn new(room: usize) -> Self {
        Self { room, new: HashMap::new(), old: HashMap::new() }
    }

    /// One of them, which is used by that.
    pub fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.new.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    /// Adds one, in whose favour others may be forgotten.
    pub fn insert(&mut self, key: K, value: V) {
        if self.new.len() >= self.room && !self.new.contains_key(&key) {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays() {
        let mut recent = Recent::new(10);
        for n in 0..1_000 {
            recent.insert(n, n);
            assert_eq!(recent.get(&0), Some(0));
            assert!(recent.new.len() <= 10 && recent.old.len() <= 10);
        }
        assert_eq!([500, 998].map(|n| recent.get(&n)), [None, Some(998)]);
    }

    #[test]
    fn the_newest_value_counts() {
        let mut recent = Recent::new(1);
        recent.insert(1, "a");
        recent.insert(1, "b");
        recent.insert(2, "c");
        recent.insert(1, "d");
        assert_eq!([1, 2].map(|key| recent.get(&key)), [Some("d"), Some("c")]);
    }
}
