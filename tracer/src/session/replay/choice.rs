//! Whose events of a recording are wanted, and from where.

use regex_lite::Regex;
use tracer_common::python;

use crate::event::{Bytes, Event, Pid, SpaceId, StackId, Task, Tid};
use crate::quick::QuickMap;
use crate::report::Sentence;
use crate::symbols::{Frame, Symbols};

/// All of it, unless something is named.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Processes.
    pub processes: Vec<Pid>,
    /// Threads, by name or by id.
    pub threads: Vec<String>,
    /// Functions or files, one of which a stack has to have.
    pub include: Vec<Regex>,
    /// Those which it must not have.
    pub exclude: Vec<Regex>,
}

/// Whose a row is, and where it was seen.
struct RowOf {
    pid: Pid,
    /// `None` where threads are not distinguished.
    tid: Option<Tid>,
    place: SeenAt,
}

enum SeenAt {
    Stack(StackId),
    Site(SpaceId, python::Frame),
    Unknown,
}

impl EventFilter {
    /// Whether an event is wanted. What processes and threads are is read in any case, and what becomes of them of all
    /// that are chosen; rows are of one thread and one place.
    pub fn admits(&self, event: &Event, names: &QuickMap<Task, Bytes>, symbols: &Symbols) -> bool {
        if matches!(
            event,
            Event::Process(_) | Event::ThreadName { .. } | Event::LoopsWatched | Event::Drained { .. }
        ) {
            return true;
        }
        match row(event) {
            None => self.processes.is_empty() || pids(event).iter().any(|pid| self.processes.contains(pid)),
            Some(row) => {
                let is_chosen = self.processes.is_empty() || self.processes.contains(&row.pid);
                is_chosen && self.has_thread(&row, names) && self.has_place(&row.place, symbols)
            }
        }
    }

    /// Whether it is of one thread or place.
    pub fn is_row(event: &Event) -> bool {
        row(event).is_some()
    }

    fn has_thread(&self, row: &RowOf, names: &QuickMap<Task, Bytes>) -> bool {
        let is_called = |tid: Tid, asked: &String| {
            let name = names.get(&Task { pid: row.pid, tid });
            asked.parse() == Ok(tid) || name.is_some_and(|name| **name == *asked.as_bytes())
        };
        self.threads.is_empty()
            || row.tid.is_some_and(|tid| self.threads.iter().any(|asked| is_called(tid, asked)))
    }

    fn has_place(&self, place: &SeenAt, symbols: &Symbols) -> bool {
        if self.include.is_empty() && self.exclude.is_empty() {
            return true;
        }
        let ids: Vec<_> = match place {
            SeenAt::Stack(id) => symbols.stacks.get(*id).map_or(Vec::new(), |stack| stack.frames.to_vec()),
            SeenAt::Site(space, site) => symbols.site(*space, site).into_iter().collect(),
            SeenAt::Unknown => Vec::new(),
        };
        let frames: Vec<_> = ids.into_iter().map(|id| symbols.frame(id)).collect();
        let has = |regex: &Regex| frames.iter().any(|frame| is_match(regex, frame));
        (self.include.is_empty() || self.include.iter().any(has)) && !self.exclude.iter().any(has)
    }

    /// Whether it is less than all.
    pub fn is_asked(&self) -> bool {
        let names_some = !self.processes.is_empty() || !self.threads.is_empty();
        names_some || !self.include.is_empty() || !self.exclude.is_empty()
    }

    /// What was chosen, as a reader sees it.
    pub fn words(&self) -> Vec<String> {
        let pids: Vec<_> = self.processes.iter().map(Pid::to_string).collect();
        let patterns = |of: &[Regex]| of.iter().map(Regex::as_str).collect::<Vec<_>>().join(", ");
        let named = [
            ("pid ", pids.join(", ")),
            ("threads ", self.threads.join(", ")),
            ("stacks with ", patterns(&self.include)),
            ("stacks without ", patterns(&self.exclude)),
        ];
        let words = named.into_iter().filter(|(_, what)| !what.is_empty());
        words.map(|(which, what)| Sentence::new(format!("{which}{what}")).as_str().to_owned()).collect()
    }
}

fn is_match(regex: &Regex, frame: &Frame) -> bool {
    let has = |name: &Bytes| regex.is_match(&String::from_utf8_lossy(name));
    has(&frame.function) || has(&frame.file)
}

/// Rows that are added up, and what else is of one thread at one place.
fn row(event: &Event) -> Option<RowOf> {
    let of = |task: Task, place| RowOf { pid: task.pid, tid: Some(task.tid), place };
    Some(match event {
        Event::Switches { key, .. } => of(key.task, SeenAt::Stack(key.stack)),
        Event::Wakeups { key, .. } => of(key.row.task, SeenAt::Stack(key.row.stack)),
        Event::GilHeld { key, .. } => of(key.task, SeenAt::Site(key.space, key.site)),
        Event::Samples { key, .. } => of(key.task, SeenAt::Stack(key.stack)),
        Event::Reads { key, .. } | Event::ReadSizes { key, .. } => {
            RowOf { pid: key.pid, tid: None, place: SeenAt::Site(key.space, key.site) }
        }
        Event::Entries { key, .. } => {
            let code = python::Frame { code: key.code, instruction: -1, identity: key.identity };
            RowOf { pid: key.pid, tid: None, place: SeenAt::Site(key.space, code) }
        }
        Event::GcPause(pause) => of(pause.task, SeenAt::Stack(pause.stack)),
        Event::GcSample { task, stack, .. } => of(*task, SeenAt::Stack(*stack)),
        Event::LoopPiece(piece) => of(piece.task, SeenAt::Stack(piece.stack)),
        Event::LoopTurn { task, .. } | Event::LoopTask { task, .. } | Event::Loop { task, .. } => {
            of(*task, SeenAt::Unknown)
        }
        _ => return None,
    })
}

/// Which process an event that is no row concerns.
fn pids(event: &Event) -> Vec<Pid> {
    match event {
        Event::Fork(fork) => vec![fork.parent.pid, fork.child.pid],
        Event::Exec(exec) => vec![exec.task.pid],
        Event::Exit(exit) => vec![exit.task.pid, exit.parent],
        Event::Reaped { by, child, .. } => vec![by.pid, *child],
        Event::ZombieAtStart { pid, ppid, .. }
        | Event::ChildAtStart { pid, ppid }
        | Event::ZombieForLong { pid, ppid, .. } => vec![*pid, *ppid],
        Event::Reparented { pid, old_ppid, .. } => vec![*pid, *old_ppid],
        Event::SignalGenerate(signal) => vec![signal.target.pid, signal.current.pid],
        Event::SignalDeliver(signal) => vec![signal.task.pid],
        Event::HandlerStart(start) => vec![start.task.pid],
        Event::SignalsPending(pending) => vec![pending.pid],
        Event::GcCounted(counted) => vec![counted.pid],
        Event::Free { pid, .. }
        | Event::ZombieAtEnd { pid }
        | Event::Doing { pid, .. }
        | Event::HandlersPending { pid, .. }
        | Event::HandlersWatched { pid, .. }
        | Event::HandlerEnd { pid, .. }
        | Event::Collections { pid, .. } => vec![*pid],
        Event::KernelSwitches { task, .. } | Event::KernelSwitchesBefore { task, .. } => vec![task.pid],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples::{fork, symbols_of, task};
    use crate::event::SwitchRow;

    fn switches(pid: Pid, tid: Tid, stack: StackId) -> Event {
        let key = SwitchRow { task: task(pid, tid), stack, ..SwitchRow::default() };
        Event::Switches { key, value: Default::default(), still_blocked: 0 }
    }

    #[test]
    fn rows_are_those_of_who_was_named_and_where() {
        let symbols =
            symbols_of(&[(1, &["/srv/shop.py:1", "/srv/app.py:9"]), (2, &["/lib/json/encoder.py:2"])]);
        let names = QuickMap::from_iter([(task(7, 9), Bytes::from("worker"))]);
        let regex = |text| vec![Regex::new(text).unwrap()];
        let thread = |name: &str| EventFilter { threads: vec![name.to_owned()], ..EventFilter::default() };
        let (of_7, of_8) = (switches(7, 9, StackId(1)), switches(8, 8, StackId(2)));
        let reads = Event::Reads { key: Default::default(), value: Default::default() };
        let forks = || fork(1, 7, 8, 0);
        for (name, choice, event, expected) in [
            ("all", EventFilter::default(), &of_8, true),
            ("a process", EventFilter { processes: vec![7], ..EventFilter::default() }, &of_7, true),
            ("another", EventFilter { processes: vec![7], ..EventFilter::default() }, &of_8, false),
            ("its parent", EventFilter { processes: vec![7], ..EventFilter::default() }, &forks(), true),
            ("a stranger", EventFilter { processes: vec![9], ..EventFilter::default() }, &forks(), false),
            ("by name", thread("worker"), &of_7, true),
            ("by id", thread("9"), &of_7, true),
            ("another thread", thread("8"), &of_7, false),
            ("not distinguished", thread("0"), &reads, false),
            (
                "its caller's file",
                EventFilter { include: regex("app"), ..EventFilter::default() },
                &of_7,
                true,
            ),
            ("a function", EventFilter { include: regex("^f1$"), ..EventFilter::default() }, &of_7, true),
            ("no such file", EventFilter { include: regex("shop"), ..EventFilter::default() }, &of_8, false),
            ("kept out", EventFilter { exclude: regex("json"), ..EventFilter::default() }, &of_8, false),
            ("not kept out", EventFilter { exclude: regex("json"), ..EventFilter::default() }, &of_7, true),
        ] {
            assert_eq!(choice.admits(event, &names, &symbols), expected, "{name}");
        }
    }
}
