//! Rows of several processes that run one program: a pool of workers does the same at the same lines.

use std::collections::{BTreeMap, HashMap};

use crate::report::{Bounded, HotLine, HotStack, Name, Read, Report, Row, SwitchCause};

/// Frames that stacks of workers must have in common; further out they differ by how a worker was started.
const COMMON: usize = 4;

/// The processes of a report.
pub struct Processes<'a> {
    /// Whether there are several, so that rows have to say whose they are.
    pub several: bool,
    /// Titles of those that others have too.
    programs: HashMap<u32, &'a Name>,
}

impl<'a> Processes<'a> {
    /// Of a report.
    pub fn of(report: &'a Report) -> Self {
        let processes = &report.target.processes;
        let mut programs = BTreeMap::<&Name, Vec<u32>>::new();
        for process in processes.rows.iter().filter(|process| !process.title.is_empty()) {
            programs.entry(&process.title).or_default().push(process.pid);
        }
        programs.retain(|_, pids| pids.len() > 1);
        let each = |(title, pids): (&'a Name, Vec<u32>)| pids.into_iter().map(move |pid| (pid, title));
        Self { several: processes.sum().omitted > 1, programs: programs.into_iter().flat_map(each).collect() }
    }

    fn are_of_one_program(&self, one: u32, other: u32) -> bool {
        let program = |pid| self.programs.get(&pid);
        one != other && program(one).is_some() && program(one) == program(other)
    }
}

/// A row of which other processes of the program may have their like.
pub trait Shared: Row + Clone {
    /// Whose it is.
    fn pid(&self) -> u32;
    /// Whether another process's row tells of the same.
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
pub fn pooled<R: Shared>(rows: &Bounded<R>, processes: &Processes<'_>) -> Bounded<Pool<R>> {
    let mut pools = Vec::<Pool<R>>::new();
    for row in &rows.rows {
        let is_its = |pool: &&mut Pool<R>| {
            !pool.pids.contains(&row.pid())
                && processes.are_of_one_program(pool.row.pid(), row.pid())
                && pool.row.is_like(row)
        };
        match pools.iter_mut().find(is_its) {
            Some(pool) => {
                pool.row.absorb(row);
                pool.pids.push(row.pid());
            }
            None => pools.push(Pool { row: row.clone(), pids: vec![row.pid()] }),
        }
    }
    Bounded { rows: pools, rest: rows.rest.clone() }
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
        self.off_cpu_ns += other.off_cpu_ns;
        self.run_queue_ns += other.run_queue_ns;
        self.began_before += other.began_before;
        self.still_blocked += other.still_blocked;
        // Each has its own wakers; those of one would be taken for those of all.
        self.wakers = None;
    }
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
        (&self.thread_name, &self.task) == (&other.thread_name, &other.task) && place(self) == place(other)
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
        self.off_cpu_ns = totals.off_cpu_ns;
        self.voluntary_switches = totals.voluntary_switches;
        self.involuntary_switches = totals.involuntary_switches;
        self.gil_waits = totals.gil_waits;
        self.gil_switches = totals.gil_switches;
        self.gil_wait_ns = totals.gil_wait_ns;
        self.avoidable = totals.avoidable;
        // What a change would save is told of the process where it would save most: rows come dearest first.
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
    use crate::report::{Frame, Process};

    fn report(titles: &[(u32, &str)]) -> Report {
        let mut report = Report::default();
        let process =
            |&(pid, title): &(u32, &str)| Process { pid, title: title.into(), ..Process::default() };
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
        let pools = pooled(&rows, &Processes::of(&report));
        let found: Vec<_> = pools.rows.iter().map(|pool| (&pool.pids[..], pool.row.self_samples)).collect();
        let expected: [(&[u32], u64); 5] = [(&[1, 2, 4], 19), (&[3], 9), (&[2], 5), (&[5], 1), (&[6], 1)];
        assert_eq!(found, expected);
        assert_eq!(pools.sum().totals.self_samples, rows.sum().totals.self_samples, "nothing is lost");
    }
}
