//! How often the reader looks by itself: a look at nothing takes CPU time that the target may want.

use std::time::{Duration, Instant};

/// While something happens: what is seen of a new process, say, is looked at twenty milliseconds later.
const BUSY: Duration = Duration::from_millis(20);
/// While nothing does. A buffer that fills wakes the reader earlier, and so does what cannot wait.
const CALM: Duration = Duration::from_millis(100);
/// How long something goes on to happen.
const HOLDS: Duration = Duration::from_millis(500);

/// When something happened last.
pub struct Pace {
    last: Instant,
}

impl Pace {
    /// Something happens now: the run begins.
    pub fn new(now: Instant) -> Self {
        Self { last: now }
    }

    /// Something happens.
    pub fn hasten(&mut self, now: Instant) {
        self.last = now;
    }

    /// Until the next look.
    #[must_use]
    pub fn pause(&self, now: Instant) -> Duration {
        if now.saturating_duration_since(self.last) < HOLDS { BUSY } else { CALM }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_rare_once_nothing_has_happened_for_a_while() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pace = Pace::new(start);
        assert_eq!(pace.pause(at(0)), BUSY);
        assert_eq!(pace.pause(at(499)), BUSY);
        assert_eq!(pace.pause(at(500)), CALM);
        pace.hasten(at(600));
        assert_eq!(pace.pause(at(601)), BUSY);
    }
}
