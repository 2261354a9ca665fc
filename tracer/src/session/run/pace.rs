//! How often the reader polls by itself: to poll for nothing takes CPU time that the target may want.

use std::time::{Duration, Instant};

/// While something happens: what is seen of a new process, say, is read twenty milliseconds later.
const BUSY: Duration = Duration::from_millis(20);
/// While nothing does. A buffer that fills wakes the reader earlier, and so does what cannot wait. Whole seconds and
/// quarters of them are multiples, so that what is due then is done in the same wakes.
const CALM: Duration = Duration::from_millis(250);
/// How long something goes on to happen.
const HOLDS: Duration = Duration::from_millis(500);

/// When the run began, and when something happened last.
pub struct Pace {
    begin: Instant,
    last: Instant,
}

impl Pace {
    /// Something happens now: the run begins.
    pub fn new(now: Instant) -> Self {
        Self { begin: now, last: now }
    }

    /// When the run began.
    pub fn begin(&self) -> Instant {
        self.begin
    }

    /// Something happens: the ring buffer is read more often for a while.
    pub fn poll_faster(&mut self, now: Instant) {
        self.last = now;
    }

    /// When to poll next.
    #[must_use]
    pub fn next(&self, now: Instant) -> Instant {
        if now.saturating_duration_since(self.last) < HOLDS {
            return now + BUSY;
        }
        let passed = now.saturating_duration_since(self.begin).as_nanos() / CALM.as_nanos();
        self.begin + CALM * (passed as u32 + 1)
    }
}

/// What is done again and again, at multiples of its period from the begin of the run on.
pub struct Beat {
    begin: Instant,
    period: Duration,
    next: Instant,
}

impl Beat {
    /// First when a period has passed.
    pub fn new(period: Duration, begin: Instant) -> Self {
        Self { begin, period, next: begin + period }
    }

    /// When it is due next.
    #[must_use]
    pub fn next(&self) -> Instant {
        self.next
    }

    /// At multiples of another period from the next time on.
    pub fn slow_down(&mut self, period: Duration) {
        let periods = (self.next - self.begin).as_nanos().div_ceil(period.as_nanos());
        (self.period, self.next) = (period, self.begin + period * periods as u32);
    }

    /// Whether it is due now, and will be done. After a delay the next time is half a period away at least.
    pub fn is_due(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        let passed = (now + self.period / 2 - self.next).as_nanos() / self.period.as_nanos();
        self.next += self.period * (passed as u32 + 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_are_rare_once_nothing_has_happened_for_a_while() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pace = Pace::new(start);
        assert_eq!(pace.next(at(0)), at(20));
        assert_eq!(pace.next(at(499)), at(519));
        assert_eq!(pace.next(at(500)), at(750));
        assert_eq!(pace.next(at(737)), at(750));
        pace.poll_faster(at(700));
        assert_eq!(pace.next(at(701)), at(721));
    }

    #[test]
    fn what_was_missed_is_not_done_twice() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut beat = Beat::new(Duration::from_millis(250), start);
        for (now, is_due, next) in
            [(249, false, 250), (250, true, 500), (620, true, 750), (890, true, 1250), (2_260, true, 2_500)]
        {
            assert_eq!((beat.is_due(at(now)), beat.next()), (is_due, at(next)), "{now}");
        }
        for _ in 0..2 {
            beat.slow_down(Duration::from_secs(1));
            assert_eq!(beat.next(), at(3_000));
        }
    }
}
