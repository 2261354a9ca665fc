//! Values that are written once, and then by their number.

use std::collections::HashMap;
use std::hash::Hash;

/// Values by the order in which they first came.
#[derive(Debug)]
pub struct Interned<T> {
    numbers: HashMap<T, usize>,
    values: Vec<T>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), values: Vec::new() }
    }
}

impl<T: Clone + Eq + Hash> Interned<T> {
    /// The number of a value: a new one if it was not there.
    pub fn number(&mut self, value: T) -> usize {
        *self.numbers.entry(value).or_insert_with_key(|value| {
            self.values.push(value.clone());
            self.values.len() - 1
        })
    }

    /// All of them.
    pub fn into_values(self) -> Vec<T> {
        self.values
    }
}
