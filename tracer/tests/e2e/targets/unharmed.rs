//! However the tracer ends, the target lives on with its code as it was.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use crate::harness::{
    KernelLog, Program, Python, Signal, Status, Tracer, number, on_every_python, rows, system, turn, until,
};

on_every_python!(after_a_normal_end, after_a_termination, after_a_kill);

fn after_a_normal_end(python: &Python) {
    survives(python, |tracer| {
        let report = tracer.stop().exact();
        let entries = rows(&report["frames"]["entries"]["rows"]);
        let of_key: u64 =
            entries.filter(|row| row["function"] == "key").map(|row| number(&row["count"])).sum();
        assert_eq!(of_key, 5_000, "each call from C enters the evaluation function");
    });
}

fn after_a_termination(python: &Python) {
    survives(python, |tracer| {
        tracer.signal(Signal::TERM);
        tracer.end().exact();
    });
}

fn after_a_kill(python: &Python) {
    survives(python, |tracer| {
        tracer.signal(Signal::KILL);
        assert_eq!(tracer.end().code, 128 + 9);
    });
}

fn survives(python: &Python, end: fn(Tracer)) {
    let _turn = turn();
    let mut program = Program::start(python, "calls.py");
    let pid = program.pid();
    assert!(!is_changed(pid), "the code is the file's before anybody traces it");

    let tracer = Tracer::attach(pid, &["--calls"]);
    assert!(is_changed(pid), "a uprobe is planted in the code");
    program.go();
    assert_untouched(pid);
    end(tracer);

    // The kernel takes a dead tracer's probes out in its own time.
    until("the code to be the file's again", || (!is_changed(pid)).then_some(()));
    assert_untouched(pid);
    assert!(program.answers());
    program.finish();
}

/// Breakpoints in children that come and go are all taken out, before the tracer ends: a thread that is ended while the
/// kernel does so leaves them there, and the kernel says which one it was.
#[test]
fn the_kernel_does_not_complain() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut log = KernelLog::from_now();
    let mut program = Program::start(&python, "short_lives.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let pid = tracer.pid();
    program.go();
    tracer.stop().exact();
    assert_eq!(log.complaints_of(&[pid]), [""; 0]);
}

pub fn assert_untouched(pid: u32) {
    let status = Status::new(pid).expect("the target lives");
    assert_eq!(status.tracer_pid(), "0", "nobody uses ptrace(2)");
    assert!("RSD".contains(status.state()), "state {}", status.state());
}

/// Some byte of the interpreter's code differs from the file that it was mapped from.
pub fn is_changed(pid: u32) -> bool {
    let memory = File::open(format!("/proc/{pid}/mem")).expect("root may read it");
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("the target lives");
    let code: Vec<_> = maps.lines().filter_map(Mapping::of_interpreter).collect();
    assert!(!code.is_empty(), "an interpreter has code: {maps}");
    code.iter().any(|mapping| {
        let file = File::open(mapping.path).expect("what is mapped exists");
        mapping.bytes(&memory, mapping.start) != mapping.bytes(&file, mapping.offset)
    })
}

/// An executable mapping.
struct Mapping<'a> {
    start: u64,
    end: u64,
    offset: u64,
    path: &'a str,
}

impl<'a> Mapping<'a> {
    /// From a line of `/proc/PID/maps`, if it is the code of `python3.NN` or `libpython3.NN.so`.
    fn of_interpreter(line: &'a str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let (range, rights, offset, path) = (fields.next()?, fields.next()?, fields.next()?, fields.nth(2)?);
        let (start, end) = range.split_once('-')?;
        let name = path.rsplit('/').next()?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        (rights.contains('x') && (name.starts_with("python3") || name.starts_with("libpython3")))
            .then_some(Self { start: hex(start)?, end: hex(end)?, offset: hex(offset)?, path })
    }

    /// As many bytes as are mapped, or as the file has.
    fn bytes(&self, source: &File, at: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.end - self.start).expect("a mapping fits into memory")];
        let mut filled = 0;
        while filled < bytes.len() {
            match source.read_at(&mut bytes[filled..], at + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) => panic!("cannot read at {at:#x}: {error}"),
            }
        }
        bytes
    }
}
