//! One signal, from its generation to what became of it.

use super::origin::{is_sent, origin};
use crate::analysis::signal_names::{Action, default_action};
use crate::event::{
    Bytes, Handler, Nanos, SignalDeliver, SignalGenerate, SignalInfo, SignalResult, SignalsPending, SpaceId,
    StackId, Task, Tid, Waited,
};
use crate::report::{Disposition, Origin, Outcome};
use tracer_common::python;

const SIGKILL: u32 = 9;
const SIGCONT: u32 = 18;
const SIGSTOP: u32 = 19;

/// What is known of it so far; several alike may be one row.
#[derive(Clone, Debug)]
pub struct SignalRow {
    pub at: Nanos,
    pub signal: u32,
    pub count: u64,
    pub origin: Origin,
    pub sender: Option<SignalSender>,
    pub sender_stack: StackId,
    pub aim: Aim,
    pub delivery: Option<Delivery>,
    pub disposition: Option<Disposition>,
    pub begun: Begun,
    pub outcome: Outcome,
}

/// Which processes a signal was for when it was generated.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    /// The thread that was aimed at; for a group signal any thread of its process takes it.
    pub target: Task,
    pub group: bool,
    pub blocked: bool,
    /// The target is traced: what its handlers are is known.
    pub traced: bool,
    /// What the main thread had waited for.
    pub main: Option<Waited>,
}

/// How a signal was delivered. Of several in one row: what they have in common.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// From the generation; of several, the longest.
    pub after: Nanos,
    /// The thread that took it.
    pub receiver: Option<Tid>,
    /// The system call that it was in, and where it was.
    pub interrupted: Option<(Option<u32>, StackId)>,
    /// What the main thread had waited for.
    pub main: Option<Waited>,
}

/// A function: its address space and its code object.
pub type SiteInSpace = (SpaceId, python::Frame);

/// What became of the Python handler.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Begun {
    /// It was not watched, or there is none.
    Unknown,
    /// It has not begun.
    Pending,
    /// It has.
    Started(Started),
}

impl Begun {
    /// From the generation of the signal.
    pub fn after(&self) -> Option<Nanos> {
        match self {
            Self::Started(started) => Some(started.after),
            Self::Unknown | Self::Pending => None,
        }
    }
}

/// A Python handler began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Started {
    /// From the generation.
    pub after: Nanos,
    pub site: SiteInSpace,
    /// Where the main thread was.
    pub stack: StackId,
    /// What the main thread had waited for.
    pub waited: Option<Waited>,
    /// Another handler began between the delivery and this.
    pub follows_other: bool,
    /// The handler that had begun last before the delivery.
    pub previous: Option<SiteInSpace>,
    /// When it returned, from the generation.
    pub ended: Option<Nanos>,
}

/// The thread that sent a signal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SignalSender {
    pub task: Task,
    pub comm: Bytes,
    pub uid: u32,
}

impl SignalRow {
    /// A signal as it was generated; what became of it is open unless the kernel has decided at once.
    pub fn new(signal: &SignalGenerate, traced: bool) -> Self {
        let origin = origin(signal);
        let (outcome, disposition) = outcome_at_once(signal);
        Self {
            at: signal.at,
            signal: signal.signal,
            count: 1,
            origin,
            sender: sender(signal, origin),
            sender_stack: if is_sent(origin) { signal.stack } else { StackId::NONE },
            aim: Aim {
                target: signal.target,
                group: signal.group,
                blocked: signal.blocked,
                traced,
                main: signal.main,
            },
            delivery: None,
            disposition,
            begun: Begun::Unknown,
            outcome,
        }
    }

    /// Whether what became of it is still to be seen.
    pub fn is_open(&self) -> bool {
        self.outcome == Outcome::Pending
    }

    /// Whether this delivery can be that of this signal.
    pub fn fits(&self, delivery: &SignalDeliver) -> bool {
        let Aim { target, group, .. } = self.aim;
        let is_for_it = if group { target.pid == delivery.task.pid } else { target == delivery.task };
        is_for_it && self.signal == delivery.signal && self.at <= delivery.at
    }

    /// It was delivered, and the disposition decides.
    pub fn deliver(&mut self, delivery: &SignalDeliver) {
        self.receive(delivery);
        (self.disposition, self.outcome) = match delivery.handler {
            Handler::Python => (Some(Disposition::Python), Outcome::Handled),
            // CPython's, if it is a Python, which was not probed.
            Handler::C if !self.aim.traced => (None, Outcome::Handled),
            Handler::C => (Some(Disposition::C), Outcome::Handled),
            Handler::Ignore => (Some(Disposition::Ignored), Outcome::Ignored),
            Handler::Default => (Some(Disposition::Default), default_outcome(self.signal)),
        };
    }

    /// Its handler has returned.
    pub fn end_handler(&mut self, at: Nanos) {
        if let Begun::Started(started) = &mut self.begun {
            started.ended = Some(at.saturating_sub(self.at));
        }
    }

    /// Whether CPython was notified of it, to call a function of the program.
    pub fn is_pythons(&self) -> bool {
        self.disposition == Some(Disposition::Python)
    }

    /// When it was delivered.
    pub fn delivered_at(&self) -> Nanos {
        self.at + self.delivered_after().unwrap_or(0)
    }

    /// How long after its generation.
    pub fn delivered_after(&self) -> Option<Nanos> {
        Some(self.delivery?.after)
    }

    /// The thread that took it.
    pub fn receiver(&self) -> Option<Tid> {
        self.delivery?.receiver
    }

    /// Whether another thread than the main one took it.
    pub fn is_of_other_thread(&self) -> bool {
        self.receiver().is_some_and(|tid| tid != self.aim.target.pid)
    }

    /// What the main thread had waited for at the delivery.
    pub fn main_at_delivery(&self) -> Option<Waited> {
        self.delivery?.main
    }

    /// Where the receiver was at the delivery, 0 where that is not known.
    pub fn stack(&self) -> StackId {
        self.interrupted().map_or(StackId::NONE, |(_, stack)| stack)
    }

    /// Whether the receiver was in a system call at the delivery.
    pub fn interrupted_call(&self) -> bool {
        matches!(self.interrupted(), Some((Some(_), _)))
    }

    /// What the receiver was in at the delivery.
    pub fn interrupted(&self) -> Option<(Option<u32>, StackId)> {
        self.delivery?.interrupted
    }

    /// It killed the process; as a SIGKILL was delivered, its own disposition was not read.
    pub fn kill(&mut self, delivery: Option<&SignalDeliver>) {
        if let Some(delivery) = delivery {
            self.receive(delivery);
        }
        (self.disposition, self.outcome) = (Some(Disposition::Default), Outcome::Killed);
    }

    /// Its process was to give its memory back.
    pub fn is_for_memory(&mut self) {
        if (self.signal, self.origin) == (SIGKILL, Origin::Kernel) {
            self.origin = Origin::Oom;
        }
    }

    /// The program took it without its being delivered.
    pub fn accept(&mut self) {
        self.outcome = Outcome::Handled;
    }

    /// It waits no more, and its delivery was not seen.
    pub fn vanish(&mut self, now: &SignalsPending) {
        self.outcome = match () {
            // A signal that is not blocked does not wait: its delivery was lost.
            () if !self.aim.blocked => Outcome::Unknown,
            () if now.ignores(self.signal) => Outcome::Ignored,
            () => Outcome::Handled,
        };
    }

    /// The process that it was for has ended, and it either waited to the last, or had been taken without being delivered. What
    /// is ignored by default is no longer there either once the interpreter has let go of its handlers.
    pub fn end(mut self, waits: impl FnOnce(&Self) -> bool) -> Self {
        if !waits(&self) {
            let taken = self.aim.blocked && default_action(self.signal) != Action::Ignore;
            self.outcome = if taken { Outcome::Handled } else { Outcome::Unknown };
        }
        self.give_up()
    }

    /// Nothing more will be seen of it.
    pub fn give_up(mut self) -> Self {
        if self.is_open() && self.aim.blocked {
            self.outcome = Outcome::Blocked;
        }
        self
    }

    /// Whether a SIGKILL that is delivered may stand for this signal: one that terminates without a core dump is not
    /// delivered itself, the kernel makes it a SIGKILL for every thread.
    /// <https://github.com/torvalds/linux/blob/v6.12/kernel/signal.c> (`complete_signal`)
    pub fn is_killed_by(&self, delivery: &SignalDeliver) -> bool {
        let terminates = !self.aim.blocked && default_action(self.signal) == Action::Terminate;
        terminates && delivery.signal == SIGKILL && self.at <= delivery.at
    }

    fn receive(&mut self, delivery: &SignalDeliver) {
        self.delivery = Some(Delivery {
            after: delivery.at.saturating_sub(self.at),
            receiver: Some(delivery.task.tid),
            interrupted: Some((delivery.syscall, delivery.stack)),
            main: delivery.main,
        });
    }
}

/// A program, or the child that the kernel sends it for; `None` for what is the kernel's own.
fn sender(signal: &SignalGenerate, origin: Origin) -> Option<SignalSender> {
    let is_the_child = |pid| pid == 0 || pid == signal.current.pid;
    let known = match signal.info {
        SignalInfo::Code { pid, .. } if origin == Origin::Child => is_the_child(pid),
        _ => is_sent(origin),
    };
    known.then(|| SignalSender { task: signal.current, comm: signal.comm.clone(), uid: signal.uid })
}

/// What the kernel decides at the generation. A SIGCONT continues its process then, and is ignored after that.
fn outcome_at_once(signal: &SignalGenerate) -> (Outcome, Option<Disposition>) {
    match signal.result {
        SignalResult::Delivered | SignalResult::LoseInfo => (Outcome::Pending, None),
        SignalResult::Ignored if signal.signal == SIGCONT => (Outcome::Continued, None),
        // These cannot be ignored on request: the process had ended.
        SignalResult::Ignored if matches!(signal.signal, SIGKILL | SIGSTOP) => (Outcome::Ignored, None),
        SignalResult::Ignored => (Outcome::Ignored, Some(Disposition::Ignored)),
        SignalResult::AlreadyPending => (Outcome::Coalesced, None),
        // Dropped, and its sender got an error: nothing comes of it.
        SignalResult::OverflowFail => (Outcome::Ignored, None),
    }
}

fn default_outcome(signal: u32) -> Outcome {
    match default_action(signal) {
        Action::Terminate | Action::Core => Outcome::Killed,
        Action::Stop => Outcome::Stopped,
        Action::Continue => Outcome::Continued,
        Action::Ignore => Outcome::Ignored,
    }
}
