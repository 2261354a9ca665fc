//! From the ring buffer's bytes to typed events and records.

mod file;
mod handler;
mod wire;

use std::sync::Arc;

use tracer_common::event::kind;
use tracer_common::{process, python, signal};

pub use file::file;

use crate::event::{
    Bytes, Event, Exit, Fork, Handler, Nanos, SignalDeliver, SignalGenerate, SignalInfo, SignalResult, Task,
};
use crate::symbols::File;

/// One message of the probes.
#[derive(Debug)]
pub enum Message {
    /// Something happened.
    Event(Event),
    /// A stack at its first sight.
    Stack(Stack),
    /// A code object at its first sight.
    Code(Box<python::Code>),
    /// A file at its first sight.
    File(u64, File),
}

/// A stack as it was walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Its identity.
    pub id: u64,
    /// The address space of its code objects.
    pub space: u64,
    /// The process that was walked.
    pub pid: u32,
    /// One of [`python::status`].
    pub status: u32,
    /// Innermost first, C boundaries included.
    pub frames: Vec<python::Frame>,
}

/// The bytes are no message of this version's probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// Decodes one message; times become offsets from the window's start.
///
/// `is_python` tells whether an address in a process lies in its interpreter's code.
///
/// # Errors
/// When the bytes are too short for their kind, or of no kind.
pub fn message(
    bytes: &[u8],
    start_ns: Nanos,
    is_python: impl Fn(u32, u64) -> bool,
) -> Result<Message, Corrupt> {
    let header = wire::header(bytes).ok_or(Corrupt)?;
    match header.kind {
        kind::STACK => stack(bytes).map(Message::Stack),
        kind::CODE => wire::code(bytes).map(Message::Code).ok_or(Corrupt),
        kind::FILE => {
            let file = wire::file(bytes).ok_or(Corrupt)?;
            Ok(Message::File(file.id, self::file(&file)))
        }
        _ => event(bytes, header.kind, start_ns, is_python).map(Message::Event),
    }
}

fn stack(bytes: &[u8]) -> Result<Stack, Corrupt> {
    let (head, frames) = wire::stack(bytes).ok_or(Corrupt)?;
    Ok(Stack { id: head.id, space: head.space, pid: head.header.pid, status: head.status, frames })
}

fn event(
    bytes: &[u8],
    kind: u32,
    start_ns: Nanos,
    is_python: impl Fn(u32, u64) -> bool,
) -> Result<Event, Corrupt> {
    let event = match kind {
        kind::FORK => wire::fork(bytes).map(|fork| Event::Fork(decode_fork(&fork, start_ns))),
        kind::EXEC => wire::exec(bytes).map(|exec| decode_exec(&exec, start_ns)),
        kind::EXIT => wire::exit(bytes).map(|exit| Event::Exit(decode_exit(&exit, start_ns))),
        kind::FREE => wire::free(bytes)
            .map(|free| Event::Free { at: since(start_ns, free.header.at_ns), pid: process_of_free(&free) }),
        kind::RENAME => wire::rename(bytes)
            .map(|rename| Event::ThreadName { task: task(&rename.header), comm: name(&rename.comm) }),
        kind::REAPED => wire::reaped(bytes).map(|reaped| Event::Reaped {
            at: since(start_ns, reaped.header.at_ns),
            by: task(&reaped.header),
            child: reaped.child,
        }),
        kind::SIGNAL_GENERATE => {
            wire::generate(bytes).map(|generate| Event::SignalGenerate(decode_generate(&generate, start_ns)))
        }
        kind::SIGNAL_DELIVER => wire::deliver(bytes)
            .map(|deliver| Event::SignalDeliver(decode_deliver(&deliver, start_ns, is_python))),
        kind::HANDLER_START => {
            wire::handler_start(bytes).map(|start| Event::HandlerStart(handler::start(&start, start_ns)))
        }
        _ => None,
    };
    event.ok_or(Corrupt)
}

fn process_of_free(free: &process::Free) -> u32 {
    free.header.pid
}

fn decode_fork(fork: &process::Fork, start_ns: Nanos) -> Fork {
    Fork {
        at: since(start_ns, fork.header.at_ns),
        parent: task(&fork.header),
        comm: name(&fork.comm),
        child: Task { pid: fork.child_pid, tid: fork.child_tid },
        stack: fork.stack,
        followed: fork.followed == 1,
    }
}

fn decode_exec(exec: &process::Exec, start_ns: Nanos) -> Event {
    let arguments = exec.arguments.get(..exec.arguments_bytes as usize).unwrap_or(&exec.arguments);
    let arguments = arguments.strip_suffix(&[0]).unwrap_or(arguments);
    Event::Exec {
        at: since(start_ns, exec.header.at_ns),
        task: task(&exec.header),
        comm: name(&exec.comm),
        path: name(&exec.path),
        arguments: arguments.split(|&byte| byte == 0).map(Arc::from).collect(),
    }
}

fn decode_exit(exit: &process::Exit, start_ns: Nanos) -> Exit {
    Exit {
        at: since(start_ns, exit.header.at_ns),
        task: task(&exit.header),
        wait_status: exit.wait_status,
        last_thread: exit.last_thread == 1,
        parent: exit.parent,
        comm: name(&exit.comm),
    }
}

fn decode_generate(generate: &signal::Generate, start_ns: Nanos) -> SignalGenerate {
    SignalGenerate {
        at: since(start_ns, generate.header.at_ns),
        current: task(&generate.header),
        comm: name(&generate.comm),
        uid: generate.uid,
        stack: generate.stack,
        signal: generate.signal,
        info: match generate.info {
            0 => SignalInfo::None,
            1 => SignalInfo::Kernel,
            _ => SignalInfo::Code { code: generate.code, pid: generate.info_pid },
        },
        target: Task { pid: generate.target_pid, tid: generate.target_tid },
        group: generate.group == 1,
        result: signal_result(generate.result),
        blocked: generate.blocked == 1,
    }
}

/// `TRACE_SIGNAL_*`: <https://github.com/torvalds/linux/blob/v6.12/include/trace/events/signal.h#L27>
fn signal_result(result: u32) -> SignalResult {
    match result {
        0 => SignalResult::Delivered,
        1 => SignalResult::Ignored,
        2 => SignalResult::AlreadyPending,
        3 => SignalResult::OverflowFail,
        _ => SignalResult::LoseInfo,
    }
}

fn decode_deliver(
    deliver: &signal::Deliver,
    start_ns: Nanos,
    is_python: impl Fn(u32, u64) -> bool,
) -> SignalDeliver {
    SignalDeliver {
        at: since(start_ns, deliver.header.at_ns),
        task: task(&deliver.header),
        signal: deliver.signal,
        code: deliver.code,
        handler: match deliver.handler {
            0 => Handler::Default,
            1 => Handler::Ignore,
            address if is_python(deliver.header.pid, address) => Handler::Python,
            _ => Handler::C,
        },
        stack: deliver.stack,
        syscall: u32::try_from(deliver.syscall).ok(),
        main: handler::waited(&deliver.main),
    }
}

fn task(header: &tracer_common::event::Header) -> Task {
    Task { pid: header.pid, tid: header.tid }
}

fn since(start_ns: Nanos, at_ns: u64) -> Nanos {
    at_ns.saturating_sub(start_ns)
}

/// Up to the first NUL.
fn name(bytes: &[u8]) -> Bytes {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Message, Corrupt> {
        message(bytes, 100, |_, _| false)
    }

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn times_count_from_the_start_of_the_window() {
        // header: kind and bytes, time, pid and tid; child and padding
        let bytes = words(&[u64::from(kind::REAPED) | 32 << 32, 350, 7 | 8 << 32, 9]);
        let Ok(Message::Event(event)) = decode(&bytes) else { panic!("an event") };
        assert_eq!(event, Event::Reaped { at: 250, by: Task { pid: 7, tid: 8 }, child: 9 });
    }

    #[test]
    fn any_bytes_are_an_event_or_corrupt() {
        for kind in 0..40_u64 {
            for length in 0..200 {
                let mut bytes = words(&[kind]);
                bytes.resize(length, 0xff);
                let _ = decode(&bytes);
            }
        }
        assert_eq!(decode(&words(&[99, 0, 0])).err(), Some(Corrupt));
    }

    #[test]
    fn a_stack_is_only_as_deep_as_its_bytes() {
        let head =
            |depth: u64| words(&[u64::from(kind::STACK), 0, 7 | 7 << 32, 42, 1, depth << 32, 0x1000, 5]);
        let Ok(Message::Stack(stack)) = decode(&head(1)) else { panic!("a stack") };
        assert_eq!((stack.id, stack.frames.len(), stack.frames[0].code), (42, 1, 0x1000));
        assert_eq!(decode(&head(2)).err(), Some(Corrupt));
    }
}
