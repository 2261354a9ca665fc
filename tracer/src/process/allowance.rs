//! How much of a process's files one probe of it may read.
//!
//! A process chooses itself which files it maps and what they hold. So what counts is not what is loaded but what is
//! read: a table that is searched again is paid for again.

use std::cell::Cell;
use std::rc::Rc;

use crate::sys::aside;

/// Bytes: the files of the largest processes take a tenth of it, and no more than half a second goes into all of it.
pub(crate) const LIMIT: u64 = 512 << 20;

/// What is left for one probe, shared by all who take part in it.
#[derive(Clone, Debug)]
pub struct Allowance(Rc<Cell<u64>>);

impl Default for Allowance {
    fn default() -> Self {
        Self::new(LIMIT)
    }
}

impl Allowance {
    /// So many bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self(Rc::new(Cell::new(bytes)))
    }

    /// Takes so many bytes; once there were too few, there are none for anybody.
    pub fn take(&self, bytes: u64) -> Option<()> {
        aside::beat();
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.unwrap_or_default());
        left.map(drop)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shares_it_pays_for_all() {
        let allowance = Allowance::new(10);
        assert_eq!(allowance.clone().take(7), Some(()));
        assert_eq!((allowance.take(4), allowance.is_spent()), (None, true), "more than is left");
        assert_eq!(allowance.take(1), None, "nothing is left");
    }
}
