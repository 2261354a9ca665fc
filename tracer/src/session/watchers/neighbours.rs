//! What it costs the whole machine that reads are watched: each system call of every process takes longer meanwhile.

use std::time::Duration;

use crate::session::budget::READS_IN_BURSTS;

/// Calls a second from which on all are spared: at 0.1 µs each that is a twentieth of a CPU.
const MANY: f64 = 500_000.0;
/// And below which they are watched again, after so many seconds of them.
const FEW: f64 = MANY / 2.0;
const CALM: u32 = 5;
/// From less than this no rate is computed.
const LEAST: Duration = Duration::from_millis(50);

/// System calls that were no reads of a target, second by second.
#[derive(Debug, Default)]
pub struct Neighbours {
    /// Reads are watched whatever that costs.
    is_kept: bool,
    is_spared: bool,
    calm: u32,
}

impl Neighbours {
    /// Of a machine whose system calls may become slower, or shall not.
    pub fn new(is_kept: bool) -> Self {
        Self { is_kept, ..Self::default() }
    }

    /// Whether reads are to be watched in bursts only.
    pub fn are_spared(&self) -> bool {
        self.is_spared
    }

    /// Takes note of so many calls while reads were watched for so long; what is seen no more, or again, and why.
    pub fn second(&mut self, calls: u64, watched: Duration) -> Option<(String, String)> {
        if self.is_kept || watched < LEAST {
            return None;
        }
        let rate = calls as f64 / watched.as_secs_f64();
        self.calm = if rate < FEW { self.calm + 1 } else { 0 };
        let turns = if self.is_spared { self.calm >= CALM } else { rate > MANY };
        self.is_spared ^= turns;
        turns.then(|| if self.is_spared { spared(rate) } else { restored() })
    }
}

fn spared(rate: f64) -> (String, String) {
    let why = format!(
        "this machine makes {:.1} million system calls a second, each of which takes longer while reads are \
         watched; to watch them all the same, name reads in --only",
        rate / 1e6
    );
    (READS_IN_BURSTS.to_owned(), why)
}

fn restored() -> (String, String) {
    let why = "this machine makes fewer system calls again".to_owned();
    (format!("{READS_IN_BURSTS}: restored"), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const BURST: Duration = Duration::from_millis(100);

    #[test]
    fn a_machine_that_makes_many_calls_is_spared_until_it_makes_few() {
        let (mut neighbours, mut shed) = (Neighbours::new(false), Vec::new());
        let mut second = |calls, watched| {
            shed.extend(neighbours.second(calls, watched).map(|(what, _)| what));
            neighbours.are_spared()
        };
        assert!(!second(499_000, SECOND));
        assert!(!second(40_000, LEAST / 2), "so short a time shows nothing");
        assert!(second(501_000, SECOND));
        assert!(second(30_000, BURST), "fewer, and not few");
        assert!((0..4).all(|_| second(2_000, BURST)));
        assert!(second(0, Duration::ZERO), "nothing is known of a second without a burst");
        assert!(!second(2_000, BURST));
        assert_eq!(shed, [READS_IN_BURSTS.to_owned(), format!("{READS_IN_BURSTS}: restored")]);
    }

    #[test]
    fn who_asked_for_reads_has_them() {
        let mut neighbours = Neighbours::new(true);
        assert_eq!((neighbours.second(9_000_000, SECOND), neighbours.are_spared()), (None, false));
    }
}
