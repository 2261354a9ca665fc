//! Context switches: how many, and why.

use std::collections::HashMap;

use tracer_common::switch::flag;

use super::callers::{self, SharedOut};
use super::causes::{cause, lock, syscall_name};
use super::check::SwitchCheck;
use super::lines::{self, FrameIds};
use super::sums::{Key, Sums};
use super::switch_sum::{SwitchSum, is_voluntary};
use super::wakers::{self, SleepsByWaker, Wakers};
use crate::event::{Bytes, Event, FileId, Pid, StackId, StackStatus, SwitchRow, Task};
use crate::report::{self, AfterCall, Bounded, Cause, LockKind, Row as _, SwitchCause};
use crate::symbols::Symbols;

/// Different threads, causes and stacks that are kept apart.
const ROWS: usize = 16_384;

/// Every switch, by thread, cause and stack.
#[derive(Debug)]
pub struct Switches {
    rows: Sums<SwitchRow, SwitchSum>,
    wakers: Wakers,
    check: SwitchCheck,
    /// [`tracer_common::control::Control::thinning`] at most.
    thinning: u32,
    shared: SharedOut,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            rows: Sums::new(ROWS),
            wakers: Wakers::default(),
            check: SwitchCheck::default(),
            thinning: 0,
            shared: SharedOut::default(),
        }
    }
}

impl Switches {
    /// Adds the rows of one drain, and what the kernel itself counted.
    pub fn fold(&mut self, event: &Event) {
        self.check.fold(event);
        self.wakers.fold(event);
        if let Event::Switches { key, value, still_blocked } = event {
            self.thinning = self.thinning.max((key.flags & flag::THINNING) >> flag::THINNING_SHIFT);
            self.rows.row(*key).add(key.flags, value, *still_blocked);
        }
    }

    /// Shares out what was seen of a line alone among its callers; all is reported by callers from then on.
    pub fn share_out(&mut self, symbols: &Symbols) {
        if self.thinning == 0 {
            return;
        }
        self.shared = callers::share_out(self.rows.iter(), symbols);
        self.rows = Sums::new(2 * ROWS);
        for (key, sum) in std::mem::take(&mut self.shared.rows) {
            let row = self.rows.row(key);
            *row = row.plus(&sum);
        }
    }

    /// Every row: other sections join theirs with them.
    pub fn rows(&self) -> impl Iterator<Item = (&SwitchRow, &SwitchSum)> {
        self.rows.iter()
    }

    /// The section of the report.
    pub fn finish(&self, symbols: &Symbols) -> report::Switches {
        let total = |of: fn(&SwitchSum) -> u64| self.rows().map(|(_, sum)| of(sum)).sum();
        let (kernel, ours) = self.check.finish();
        report::Switches {
            voluntary: self.switches(is_voluntary),
            involuntary: self.switches(|key| !is_voluntary(key)),
            kernel_voluntary: kernel.voluntary,
            kernel_involuntary: kernel.involuntary,
            checked_voluntary: ours.voluntary,
            checked_involuntary: ours.involuntary,
            in_doubt: 0, // the session knows
            on_cpu_ns: total(|sum| sum.on_cpu_ns),
            off_cpu_ns: total(|sum| sum.off_cpu_ns),
            run_queue_ns: total(|sum| sum.run_queue_ns),
            callers: (self.thinning > 0).then(|| report::Callers {
                one_in_at_most: 1 << self.thinning,
                estimated: total(|sum| sum.estimated),
            }),
            causes: self.causes(symbols),
        }
    }

    fn switches(&self, counted: fn(&SwitchRow) -> bool) -> u64 {
        self.rows().filter(|(key, _)| counted(key)).map(|(_, sum)| sum.count).sum()
    }

    /// Rows of the report; only those that it keeps get their stacks.
    fn causes(&self, symbols: &Symbols) -> Bounded<SwitchCause> {
        let mut rows: Vec<_> = self.by_reason(symbols).into_iter().collect();
        let all = rows.iter().fold(SwitchSum::default(), |all, (_, sum)| all.plus(sum));
        rows.sort_by(|(a, x), (b, y)| y.share(&all).cmp(&x.share(&all)).then_with(|| a.cmp(b)));
        let wakers = self.wakers_by_reason(symbols);
        let named = |(at, (reason, sum)): (usize, (Reason, SwitchSum))| {
            let mut row = reason.row(&sum);
            if at < SwitchCause::LIMIT {
                reason.name(&mut row, symbols);
                row.wakers = wakers::can_be_woken(reason.cause)
                    .then(|| wakers.get(&reason).map(|ended| ended.finish(symbols)).unwrap_or_default());
            }
            row
        };
        rows.into_iter().enumerate().map(named).collect()
    }

    /// The threads that ended the sleeps of each reason.
    fn wakers_by_reason(&self, symbols: &Symbols) -> HashMap<Reason, SleepsByWaker> {
        let mut wakers = HashMap::<Reason, SleepsByWaker>::new();
        for (key, count) in self.wakers.rows() {
            for (row, count) in self.shared.parts(&key.row, count, symbols) {
                let reason = Reason::new(&row, symbols);
                if wakers::can_end(reason.cause, key) {
                    wakers.entry(reason).or_default().add(&key.waker, count, symbols);
                }
            }
        }
        wakers
    }

    /// Merges threads, and stacks of the same names. What never left a CPU has no reason.
    fn by_reason(&self, symbols: &Symbols) -> HashMap<Reason, SwitchSum> {
        let mut merged = HashMap::<Reason, SwitchSum>::new();
        for (key, sum) in self.rows().filter(|(_, sum)| !sum.is_on_cpu_only()) {
            let merged = merged.entry(Reason::new(key, symbols)).or_default();
            *merged = merged.plus(sum);
        }
        merged
    }
}

/// The read that a wait for the GIL is the price of.
pub fn after_call(key: &SwitchRow) -> Option<u32> {
    key.after_call.filter(|_| key.flags & flag::GIL != 0)
}

/// First the thread and the stack are forgotten, then the file, then the process.
impl Key for SwitchRow {
    fn coarser(self) -> Option<Self> {
        match self {
            Self { stack: StackId(1..), .. } | Self { task: Task { tid: 1.., .. }, .. } => {
                let task = Task { tid: 0, ..self.task };
                Some(Self { stack: StackId::NONE, task, status: StackStatus::Unresolved, ..self })
            }
            Self { object: FileId(1..), .. } => Some(Self { object: FileId::NONE, ..self }),
            Self { task: Task { pid: 1.., .. }, .. } => Some(Self { task: Task::default(), ..self }),
            _ => None,
        }
    }
}

/// What makes two switches one row of the report.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Reason {
    pid: Pid,
    cause: Cause,
    syscall: Option<u32>,
    lock: Option<LockKind>,
    /// The read after which the GIL is taken back.
    after_call: Option<u32>,
    file: Option<Bytes>,
    frames: Option<FrameIds>,
}

impl Reason {
    fn new(key: &SwitchRow, symbols: &Symbols) -> Self {
        let file = symbols.file(key.object);
        let cause = cause(key, file.map(|file| file.kind));
        Self {
            pid: key.task.pid,
            cause,
            syscall: key.syscall,
            lock: (cause == Cause::Lock).then(|| lock(key)).flatten(),
            after_call: after_call(key),
            file: file.map(|file| file.path.clone()),
            frames: lines::frames(symbols, key.stack),
        }
    }

    fn row(&self, sum: &SwitchSum) -> SwitchCause {
        SwitchCause {
            pid: self.pid,
            cause: self.cause,
            syscall: self.syscall.and_then(|call| syscall_name(call.into())).map(Into::into),
            lock: self.lock,
            count: sum.count,
            count_error: sum.error(),
            off_cpu_ns: sum.off_cpu_ns,
            run_queue_ns: sum.run_queue_ns,
            began_before: sum.began_before,
            still_blocked: sum.still_blocked,
            ..SwitchCause::default()
        }
    }

    fn name(&self, row: &mut SwitchCause, symbols: &Symbols) {
        row.object = self.object(symbols);
        row.after_call = self.after_call.and_then(|syscall| {
            let object = self.file.as_ref().map(report::Name::new);
            Some(AfterCall { syscall: syscall_name(syscall.into())?.to_owned(), object })
        });
        row.stack = self.frames.as_ref().map(|frames| lines::stack(symbols, frames));
    }

    /// The file; for a lock and for the GIL the line that waits for it.
    fn object(&self, symbols: &Symbols) -> Option<report::Name> {
        let waits_for_line = self.cause == Cause::Gil || (self.cause == Cause::Lock && self.file.is_none());
        if !waits_for_line {
            return self.file.as_ref().map(report::Name::new);
        }
        let line = lines::own_frame(symbols, self.frames.as_ref()?)?;
        Some(lines::place(symbols.frame(line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples::{regular_file, symbols_of, task};
    use tracer_common::switch::SwitchValue;

    const V: u32 = flag::VOLUNTARY;

    fn key(tid: u32, syscall: u32, flags: u32, stack: u64) -> SwitchRow {
        SwitchRow {
            task: task(7, tid),
            syscall: Some(syscall),
            flags,
            stack: StackId(stack),
            ..SwitchRow::default()
        }
    }

    fn switches(key: SwitchRow, count: u64, off_cpu_ns: u64) -> Event {
        let value = SwitchValue { count, off_cpu_ns, on_cpu_ns: 1, ..SwitchValue::default() };
        Event::Switches { key, value, still_blocked: 0 }
    }

    fn folded(events: impl IntoIterator<Item = Event>) -> Switches {
        let mut switches = Switches::default();
        events.into_iter().for_each(|event| switches.fold(&event));
        switches
    }

    #[test]
    fn merges_what_has_the_same_cause_file_and_names() {
        // 1 and 2 are the same line reached by two instructions; 3 is another line.
        let mut symbols = symbols_of(&[(1, &["a.py:1"]), (2, &["a.py:1"]), (3, &["a.py:3"])]);
        symbols.insert_file(FileId(5), regular_file("/data/5"));
        let file = |key: SwitchRow| SwitchRow { object: FileId(5), ..key };
        for (name, keys, rows) in [
            ("two threads", vec![key(7, 202, V, 1), key(8, 202, V, 1)], 1),
            ("two instructions of a line", vec![key(7, 202, V, 1), key(7, 202, V, 2)], 1),
            ("the same", vec![key(7, 0, V, 1), key(7, 0, V, 1)], 1),
            ("two lines", vec![key(7, 202, V, 1), key(7, 202, V, 3)], 2),
            ("two files", vec![key(7, 0, V, 1), file(key(7, 0, V, 1))], 2),
            ("two system calls", vec![key(7, 0, V, 1), key(7, 17, V, 1)], 2),
            ("lock and GIL", vec![key(7, 202, V, 1), key(7, 202, V | flag::GIL, 1)], 2),
            ("stack and none", vec![key(7, 0, V, 1), key(7, 0, V, 0)], 2),
        ] {
            let report = folded(keys.into_iter().map(|key| switches(key, 1, 1))).finish(&symbols);
            assert_eq!(report.causes.rows.len(), rows, "{name}");
            assert_eq!(report.causes.sum().totals.count, 2, "{name}");
        }
    }

    #[test]
    fn rows_that_hold_time_only_count_no_switch() {
        for (name, flags, off_cpu_ns, rows) in [
            ("asleep when the window began", V | flag::BEGAN_BEFORE, 9, 1),
            ("born", flag::BORN, 9, 1),
            ("running when the window ended", flag::RUNNING, 0, 0),
        ] {
            let report = folded([switches(key(7, 0, flags, 0), 1, off_cpu_ns)]).finish(&Symbols::default());
            assert_eq!((report.voluntary, report.involuntary, report.on_cpu_ns), (0, 0, 1), "{name}");
            assert_eq!(report.off_cpu_ns, off_cpu_ns, "{name}");
            assert_eq!(report.causes.rows.len(), rows, "{name}");
        }
    }

    #[test]
    fn causes_add_up_to_all_switches_whatever_happens() {
        let flags = [V, V | flag::GIL, 0, flag::BORN, flag::RUNNING, V | flag::DEAD, V | flag::BEGAN_BEFORE];
        let many = (0..200_000_u32).map(|n| {
            let key = key(n, n % 20, flags[n as usize % flags.len()], n.into());
            let key = SwitchRow { task: task(n % 50, n), object: FileId(u64::from(n % 977)), ..key };
            switches(key, u64::from(n % 3), u64::from(n))
        });
        let switches = folded(many);
        assert!(switches.rows().count() < 2 * ROWS, "{}", switches.rows().count());
        let report = switches.finish(&Symbols::default());
        let totals = report.causes.sum().totals;
        assert_eq!(totals.count, report.voluntary + report.involuntary);
        assert_eq!(totals.off_cpu_ns, report.off_cpu_ns);
        assert_eq!(report.off_cpu_ns, (0..200_000).sum::<u64>());
        assert_eq!(report.causes.rows.len(), SwitchCause::LIMIT - 1);
    }

    #[test]
    fn the_object_is_the_file_or_the_line_that_waits() {
        let mut symbols = symbols_of(&[(1, &["/usr/lib/python3.11/threading.py:320", "a.py:9"])]);
        symbols.insert_file(FileId(5), regular_file("/data/5"));
        for (name, key, object) in [
            ("a lock", key(7, 202, V, 1), Some("a.py:9")),
            ("the GIL", key(7, 202, V | flag::GIL, 1), Some("a.py:9")),
            ("a lock without a stack", key(7, 202, V, 0), None),
            ("a file", SwitchRow { object: FileId(5), ..key(7, 0, V, 1) }, Some("/data/5")),
            ("a file that was not seen", SwitchRow { object: FileId(6), ..key(7, 0, V, 1) }, None),
            ("a locked file", SwitchRow { object: FileId(5), ..key(7, 73, V, 1) }, Some("/data/5")),
            ("a sleep", key(7, 230, V, 1), None),
        ] {
            let report = folded([switches(key, 1, 1)]).finish(&symbols);
            assert_eq!(report.causes.rows[0].object, object.map(Into::into), "{name}");
        }
    }

    #[test]
    fn a_hung_thread_and_a_tight_loop_both_come_first() {
        let sleeps = (0..300).map(|n| switches(key(7, 230, V, n), 10, 1_000));
        let hung = SwitchRow { flags: V | flag::BEGAN_BEFORE, ..key(9, 202, V, 0) };
        let events = sleeps.chain([switches(hung, 0, 1_000_000), switches(key(8, 0, V, 0), 9_000, 1)]);
        let report = folded(events).finish(&symbols_of(&[]));
        let first: Vec<_> = report.causes.rows.iter().take(3).map(|row| row.cause).collect();
        assert!(first.contains(&Cause::Lock) && first.contains(&Cause::Read), "{first:?}");
    }
}
