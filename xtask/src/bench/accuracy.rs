//! How far from the truth a profile is.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::contender::Output;

/// Samples by function, among those whose share is known.
pub fn samples(output: Output, path: &Path, truth: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    match output {
        Output::Report => of_report(&text, truth),
        Output::Collapsed => of_collapsed(&text, truth),
        Output::Nothing => BTreeMap::new(),
    }
}

fn of_report(text: &str, truth: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let report: Value = serde_json::from_str(text).unwrap_or_default();
    let mut samples = BTreeMap::new();
    for row in report["frames"]["hot"].as_array().into_iter().flatten() {
        let function = row["function"].as_str().unwrap_or_default();
        if truth.contains_key(function) {
            *samples.entry(function.to_owned()).or_default() += row["self_samples"].as_f64().unwrap_or(0.0);
        }
    }
    samples
}

fn of_collapsed(text: &str, truth: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        let Some((stack, count)) = line.rsplit_once(' ') else { continue };
        let leaf = stack.rsplit(';').next().unwrap_or_default();
        let mut words = leaf.split(|char: char| !char.is_alphanumeric() && char != '_');
        if let Some(function) = words.find(|word| truth.contains_key(*word)) {
            *samples.entry(function.to_owned()).or_default() += count.parse().unwrap_or(0.0);
        }
    }
    samples
}

/// Total variation distance of two sets of weights, as shares: 0 for the same, 1 for nothing in common.
pub fn distance(one: &BTreeMap<String, f64>, other: &BTreeMap<String, f64>) -> Option<f64> {
    let (whole, other_whole): (f64, f64) = (one.values().sum(), other.values().sum());
    if whole == 0.0 || other_whole == 0.0 {
        return None;
    }
    let share = |weights: &BTreeMap<String, f64>, key: &String, whole: f64| {
        weights.get(key).copied().unwrap_or(0.0) / whole
    };
    let apart = one.keys().map(|key| (share(one, key, whole) - share(other, key, other_whole)).abs());
    Some(apart.sum::<f64>() / 2.0)
}

/// What ideal sampling would be off by, on average: each share errs as a binomial proportion does.
pub fn ideal(truth: &BTreeMap<String, f64>, samples: f64) -> f64 {
    let whole: f64 = truth.values().sum();
    let mean_error = |share: f64| (2.0 * share * (1.0 - share) / (std::f64::consts::PI * samples)).sqrt();
    truth.values().map(|seconds| mean_error(seconds / whole)).sum::<f64>() / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(pairs: &[(&str, f64)]) -> BTreeMap<String, f64> {
        pairs.iter().map(|&(name, weight)| (name.to_owned(), weight)).collect()
    }

    #[test]
    fn distances_are_half_of_what_shares_differ_by() {
        let truth = weights(&[("five", 5.0), ("rest", 95.0)]);
        assert_eq!(distance(&truth, &truth), Some(0.0));
        assert!((distance(&truth, &weights(&[("five", 1.0), ("rest", 9.0)])).unwrap() - 0.05).abs() < 1e-9);
        assert_eq!(distance(&truth, &weights(&[])), None);
        assert!((ideal(&weights(&[("a", 1.0), ("b", 1.0)]), 10_000.0) - 0.004).abs() < 0.0005);
    }

    #[test]
    fn leaves_are_found_in_every_tool_s_lines() {
        let truth = weights(&[("fifty", 0.0)]);
        for line in [
            "step (fractions.py:35);fifty (fractions.py:12) 7",
            "P1;T1;/w/fractions.py:step:35;/w/fractions.py:fifty:12 7",
            "tid:7;fractions.py:step:35;fractions.py:fifty:12 7",
        ] {
            assert_eq!(of_collapsed(line, &truth), weights(&[("fifty", 7.0)]), "{line}");
        }
    }
}
