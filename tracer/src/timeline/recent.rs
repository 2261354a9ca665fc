//! What can be found out again is kept only as long as it is used: a program may make new code for hours.

use std::collections::HashMap;
use std::hash::Hash;

/// What was used lately: so many entries of so many bytes, and up to as many that were used before.
pub struct Recent<K, V> {
    room: usize,
    room_bytes: usize,
    /// Bytes of the new ones.
    bytes: usize,
    new: HashMap<K, V>,
    old: HashMap<K, V>,
}

/// What an entry takes besides its own size.
pub trait Weighed {
    /// Bytes that it points to.
    fn bytes(&self) -> usize;
}

impl<K: Eq + Hash, V: Clone + Weighed> Recent<K, V> {
    /// Empty, with room for so many entries, and bytes that they point to.
    pub fn new(room: usize, room_bytes: usize) -> Self {
        Self { room, room_bytes, bytes: 0, new: HashMap::new(), old: HashMap::new() }
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
        let bytes = value.bytes();
        let is_full = self.new.len() >= self.room || self.bytes.saturating_add(bytes) > self.room_bytes;
        if is_full && !self.new.contains_key(&key) {
            self.old = std::mem::take(&mut self.new);
            self.bytes = 0;
        }
        self.bytes += bytes;
        if let Some(before) = self.new.insert(key, value) {
            self.bytes -= before.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weighed for i32 {
        fn bytes(&self) -> usize {
            0
        }
    }

    impl Weighed for &str {
        fn bytes(&self) -> usize {
            self.len()
        }
    }

    #[test]
    fn what_is_heavy_has_no_more_room_than_others() {
        let mut recent = Recent::new(10, 4);
        for n in 0..100 {
            recent.insert(n, "ab");
            recent.insert(n, "abc"); // in its place
            assert!(recent.new.len() == 1 && recent.old.len() <= 1, "{n}");
        }
        recent.insert(200, "longer than there is room for");
        assert_eq!(recent.get(&99), Some("abc"), "used lately");
    }

    #[test]
    fn what_is_used_stays() {
        let mut recent = Recent::new(10, 0);
        for n in 0..1_000 {
            recent.insert(n, n);
            assert_eq!(recent.get(&0), Some(0));
            assert!(recent.new.len() <= 10 && recent.old.len() <= 10);
        }
        assert_eq!([500, 998].map(|n| recent.get(&n)), [None, Some(998)]);
    }

    #[test]
    fn the_newest_value_counts() {
        let mut recent = Recent::new(1, 0);
        for (key, value) in [(1, 1), (1, 2), (2, 3), (1, 4)] {
            recent.insert(key, value);
        }
        assert_eq!([1, 2].map(|key| recent.get(&key)), [Some(4), Some(3)]);
    }
}
