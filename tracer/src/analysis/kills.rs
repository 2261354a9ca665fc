//! Signals that end processes, by the call that sent them: which processes it was for, which it reached, and which were left.
//!
//! `kill(2)` generates one signal for each member of a process group, all of them before it returns. What it does not
//! reach are children in other groups, and all children where the signal is for one process only:
//!
//! ```text
//!  kill(-830) ─┬─ 830 leader    ends        kill(830) ─── 830 leader    ends
//!              └─ 831 child     ends                      831 child     lives on, adopted by another
//!                 832 child in a group of its own: lives on
//! ```

mod lives;

use self::lives::KilledLives;
use super::lines;
use super::signal_names::{Action, default_action, signal_name};
use super::signals::{is_sent, origin, seen};
use super::traced::{ProcessLife, Traced};
use crate::event::{Aim, Bytes, Event, Nanos, Pid, SignalGenerate, StackId, Task};
use crate::report::{self, Bounded, KillAim, KillEnd, Name, Origin, Sender};
use crate::symbols::Symbols;

/// Calls that are kept.
const KILLS: usize = 1_024;
/// Processes that one call reaches, as far as they are remembered.
const REACHED: usize = 4_096;
/// Processes that are named of one call.
const NAMED: usize = 64;
/// Members of a group get their signals one right after another.
const ONE_CALL: Nanos = 10_000_000;
/// A child that ends so soon after its parent does not live on.
const AT_ONCE: Nanos = 100_000_000;
/// A process that exits so soon after its handler began does so because of the signal. One that cleans up for longer may
/// have other reasons by then.
pub const BY_HANDLER: Nanos = 1_000_000_000;

/// SIGINT, SIGQUIT and SIGHUP: what a terminal sends to a process group.
const BY_TERMINAL: [u32; 3] = [2, 3, 1];

/// What was sent, in the order of time.
#[derive(Debug, Default)]
pub struct Kills {
    calls: Vec<KillCall>,
    omitted: u64,
}

/// One call.
#[derive(Debug)]
struct KillCall {
    at: Nanos,
    last: Nanos,
    signal: u32,
    origin: Origin,
    sender: Task,
    comm: Bytes,
    uid: u32,
    stack: StackId,
    aim: Aim,
    pgid: Pid,
    reached: Vec<Reached>,
    /// How many more.
    more: u64,
}

/// A process that a call reached.
#[derive(Clone, Copy, Debug)]
struct Reached {
    pid: Pid,
    /// When its handler began or, where that is not seen, the signal was delivered or sent.
    began: Nanos,
}

/// A child that has another parent now: its comm and both parents.
pub type Adopted<'a> = (Pid, &'a Bytes, Pid);

impl Kills {
    /// Takes a signal that ends processes, if it is one, and what comes of it.
    pub fn fold(&mut self, event: &Event, traced: &Traced) {
        match event {
            Event::SignalGenerate(signal) => self.generate(signal, traced),
            Event::SignalDeliver(delivery) => self.begin(delivery.task.pid, delivery.signal, delivery.at),
            Event::HandlerStart(start) => self.begin(start.task.pid, start.signal, start.at),
            _ => {}
        }
    }

    fn generate(&mut self, signal: &SignalGenerate, traced: &Traced) {
        let origin = origin(signal);
        let ends = matches!(default_action(signal.signal), Action::Terminate | Action::Core);
        if !ends || !(is_sent(origin) || origin == Origin::Kernel) || !traced.contains(signal.target.pid) {
            return;
        }
        // A session's leader that ends hangs up its terminal, and with it itself.
        if is_by_terminal(signal, origin) && signal.current == signal.target {
            return;
        }
        let call = KillCall::new(signal, origin);
        let known = self.calls.iter().rposition(|known| known.is_of(&call));
        match known {
            Some(known) => self.calls[known].join(&call),
            None if self.calls.len() < KILLS => self.calls.push(call),
            None => self.omitted += 1,
        }
    }

    /// A process takes the signal that it was sent last.
    fn begin(&mut self, pid: Pid, signal: u32, at: Nanos) {
        let mut calls = self.calls.iter_mut().rev().filter(|call| call.signal == signal);
        let reached = calls.find_map(|call| call.reached.iter_mut().find(|reached| reached.pid == pid));
        if let Some(reached) = reached {
            reached.began = reached.began.max(at);
        }
    }

    /// Rows of calls that were for several processes, or that left some behind.
    pub fn finish<'a>(
        &self,
        symbols: &Symbols,
        traced: &Traced,
        adopted: impl Iterator<Item = Adopted<'a>> + Clone,
    ) -> Bounded<report::Kill> {
        let lives = KilledLives::new(traced);
        let rows = self.calls.iter().map(|call| call.row(symbols, &lives, adopted.clone()));
        let mut rows: Bounded<_> =
            rows.filter(|row| row.aim != KillAim::Process || row.left_count > 0).collect();
        if self.omitted > 0 {
            rows.rest.get_or_insert_default().omitted += self.omitted;
        }
        rows
    }
}

fn is_by_terminal(signal: &SignalGenerate, origin: Origin) -> bool {
    origin == Origin::Kernel && signal.group && BY_TERMINAL.contains(&signal.signal)
}

impl KillCall {
    fn new(signal: &SignalGenerate, origin: Origin) -> Self {
        Self {
            at: signal.at,
            last: signal.at,
            signal: signal.signal,
            origin,
            sender: signal.current,
            comm: signal.comm.clone(),
            uid: signal.uid,
            stack: signal.stack,
            aim: if is_by_terminal(signal, origin) { Aim::Group } else { signal.aim },
            pgid: signal.target_pgid,
            reached: vec![Reached { pid: signal.target.pid, began: signal.at }],
            more: 0,
        }
    }

    /// Whether both are of the same call; of an older one if it has reached the same process already.
    fn is_of(&self, other: &Self) -> bool {
        let about = |call: &Self| (call.signal, call.aim, call.origin, call.sender);
        let same_group = self.pgid == other.pgid || self.aim == Aim::All;
        self.aim != Aim::One
            && about(self) == about(other)
            && same_group
            && other.at.saturating_sub(self.last) <= ONE_CALL
            && !self.has_reached(other.reached[0].pid)
    }

    fn has_reached(&self, pid: Pid) -> bool {
        self.reached.iter().any(|reached| reached.pid == pid)
    }

    fn join(&mut self, other: &Self) {
        self.last = self.last.max(other.at);
        if self.reached.len() < REACHED {
            self.reached.extend(&other.reached);
        } else {
            self.more += 1;
        }
    }

    fn row<'a>(
        &self,
        symbols: &Symbols,
        lives: &KilledLives<'_>,
        adopted: impl Iterator<Item = Adopted<'a>>,
    ) -> report::Kill {
        let (reached, left) = (self.reached(lives), self.left(lives, adopted));
        let sender = is_sent(self.origin).then(|| Sender {
            pid: seen(self.sender.pid),
            tid: seen(self.sender.tid),
            comm: Name::new(&self.comm),
            uid: self.uid,
        });
        report::Kill {
            signal: signal_name(self.signal),
            number: self.signal,
            at_ns: self.at,
            sender_stack: sender.as_ref().and_then(|_| lines::stack_of(symbols, self.stack)),
            sender,
            origin: self.origin,
            aim: match self.aim {
                Aim::One => KillAim::Process,
                Aim::Group => KillAim::Group,
                Aim::All => KillAim::All,
            },
            pgid: (self.aim != Aim::All).then_some(self.pgid).filter(|pgid| *pgid != 0),
            reached_count: reached.len() as u64 + self.more,
            ended_count: reached.iter().filter(|reached| reached.by_it).count() as u64,
            reached: reached.into_iter().take(NAMED).collect(),
            left_count: left.len() as u64,
            left: left.into_iter().take(NAMED).collect(),
        }
    }

    /// A process, if it reached it.
    fn reached_as<'s, 'l, 'a>(
        &'s self,
        life: &'l ProcessLife<'a>,
    ) -> Option<(&'s Reached, &'l ProcessLife<'a>)> {
        self.reached.iter().find(|reached| reached.pid == life.pid).map(|reached| (reached, life))
    }

    fn reached(&self, lives: &KilledLives<'_>) -> Vec<report::KillReached> {
        let reached = self.reached.iter().map(|reached| {
            let pid = reached.pid;
            let life = lives.at(pid, self.at);
            let ended = life.and_then(|life| life.ended);
            let end = match ended.map(|(_, wait_status)| wait_status & 0x7f) {
                None => KillEnd::Lives,
                Some(signal) if signal == self.signal => KillEnd::Killed,
                Some(0) => KillEnd::Exited,
                Some(_) => KillEnd::KilledOtherwise,
            };
            let comm = life.map_or_else(Name::default, |life| Name::new(life.comm));
            report::KillReached {
                pid,
                comm,
                end,
                by_it: self.ends(reached, life).is_some(),
                ended_after_ns: ended.map(|(at, _)| at.saturating_sub(self.at)),
            }
        });
        reached.collect()
    }

    /// When it ended this process, if it did.
    fn ends(&self, reached: &Reached, life: Option<&ProcessLife<'_>>) -> Option<Nanos> {
        let (at, wait_status) = life?.ended?;
        let by_it = match wait_status & 0x7f {
            0 => at <= reached.began + BY_HANDLER,
            signal => signal == self.signal,
        };
        by_it.then_some(at)
    }

    /// Descendants of what it ended that it did not reach, and that outlived the process that it ended.
    fn left<'a>(
        &self,
        lives: &KilledLives<'_>,
        adopted: impl Iterator<Item = Adopted<'a>>,
    ) -> Vec<report::KillLeft> {
        let mut left: Vec<report::KillLeft> = Vec::new();
        for life in lives.all.iter().filter(|life| life.is_alive_at(self.at) && !self.has_reached(life.pid)) {
            let end = lives.ancestors(life).find_map(|ancestor| self.reached_as(ancestor));
            let Some(end) = end.and_then(|(reached, ancestor)| self.ends(reached, Some(ancestor))) else {
                continue;
            };
            if life.is_alive_at(end + AT_ONCE) && life.born.is_none_or(|born| born < end) {
                let pgid = life.pgid;
                left.push(report::KillLeft { pid: life.pid, comm: Name::new(life.comm), pgid });
            }
        }
        // Children from before the window that are not followed are known only because they have another parent now.
        let ended = |pid| {
            let reached = self.reached.iter().find(|reached| reached.pid == pid)?;
            self.ends(reached, lives.at(pid, self.at))
        };
        for (pid, comm, _) in adopted.filter(|(_, _, old_ppid)| ended(*old_ppid).is_some()) {
            if lives.at(pid, self.at).is_none() {
                left.push(report::KillLeft { pid, comm: Name::new(comm), pgid: None });
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::python::Frame;

    use super::*;
    use crate::analysis::samples::{bytes, exit, fork, process, signal, symbols_of, task};
    use crate::event::{HandlerStart, SpaceId};

    const S: Nanos = 1_000_000_000;

    /// A root 7 with two children, of which the second leads a group of its own; a process sends SIGTERM.
    fn kills(sent: &[(Pid, Aim)], rest: &[Event], adopted: &[Adopted<'_>]) -> Vec<report::Kill> {
        let (mut kills, mut traced) = (Kills::default(), Traced::default());
        let born = [Event::Process(process(7, "app")), fork(1, 7, 8, 0), fork(2, 7, 9, 0), fork(3, 9, 10, 0)];
        let sent = sent.iter().map(|&(pid, aim)| {
            let signal = signal(15, task(99, 99), task(pid, pid));
            Event::SignalGenerate(SignalGenerate { at: S, aim, target_pgid: 7, ..signal })
        });
        for event in born.into_iter().chain(sent).chain(rest.iter().cloned()) {
            traced.fold(&event);
            kills.fold(&event, &traced);
        }
        kills.finish(&symbols_of(&[]), &traced, adopted.iter().copied()).rows
    }

    fn pids(kill: &report::Kill) -> (Vec<u32>, Vec<u32>) {
        let reached = kill.reached.iter().map(|reached| reached.pid).collect();
        (reached, kill.left.iter().map(|left| left.pid).collect())
    }

    #[test]
    fn children_of_what_was_killed_alone_are_left() {
        let dies = exit(S + 5, 7, 1, 15);
        let one = [(7, Aim::One)];
        for (name, rest, expected) in [
            ("it dies", vec![dies.clone()], vec![8, 9, 10]),
            ("it lives on", vec![], vec![]),
            ("they end with it", vec![dies.clone(), exit(S + 9, 8, 7, 0), exit(S + 9, 9, 7, 0)], vec![10]),
            ("one ends much later", vec![dies.clone(), exit(3 * S, 8, 1, 0)], vec![8, 9, 10]),
            ("one ended before", vec![exit(S - 1, 8, 7, 0), dies.clone()], vec![9, 10]),
        ] {
            let rows = kills(&one, &rest, &[]);
            let left = rows.first().map_or(vec![], |row| pids(row).1);
            assert_eq!(left, expected, "{name}");
        }
    }

    #[test]
    fn an_end_is_the_signals_if_it_killed_or_the_exit_came_soon_after_its_handler_began() {
        let begins = |at| {
            Event::HandlerStart(HandlerStart {
                at,
                task: task(8, 8),
                signal: 15,
                level: 0,
                stack: StackId::NONE,
                space: SpaceId::NONE,
                code: Frame::default(),
                waited: None,
            })
        };
        let exits = |at| exit(at, 8, 7, 0x100);
        for (name, rest, expected) in [
            ("it kills", vec![exit(9 * S, 8, 7, 15)], true),
            ("another kills", vec![exit(S + 5, 8, 7, 9)], false),
            ("exits at once", vec![begins(S + 1), exits(S + 2)], true),
            ("a handler that comes late", vec![begins(5 * S), exits(5 * S + 9)], true),
            ("goes on for long", vec![begins(S + 1), exits(60 * S)], false),
            ("lives", vec![begins(S + 1)], false),
        ] {
            let rows = kills(&[(8, Aim::Group)], &rest, &[]);
            assert_eq!(
                (rows[0].reached[0].by_it, rows[0].ended_count),
                (expected, expected.into()),
                "{name}"
            );
        }
        // Children that it leaves behind do not count as left, if its end had another reason.
        let later = [exit(60 * S, 7, 1, 0)];
        assert!(kills(&[(7, Aim::One)], &later, &[]).is_empty());
    }

    #[test]
    fn a_child_from_before_the_window_is_left_if_it_has_another_parent() {
        let comm = bytes("old");
        let rows = kills(&[(8, Aim::One)], &[exit(S + 5, 8, 7, 15)], &[(70, &comm, 8), (71, &comm, 9)]);
        assert_eq!(pids(&rows[0]), (vec![8], vec![70]));
    }

    #[test]
    fn one_call_to_a_group_is_one_row() {
        let group = [(7, Aim::Group), (8, Aim::Group), (9, Aim::Group)];
        let ends = [exit(S + 5, 7, 1, 15), exit(S + 5, 8, 1, 0), exit(2 * S, 9, 1, 9)];
        let rows = kills(&group, &ends, &[]);
        assert_eq!(rows.len(), 1);
        assert_eq!(pids(&rows[0]), (vec![7, 8, 9], vec![]), "the parent of 10 was ended by another signal");
        assert_eq!((rows[0].aim, rows[0].pgid), (KillAim::Group, Some(7)));
        let ends: Vec<_> = rows[0].reached.iter().map(|reached| reached.end).collect();
        assert_eq!(ends, [KillEnd::Killed, KillEnd::Exited, KillEnd::KilledOtherwise]);
        let left = kills(&group, &[exit(S + 5, 9, 1, 15)], &[]);
        assert_eq!(pids(&left[0]).1, [10], "10 was not in the group");

        let again = kills(&[(7, Aim::Group), (7, Aim::Group)], &[], &[]);
        assert_eq!(again.len(), 2, "a process is reached once by a call");
        assert!(kills(&[(7, Aim::One), (8, Aim::One)], &[], &[]).is_empty(), "no process was left");
    }
}
