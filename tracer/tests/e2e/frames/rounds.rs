//! A program that does the same again and again is seen as it is, whatever the time that it takes for that.

use std::collections::BTreeMap;

use crate::harness::{Program, Report, Tracer, number, rows, system, text, turn};

/// Rates, in Hz.
const RATES: [&str; 3] = ["99", "499", "999"];
/// Lengths of rounds, in nanoseconds: those of the three clocks, halves and multiples of them, and others.
const ROUNDS: [u64; 8] =
    [500_000, 1_001_001, 1_002_004, 2_000_000, 2_004_008, 5_050_505, 10_101_010, 20_000_000];
/// CPU seconds at each: from 400 samples on.
const SECONDS: &str = "4";
/// Shares that a run reports, in all.
const PROFILES: usize = RATES.len() * ROUNDS.len();
/// Of profiles that ideal random sampling takes, one in twenty is farther from the truth than its bound. That more than
/// this many of 24 are, has a probability of 0.1 %.
const MOST_FAR: usize = 5;
/// And none is so many times as far in a million.
const TOO_FAR: f64 = 2.5;

#[test]
fn shares_are_as_ideal_random_samples_show_them_whatever_the_period() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let arguments: Vec<_> = [SECONDS.to_owned()].into_iter().chain(ROUNDS.map(|ns| ns.to_string())).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let mut program = Program::start_with(&python, "rounds.py", &arguments);
    let tracers = RATES.map(|rate| Tracer::attach(program.pid(), &["--only", "frames", "--rate", rate]));
    let truth: BTreeMap<String, BTreeMap<String, f64>> =
        serde_json::from_value(program.go()).expect("seconds by function, by round");
    let reports = tracers.map(|tracer| tracer.stop().exact());

    let mut chance = Chance(0x5eed);
    let mut far = Vec::new();
    for (rate, report) in RATES.iter().zip(&reports) {
        for (round, spent) in &truth {
            let seen = samples(report, spent);
            let times = distance(spent, &seen) / bound(spent, seen.values().sum(), &mut chance);
            let profile =
                format!("{rate} Hz, rounds of {round} ns: {times:.2} bounds, {seen:?} of {spent:?}");
            assert!(times < TOO_FAR, "{profile}");
            if times > 1.0 {
                far.push(profile);
            }
        }
    }
    assert!(far.len() <= MOST_FAR, "{} of {PROFILES} are too far: {far:#?}", far.len());
}

/// Samples by function, of these functions.
fn samples(report: &Report, functions: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let mut samples: BTreeMap<_, _> = functions.keys().map(|name| (name.clone(), 0.0)).collect();
    for row in rows(&report["frames"]["hot"]) {
        if let Some(sum) = samples.get_mut(text(&row["function"])) {
            *sum += number(&row["self_samples"]) as f64;
        }
    }
    samples
}

/// Half of what the shares differ by.
fn distance(one: &BTreeMap<String, f64>, other: &BTreeMap<String, f64>) -> f64 {
    let (whole, other_whole): (f64, f64) = (one.values().sum(), other.values().sum());
    let apart = one.iter().map(|(name, amount)| (amount / whole - other[name] / other_whole).abs());
    apart.sum::<f64>() / 2.0
}

/// What 95 in 100 profiles of so many samples, each at an instant wholly by chance, do not exceed: by trying.
fn bound(truth: &BTreeMap<String, f64>, samples: f64, chance: &mut Chance) -> f64 {
    const PROFILES: usize = 1_000;
    let mut distances: Vec<_> =
        (0..PROFILES).map(|_| distance(truth, &chance.profile(truth, samples as u32))).collect();
    distances.sort_by(f64::total_cmp);
    distances[PROFILES * 95 / 100]
}

/// Numbers by chance, the same in each run.
struct Chance(u64);

impl Chance {
    fn profile(&mut self, truth: &BTreeMap<String, f64>, samples: u32) -> BTreeMap<String, f64> {
        let whole: f64 = truth.values().sum();
        let mut profile: BTreeMap<_, _> = truth.keys().map(|name| (name.clone(), 0.0)).collect();
        for _ in 0..samples {
            let mut left = whole * self.unit();
            let found = truth.iter().find(|(_, amount)| {
                left -= **amount;
                left < 0.0
            });
            if let Some((name, _)) = found {
                *profile.get_mut(name).expect("it is one of them") += 1.0;
            }
        }
        profile
    }

    /// Between 0 and 1: xorshift64.
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}
