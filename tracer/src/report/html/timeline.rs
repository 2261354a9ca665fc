//! Processes, zombies and signals on one line of time. Places are in percent, so that it grows with its width.

use crate::report::text::processes::end as zombie_end;
use crate::report::text::signals::{from, to};
use crate::report::text::tree::end;
use crate::report::{Outcome, Report, Signal, TargetProcess, Zombie};
use crate::units::duration;

/// Lines of processes that are shown.
const LANES: usize = 60;
/// Height of one, in pixels.
const HEIGHT: usize = 28;
/// Steps of the scale, at least half as many.
const STEPS: u64 = 8;

/// The picture.
pub struct Timeline {
    /// One a process.
    pub lanes: Vec<Lane>,
    /// The scale.
    pub ticks: Vec<Tick>,
    /// Of all lanes, in pixels.
    pub height: usize,
    /// Processes that have no lane.
    pub more: u64,
    /// Of the window, in nanoseconds.
    pub duration_ns: u64,
}

/// A process.
pub struct Lane {
    /// Its row in the table.
    pub to: String,
    /// Its number.
    pub pid: String,
    /// Its name.
    pub name: String,
    /// Its life, and what of it a zombie was.
    pub bars: Vec<Bar>,
    /// Its signals.
    pub marks: Vec<Mark>,
    /// From the top, in pixels: where bars begin.
    pub bar_y: usize,
    /// The same: where marks stand.
    pub mark_y: usize,
    born: u64,
    number: u32,
}

/// A stretch of time.
pub struct Bar {
    /// `life`, `zombie`
    pub class: &'static str,
    /// From the left, in percent.
    pub x: String,
    /// In percent.
    pub width: String,
    /// What it is.
    pub title: String,
}

/// A moment.
pub struct Mark {
    /// What became of the signal.
    pub class: &'static str,
    /// From the left, in percent.
    pub x: String,
    /// A shape for it.
    pub shape: &'static str,
    /// What it is.
    pub title: String,
    /// Its row.
    pub to: String,
}

/// A step of the scale.
pub struct Tick {
    /// From the left, in percent.
    pub x: String,
    /// `2.00 s`
    pub label: String,
}

impl Timeline {
    /// Of a report, with at most so many lanes and marks. `None` if there is nothing but one process.
    pub fn new(report: &Report, most: usize) -> Option<Self> {
        let duration_ns = report.window.duration_ns.max(1);
        let processes = &report.target.processes;
        let shown = processes.rows.iter().take(LANES.min(most));
        let mut lanes: Vec<Lane> = shown.enumerate().map(|(at, row)| lane(at, row, duration_ns)).collect();
        for zombie in &report.processes.zombies.rows {
            let at = zombie.exited_at_ns.unwrap_or(0);
            if let Some(lane) = lane_of(&mut lanes, zombie.pid, at) {
                lane.bars.push(zombie_bar(zombie, duration_ns));
            }
        }
        for (at, signal) in report.signals.rows.iter().enumerate().take(most) {
            if let Some(lane) = lane_of(&mut lanes, signal.target.pid, signal.at_ns) {
                lane.marks.push(mark(at, signal, duration_ns));
            }
        }
        let is_news = lanes.len() > 1 || lanes.iter().any(|lane| !lane.marks.is_empty());
        let more = processes.sum().omitted.saturating_sub(lanes.len() as u64);
        let height = lanes.len() * HEIGHT;
        is_news.then(|| Self { lanes, ticks: ticks(duration_ns), height, more, duration_ns })
    }
}

/// A pid may be used again: the process is the last to have had it by then.
fn lane_of(lanes: &mut [Lane], pid: u32, at_ns: u64) -> Option<&mut Lane> {
    lanes.iter_mut().rev().find(|lane| lane.number == pid && lane.born <= at_ns)
}

fn lane(at: usize, row: &TargetProcess, duration_ns: u64) -> Lane {
    let born = row.at_ns.unwrap_or(0);
    let ended = row.ended_at_ns.unwrap_or(duration_ns);
    let title = match row.ended_at_ns {
        Some(ended) => format!("{} {}: ended at {}, {}", row.pid, row.comm, duration(ended), end(row)),
        None => format!("{} {}: there until the end of the window", row.pid, row.comm),
    };
    Lane {
        to: format!("#traced-{at}"),
        pid: row.pid.to_string(),
        name: row.comm.to_string(),
        bars: vec![bar("life", born, ended, duration_ns, title)],
        marks: Vec::new(),
        bar_y: at * HEIGHT + 9,
        mark_y: at * HEIGHT + HEIGHT / 2,
        born,
        number: row.pid,
    }
}

fn zombie_bar(zombie: &Zombie, duration_ns: u64) -> Bar {
    let from = zombie.exited_at_ns.unwrap_or(0);
    let title = format!(
        "{} {}: a zombie for {}, {}",
        zombie.pid,
        zombie.comm,
        duration(zombie.zombie_ns),
        zombie_end(zombie)
    );
    bar("zombie", from, from.saturating_add(zombie.zombie_ns), duration_ns, title)
}

fn bar(class: &'static str, from: u64, to: u64, duration_ns: u64, title: String) -> Bar {
    let (from, to) = (from.min(duration_ns), to.min(duration_ns));
    Bar { class, x: percent(from, duration_ns), width: percent(to.saturating_sub(from), duration_ns), title }
}

fn mark(at: usize, signal: &Signal, duration_ns: u64) -> Mark {
    let (class, shape) = match signal.outcome {
        Outcome::Killed => ("killed", "◆"),
        Outcome::Handled => ("handled", "●"),
        Outcome::Blocked | Outcome::Pending => ("waiting", "▲"),
        _ => ("other", "○"),
    };
    let title = format!(
        "{} at {} from {} to {}: {}",
        signal.signal,
        duration(signal.at_ns),
        from(signal),
        to(signal.target),
        signal.outcome
    );
    let x = percent(signal.at_ns.min(duration_ns), duration_ns);
    Mark { class, x, shape, title, to: format!("#signal-rows-{at}") }
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.3}%", part as f64 * 100.0 / whole as f64)
}

/// Round moments, at most [`STEPS`].
fn ticks(duration_ns: u64) -> Vec<Tick> {
    let step = round_step(duration_ns / STEPS);
    let moments =
        (0..=STEPS).map(|number| number * step).take_while(|&at| at < duration_ns - duration_ns / 64);
    moments.map(|at| Tick { x: percent(at, duration_ns), label: duration(at) }).collect()
}

/// 1, 2 or 5 with zeros, not less than this.
fn round_step(least: u64) -> u64 {
    let power = 10_u64.pow(least.max(1).ilog10());
    [1, 2, 5, 10].map(|digit| digit * power).into_iter().find(|&step| step >= least).unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_round_steps() {
        for (duration_ns, labels) in [
            (10_000_000_000, vec!["0", "2.00 s", "4.00 s", "6.00 s", "8.00 s"]),
            (700, vec!["0", "100 ns", "200 ns", "300 ns", "400 ns", "500 ns", "600 ns"]),
            (1, vec!["0"]),
        ] {
            let found: Vec<_> = ticks(duration_ns).into_iter().map(|tick| tick.label).collect();
            assert_eq!(found, labels);
        }
    }

    #[test]
    fn a_signal_belongs_to_the_life_that_it_reached() {
        let life =
            |at_ns, ended_at_ns| TargetProcess { pid: 7, at_ns, ended_at_ns, ..TargetProcess::default() };
        let mut lanes: Vec<_> = [life(None, Some(40)), life(Some(50), None)]
            .iter()
            .enumerate()
            .map(|(at, row)| lane(at, row, 100))
            .collect();
        for (at_ns, expected) in [(0, "#traced-0"), (49, "#traced-0"), (50, "#traced-1")] {
            assert_eq!(lane_of(&mut lanes, 7, at_ns).unwrap().to, expected);
        }
        assert!(lane_of(&mut lanes, 8, 99).is_none());
        assert_eq!((&*lanes[0].bars[0].x, &*lanes[0].bars[0].width), ("0.000%", "40.000%"));
    }
}
