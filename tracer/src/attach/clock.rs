//! When samples are taken: on each CPU by a clock whose period changes by chance.
//!
//! A clock of a constant period that is near a multiple of a program's own sees the same lines again and again: a round
//! of 2 ms, sampled at 499 Hz, has shown shares that were wrong by a tenth, and by others in each run. The kernel has no
//! clock that ticks by chance, but the period of one can be changed, which costs an interrupt. It is, after [`SAMPLES`]
//! samples or so, to another between a quarter and seven quarters of the mean. The distance of the shares from the truth is
//! then that of samples at instants that are wholly by chance, whatever the program's period. To take by chance one tick
//! in eight of a faster clock would cost eight interrupts where this costs 1.06.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::os::fd::BorrowedFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::attach::error::Error;
use crate::attach::plan::SAMPLE;
use crate::sys::clock::Clock;

/// Samples that have the same distance, about. With fewer there are more changes to pay for. With more, some runs come
/// out as a constant period does: a stretch whose period suits the program's weighs more.
const SAMPLES: f64 = 16.0;
/// Periods are changed at most so often, and each of many at most so often: a change takes 1 µs on the CPU that asks for it
/// and up to 15 µs on another one of a virtual machine, which is 1 % of a CPU at worst.
const STRETCH: Duration = Duration::from_millis(5);
const STRETCH_PER_CPU: Duration = Duration::from_micros(1_500);
/// Stretches differ from their mean by at most this share, so that they are not periodic themselves.
const STRETCH_SPREAD: f64 = 0.25;
/// Periods differ from theirs by at most this one.
const SPREAD: f64 = 0.75;
/// How much faster a clock of such periods ticks than one that has their mean, since those that are short have more ticks:
/// ((1 + s) ln(1 + s) + (1 - s) ln(1 - s)) / s² for the spread s.
const FASTER: f64 = 1.124_87;
/// Steps around a circle of circumference 1 that come nowhere near to where they have been: from stretch to stretch, and
/// from CPU to CPU. So a few stretches have all sorts of periods, and as many ticks as others: drawn apart from each other
/// their number would differ by 3 % from one second to the next.
/// <https://en.wikipedia.org/wiki/Low-discrepancy_sequence#Additive_recurrence>
const STEP: f64 = 0.618_033_988_75;
const CPU_STEP: f64 = 0.754_877_666_25;

/// Whether there is something to see; until it says otherwise, there is.
type IsBusy = bool;

/// The clocks of all CPUs. Dropped, they are closed, and that is waited for.
pub struct Clocks {
    is_busy: IsBusy,
    /// To the thread that changes the periods, which ends without it.
    turns: Option<Sender<IsBusy>>,
    turner: Option<JoinHandle<()>>,
}

impl Clocks {
    /// Runs a program on each of these CPUs, so often a second.
    pub fn start(cpus: &[u32], rate_hz: u32, program: BorrowedFd<'_>) -> Result<Self, Error> {
        let start = |&cpu| Clock::start(cpu, rate_hz, program);
        let clocks: Result<Vec<_>, _> = cpus.iter().map(start).collect();
        let clocks = clocks.map_err(|error| Error::of_hook(SAMPLE, error))?;
        let (turns, answers) = channel();
        let turn = move || turn(&clocks, &Periods::new(rate_hz, clocks.len()), &answers);
        let turner = Builder::new().name("tracer-clock".to_owned()).spawn(turn);
        let turner = turner.map_err(|error| Error::no_thread(&error))?;
        Ok(Self { is_busy: true, turns: Some(turns), turner: Some(turner) })
    }

    /// While no target runs, the periods stay as they are: a change wakes a CPU that sleeps. They are others at once when
    /// one runs again.
    pub fn follow(&mut self, is_busy: IsBusy) {
        if is_busy != self.is_busy {
            self.is_busy = is_busy;
            let _ = self.turns.as_ref().map(|turns| turns.send(is_busy)); // the thread is there until it is closed
        }
    }

    /// Begins to close them.
    pub fn close(&mut self) {
        self.turns = None;
    }
}

impl Drop for Clocks {
    fn drop(&mut self) {
        self.close();
        if let Some(turner) = self.turner.take() {
            let _ = turner.join(); // one that panicked has closed them
        }
    }
}

/// Changes the periods until the end.
fn turn(clocks: &[Clock], periods: &Periods, answers: &Receiver<IsBusy>) {
    for stretch in 0_u32.. {
        for (cpu, clock) in (0_u32..).zip(clocks) {
            let _ = clock.set_period(periods.period_ns(stretch, cpu)); // of a CPU that is gone: it has no clock
        }
        let mut is_busy = match answers.recv_timeout(periods.length(stretch)) {
            Ok(is_busy) => is_busy,
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        while !is_busy {
            let Ok(now) = answers.recv() else { return };
            is_busy = now;
        }
    }
}

/// What the periods are.
struct Periods {
    chance: RandomState,
    mean_ns: f64,
    stretch: Duration,
}

impl Periods {
    fn new(rate_hz: u32, cpus: usize) -> Self {
        let rate_hz = f64::from(rate_hz);
        let stretch = Duration::from_secs_f64(SAMPLES / rate_hz);
        let stretch = stretch.max(STRETCH).max(STRETCH_PER_CPU * cpus as u32);
        // Each change takes back half a period on average.
        let lost = 1.0 / (2.0 * stretch.as_secs_f64() * rate_hz);
        Self { chance: RandomState::new(), mean_ns: 1e9 / rate_hz * FASTER / (1.0 + lost), stretch }
    }

    fn period_ns(&self, stretch: u32, cpu: u32) -> u64 {
        let place = self.by_chance(0) + STEP * f64::from(stretch) + CPU_STEP * f64::from(cpu);
        (self.mean_ns * (1.0 + SPREAD * triangular(place.fract()))) as u64
    }

    fn length(&self, stretch: u32) -> Duration {
        self.stretch.mul_f64(1.0 + STRETCH_SPREAD * (2.0 * self.by_chance(stretch + 1) - 1.0))
    }

    /// Between 0 and 1: one number for each `which`, others in each run.
    fn by_chance(&self, which: u32) -> f64 {
        self.chance.hash_one(which) as f64 / u64::MAX as f64
    }
}

/// From what is evenly distributed between 0 and 1 to what lies between -1 and 1, near 0 most often.
fn triangular(even: f64) -> f64 {
    if even < 0.5 { (2.0 * even).sqrt() - 1.0 } else { 1.0 - (2.0 - 2.0 * even).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Instants of `seconds` seconds.
    fn instants(rate_hz: u32, seconds: f64) -> Vec<f64> {
        let periods = Periods::new(rate_hz, 2);
        let (mut at, mut instants) = (0.0, Vec::new());
        let mut stretch = 0;
        while at < seconds {
            let (period, length) = (periods.period_ns(stretch, 1) as f64 / 1e9, periods.length(stretch));
            let ticks = (length.as_secs_f64() / period) as u32;
            instants.extend((1..=ticks).map(|tick| at + f64::from(tick) * period));
            at += length.as_secs_f64();
            stretch += 1;
        }
        instants
    }

    #[test]
    fn as_many_samples_are_taken_as_were_asked_for() {
        for rate_hz in [1, 99, 499, 999, 20_000] {
            // A hundred stretches or more: their samples err by 1 %. Of 20, at 20,000 Hz, one in many runs was off by 6 %.
            let seconds = (2_000.0 / f64::from(rate_hz)).max(1.0);
            let share = instants(rate_hz, seconds).len() as f64 / (seconds * f64::from(rate_hz));
            assert!((share - 1.0).abs() < 0.05, "{rate_hz} Hz: {share}");
        }
    }

    /// The part of a round in which half of the samples should be: its share errs as that of coins does, or less.
    #[test]
    fn no_period_is_one_that_aliases() {
        for rate_hz in [99, 499, 999] {
            for periods in [0.05, 0.5, 0.7, 1.0, 1.4, 2.0, 20.0] {
                let round = periods / f64::from(rate_hz);
                let squares: f64 = (0..200).map(|_| error(rate_hz, round).powi(2)).sum();
                // Of coins it is 1 on average. In 200 runs its mean errs by a tenth: six of those.
                assert!(squares / 200.0 < 1.6, "{rate_hz} Hz, {periods} periods: {}", squares / 200.0);
            }
        }
    }

    /// In standard deviations of as many throws of a coin.
    fn error(rate_hz: u32, round: f64) -> f64 {
        let instants = instants(rate_hz, 8.0);
        let half = instants.iter().filter(|&&at| (at / round).fract() < 0.5).count() as f64;
        let all = instants.len() as f64;
        (half - all / 2.0) / (all / 4.0).sqrt()
    }
}
