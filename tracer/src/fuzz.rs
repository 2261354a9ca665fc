//! What others make up, read as it comes: one function for each sort of bytes, which panics where a promise is broken.
//!
//! The targets of `tracer/fuzz` call these with whatever they think of. What they found worth keeping is in
//! `tracer/fuzz/corpus`; the tests here try that again, and some thousand changes of it.

use std::fs::File;
use std::io::{self, Write};

use bytes::Bytes;
use tracer_common::python;

use crate::cpython::code::{self, CodeObject, Pointers};
use crate::cpython::debug_offsets::DebugOffsets;
use crate::cpython::layout::{Head, Layout, LineFormat};
use crate::cpython::linetable::LineTable;
use crate::cpython::memory::Memory;
use crate::cpython::releases::LAYOUTS;
use crate::cpython::{signals, text, walk};
use crate::decode::{self, Message};
use crate::kernel::btf::Btf;
use crate::process::allowance::Allowance;
use crate::process::elf::Elf;
use crate::process::{Masks, ThreadStatus, cgroup, maps, sleep};
use crate::python::handler_call::HandlerCall;
use crate::python::{epilogue, instructions, threads};
use crate::recording;
use crate::report::text::{self as page, Style};
use crate::report::{Name, Sentence, json};
use crate::sections::Section;
use crate::session::{Range, Rule, View, replay};
use crate::sys::vmlinux::Blob;

/// What one input may read of an ELF file, in bytes: less than a process may, so that a search is short.
const ALLOWANCE: u64 = 1 << 20;

/// What is called with an input.
pub type Target = fn(&[u8]);

/// All of them, by the names of their targets.
pub const ALL: [(&str, Target); 9] = [
    ("btf", btf),
    ("decode", decode),
    ("elf", elf),
    ("lines", lines),
    ("names", names),
    ("objects", objects),
    ("proc", proc),
    ("recording", recording),
    ("rules", rules),
];

/// A kernel's description of its types.
pub fn btf(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(Blob::Copied(bytes.to_vec())) else { return };
    let _ = (btf.offset("task_struct", "signal.live"), btf.bit_offset("task_struct", "b"));
    let _ = (btf.struct_id("task_struct"), btf.function_id("f"), btf.per_cpu_offset("runqueues"));
    let _ = (btf.tracepoint_id("sched_switch"), btf.tracepoint_integers("sched_switch"));
}

/// A message of the probes.
pub fn decode(bytes: &[u8]) {
    let message = decode::message(bytes, 1_000, |pid, address, object| pid as u64 ^ address == object);
    assert_eq!(message.as_ref().map(Message::is_record), message.as_ref().map(|_| decode::is_record(bytes)));
    if let Ok(Message::Code(code)) = &message {
        for layout in LAYOUTS {
            let object = CodeObject::as_copied(code, layout);
            assert!(object.bytes() <= 64 << 10, "{} bytes", object.bytes());
        }
    }
    let _ = (decode::numbered(bytes), decode::header_numbers(bytes));
    assert!(size_of_val(&*decode::tasks(bytes)) <= bytes.len());
    let mut renumbered = bytes.to_vec();
    decode::renumber(&mut renumbered, |number| number.wrapping_add(1));
    decode::renumber_reaped(&mut renumbered.into(), |_, child| Some(child.wrapping_mul(3)));
}

/// A file that a process has mapped.
pub fn elf(bytes: &[u8]) {
    let memory = rustix::fs::memfd_create("elf", rustix::fs::MemfdFlags::CLOEXEC).expect("a memfd");
    let mut file = File::from(memory);
    file.write_all(bytes).expect("room");
    let Some(elf) = Elf::read(file, &Allowance::new(ALLOWANCE)) else { return };
    let _ = (elf.section(".PyRuntime"), elf.exported("_PyRuntime"), elf.imports_python());
    let found = elf.symbol("Py_BuildValue").into_iter().chain(elf.clones("gc_collect_main"));
    for symbol in found.take(4) {
        let code = elf.code(symbol.address, symbol.size.min(4096)).unwrap_or_default();
        assert!(epilogue::returns(&code).iter().all(|&at| code[at as usize] == 0xc3));
        assert!(instructions::jump_over_vectors(&code).is_none_or(|at| code[at as usize] == 0x74));
    }
    let _ = HandlerCall::find(&elf, usize::MAX);
    let writable = elf.writable().map(|range| range.end.saturating_sub(range.start));
    assert!(writable.count() <= 64);
    let maps = maps::parse(b"1000-2000 r-xp 1000 fe:1 1 /usr/bin/python3\n");
    let _ = (elf.load_bias(maps.iter()), elf.bytes::<16>(0x1000));
}

/// A line table: the first byte chooses its format, the next two the first line.
pub fn lines(bytes: &[u8]) {
    let &[format, low, high, ref table @ ..] = bytes else { return };
    let format = match format % 4 {
        0 => LineFormat::Lnotab { signed: true },
        1 => LineFormat::Lnotab { signed: false },
        2 => LineFormat::Ranges,
        _ => LineFormat::Locations,
    };
    let decoded = LineTable::decode(format, i16::from_le_bytes([low, high]).into(), table);
    assert!(decoded.bytes() <= 12 * (table.len() + 1), "{} for {}", decoded.bytes(), table.len());
    for address in [-1, 0, 1, 2, 77, 4096, i64::from(u32::MAX), i64::MAX, i64::MIN] {
        let _ = decoded.line(address);
    }
}

/// A name, in whatever is printed.
pub fn names(bytes: &[u8]) {
    let name = Name::new(bytes);
    let text = name.to_string();
    assert!(text.chars().count() <= 256, "{text:?}");
    let json = serde_json::to_string(&name).expect("a string");
    let sentence = Sentence::new(String::from_utf8_lossy(bytes));
    assert_eq!(Sentence::new(sentence.as_str()), sentence);
    for shown in [&text, &json, sentence.as_str()] {
        assert!(!shown.chars().any(|character| character.is_control() || is_hidden(character)), "{shown:?}");
    }
    let back: Name = serde_json::from_str(&json).expect("what was written");
    assert!(back == name || bytes.len() > 256, "{json}");
}

fn is_hidden(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}')
}

/// What an interpreter has in its memory: its own layout, its threads, their frames, their code.
pub fn objects(bytes: &[u8]) {
    let Some((&which, memory)) = bytes.split_first() else { return };
    let memory = Liar(memory);
    let table = &LAYOUTS[usize::from(which) % LAYOUTS.len()];
    let said = DebugOffsets::read(&memory, 0).ok().flatten();
    let layout = said.as_ref().and_then(|said| said.apply(table).ok()).unwrap_or(*table);
    let _ = said.and_then(|said| said.collecting());
    if let Head::Runtime(offset) = layout.interpreter.head {
        assert!(
            threads::interpreters(&memory, &layout, offset.into()).map_or(0, |found| found.len()) <= 1024
        );
    }
    for thread_state in memory.words(4) {
        let walk = walk::walk(&memory, &layout.wire(), thread_state, 16);
        assert!(walk.frames.len() <= 16);
        for frame in walk.frames.iter().take(2) {
            code_object(&memory, &layout, frame);
        }
    }
    let _ = memory.bytes(0, 65 * 16).map(|table| signals::functions(&table, 0x9000));
}

fn code_object(memory: &Liar<'_>, layout: &Layout, frame: &python::Frame) {
    let Ok(pointers) = Pointers::read(memory, &layout.wire(), frame.code) else { return };
    if let Ok(object) = CodeObject::read(frame.code, pointers.identity(), layout, memory) {
        let _ = object.line(layout, frame.instruction);
        assert!(object.file.len() <= 4 * (16 << 10) + 3, "{} bytes", object.file.len());
    }
    let names = code::names(frame.code, pointers.identity(), layout, memory).unwrap_or_default();
    assert!(names.len() <= 512);
    let _: io::Result<Bytes> = text::read(memory, layout, frame.code);
}

/// Files of `/proc`, whose words a process may choose.
pub fn proc(bytes: &[u8]) {
    let maps = maps::parse(bytes);
    assert!(maps.iter().map(|mapping| mapping.path.len()).sum::<usize>() <= bytes.len());
    let _ = (ThreadStatus::parse(bytes), Masks::parse(bytes), sleep::SleepsIn::parse(bytes));
    assert!(cgroup::control_group(bytes).is_none_or(|group| group.len() <= bytes.len()));
}

/// A recording: a whole file, and what a block has in it, whose checksum nobody can guess.
pub fn recording(bytes: &[u8]) {
    let part = Range { from: Some(1_000_000_000), to: Some(5_000_000_000) };
    let view = View {
        range: if bytes.len().is_multiple_of(2) { Range::default() } else { part },
        ..View::default()
    };
    for file in [bytes.to_vec(), recording::of_block(bytes)] {
        let Ok(recording) = recording::Reader::new(&*file, Name::new(b"fuzz.trc")) else { continue };
        let Ok(replayed) = replay(recording, &view) else { continue };
        let json = json::to_string(&replayed.report, json::Layout::Compact);
        assert!(json.len() <= 64 << 20, "{} bytes", json.len());
        let style = Style { color: false, width: 100, full: true };
        let _ = page::render(&replayed.report, style);
    }
}

/// Words of the command line that have a grammar of their own.
pub fn rules(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(Rule::Above(_, limit) | Rule::AboveEachSecond(_, limit)) = text.parse() {
        assert!(limit >= 0.0, "{limit}");
    }
    let _ = text.parse::<Section>();
}

/// Memory in which some of the input lies at any address: all pointers lead somewhere, and mostly in circles. One
/// address in sixteen is not mapped.
struct Liar<'a>(&'a [u8]);

impl Liar<'_> {
    fn words(&self, count: usize) -> impl Iterator<Item = u64> {
        let words = self.0.as_chunks::<8>().0.iter();
        words.take(count).map(|word| u64::from_le_bytes(*word))
    }
}

impl Memory for Liar<'_> {
    fn read(&self, address: u64, into: &mut [u8]) -> io::Result<()> {
        if self.0.is_empty() || address >> 4 & 15 == 15 {
            return Err(io::Error::from_raw_os_error(libc::EFAULT));
        }
        let first = (address % self.0.len() as u64) as usize;
        // A string may be 64 KiB long: what one sees of it goes round in circles a few times, and the rest is zeros.
        let pieces = [&self.0[first..], self.0, self.0].concat();
        let length = pieces.len().min(into.len());
        into[..length].copy_from_slice(&pieces[..length]);
        into[length..].fill(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::*;

    /// Changes of each input that are tried.
    const CHANGES: u32 = 200;
    /// Longest that one of them may take: on a machine that is busy, too.
    const LONGEST: Duration = Duration::from_secs(1);

    fn corpus(name: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        let files = folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        files.flatten().map(|file| std::fs::read(file.path()).expect("a file")).collect()
    }

    /// A byte is changed, the end is cut off, or a piece comes twice.
    fn changed(input: &[u8], next: &mut impl FnMut() -> usize) -> Vec<u8> {
        let mut bytes = input.to_vec();
        let at = next() % (bytes.len() + 1);
        match next() % 4 {
            0 => bytes.truncate(at),
            1 => bytes.extend_from_within(at..),
            _ => bytes.iter_mut().skip(at).take(1 + next() % 8).for_each(|byte| *byte = next() as u8),
        }
        bytes
    }

    #[test]
    fn what_was_found_worth_keeping_breaks_nothing() {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        for (name, target) in ALL {
            let inputs = corpus(name);
            assert!(!inputs.is_empty(), "{name} has none");
            for input in inputs {
                let began = Instant::now();
                target(&input);
                for _ in 0..CHANGES {
                    target(&changed(&input, &mut next));
                }
                assert!(began.elapsed() < LONGEST * CHANGES / 10, "{name}: {:?}", began.elapsed());
            }
        }
    }
}
