//! Medians, ratios and spreads, as text and as JSON.

use std::fmt;

use serde_json::{Value, json};

use super::cases::Case;
use super::round::Round;

/// A case, measured.
pub struct Table<'a> {
    case: &'a Case,
    rows: Vec<(String, Vec<Round>)>,
}

/// One figure over the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Figure {
    median: f64,
    low: f64,
    high: f64,
    /// Where the true median lies, with 95 % confidence; `None` of too few rounds to say.
    interval: Option<(f64, f64)>,
}

impl Figure {
    fn from_values(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (low, high) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        let interval = bounds(values.len()).map(|rank| (values[rank], values[values.len() - 1 - rank]));
        Some(Self { median, low, high, interval })
    }

    fn json(self) -> Value {
        json!({"median": self.median, "low": self.low, "high": self.high, "interval": self.interval})
    }
}

/// The rank, from either end, between whose values the median of whatever these values come from lies with 95 % confidence:
/// each is above it or below by the toss of a coin.
fn bounds(count: usize) -> Option<usize> {
    /// That more values lie beyond a bound than were tossed: of both bounds, one in twenty.
    const MOST: f64 = 0.025;
    let mut exactly = 0.5_f64.powi(i32::try_from(count).ok()?);
    let (mut beyond, mut rank) = (exactly, None);
    for next in 0..count / 2 {
        if beyond > MOST {
            break;
        }
        rank = Some(next);
        exactly *= (count - next) as f64 / (next + 1) as f64;
        beyond += exactly;
    }
    rank
}

impl<'a> Table<'a> {
    /// Of all rounds of all contenders, the first of which the others are compared with.
    pub fn new(case: &'a Case, rows: Vec<(String, Vec<Round>)>) -> Self {
        Self { case, rows }
    }

    /// Round by round, so that what changes between rounds changes both.
    fn ratio(&self, rounds: &[Round], value: impl Fn(&Round) -> f64) -> Option<Figure> {
        let base = &self.rows[0].1;
        Figure::from_values(rounds.iter().zip(base).map(|(round, base)| value(round) / value(base)))
    }

    /// Over all rounds: a host that slows some of them down leaves others alone.
    fn fastest_ratio(&self, rounds: &[Round]) -> Option<Figure> {
        let fastest = |rounds: &[Round]| rounds.iter().map(|round| round.fastest).fold(0.0, f64::max);
        Figure::from_values(std::iter::once(fastest(rounds) / fastest(&self.rows[0].1)))
    }

    /// For programs to read.
    pub fn to_json(&self) -> String {
        let rows: Vec<_> = self.rows.iter().map(|(name, rounds)| self.row(name, rounds)).collect();
        let rounds = self.rows.first().map_or(0, |(_, rounds)| rounds.len());
        format!(
            "{:#}\n",
            json!({"case": self.case.name, "goal": self.case.goal, "rounds": rounds, "rows": rows})
        )
    }

    fn row(&self, name: &str, rounds: &[Round]) -> Value {
        let mut row = json!({"contender": name});
        for (key, figure) in self.figures(rounds) {
            row[key] = figure.map_or(Value::Null, Figure::json);
        }
        row
    }

    fn figures(&self, rounds: &[Round]) -> Vec<(&'static str, Option<Figure>)> {
        let of = |value: &dyn Fn(&Round) -> Option<f64>| Figure::from_values(rounds.iter().filter_map(value));
        let number = |round: &Round, path: &str| round.report.as_ref()?.pointer(path)?.as_f64();
        vec![
            ("throughput_ratio", self.ratio(rounds, |round| round.throughput)),
            ("per_cpu_ratio", self.ratio(rounds, |round| round.per_cpu_s)),
            ("cpu_per_unit_ratio", self.ratio(rounds, |round| 1.0 / round.per_cpu_s)),
            ("user_per_unit_ratio", self.ratio(rounds, |round| (1.0 - round.system_share) / round.per_cpu_s)),
            ("system_per_unit_ratio", self.ratio(rounds, |round| round.system_share / round.per_cpu_s)),
            ("host_per_unit_ratio", self.ratio(rounds, |round| round.host_per_unit)),
            ("fastest_ratio", self.fastest_ratio(rounds)),
            ("cores", of(&|round| round.cores)),
            ("peak_mb", of(&|round| Some(round.peak_bytes? as f64 / 1e6))),
            ("attached_ms", of(&|round| round.attached_ms)),
            ("first_sample_ms", of(&|round| round.first_sample_ms)),
            ("report_ms", of(&|round| round.report_ms)),
            ("distance", of(&|round| Some(round.distance?.0))),
            ("ideal_distance", of(&|round| Some(round.distance?.1))),
            ("samples_taken", of(&|round| number(round, "/quality/samples/taken"))),
            ("samples_expected", of(&|round| number(round, "/quality/samples/expected"))),
            ("lost", of(&|round| Some(lost(round.report.as_ref()?)))),
            ("bpf_ms", of(&|round| Some(number(round, "/overhead/bpf_ns")? / 1e6))),
            (
                "shed",
                of(&|round| Some(round.report.as_ref()?.pointer("/overhead/shed")?.as_array()?.len() as f64)),
            ),
            ("walk_us", of(&|round| walk_us(round.report.as_ref()?))),
        ]
    }
}

fn lost(report: &Value) -> f64 {
    report["quality"]["lost"].as_object().into_iter().flatten().filter_map(|(_, count)| count.as_f64()).sum()
}

/// Run time of the sampling program for each sample that it kept: what it does on CPUs that run something else is
/// counted with it.
fn walk_us(report: &Value) -> Option<f64> {
    let programs = report["overhead"]["programs"].as_array()?;
    let sample = programs.iter().find(|program| program["name"] == "sample")?;
    let taken = report.pointer("/quality/samples/taken")?.as_f64().filter(|&taken| taken > 0.0)?;
    Some(sample["run_ns"].as_f64()? / taken / 1e3)
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\n{}: {}", self.case.name, self.case.goal)?;
        let width = self.rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, rounds) in &self.rows {
            write!(out, "  {name:width$}")?;
            for (key, figure) in self.figures(rounds) {
                if let Some(Figure { median, low, high, interval }) = figure {
                    write!(out, "  {key} {} ({}..{}", Short(median), Short(low), Short(high))?;
                    match interval {
                        Some((from, to)) => write!(out, "; 95% {}..{})", Short(from), Short(to))?,
                        None => write!(out, ")")?,
                    }
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

/// Three digits that matter.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.0.abs() {
            small if small < 0.1 && small > 0.0 => 4,
            small if small < 10.0 => 3,
            middle if middle < 100.0 => 1,
            _ => 0,
        };
        write!(out, "{:.digits$}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases::CASES;
    use super::*;

    fn round(throughput: f64) -> Round {
        Round { throughput, per_cpu_s: throughput, ..Round::default() }
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let rows = vec![
            ("untraced".to_owned(), [100.0, 50.0, 200.0].map(round).to_vec()),
            ("traced".to_owned(), [90.0, 45.0, 190.0].map(round).to_vec()),
        ];
        let table = Table::new(&CASES[0], rows);
        let ratio = table.ratio(&table.rows[1].1, |round| round.throughput).unwrap();
        assert_eq!((ratio.median, ratio.low), (0.9, 0.9));
        assert!((ratio.high - 0.95).abs() < 1e-9);
    }

    #[test]
    fn the_fastest_pieces_may_be_of_different_rounds() {
        let round = |fastest: f64| Round { fastest, ..Round::default() };
        let rows = vec![
            ("untraced".to_owned(), [100.0, 50.0].map(round).to_vec()),
            ("traced".to_owned(), [40.0, 90.0].map(round).to_vec()),
        ];
        let table = Table::new(&CASES[0], rows);
        assert_eq!(table.fastest_ratio(&table.rows[1].1).map(|figure| figure.median), Some(0.9));
    }

    /// As tables of the sign test have it: of 6 values the least and the greatest, of 20 the sixth.
    #[test]
    fn a_median_lies_between_two_values() {
        let ranks = [5, 6, 8, 9, 15, 20].map(bounds);
        assert_eq!(ranks, [None, Some(0), Some(0), Some(1), Some(3), Some(5)]);
        let figure = Figure::from_values((0..20).map(f64::from)).unwrap();
        assert_eq!((figure.median, figure.interval), (9.5, Some((5.0, 14.0))));
    }

    #[test]
    fn a_median_of_two_lies_between() {
        assert_eq!(
            Figure::from_values([3.0, 1.0].into_iter()),
            Some(Figure { median: 2.0, low: 1.0, high: 3.0, interval: None })
        );
        assert_eq!(Figure::from_values(std::iter::empty()), None);
    }
}
