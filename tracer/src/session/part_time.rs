//! What is watched all the time, or, once the budget is spent, in bursts; and for how long it was.

use std::time::{Duration, Instant};

/// One burst begins so often.
const PERIOD: Duration = Duration::from_secs(2);
/// And lasts one of so many parts of that.
pub const PARTS: u64 = 20;
const BURST: Duration = Duration::from_millis(100);
const _: () = assert!(PERIOD.as_millis() == BURST.as_millis() * PARTS as u128);

/// Something that may be watched for a part of the time.
pub struct PartTime {
    since: Option<Instant>,
    watched: Duration,
    burst: Instant,
}

impl PartTime {
    /// Watched from now on, or not at all.
    #[must_use]
    pub fn new(watched: bool) -> Self {
        let now = Instant::now();
        Self { since: watched.then_some(now), watched: Duration::ZERO, burst: now }
    }

    /// Whether it ought to be watched now: always, or in bursts only.
    pub fn is_due(&mut self, always: bool, now: Instant) -> bool {
        if always {
            return true;
        }
        if now >= self.burst + PERIOD {
            self.burst = now;
        }
        now < self.burst + BURST
    }

    /// It has been attached or detached.
    pub fn turn(&mut self, on: bool, now: Instant) {
        self.watched += self.since.take().map_or(Duration::ZERO, |since| now.duration_since(since));
        self.since = on.then_some(now);
        if !on {
            // What ends, be it a burst or more, is followed by a pause.
            self.burst = self.burst.max(now.checked_sub(BURST).unwrap_or(now));
        }
    }

    /// For how long it has been watched.
    #[must_use]
    pub fn watched(&self, now: Instant) -> Duration {
        self.watched + self.since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_take_a_twentieth_of_the_time() {
        let mut part = PartTime::new(true);
        let start = part.burst;
        let mut on = true;
        for tick in 0..5_000 {
            let now = start + Duration::from_millis(20) * tick;
            let due = part.is_due(tick < 50, now);
            if due != on {
                part.turn(due, now);
                on = due;
            }
        }
        let watched = part.watched(start + Duration::from_secs(100));
        // The first second whole, and of 99 more a twentieth, give or take a tick a burst.
        assert!((5.5..7.5).contains(&watched.as_secs_f64()), "{watched:?}");
    }
}
