//! From the ring buffer's bytes to typed events and records.

mod file;
mod gc;
mod handler;
mod numbers;
mod turn;
mod wire;

use tracer_common::event::kind;
use tracer_common::{process, python, signal};

pub use file::file;
pub use numbers::{Numbered, header_numbers, numbered, renumber, renumber_reaped, tasks};

use crate::event::{
    Aim, Bytes, Event, Exec, Exit, FileId, Fork, Groups, Handler, Making, Nanos, SignalDeliver,
    SignalGenerate, SignalInfo, SignalResult, SpaceId, StackId, Task,
};
use crate::redact;
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
    File(FileId, File),
}

impl Message {
    /// Whether it is sent beside a hit that ends elsewhere: such messages have a law of their own.
    #[must_use]
    pub fn is_record(&self) -> bool {
        match self {
            Self::Event(event) => matches!(
                event,
                Event::GcSample { .. }
                    | Event::LoopPiece(_)
                    | Event::Loop { .. }
                    | Event::KernelSwitches { .. }
            ),
            Self::Stack(_) | Self::Code(_) | Self::File(..) => true,
        }
    }
}

/// Whether a message is a record, as [`Message::is_record`] has it, for who does not read it.
#[must_use]
pub fn is_record(bytes: &[u8]) -> bool {
    const BESIDE_OTHERS: [u32; 4] = [kind::GC_SAMPLE, kind::LOOP_PIECE, kind::LOOP_END, kind::COUNTED];
    let kind = kind(bytes);
    matches!(kind, kind::STACK | kind::CODE | kind::FILE) || BESIDE_OTHERS.contains(&kind)
}

/// What kind of message it is, one of [`mod@kind`]; 0 for what is none.
#[must_use]
pub fn kind(bytes: &[u8]) -> u32 {
    wire::header(bytes).map_or(0, |header| header.kind)
}

/// A stack as it was walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Its identity.
    pub id: StackId,
    /// The address space of its code objects.
    pub space: SpaceId,
    /// The process that was walked.
    pub pid: u32,
    /// One of [`python::status`].
    pub status: u32,
    /// Innermost first.
    pub frames: Vec<python::Frame>,
}

/// The bytes are no message of this version's probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// Decodes one message; times become offsets from the window's start.
///
/// `is_python` says, of a process, a handler's address and the object in CPython's table of handlers, whether the handler
/// is CPython's own.
///
/// # Errors
/// When the bytes are too short for their kind, or of no kind.
pub fn message(
    bytes: &[u8],
    start_ns: Nanos,
    is_python: impl Fn(u32, u64, u64) -> bool,
) -> Result<Message, Corrupt> {
    let header = wire::header(bytes).ok_or(Corrupt)?;
    match header.kind {
        kind::STACK => stack(bytes).map(Message::Stack),
        kind::CODE => wire::code(bytes).map(Message::Code).ok_or(Corrupt),
        kind::FILE => {
            let file = wire::file(bytes).ok_or(Corrupt)?;
            Ok(Message::File(FileId(file.id), self::file(&file)))
        }
        _ => event(bytes, header.kind, start_ns, is_python).map(Message::Event),
    }
}

fn stack(bytes: &[u8]) -> Result<Stack, Corrupt> {
    let (head, frames) = wire::stack(bytes).ok_or(Corrupt)?;
    Ok(Stack {
        id: StackId(head.id),
        space: SpaceId(head.space),
        pid: head.header.pid,
        status: head.status,
        frames,
    })
}

fn event(
    bytes: &[u8],
    kind: u32,
    start_ns: Nanos,
    is_python: impl Fn(u32, u64, u64) -> bool,
) -> Result<Event, Corrupt> {
    let event = match kind {
        kind::FORK => wire::fork(bytes).map(|fork| Event::Fork(decode_fork(&fork, start_ns))),
        kind::EXEC => wire::exec(bytes).map(|exec| Event::Exec(decode_exec(&exec, start_ns))),
        kind::EXIT => wire::exit(bytes).map(|exit| Event::Exit(decode_exit(&exit, start_ns))),
        kind::FREE => wire::free(bytes)
            .map(|free| Event::Free { at: since(start_ns, free.header.at_ns), pid: process_of_free(&free) }),
        kind::RENAME => wire::rename(bytes)
            .map(|rename| Event::ThreadName { task: task(&rename.header), comm: name(&rename.comm) }),
        kind::REAPED => wire::reaped(bytes).map(|reaped| Event::Reaped {
            at: since(start_ns, reaped.header.at_ns),
            by: task(&reaped.header),
            child: reaped.child,
            of_earlier: false,
        }),
        kind::COUNTED => wire::counted(bytes).map(|counted| Event::KernelSwitches {
            task: task(&counted.header),
            voluntary: counted.voluntary,
            involuntary: counted.involuntary,
        }),
        kind::SIGNAL_GENERATE => {
            wire::generate(bytes).map(|generate| Event::SignalGenerate(decode_generate(&generate, start_ns)))
        }
        kind::SIGNAL_DELIVER => wire::deliver(bytes)
            .map(|deliver| Event::SignalDeliver(decode_deliver(&deliver, start_ns, is_python))),
        kind::HANDLER_START => {
            wire::handler_start(bytes).map(|start| Event::HandlerStart(handler::start(&start, start_ns)))
        }
        kind::GC_PAUSE => wire::gc_pause(bytes).map(|pause| Event::GcPause(gc::pause(&pause, start_ns))),
        kind::LOOP_TURN => wire::loop_turn(bytes).map(|turn| turn::turn(&turn, start_ns)),
        kind::LOOP_PIECE => {
            wire::loop_piece(bytes).map(|piece| Event::LoopPiece(turn::piece(&piece, start_ns)))
        }
        kind::LOOP_END => wire::loop_end(bytes).map(|turned| turn::turned(&turned)),
        kind::GC_SAMPLE => wire::gc_sample(bytes).map(|sampled| gc::sampled(&sampled, start_ns)),
        kind::HANDLER_END => wire::handler_end(bytes).map(|end| handler::end(&end, start_ns)),
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
        child: Task { pid: fork.shown_child.pid, tid: fork.shown_child.tid },
        own_pid: fork.own_pid,
        stack: StackId(fork.stack),
        followed: fork.followed == 1,
        how: making(fork),
        groups: Groups { pgid: fork.group, sid: fork.session },
    }
}

/// `fork` of the C library is a `clone`, and its `posix_spawn` a `clone` or `clone3` that shares memory:
/// <https://github.com/bminor/glibc/blob/glibc-2.36/sysdeps/unix/sysv/linux/spawni.c#L394>
fn making(fork: &process::Fork) -> Making {
    /// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/sched.h#L11>
    const CLONE_VM: u64 = 0x100;
    const CLONE_VFORK: u64 = 0x4000;
    const VFORK: i32 = 58;
    match fork.clone_flags & (CLONE_VM | CLONE_VFORK) {
        0 if fork.syscall == VFORK => Making::Vfork,
        0 => Making::Fork,
        both if both == CLONE_VM | CLONE_VFORK => Making::PosixSpawn,
        _ => Making::Clone,
    }
}

fn decode_exec(exec: &process::Exec, start_ns: Nanos) -> Exec {
    let arguments = exec.arguments.get(..exec.arguments_bytes as usize).unwrap_or(&exec.arguments);
    let arguments = arguments.strip_suffix(&[0]).unwrap_or(arguments);
    Exec {
        at: since(start_ns, exec.header.at_ns),
        task: task(&exec.header),
        comm: name(&exec.comm),
        path: redact::program(name(&exec.path)),
        arguments: redact::arguments(
            arguments.split(|&byte| byte == 0).map(Bytes::copy_from_slice).collect(),
        ),
        cut: exec.arguments_whole > exec.arguments_bytes,
        groups: Groups { pgid: exec.group, sid: exec.session },
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
        out_of_memory: exit.out_of_memory == 1,
        groups: Groups { pgid: exit.group, sid: exit.session },
        cpu: exit.cpu_ns,
        pending: exit.pending,
        pending_shared: exit.pending_shared,
        stack: StackId(exit.stack),
        object: FileId(exit.object),
        syscall: u32::try_from(exit.syscall).ok(),
    }
}

fn decode_generate(generate: &signal::Generate, start_ns: Nanos) -> SignalGenerate {
    SignalGenerate {
        at: since(start_ns, generate.header.at_ns),
        current: Task { pid: generate.sender.pid, tid: generate.sender.tid },
        comm: name(&generate.comm),
        uid: generate.uid,
        stack: StackId(generate.stack),
        signal: generate.signal,
        info: match generate.info {
            0 => SignalInfo::None,
            1 => SignalInfo::Kernel,
            _ => SignalInfo::Code { code: generate.code, pid: siginfo_pid(generate) },
        },
        target: Task { pid: generate.target.pid, tid: generate.target.tid },
        group: generate.group == 1,
        result: signal_result(generate.result),
        blocked: generate.blocked == 1,
        aim: match generate.aim {
            signal::aim::GROUP => Aim::Group,
            signal::aim::ALL => Aim::All,
            _ => Aim::One,
        },
        target_pgid: generate.target_group,
        main: handler::waited(&generate.main),
    }
}

/// `si_pid` as we number it, where it is that of the thread that ran; else as it stands.
fn siginfo_pid(generate: &signal::Generate) -> u32 {
    if generate.info_pid == generate.sender_to_receiver { generate.sender.pid } else { generate.info_pid }
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
    is_python: impl Fn(u32, u64, u64) -> bool,
) -> SignalDeliver {
    SignalDeliver {
        at: since(start_ns, deliver.header.at_ns),
        task: task(&deliver.header),
        signal: deliver.signal,
        code: deliver.code,
        handler: match deliver.handler {
            0 => Handler::Default,
            1 => Handler::Ignore,
            address if is_python(deliver.header.pid, address, deliver.function) => Handler::Python,
            _ => Handler::C,
        },
        stack: StackId(deliver.stack),
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
    Bytes::copy_from_slice(bytes.split(|&byte| byte == 0).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Message, Corrupt> {
        message(bytes, 100, |_, _, _| false)
    }

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn times_count_from_the_start_of_the_window() {
        // header: kind and bytes, time, pid and tid; child and padding
        let bytes = words(&[u64::from(kind::REAPED) | 32 << 32, 350, 7 | 8 << 32, 9]);
        let Ok(Message::Event(event)) = decode(&bytes) else { panic!("an event") };
        assert_eq!(
            event,
            Event::Reaped { at: 250, by: Task { pid: 7, tid: 8 }, child: 9, of_earlier: false }
        );
    }

    /// Bytes of all sorts: whatever comes of them, both say of it whether it is a record, and it is renumbered.
    #[test]
    fn any_bytes_are_an_event_or_corrupt() {
        let mut seed = 1_u64;
        let mut random = || {
            // xorshift64
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let mut decoded = [0; 64];
        for round in 0..40_000_usize {
            let kind = round as u64 % 64;
            let length = random() as usize % 2_000;
            let mut bytes = words(&[kind]);
            // Small numbers lead further than large ones: lengths, depths, numbers of frames.
            let mask = [0, 7, 0xff, 0xffff_ffff, u64::MAX][round / 64 % 5];
            (0..length / 8).for_each(|_| bytes.extend((random() & mask).to_ne_bytes()));
            bytes.truncate(length.max(4));
            let message = decode(&bytes);
            decoded[kind as usize] += u32::from(message.is_ok());
            if let Ok(message) = message {
                assert_eq!(message.is_record(), is_record(&bytes), "{message:?}");
            }
            let _ = numbered(&bytes);
            renumber(&mut bytes, |id| id.wrapping_add(1));
        }
        let known: Vec<_> = (0..64).filter(|kind| decoded[*kind] > 0).collect();
        let all = [1..4, 16..23, 32..36, 48..50, 56..59].into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(known, all, "each kind is decoded from some bytes");
        assert_eq!(decode(&words(&[99, 0, 0])).err(), Some(Corrupt));
    }

    #[test]
    fn a_stack_is_only_as_deep_as_its_bytes() {
        let head =
            |depth: u64| words(&[u64::from(kind::STACK), 0, 7 | 7 << 32, 42, 1, depth << 32, 0x1000, 5]);
        let Ok(Message::Stack(stack)) = decode(&head(1)) else { panic!("a stack") };
        assert_eq!((stack.id.0, stack.frames.len(), stack.frames[0].code), (42, 1, 0x1000));
        assert_eq!(decode(&head(2)).err(), Some(Corrupt));
    }
}
