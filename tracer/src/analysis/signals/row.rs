//! One signal, from its generation to what became of it.

use super::origin::{is_sent, origin, seen};
use super::waits;
use crate::analysis::causes::syscall_name;
use crate::analysis::lines;
use crate::analysis::signal_names::{Action, default_action, signal_name};
use crate::event::{
    Bytes, Handler, Nanos, SignalDeliver, SignalGenerate, SignalInfo, SignalResult, SignalsPending, StackId,
    Task, Tid, Waited,
};
use crate::report::{
    self, Disposition, HandlerState, Interrupted, Name, Origin, Outcome, Sender, Signal, SignalTarget,
};
use crate::symbols::Symbols;
use tracer_common::python;

const SIGKILL: u32 = 9;
const SIGCONT: u32 = 18;
const SIGSTOP: u32 = 19;

/// A row of the report, nearly.
#[derive(Clone, Debug)]
pub struct Row {
    pub at: Nanos,
    pub signal: u32,
    pub count: u64,
    pub origin: Origin,
    pub sender: Option<Who>,
    pub sender_stack: StackId,
    /// The thread that was aimed at; for a group signal any thread of its process takes it.
    pub target: Task,
    pub group: bool,
    pub blocked: bool,
    /// The target is traced: what its handlers are is known.
    pub traced: bool,
    /// What the main thread had waited for at the generation.
    pub main_before: Option<Waited>,
    /// The thread that took it.
    pub receiver: Option<Tid>,
    pub delivered_after: Option<Nanos>,
    pub interrupted: Option<(Option<u32>, StackId)>,
    /// What the main thread had waited for at the delivery.
    pub main: Option<Waited>,
    pub disposition: Option<Disposition>,
    pub begun: Begun,
    pub outcome: Outcome,
}

/// A function: its address space and its code object.
pub type Site = (u64, python::Frame);

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
    pub site: Site,
    /// Where the main thread was.
    pub stack: StackId,
    /// What the main thread had waited for.
    pub waited: Option<Waited>,
    /// Another handler began between the delivery and this.
    pub follows_other: bool,
    /// The handler that had begun last before the delivery.
    pub previous: Option<Site>,
    /// When it returned, from the generation.
    pub ended: Option<Nanos>,
}

/// Who sent a signal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Who {
    pub task: Task,
    pub comm: Bytes,
    pub uid: u32,
}

impl Row {
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
            sender_stack: if is_sent(origin) { signal.stack } else { 0 },
            target: signal.target,
            group: signal.group,
            blocked: signal.blocked,
            traced,
            main_before: signal.main,
            receiver: None,
            delivered_after: None,
            interrupted: None,
            main: None,
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
        let aimed_at =
            if self.group { self.target.pid == delivery.task.pid } else { self.target == delivery.task };
        aimed_at && self.signal == delivery.signal && self.at <= delivery.at
    }

    /// It was delivered, and the disposition decides.
    pub fn deliver(&mut self, delivery: &SignalDeliver) {
        self.receive(delivery);
        (self.disposition, self.outcome) = match delivery.handler {
            Handler::Python => (Some(Disposition::Python), Outcome::Handled),
            // CPython's, if it is a Python, which nobody has looked at.
            Handler::C if !self.traced => (None, Outcome::Handled),
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

    /// Whether CPython was told of it, to call a function of the program.
    pub fn is_pythons(&self) -> bool {
        self.disposition == Some(Disposition::Python)
    }

    /// When it was delivered.
    pub fn delivered_at(&self) -> Nanos {
        self.at + self.delivered_after.unwrap_or(0)
    }

    /// Whether another thread than the main one took it.
    pub fn is_of_other_thread(&self) -> bool {
        self.receiver.is_some_and(|tid| tid != self.target.pid)
    }

    /// Whether the main thread was asleep at the delivery.
    pub fn main_slept(&self) -> bool {
        self.main.is_some_and(|main| main.asleep)
    }

    /// Where the receiver was at the delivery, 0 where that is not known.
    pub fn stack(&self) -> StackId {
        self.interrupted.map_or(0, |(_, stack)| stack)
    }

    /// Whether the receiver was in a system call at the delivery.
    pub fn interrupted_call(&self) -> bool {
        matches!(self.interrupted, Some((Some(_), _)))
    }

    /// It killed the process; as a SIGKILL was delivered, its own disposition was not looked at.
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
            // Nobody waits for a signal that is not blocked: its delivery was lost.
            () if !self.blocked => Outcome::Unknown,
            () if now.ignores(self.signal) => Outcome::Ignored,
            () => Outcome::Handled,
        };
    }

    /// The process that it was for has ended, and it either waited to the last, or had been taken without being delivered. What
    /// is ignored by default is no longer there either once the interpreter has let go of its handlers.
    pub fn end(mut self, waits: impl FnOnce(&Self) -> bool) -> Self {
        if !waits(&self) {
            let taken = self.blocked && default_action(self.signal) != Action::Ignore;
            self.outcome = if taken { Outcome::Handled } else { Outcome::Unknown };
        }
        self.give_up()
    }

    /// Nothing more will be seen of it.
    pub fn give_up(mut self) -> Self {
        if self.is_open() && self.blocked {
            self.outcome = Outcome::Blocked;
        }
        self
    }

    /// Whether a SIGKILL that is delivered may stand for this signal: one that terminates without a core dump is not
    /// delivered itself, the kernel makes it a SIGKILL for every thread.
    /// <https://github.com/torvalds/linux/blob/v6.12/kernel/signal.c> (`complete_signal`)
    pub fn is_killed_by(&self, delivery: &SignalDeliver) -> bool {
        let terminates = !self.blocked && default_action(self.signal) == Action::Terminate;
        terminates && delivery.signal == SIGKILL && self.at <= delivery.at
    }

    fn receive(&mut self, delivery: &SignalDeliver) {
        self.receiver = Some(delivery.task.tid);
        self.delivered_after = Some(delivery.at.saturating_sub(self.at));
        self.interrupted = Some((delivery.syscall, delivery.stack));
        self.main = delivery.main;
    }

    /// A row of the report.
    pub fn row(&self, symbols: &Symbols) -> Signal {
        Signal {
            signal: signal_name(self.signal),
            number: self.signal,
            at_ns: self.at,
            count: self.count,
            sender: self.sender.as_ref().map(Who::row),
            origin: self.origin,
            sender_stack: lines::stack_of(symbols, self.sender_stack),
            target: SignalTarget { pid: self.target.pid, tid: self.tid(), group: self.group },
            disposition: self.disposition,
            delivered_after_ns: self.delivered_after,
            interrupted: self.interrupted.and_then(|(syscall, stack)| interrupted(syscall, stack, symbols)),
            handler_state: self.handler_state(),
            handler: self.handler(symbols),
            outcome: self.outcome,
        }
    }

    /// Somebody who is not traced has a handler for it, in Python or not.
    fn is_taken_in_secret(&self) -> bool {
        self.outcome == Outcome::Handled && self.disposition.is_none() && self.receiver.is_some()
    }

    fn handler_state(&self) -> HandlerState {
        match self.begun {
            _ if self.is_taken_in_secret() => HandlerState::Unknown,
            _ if !self.is_pythons() => HandlerState::None,
            Begun::Unknown => HandlerState::Unknown,
            Begun::Pending => HandlerState::Pending,
            Begun::Started(_) => HandlerState::Started,
        }
    }

    fn handler(&self, symbols: &Symbols) -> Option<report::Handler> {
        let Begun::Started(started) = &self.begun else { return None };
        let (space, code) = started.site;
        let function = symbols.site(space, &code);
        Some(report::Handler {
            frame: function.map(|id| lines::frame(symbols, id)),
            started_after_ns: Some(started.after),
            ended_after_ns: started.ended,
            waited_for: waits::reason(self, started, symbols),
            run_queue_ns: waits::run_queue(self, started),
        })
    }

    /// The thread that took it, or the one that it was aimed at.
    fn tid(&self) -> Option<Tid> {
        self.receiver.or((!self.group).then_some(self.target.tid))
    }
}

impl Who {
    fn row(&self) -> Sender {
        let [pid, tid] = [self.task.pid, self.task.tid].map(seen);
        Sender { pid, tid, comm: Name::new(&self.comm), uid: self.uid }
    }
}

/// A program, or the child that the kernel speaks for; nobody for what is the kernel's own.
fn sender(signal: &SignalGenerate, origin: Origin) -> Option<Who> {
    let is_the_child = |pid| pid == 0 || pid == signal.current.pid;
    let known = match signal.info {
        SignalInfo::Code { pid, .. } if origin == Origin::Child => is_the_child(pid),
        _ => is_sent(origin),
    };
    known.then(|| Who { task: signal.current, comm: signal.comm.clone(), uid: signal.uid })
}

/// What the kernel decides at the generation. A SIGCONT continues its process then, and is ignored after that.
fn outcome_at_once(signal: &SignalGenerate) -> (Outcome, Option<Disposition>) {
    match signal.result {
        SignalResult::Delivered | SignalResult::LoseInfo => (Outcome::Pending, None),
        SignalResult::Ignored if signal.signal == SIGCONT => (Outcome::Continued, None),
        // Nobody can ask for these to be ignored: the process had ended.
        SignalResult::Ignored if matches!(signal.signal, SIGKILL | SIGSTOP) => (Outcome::Ignored, None),
        SignalResult::Ignored => (Outcome::Ignored, Some(Disposition::Ignored)),
        SignalResult::AlreadyPending => (Outcome::Coalesced, None),
        // Dropped, and its sender was told so: nothing comes of it.
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

fn interrupted(syscall: Option<u32>, stack: StackId, symbols: &Symbols) -> Option<Interrupted> {
    let syscall = syscall.and_then(|number| syscall_name(number.into())).map(Into::into);
    let frame = symbols.leaf(stack).map(|id| lines::frame(symbols, id));
    (syscall.is_some() || frame.is_some()).then_some(Interrupted { syscall, frame })
}
