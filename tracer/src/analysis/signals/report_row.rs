//! What the report says of a signal.

use super::origin::seen;
use super::row::{Begun, SignalRow, SignalSender};
use super::waits;
use crate::analysis::causes::syscall_name;
use crate::analysis::lines;
use crate::analysis::signal_names::signal_name;
use crate::event::{StackId, Tid};
use crate::report::{self, HandlerState, Interrupted, Name, Outcome, Sender, Signal, SignalTarget};
use crate::symbols::Symbols;

impl SignalRow {
    /// A row of the report.
    pub fn row(&self, symbols: &Symbols) -> Signal {
        Signal {
            signal: signal_name(self.signal),
            number: self.signal,
            at_ns: self.at,
            count: self.count,
            sender: self.sender.as_ref().map(SignalSender::row),
            origin: self.origin,
            sender_stack: lines::stack_of(symbols, self.sender_stack),
            target: SignalTarget { pid: self.aim.target.pid, tid: self.tid(), group: self.aim.group },
            disposition: self.disposition,
            delivered_after_ns: self.delivered_after(),
            interrupted: self.interrupted().and_then(|(syscall, stack)| interrupted(syscall, stack, symbols)),
            handler_state: self.handler_state(),
            handler: self.handler(symbols),
            outcome: self.outcome,
        }
    }

    /// A process that is not traced has a handler for it, in Python or not.
    fn is_taken_in_secret(&self) -> bool {
        self.outcome == Outcome::Handled && self.disposition.is_none() && self.receiver().is_some()
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
        self.receiver().or((!self.aim.group).then_some(self.aim.target.tid))
    }
}

impl SignalSender {
    fn row(&self) -> Sender {
        let [pid, tid] = [self.task.pid, self.task.tid].map(seen);
        Sender { pid, tid, comm: Name::new(&self.comm), uid: self.uid }
    }
}

fn interrupted(syscall: Option<u32>, stack: StackId, symbols: &Symbols) -> Option<Interrupted> {
    let syscall = syscall.and_then(|number| syscall_name(number.into())).map(Into::into);
    let frame = symbols.leaf(stack).map(|id| lines::frame(symbols, id));
    (syscall.is_some() || frame.is_some()).then_some(Interrupted { syscall, frame })
}
