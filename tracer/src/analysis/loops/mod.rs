//! Event loops: the turns that kept them from their descriptors, and what these were spent on.
//!
//! A turn lasts from the return of one wait to the next wait. A long one is reported at its end, and what it was spent on
//! while it lasts, piece by piece: at the ends of waits for anything else, and at samples.
//!
//! ```text
//!  epoll_wait ───────┐  turn                         ┌────── epoll_wait
//!                    └ on the CPU · time.sleep ──────┘
//!  pieces                               ^    ^
//! ```

mod machinery;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use tracer_common::switch::flag;
use tracer_common::turn;

use self::machinery::called;
use super::causes::cause;
use super::lines;
use super::sums::{Key, Sums};
use crate::event::{Bytes, Event, FileId, LoopPiece, Nanos, StackId, SwitchRow, Task};
use crate::quick::QuickMap;
use crate::report::{self, Bounded, Cause, LoopBlock, Name};
use crate::symbols::{FrameId, Symbols};

/// Different threads, stacks and reasons that are kept apart.
const ROWS: usize = 4_096;
/// Threads that are kept: as many as the probes know.
const THREADS: usize = 4_096;
/// Pieces of one turn that are kept.
const PIECES: usize = 256;

/// All loops.
#[derive(Debug)]
pub struct Loops {
    /// They were watched.
    watched: bool,
    turns: BTreeMap<Task, Turns>,
    open: QuickMap<Task, OpenTurn>,
    rows: Sums<TurnPiece, TurnSum>,
    /// A stack of each thread that waits as loops do.
    waits: QuickMap<Task, StackId>,
}

/// Turns of one thread.
#[derive(Clone, Copy, Debug, Default)]
struct Turns {
    turns: u64,
    busy: Nanos,
    longest: Nanos,
}

/// A long turn that goes on.
#[derive(Debug, Default)]
struct OpenTurn {
    began: Nanos,
    pieces: Vec<(TurnPiece, Nanos)>,
    task: Option<Bytes>,
}

/// What a piece was spent on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct TurnPiece {
    task: Option<Task>,
    stack: StackId,
    object: FileId,
    syscall: Option<u32>,
    flags: u32,
}

/// What turns add up to.
#[derive(Clone, Debug, Default)]
struct TurnSum {
    count: u64,
    total: Nanos,
    longest: Nanos,
    /// The task of the longest one.
    task: Option<Bytes>,
}

impl OpenTurn {
    fn add(&mut self, key: TurnPiece, lasted: Nanos) {
        if let Some((_, sum)) = self.pieces.iter_mut().find(|(known, _)| *known == key) {
            *sum += lasted;
        } else if lasted > 0 && self.pieces.len() < PIECES {
            self.pieces.push((key, lasted));
        }
    }
}

/// Why a turn took long.
type Why = (bool, Option<Cause>);

impl Default for Loops {
    fn default() -> Self {
        let rows = Sums::new(ROWS);
        Self {
            watched: false,
            turns: BTreeMap::new(),
            open: QuickMap::default(),
            rows,
            waits: QuickMap::default(),
        }
    }
}

impl Loops {
    /// Takes turns, and what they were spent on.
    pub fn fold(&mut self, event: &Event) {
        match event {
            Event::LoopsWatched => self.watched = true,
            Event::Switches { key, .. } if is_wait(key.syscall) && is_whole(key) => {
                let task = key.task;
                if self.waits.len() < THREADS || self.waits.contains_key(&task) {
                    self.waits.insert(task, key.stack);
                }
            }
            // A turn that its thread's end has cut short is over.
            Event::Exit(exit) => _ = self.open.remove(&exit.task),
            Event::LoopPiece(piece) => self.piece(piece),
            Event::LoopTask { task, began, name } => {
                if let Some(open) = self.open(*task, *began) {
                    open.task = Some(name.clone());
                }
            }
            Event::LoopTurn { task, began, busy } => self.turn(*task, *began, *busy),
            Event::Loop { task, turns, busy, longest } => {
                if self.turns.len() >= THREADS && !self.turns.contains_key(task) {
                    self.drop_shortest();
                }
                let sum = self.turns.entry(*task).or_default();
                sum.turns += turns;
                sum.busy += busy;
                sum.longest = sum.longest.max(*longest);
            }
            _ => {}
        }
    }

    /// Of loops of processes that have ended, those with long turns are of interest.
    fn drop_shortest(&mut self) {
        let mut longest: Vec<_> = self.turns.values().map(|turns| turns.longest).collect();
        let (_, middle, _) = longest.select_nth_unstable(THREADS / 2);
        let middle = *middle;
        self.turns.retain(|_, turns| turns.longest > middle);
    }

    fn open(&mut self, task: Task, began: Nanos) -> Option<&mut OpenTurn> {
        if self.open.len() >= THREADS && !self.open.contains_key(&task) {
            return None;
        }
        let open = self.open.entry(task).or_default();
        if open.began != began {
            *open = OpenTurn { began, ..OpenTurn::default() };
        }
        Some(open)
    }

    fn piece(&mut self, piece: &LoopPiece) {
        let LoopPiece { task, began, lasted, queued, stack, object, syscall, flags } = *piece;
        let without_a_cpu = TurnPiece { task: Some(task), stack, syscall: None, ..TurnPiece::default() };
        // A thread that lost its CPU ran until then.
        let key = match flags & (flag::VOLUNTARY | flag::RUNNING) {
            0 => TurnPiece { flags: flag::RUNNING, ..without_a_cpu },
            _ => TurnPiece { object, syscall, flags, ..without_a_cpu },
        };
        let Some(open) = self.open(task, began) else { return };
        open.add(key, lasted.saturating_sub(queued));
        open.add(without_a_cpu, queued);
    }

    fn turn(&mut self, task: Task, began: Nanos, busy: Nanos) {
        let open = self.open.remove(&task).filter(|open| open.began == began).unwrap_or_default();
        self.ended(task, open, busy);
    }

    fn ended(&mut self, task: Task, open: OpenTurn, busy: Nanos) {
        let key = most(&open.pieces).unwrap_or(TurnPiece { task: Some(task), ..TurnPiece::default() });
        let row = self.rows.row(key);
        row.merge(&TurnSum { count: 1, total: busy, longest: busy, task: open.task });
    }

    /// The section of the report: the loops that are known as such, the longest turn first. `None` if they were not watched.
    pub fn finish(mut self, symbols: &Symbols) -> Option<Bounded<report::Loop>> {
        // What goes on at the end has lasted as long as its pieces at least.
        for (task, open) in std::mem::take(&mut self.open) {
            let lasted = open.pieces.iter().map(|(_, lasted)| lasted).sum();
            self.ended(task, open, lasted);
        }
        self.add_long(symbols);
        let mut loops: Vec<_> = self.turns.iter().filter(|(task, _)| self.is_loop(**task, symbols)).collect();
        loops.sort_by_key(|(task, turns)| (Reverse(turns.longest), **task));
        let row = |(task, turns): (&Task, &Turns)| report::Loop {
            pid: task.pid,
            tid: task.tid,
            turns: turns.turns,
            busy_ns: turns.busy,
            max_busy_ns: turns.longest,
            by: self.by(*task, symbols),
        };
        self.watched.then(|| loops.into_iter().map(row).collect())
    }

    fn add_long(&mut self, symbols: &Symbols) {
        for (key, sum) in self.rows.iter().filter(|(key, _)| is_inside(symbols, key)) {
            // Of a run that goes on, or was cut, only the long turns have been reported.
            let Some(turns) = key.task.map(|task| self.turns.entry(task).or_default()) else { continue };
            turns.turns += sum.count;
            turns.busy += sum.total;
            turns.longest = turns.longest.max(sum.longest);
        }
    }

    /// Other programs wait for many descriptors, too, and do what they like in between.
    fn is_loop(&self, task: Task, symbols: &Symbols) -> bool {
        let of_rows = self.rows.iter().filter(|(key, _)| key.task == Some(task)).map(|(key, _)| key.stack);
        let mut stacks = of_rows.chain(self.waits.get(&task).copied());
        stacks.any(|stack| {
            lines::frames(symbols, stack).is_some_and(|frames| called(symbols, &frames).is_some())
        })
    }

    fn by(&self, task: Task, symbols: &Symbols) -> Bounded<LoopBlock> {
        let mut groups: HashMap<(Option<Name>, Why), (TurnSum, TurnPiece)> = HashMap::new();
        let of_task = self.rows.iter().filter(|(key, _)| key.task == Some(task));
        for (key, sum) in of_task.filter(|(key, _)| is_inside(symbols, key)) {
            let frames = lines::frames(symbols, key.stack).unwrap_or_default();
            let why = why(symbols, key);
            // Whatever it did when it lost its CPU, another loses it for.
            let callback = if is_queued(why) { None } else { callback(symbols, &frames) };
            let group = (callback, why);
            let (whole, longest) = groups.entry(group).or_default();
            if sum.longest >= whole.longest {
                *longest = *key;
            }
            whole.merge(sum);
        }
        let mut rows: Vec<_> = groups.into_iter().map(|group| block(symbols, group)).collect();
        rows.sort_by(|one, two| {
            let order =
                |row: &LoopBlock| (Reverse(row.total_ns), row.callback.as_ref().map(ToString::to_string));
            order(one).cmp(&order(two))
        });
        rows.into_iter().collect()
    }
}

/// Whether it is a call with which loops wait.
fn is_wait(syscall: Option<u32>) -> bool {
    syscall.is_some_and(|call| turn::waits(call.cast_signed()))
}

/// Whether all of the stack was taken.
fn is_whole(key: &SwitchRow) -> bool {
    !key.stack.is_none() && key.flags & flag::LEAF_ONLY == 0
}

/// Whether it was the loop that was kept: between two loops a thread may do anything.
fn is_inside(symbols: &Symbols, piece: &TurnPiece) -> bool {
    lines::frames(symbols, piece.stack).is_none_or(|frames| called(symbols, &frames).is_some())
}

/// The piece that most of a turn was spent on, among those for the reason that most was spent for: what runs does so
/// at many lines.
fn most(pieces: &[(TurnPiece, Nanos)]) -> Option<TurnPiece> {
    let reason = |piece: &TurnPiece| (piece.syscall, piece.flags);
    let sum = |of: (Option<u32>, u32)| -> Nanos {
        pieces.iter().filter(|(piece, _)| reason(piece) == of).map(|(_, lasted)| lasted).sum()
    };
    pieces.iter().max_by_key(|(piece, lasted)| (sum(reason(piece)), *lasted)).map(|(piece, _)| *piece)
}

fn block(
    symbols: &Symbols,
    ((callback, (on_cpu, cause)), (sum, longest)): ((Option<Name>, Why), (TurnSum, TurnPiece)),
) -> LoopBlock {
    let figures = LoopBlock {
        on_cpu,
        cause,
        count: sum.count,
        total_ns: sum.total,
        max_ns: sum.longest,
        ..LoopBlock::default()
    };
    if is_queued((on_cpu, cause)) {
        return figures;
    }
    let frames = lines::frames(symbols, longest.stack).unwrap_or_default();
    let inner = &frames[..called(symbols, &frames).unwrap_or(frames.len())];
    let file = symbols.file(longest.object);
    LoopBlock {
        callback,
        task: sum.task.as_ref().map(Name::new),
        frame: lines::own_frame(symbols, inner).map(|id| lines::frame(symbols, id)),
        stack: lines::stack_of(symbols, longest.stack),
        object: file.map(|file| Name::new(&file.path)),
        ..figures
    }
}

/// The function that the loop has called.
fn callback(symbols: &Symbols, frames: &[FrameId]) -> Option<Name> {
    let outermost = frames[..called(symbols, frames)?].last()?;
    Some(Name::new(&symbols.frame(*outermost).function))
}

/// Whether the loop could have run, and had no CPU: no line is to blame for that.
fn is_queued((_, cause): Why) -> bool {
    cause == Some(Cause::Preempted)
}

fn why(symbols: &Symbols, piece: &TurnPiece) -> Why {
    if piece.stack.is_none() && piece.flags == 0 {
        return (false, None); // no piece was reported
    }
    let key = SwitchRow { syscall: piece.syscall, flags: piece.flags, ..SwitchRow::default() };
    let is_running = piece.flags & flag::RUNNING != 0;
    match cause(&key, symbols.file(piece.object).map(|file| file.kind)) {
        _ if is_running => (true, None),
        cause => (false, Some(cause)),
    }
}

impl TurnSum {
    fn merge(&mut self, other: &Self) {
        if other.longest >= self.longest {
            (self.longest, self.task) = (other.longest, other.task.clone());
        }
        self.count += other.count;
        self.total += other.total;
    }
}

/// First the file is forgotten, then the stack; loops are few.
impl Key for TurnPiece {
    fn coarser(self) -> Option<Self> {
        match self {
            Self { object: FileId(1..), .. } => Some(Self { object: FileId::NONE, ..self }),
            Self { stack: StackId(1..), .. } => Some(Self { stack: StackId::NONE, ..self }),
            _ => None,
        }
    }
}
