//! `--jsonl`: one JSON object a line, for each thing that happens once.

use std::io;

use serde_json::{Value, json};
use tracer::analysis::signal_name;
use tracer::event::{Bytes, Event, StackId, Task};
use tracer::report::{Name, StartedHow};
use tracer::symbols::{Frame, Symbols};

use crate::writer::Writer;

/// Bytes of lines that wait for a reader who does not read, beside those that the writer has.
const WAITING: usize = 2 << 20;

/// Writes events to stdout as they come. Those that nobody reads in time are left out; how many is printed.
pub struct Stream {
    out: Writer,
    piece: Vec<u8>,
    /// Events in there.
    events: u64,
    /// Events that have been left out, and not been counted in the output yet.
    lost: u64,
}

impl Stream {
    /// To stdout.
    pub fn new() -> Self {
        Self { out: Writer::new(), piece: Vec::new(), events: 0, lost: 0 }
    }

    /// One event; aggregates are left to the report.
    pub fn event(&mut self, event: &Event, symbols: &Symbols) {
        if let Some(object) = object(event, symbols) {
            self.line(&object.to_string());
            self.events += 1;
        }
        if self.piece.len() >= WAITING {
            self.flush();
        }
    }

    /// Lines so far are for the reader now.
    pub fn flush(&mut self) {
        if self.piece.is_empty() {
            return;
        }
        match self.out.offer(std::mem::take(&mut self.piece)) {
            Ok(()) => (self.events, self.lost) = (0, 0),
            Err(refused) if refused.len() < WAITING => self.piece = refused,
            Err(_too_much) => {
                self.lost += std::mem::take(&mut self.events);
                self.line(&lost(self.lost)); // what comes next begins with it
            }
        }
    }

    /// Nobody reads any more.
    pub fn is_over(&self) -> bool {
        self.out.has_failed()
    }

    /// The last line.
    ///
    /// # Errors
    /// When it, or any before it, could not be written.
    pub fn finish(mut self, report: &str) -> io::Result<()> {
        tracer::report::output::check_stdout()?;
        self.line(report.trim_end());
        self.out.finish(self.piece)
    }

    fn line(&mut self, line: &str) {
        self.piece.extend_from_slice(line.as_bytes());
        self.piece.push(b'\n');
    }
}

fn lost(events: u64) -> String {
    json!({ "kind": "lost", "events": events }).to_string()
}

fn object(event: &Event, symbols: &Symbols) -> Option<Value> {
    let stack = |id: StackId| stack(id, symbols);
    Some(match event {
        Event::Fork(fork) if fork.is_process() => json!({
            "kind": "fork", "at_ns": fork.at, "pid": fork.parent.pid, "tid": fork.parent.tid,
            "child": fork.child.pid, "how": StartedHow::from(fork.how).as_str(), "followed": fork.followed,
            "pgid": fork.groups.pgid, "sid": fork.groups.sid, "stack": stack(fork.stack),
        }),
        Event::Exec(exec) => json!({
            "kind": "exec", "at_ns": exec.at, "pid": exec.task.pid, "comm": name(&exec.comm), "path": name(&exec.path),
            "arguments": exec.arguments.iter().map(name).collect::<Vec<_>>(), "arguments_cut": exec.cut,
            "pgid": exec.groups.pgid, "sid": exec.groups.sid,
        }),
        Event::Exit(exit) if exit.last_thread => json!({
            "kind": "exit", "at_ns": exit.at, "pid": exit.task.pid, "ppid": exit.parent, "comm": name(&exit.comm),
            "exit_code": exit_code(exit.wait_status), "signal": killed_by(exit.wait_status),
            "out_of_memory": exit.out_of_memory, "pgid": exit.groups.pgid, "sid": exit.groups.sid,
        }),
        Event::Reaped { at, by, child, .. } => {
            json!({ "kind": "reaped", "at_ns": at, "pid": child, "by": task(*by) })
        }
        Event::ZombieForLong { at, pid, ppid, since } => json!({
            "kind": "zombie", "at_ns": at, "pid": pid, "ppid": ppid, "zombie_ns": at - since,
        }),
        Event::Reparented { at, pid, comm, old_ppid, new_ppid } => json!({
            "kind": "orphan", "at_ns": at, "pid": pid, "comm": name(comm), "old_ppid": old_ppid, "new_ppid": new_ppid,
        }),
        Event::SignalGenerate(signal) => json!({
            "kind": "signal", "at_ns": signal.at, "signal": signal_name(signal.signal), "number": signal.signal,
            "current": { "pid": signal.current.pid, "tid": signal.current.tid, "comm": name(&signal.comm), "uid": signal.uid },
            "target": { "pid": signal.target.pid, "tid": signal.target.tid, "group": signal.group },
            "sender_stack": stack(signal.stack),
        }),
        Event::SignalDeliver(signal) => json!({
            "kind": "signal_delivered", "at_ns": signal.at, "signal": signal_name(signal.signal), "number": signal.signal,
            "target": task(signal.task), "stack": stack(signal.stack),
        }),
        Event::HandlerStart(start) => json!({
            "kind": "handler", "at_ns": start.at, "signals": [signal_name(start.signal)], "target": task(start.task),
            "frame": symbols.site(start.space, &start.code).map(|id| frame(symbols.frame(id))),
            "stack": stack(start.stack),
        }),
        Event::GcPause(pause) => json!({
            "kind": "gc", "at_ns": pause.at, "pid": pause.task.pid, "tid": pause.task.tid, "ns": pause.lasted,
            "generation": pause.generation, "collected": pause.collected, "waiters": pause.waiters,
            "stack": stack(pause.stack),
        }),
        _ => return None,
    })
}

fn task(task: Task) -> Value {
    json!({ "pid": task.pid, "tid": task.tid })
}

fn name(bytes: &Bytes) -> Name {
    Name::from(bytes.clone())
}

fn exit_code(wait_status: u32) -> Option<u32> {
    (wait_status & 0x7f == 0).then_some(wait_status >> 8 & 0xff)
}

fn killed_by(wait_status: u32) -> Option<String> {
    (wait_status & 0x7f != 0).then(|| signal_name(wait_status & 0x7f))
}

fn stack(id: StackId, symbols: &Symbols) -> Value {
    let Some(stack) = symbols.stacks.get(id) else { return Value::Null };
    stack.frames.iter().map(|&id| frame(symbols.frame(id))).collect()
}

fn frame(frame: &Frame) -> Value {
    json!({ "function": name(&frame.function), "file": name(&frame.file), "line": frame.line })
}
