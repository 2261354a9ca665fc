//! How probable a difference is if there is none.
//!
//! Samples and calls are counts, for which there is an exact test, without resampling: if two runs have the same rate, each
//! of the events of both falls into the second one with the probability of its share of the exposure.
//! So their split is binomial. A sum of waits varies more than their number, as its parts do.

/// Counts beyond this are taken for normal: the error of that is far below what is asked for.
const EXACT: u64 = 4_000;

/// Of `first` and `second` events in windows of these lengths: the probability of a split that is as uneven.
pub fn of_counts(first: u64, second: u64, first_exposure: f64, second_exposure: f64) -> f64 {
    let all = first + second;
    let share = second_exposure / (first_exposure + second_exposure);
    if all == 0 || !(share > 0.0 && share < 1.0) {
        return 1.0;
    }
    let expected = all as f64 * share;
    if all > EXACT {
        let deviation = ((second as f64 - expected).abs() - 0.5).max(0.0);
        return two_sided(deviation / (expected * (1.0 - share)).sqrt());
    }
    let factorials = log_factorials(all);
    let chance = |k: u64| {
        let ways = factorials[all as usize] - factorials[k as usize] - factorials[(all - k) as usize];
        (ways + k as f64 * share.ln() + (all - k) as f64 * (1.0 - share).ln()).exp()
    };
    let tail: f64 = if second as f64 > expected {
        (second..=all).map(chance).sum()
    } else {
        (0..=second).map(chance).sum()
    };
    (2.0 * tail).min(1.0)
}

/// Of sums of so many waits: as if their lengths were spread as those of chance are, whose deviation is their mean. Then the
/// logarithm of a sum of `n` has a variance of 2/n.
pub fn of_sums(first: (f64, u64), second: (f64, u64), first_exposure: f64, second_exposure: f64) -> f64 {
    let ((first, first_count), (second, second_count)) = (first, second);
    if first_count == 0 || second_count == 0 || first <= 0.0 || second <= 0.0 {
        return of_counts(first_count, second_count, first_exposure, second_exposure);
    }
    let ratio = (second / second_exposure) / (first / first_exposure);
    let variance = 2.0 / first_count as f64 + 2.0 / second_count as f64;
    two_sided(ratio.ln().abs() / variance.sqrt())
}

fn log_factorials(to: u64) -> Vec<f64> {
    let mut sum = 0.0;
    let mut logarithms = vec![0.0];
    logarithms.extend((1..=to).map(|n| {
        sum += (n as f64).ln();
        sum
    }));
    logarithms
}

/// The probability of a normal deviate beyond `z` on either side.
///
/// Abramowitz and Stegun, 7.1.26, with an error below 2e-7; beyond 5 the leading term of its tail.
fn two_sided(z: f64) -> f64 {
    let x = z / std::f64::consts::SQRT_2;
    if z > 5.0 {
        return (-x * x).exp() / (x * std::f64::consts::PI.sqrt());
    }
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let coefficients = [0.254_829_592, -0.284_496_736, 1.421_413_741, -1.453_152_027, 1.061_405_429];
    let polynomial = coefficients.iter().rev().fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    polynomial * (-x * x).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As R's `binom.test` has it, doubled tails.
    #[test]
    fn splits_are_as_probable_as_the_binomial_says() {
        for (first, second, first_exposure, second_exposure, expected) in [
            (0, 0, 1.0, 1.0, 1.0),
            (5, 5, 1.0, 1.0, 1.0),
            (0, 5, 1.0, 1.0, 0.062_5),
            (5, 0, 1.0, 1.0, 0.062_5),
            (0, 10, 1.0, 1.0, 0.001_953_125),
            (10, 20, 1.0, 2.0, 1.0),
            (0, 3, 2.0, 1.0, 2.0 / 27.0),
        ] {
            let p = of_counts(first, second, first_exposure, second_exposure);
            assert!((p - expected).abs() < 1e-9, "{first} {second}: {p}");
        }
    }

    /// The two ways agree where they meet.
    #[test]
    fn large_counts_are_normal() {
        for more in [0, 50, 100, 150] {
            let (first, second) = (EXACT / 2 - more, EXACT / 2 + more);
            let exact = of_counts(first, second, 1.0, 1.0);
            let normal = of_counts(first + 1, second + 1, 1.0, 1.0);
            assert!((exact - normal).abs() < 0.02 * exact.max(1e-4), "{more}: {exact} {normal}");
        }
    }

    #[test]
    fn few_waits_prove_nothing() {
        assert!(of_sums((1e9, 1), (3e9, 1), 1.0, 1.0) > 0.4);
        assert!(of_sums((1e9, 1_000), (2e9, 1_000), 1.0, 1.0) < 1e-9);
        assert!(of_sums((1e9, 1_000), (1.02e9, 1_000), 1.0, 1.0) > 0.5);
        assert!(of_sums((0.0, 0), (2e9, 1_000), 1.0, 1.0) < 1e-9, "new");
    }
}
