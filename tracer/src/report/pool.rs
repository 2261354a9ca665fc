//! Rows of several processes that run one program: a pool of workers does the same at the same lines.

use std::collections::HashMap;

use super::{Bounded, HotLine, HotStack, Read, Report, Row, SwitchCause};

/// Frames that stacks of workers must have in common; further out they differ by how a worker was started.
const COMMON: usize = 4;

/// Which processes run one program.
#[derive(Debug, Default)]
pub struct Programs {
    /// The first process of each program that several run, by their pids.
    first: HashMap<u32, u32>,
}

impl Programs {
    /// Of a report. Workers of one program have one title, but for their numbers, and one version of Python:
    /// `ForkPoolWorker-1` and `ForkPoolWorker-2`, `--port 8001` and `--port 8002`.
    #[must_use]
    pub fn new(report: &Report) -> Self {
        let mut programs = HashMap::<_, Vec<u32>>::new();
        for process in report.target.processes.rows.iter().filter(|process| !process.title.is_empty()) {
            let program = (without_numbers(process.title.as_bytes()), &process.python);
            programs.entry(program).or_default().push(process.pid);
        }
        let shared = programs.into_values().filter(|pids| pids.len() > 1);
        let each = |pids: Vec<u32>| pids.clone().into_iter().map(move |pid| (pid, pids[0]));
        Self { first: shared.flat_map(each).collect() }
    }

    /// The first process of the program that a process runs: the process itself where no other runs it.
    #[must_use]
    pub fn first(&self, pid: u32) -> u32 {
        self.first.get(&pid).copied().unwrap_or(pid)
    }
}

/// A title with one `#` for each number.
fn without_numbers(title: &[u8]) -> Vec<u8> {
    let mut general =
        title.iter().map(|byte| if byte.is_ascii_digit() { b'#' } else { *byte }).collect::<Vec<_>>();
    general.dedup_by(|next, before| (*next, *before) == (b'#', b'#'));
    general
}

/// A row of which other processes of the program may have their like.
pub trait Shared: Row + Clone {
    /// Whose it is.
    fn pid(&self) -> u32;
    /// Whether another process's row describes the same.
    fn is_like(&self, other: &Self) -> bool;
    /// Adds the figures of such a row.
    fn absorb(&mut self, other: &Self);
}

/// A row, and whose it is.
pub struct Pool<R> {
    /// The figures of all of them together.
    pub row: R,
    /// Processes, in the order in which they came.
    pub pids: Vec<u32>,
}

impl<R: Row> Row for Pool<R> {
    type Totals = R::Totals;

    fn add_to(&self, totals: &mut R::Totals) {
        self.row.add_to(totals);
    }
}

/// Joins the rows of processes that run one program.
pub fn pooled<R: Shared>(rows: &Bounded<R>, programs: &Programs) -> Bounded<Pool<R>> {
    let pools = alike(&rows.rows, programs).into_iter();
    let pools =
        pools.map(|rows| Pool { row: joined(&rows), pids: rows.iter().map(|row| row.pid()).collect() });
    Bounded { rows: pools.collect(), rest: rows.rest.clone() }
}

/// Rows of processes that run one program and describe the same, one of each process at most; in the order of their
/// first ones.
pub fn alike<'a, R: Shared>(rows: impl IntoIterator<Item = &'a R>, programs: &Programs) -> Vec<Vec<&'a R>> {
    let mut groups = Vec::<Vec<&R>>::new();
    for row in rows {
        let is_its = |group: &&mut Vec<&R>| {
            programs.first(group[0].pid()) == programs.first(row.pid())
                && group.iter().all(|known| known.pid() != row.pid())
                && group[0].is_like(row)
        };
        match groups.iter_mut().find(is_its) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
}

/// The figures of such rows together.
///
/// # Panics
///
/// Where there is no row.
pub fn joined<R: Shared>(rows: &[&R]) -> R {
    let mut joined = rows[0].clone();
    rows[1..].iter().for_each(|row| joined.absorb(row));
    joined
}

impl Shared for SwitchCause {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn is_like(&self, other: &Self) -> bool {
        let about = |row: &Self| (row.cause, row.lock, row.count == 0);
        let call = |row: &Self| (row.syscall.clone(), row.object.clone(), row.after_call.clone());
        let place = |row: &Self| row.stack.as_ref().map(|stack| stack[..stack.len().min(COMMON)].to_vec());
        about(self) == about(other) && call(self) == call(other) && place(self) == place(other)
    }

    fn absorb(&mut self, other: &Self) {
        self.count += other.count;
        self.count_error = both(self.count_error, other.count_error);
        self.off_cpu_ns += other.off_cpu_ns;
        self.run_queue_ns += other.run_queue_ns;
        self.began_before += other.began_before;
        self.still_blocked += other.still_blocked;
        // Each has its own wakers; those of one would be taken for those of all.
        self.wakers = None;
    }
}

/// The error of a sum, of figures that each have one of their own.
fn both(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    let square = |error: Option<u64>| (error.unwrap_or(0) as f64).powi(2);
    one.or(other).map(|_| (square(one) + square(other)).sqrt().ceil() as u64)
}

impl Shared for HotLine {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn is_like(&self, other: &Self) -> bool {
        self.frame == other.frame
    }

    fn absorb(&mut self, other: &Self) {
        self.self_samples += other.self_samples;
        self.total_samples += other.total_samples;
        self.off_cpu_ns += other.off_cpu_ns;
    }
}

impl Shared for HotStack {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn is_like(&self, other: &Self) -> bool {
        let place = |row: &Self| row.stack[..row.stack.len().min(COMMON)].to_vec();
        self.thread_name == other.thread_name && place(self) == place(other)
    }

    fn absorb(&mut self, other: &Self) {
        self.samples += other.samples;
        self.off_cpu_ns += other.off_cpu_ns;
    }
}

impl Shared for Read {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn is_like(&self, other: &Self) -> bool {
        let about = |row: &Self| (row.kind, row.syscall.clone(), general_path(row), row.sampled);
        let line = |row: &Self| row.stack.as_ref().and_then(|stack| stack.first().cloned());
        about(self) == about(other) && line(self) == line(other)
    }

    fn absorb(&mut self, other: &Self) {
        let mut totals = <Self as Row>::Totals::default();
        self.add_to(&mut totals);
        other.add_to(&mut totals);
        self.path = general_path(self).as_str().into();
        self.syscalls = totals.syscalls;
        self.opens = totals.opens;
        self.eof = totals.eof;
        self.errors = totals.errors;
        self.bytes = totals.bytes;
        for (size, calls) in &other.requested {
            *self.requested.entry(*size).or_default() += calls;
        }
        self.sizes_unknown = totals.sizes_unknown;
        self.off_cpu_ns = totals.off_cpu_ns;
        self.voluntary_switches = totals.voluntary_switches;
        self.involuntary_switches = totals.involuntary_switches;
        self.gil_waits = totals.gil_waits;
        self.gil_switches = totals.gil_switches;
        self.gil_wait_ns = totals.gil_wait_ns;
        self.avoidable = totals.avoidable;
        // What a change would save is that of the process where it would save most: rows come most calls first.
        self.advice = self.advice.take().or_else(|| other.advice.clone());
    }
}

/// `/proc/[pid]/stat` for a process's own; any other path is itself.
fn general_path(row: &Read) -> String {
    let path = row.path.to_string();
    let own = path.strip_prefix(&format!("/proc/{}/", row.pid)).map(|rest| format!("/proc/[pid]/{rest}"));
    own.unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Frame, TargetProcess};

    fn report(titles: &[(u32, &str)]) -> Report {
        let mut report = Report::default();
        let process = |&(pid, title): &(u32, &str)| TargetProcess {
            pid,
            title: title.into(),
            ..TargetProcess::default()
        };
        report.target.processes = titles.iter().map(process).collect();
        report
    }

    fn line(pid: u32, line: u32, self_samples: u64) -> HotLine {
        let frame = Frame { line: Some(line), ..Frame::default() };
        HotLine { pid, frame, self_samples, ..HotLine::default() }
    }

    #[test]
    fn only_workers_of_one_program_share_a_row() {
        let report = report(&[(1, "serve"), (2, "serve"), (3, "other"), (4, "serve"), (5, ""), (6, "")]);
        let rows = [line(1, 7, 10), line(3, 7, 9), line(2, 7, 8), line(2, 8, 5), line(4, 7, 1)];
        let rows: Bounded<_> = rows.into_iter().chain([line(5, 7, 1), line(6, 7, 1)]).collect();
        let pools = pooled(&rows, &Programs::new(&report));
        let found: Vec<_> = pools.rows.iter().map(|pool| (&pool.pids[..], pool.row.self_samples)).collect();
        let expected: [(&[u32], u64); 5] = [(&[1, 2, 4], 19), (&[3], 9), (&[2], 5), (&[5], 1), (&[6], 1)];
        assert_eq!(found, expected);
        assert_eq!(pools.sum().totals.self_samples, rows.sum().totals.self_samples, "nothing is lost");
    }

    #[test]
    fn workers_have_one_title_but_for_their_numbers() {
        let titles =
            [(1, "celery: Worker-1"), (2, "celery: Worker-12"), (3, "celery: Main"), (4, ""), (5, "")];
        let mut report = report(&titles);
        let programs = |report: &Report| [1, 2, 3, 4, 5].map(|pid| Programs::new(report).first(pid));
        assert_eq!(programs(&report), [1, 1, 3, 4, 5]);
        report.target.processes.rows[1].python = Some("3.12.1".into());
        assert_eq!(programs(&report), [1, 2, 3, 4, 5], "another Python");
    }
}
