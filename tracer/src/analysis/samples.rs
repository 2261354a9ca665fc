//! Small made-up worlds for the tests of the analyses.

use crate::event::{
    Aim, Bytes, Event, Exec, Exit, FileId, Fork, Groups, Making, Nanos, Pid, ProcessDescription,
    SignalGenerate, SignalInfo, SignalResult, StackId, StackStatus, Task, Tid,
};
use crate::symbols::{File, FileKind, Frame, Stack, Symbols};

/// Symbols with these stacks: an id, and `file:line` of each frame, innermost first.
pub fn symbols_of(stacks: &[(u64, &[&str])]) -> Symbols {
    let mut symbols = Symbols::default();
    for (id, places) in stacks {
        let frames = places.iter().map(|place| symbols.intern(frame(place))).collect();
        symbols.stacks.insert(StackId(*id), Stack { frames, status: StackStatus::Ok, truncated: false });
    }
    symbols
}

/// The frame at a `file:line`; its function is `f` and the line.
pub fn frame(place: &str) -> Frame {
    let (file, line) = place.rsplit_once(':').expect("a place is file:line");
    Frame { function: bytes(&format!("f{line}")), file: bytes(file), line: line.parse().ok() }
}

/// A regular file.
pub fn regular_file(path: &str) -> File {
    File { path: bytes(path), kind: FileKind::Regular }
}

/// A name.
pub fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// A thread of a process.
pub fn task(pid: Pid, tid: Tid) -> Task {
    Task { pid, tid }
}

/// A traced process: its title is its name and the word `title`.
pub fn process(pid: Pid, comm: &str) -> ProcessDescription {
    ProcessDescription {
        pid,
        comm: bytes(comm),
        title: bytes(&format!("{comm} title")),
        ..ProcessDescription::default()
    }
}

/// The main thread of `parent` forks a process that is followed.
pub fn fork(at: Nanos, parent: Pid, child: Pid, stack: u64) -> Event {
    let (parent, child, comm) = (task(parent, parent), task(child, child), bytes("python"));
    Event::Fork(Fork {
        at,
        parent,
        comm,
        child,
        own_pid: child.pid,
        stack: StackId(stack),
        followed: true,
        how: Making::Fork,
        groups: Groups::default(),
    })
}

/// The last thread of a process ends.
pub fn exit(at: Nanos, pid: Pid, parent: Pid, wait_status: u32) -> Event {
    Event::Exit(Exit {
        at,
        task: task(pid, pid),
        wait_status,
        last_thread: true,
        parent,
        comm: bytes("python"),
        out_of_memory: false,
        groups: Groups::default(),
        cpu: 0,
        pending: 0,
        pending_shared: 0,
        stack: StackId::NONE,
        object: FileId::NONE,
        syscall: None,
    })
}

/// A process executes another program; its name is the first argument.
pub fn exec(at: Nanos, pid: Pid, arguments: &[&str]) -> Event {
    let comm = bytes(arguments[0]);
    let arguments = arguments.iter().map(|argument| bytes(argument)).collect();
    let (path, groups) = (bytes(&format!("/bin/{}", String::from_utf8_lossy(&comm))), Groups::default());
    Event::Exec(Exec { at, task: task(pid, pid), comm, path, arguments, cut: false, groups })
}

/// `kill(2)` by one thread, aimed at the process of another.
pub fn signal(signal: u32, from: Task, to: Task) -> SignalGenerate {
    SignalGenerate {
        at: 0,
        current: from,
        comm: bytes("sender"),
        uid: 1000,
        stack: StackId::NONE,
        signal,
        info: SignalInfo::Code { code: 0, pid: from.pid },
        target: to,
        group: true,
        result: SignalResult::Delivered,
        blocked: false,
        aim: Aim::One,
        target_pgid: 0,
        main: None,
    }
}
