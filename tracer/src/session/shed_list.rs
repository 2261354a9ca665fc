//! What was given up, listed one by one while that is little: a host may start processes for days that cannot be watched.

use crate::report::Shed;

/// Rows that are listed as they are.
const ROWS: usize = 64;

/// What was given up, in memory that does not grow with the run.
#[derive(Debug, Default)]
pub struct ShedList {
    rows: Vec<Shed>,
    more: u64,
}

impl ShedList {
    /// Adds one; once there are many, the last row stands for all further ones.
    pub fn push(&mut self, shed: Shed) {
        let is_full = self.rows.len() >= ROWS;
        self.more += u64::from(is_full);
        self.rows.truncate(ROWS);
        self.rows.push(if is_full { self.last_of_more(shed) } else { shed });
    }

    fn last_of_more(&self, shed: Shed) -> Shed {
        let what = format!("{} times more, at last {}", self.more, shed.what);
        Shed { what, ..shed }
    }

    /// All of them, the oldest first.
    #[must_use]
    pub fn rows(&self) -> &[Shed] {
        &self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_take_no_more_room_and_are_counted() {
        let mut list = ShedList::default();
        let shed = |pid: u64| Shed { at_ns: pid, what: format!("process {pid}"), why: "w".to_owned() };
        (0..ROWS as u64).for_each(|pid| list.push(shed(pid)));
        assert_eq!(list.rows().last(), Some(&shed(63)), "each is listed");
        (64..100_000).for_each(|pid| list.push(shed(pid)));
        assert_eq!((list.rows().len(), &list.rows()[63]), (ROWS + 1, &shed(63)));
        let last = list.rows().last().unwrap();
        assert_eq!(last.what, "99936 times more, at last process 99999");
        assert_eq!(last.at_ns, 99_999);
    }
}
