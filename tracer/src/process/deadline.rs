//! Until when something is read, where there may be more of it than there is time for.

use std::time::{Duration, Instant};

/// The end of the time that a piece of reading has.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    end: Instant,
    /// So many of what is read are read however long it takes.
    certain: usize,
}

impl Deadline {
    /// So much later.
    #[must_use]
    pub fn after(limit: Duration) -> Self {
        Self { end: Instant::now() + limit, certain: 0 }
    }

    /// The same, but so many are read in any case: who reads may not have had a CPU in that time.
    #[must_use]
    pub fn with_certain(self, certain: usize) -> Self {
        Self { certain, ..self }
    }

    /// Whether there is no time left.
    #[must_use]
    pub fn has_passed(self) -> bool {
        Instant::now() >= self.end
    }

    /// What is left, in equal parts for so many.
    #[must_use]
    pub fn share(self, parts: usize) -> Duration {
        let parts = u32::try_from(parts.max(1)).unwrap_or(u32::MAX);
        self.end.saturating_duration_since(Instant::now()) / parts
    }

    /// Makes something of one after the other, until there is no time left; and how many nothing was made of for that reason.
    pub fn each<T, U>(self, all: &[T], mut make: impl FnMut(&T) -> Option<U>) -> (Vec<U>, usize) {
        let mut made = Vec::new();
        for (index, one) in all.iter().enumerate() {
            if index >= self.certain && self.has_passed() {
                return (made, all.len() - index);
            }
            made.extend(make(one));
        }
        (made, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn who_has_no_time_makes_nothing_and_says_so() {
        let odd = |number: &u32| (number % 2 == 1).then_some(*number);
        assert_eq!(Deadline::after(LONG).each(&[1, 2, 3], odd), (vec![1, 3], 0));
        assert_eq!(Deadline::after(Duration::ZERO).each(&[1, 2, 3], odd), (vec![], 3));
        let late = Deadline::after(Duration::ZERO).with_certain(2);
        assert_eq!(late.each(&[1, 2, 3], odd), (vec![1], 1), "two are certain");
        let slowly = |number: &u32| {
            std::thread::sleep(Duration::from_millis(1));
            Some(*number)
        };
        let (made, left) = Deadline::after(Duration::from_micros(900)).each(&[1, 2, 3], slowly);
        assert!(made.len() <= 1 && made.len() + left == 3, "{made:?}");
    }

    #[test]
    fn time_is_shared_in_equal_parts() {
        let deadline = Deadline::after(LONG);
        assert!((LONG / 5..=LONG / 4).contains(&deadline.share(4)));
        assert_eq!(Deadline::after(Duration::ZERO).share(4), Duration::ZERO);
        assert!(deadline.share(0) > LONG / 2, "nobody to share with");
    }
}
