use tracer_common::switch::{self, SwitchValue};
use tracer_common::syscall::flag;

use super::*;
use crate::analysis::samples::{bytes, frame, regular_file, symbols_of, task};
use crate::event::SwitchRow;
use crate::symbols::{File, FileKind};

const SPACE: SpaceId = SpaceId(1);

/// Code 1 is `a.py:1` at two instructions, code 2 is `a.py:2`; each is the top of the stack of its number.
fn world() -> Symbols {
    let mut symbols = symbols_of(&[(1, &["a.py:1", "a.py:9"]), (2, &["a.py:2", "a.py:9"])]);
    for (at, place) in [(site(1, 4), "a.py:1"), (site(1, 8), "a.py:1"), (site(2, 4), "a.py:2")] {
        let line = symbols.intern(frame(place));
        symbols.insert_site(SPACE, at, line);
    }
    symbols.insert_file(FileId(1), regular_file("/data"));
    symbols.insert_file(FileId(2), regular_file("/data")); // opened again, under another inode number
    symbols.insert_file(FileId(3), regular_file("/other"));
    symbols
}

fn site(code: u64, instruction: i32) -> Frame {
    Frame { code, instruction, identity: 7 }
}

fn key(file: u64, site: Frame) -> ReadRow {
    ReadRow {
        site,
        space: if site.code == 0 { SpaceId::NONE } else { SPACE },
        file: FileId(file),
        pid: 7,
        ..ReadRow::default()
    }
}

fn reads(key: ReadRow, calls: u64, size: u64) -> Event {
    let (requested, returned) = (vec![(size, calls)], vec![(size, calls)]);
    let stack = key.site.code;
    let bytes = calls * size;
    Event::Reads {
        key,
        value: Drained { calls, bytes, stack: StackId(stack), requested, returned, ..Drained::default() },
    }
}

fn switches(file: u64, stack: u64, flags: u32, count: u64) -> Event {
    let key = SwitchRow {
        task: task(7, 7),
        syscall: Some(0),
        object: FileId(file),
        stack: StackId(stack),
        flags,
        ..SwitchRow::default()
    };
    let value = SwitchValue { count, off_cpu_ns: 100 * count, ..SwitchValue::default() };
    Event::Switches { key, value, still_blocked: 0 }
}

fn finished(symbols: &Symbols, events: impl IntoIterator<Item = Event>) -> Bounded<Read> {
    let (mut reads, mut switches) = (Reads::default(), Switches::default());
    for event in events {
        reads.fold(&event);
        switches.fold(&event);
    }
    reads.finish(symbols, &switches, 1_000_000_000)
}

#[test]
fn a_row_is_a_process_a_path_a_call_and_a_line() {
    let base = key(1, site(1, 4));
    for (name, other, rows) in [
        ("the same", base, 1),
        ("another instruction of the line", key(1, site(1, 8)), 1),
        ("the same path under another inode", key(2, site(1, 4)), 1),
        ("without blocking", ReadRow { flags: flag::NONBLOCKING, ..base }, 1),
        ("another line", key(1, site(2, 4)), 2),
        ("another path", key(3, site(1, 4)), 2),
        ("another call", ReadRow { syscall: 17, ..base }, 2),
        ("another process", ReadRow { pid: 8, ..base }, 2),
        ("no Python", key(1, Frame::default()), 2),
    ] {
        let found = finished(&world(), [reads(base, 3, 10), reads(other, 2, 10)]);
        assert_eq!(found.rows.len(), rows, "{name}");
        assert_eq!(found.sum().totals.syscalls, 5, "{name}");
    }
}

#[test]
fn shows_the_whole_stack_that_was_seen_most_often() {
    let other = |stack, calls| Event::Reads {
        key: key(1, site(1, 4)),
        value: Drained { calls, stack, ..Drained::default() },
    };
    let mut symbols = world();
    let called_elsewhere = [symbols.intern(frame("a.py:1")), symbols.intern(frame("b.py:5"))];
    let (status, truncated) = crate::event::StackStatus::from_wire(0);
    symbols
        .stacks
        .insert(StackId(5), crate::symbols::Stack { frames: called_elsewhere.into(), status, truncated });
    for (name, events, caller) in [
        ("one", vec![other(StackId(1), 2)], Some(9)),
        ("the second more often", vec![other(StackId(1), 2), other(StackId(5), 3)], Some(5)),
        ("the first in sum", vec![other(StackId(1), 2), other(StackId(5), 3), other(StackId(1), 2)], Some(9)),
        ("one was lost", vec![other(StackId(77), 9), other(StackId(1), 2)], Some(9)),
        ("all were lost", vec![other(StackId(77), 9)], None),
    ] {
        let found = finished(&symbols, events);
        let stack = found.rows[0].stack.as_ref();
        assert_eq!(stack.and_then(|stack| stack[1].line), caller, "{name}");
    }
}

#[test]
fn switches_inside_the_calls_are_joined_once() {
    const V: u32 = switch::flag::VOLUNTARY;
    let twice = [reads(key(1, site(1, 4)), 1, 1), reads(key(1, site(1, 8)), 1, 1)];
    for (name, event, voluntary, involuntary, off_cpu_ns) in [
        ("slept", switches(1, 1, V, 3), 3, 0, 300),
        ("preempted", switches(0, 1, 0, 2), 0, 2, 200),
        ("under another inode number", switches(2, 1, V, 3), 3, 0, 300),
        ("at another line", switches(1, 2, V, 3), 0, 0, 0),
        ("in another file", switches(3, 1, V, 3), 0, 0, 0),
        ("without Python", switches(1, 0, V, 3), 0, 0, 0),
        ("began before", switches(1, 1, V | switch::flag::BEGAN_BEFORE, 1), 0, 0, 100),
    ] {
        let found = finished(&world(), twice.clone().into_iter().chain([event]));
        let row = &found.rows[0];
        assert_eq!(
            (row.voluntary_switches, row.involuntary_switches, row.off_cpu_ns),
            (voluntary, involuntary, off_cpu_ns),
            "{name}"
        );
    }
}

#[test]
fn sizes_add_up_to_the_calls() {
    let at = key(1, site(1, 4));
    let size = |figure, count| Event::ReadSizes { key: at, figure, count };
    let value = Drained {
        calls: 12,
        bytes: 900,
        eof: 1,
        requested: vec![(100, 10)],
        returned: vec![(100, 9), (0, 1)],
        errors: vec![(22, 1)],
        ..Drained::default()
    };
    let overflow = [size(ReadFigure::Requested(64), 2), size(ReadFigure::Error(512), 1)];
    let found = finished(&world(), [Event::Reads { key: at, value }].into_iter().chain(overflow));
    let row = &found.rows[0];
    assert_eq!(row.requested, [(64, 2), (100, 10)].into());
    assert_eq!(row.returned, [(0, 1), (100, 9)].into());
    assert_eq!(row.errors, [("EINTR".into(), 1), ("EINVAL".into(), 1)].into());
    assert_eq!(row.requested.values().sum::<u64>(), row.syscalls);
    assert_eq!(row.returned.values().chain(row.errors.values()).sum::<u64>(), row.syscalls);
    assert_eq!((row.bytes, row.eof, row.sizes_unknown), (900, 1, 0));
}

#[test]
fn calls_without_room_for_their_sizes_are_reported() {
    let of = |calls, requested, returned| {
        let value = Drained { calls, requested, returned, ..Drained::default() };
        finished(&world(), [Event::Reads { key: key(1, site(1, 4)), value }]).rows[0].sizes_unknown
    };
    for (name, requested, returned, unknown) in [
        ("all known", vec![(100, 9)], vec![(100, 9)], 0),
        ("of one what it asked for, of two what they got", vec![(100, 8)], vec![(100, 7)], 2),
    ] {
        assert_eq!(of(9, requested, returned), unknown, "{name}");
    }
}

#[test]
fn names_what_has_no_path() {
    for (name, key, path) in [
        ("record lost", key(99, site(1, 4)), "(unknown)"),
        ("not open any more", ReadRow { flags: flag::NO_FILE, ..key(0, site(1, 4)) }, "(closed)"),
        ("beyond the limit", key(0, site(1, 4)), "(other files)"),
    ] {
        let found = finished(&world(), [reads(key, 1, 1)]);
        assert_eq!(found.rows[0].path, path.into(), "{name}");
    }
}

#[test]
fn a_program_that_reads_of_every_process_reads_one_file() {
    let mut symbols = world();
    let polled = (100..200).map(|pid| {
        symbols.insert_file(
            FileId(pid),
            File { path: bytes(&format!("/proc/{pid}/stat")), kind: FileKind::Procfs },
        );
        reads(key(pid, site(1, 4)), 2, 300)
    });
    let events: Vec<_> = polled.chain([reads(key(100, site(2, 4)), 1, 300)]).collect();
    let found = finished(&symbols, events);
    let rows: Vec<_> = found.rows.iter().map(|row| (row.path.to_string(), row.syscalls)).collect();
    assert_eq!(rows, [("/proc/[pid]/stat".to_string(), 200), ("/proc/100/stat".to_string(), 1)]);
}

#[test]
fn no_call_is_lost_when_there_are_too_many_rows() {
    let many = (0..50_000)
        .map(|n| reads(ReadRow { pid: n % 7, ..key(n.into(), site(1 + u64::from(n % 5), 4)) }, 1, n.into()));
    let mut reads = Reads::default();
    many.for_each(|event| reads.fold(&event));
    assert!(reads.rows.iter().count() < 2 * ROWS);
    let totals = reads.finish(&world(), &Switches::default(), 1).sum().totals;
    assert_eq!(totals.syscalls, 50_000);
    assert_eq!(totals.requested.values().sum::<u64>(), 50_000);
}

#[test]
fn a_switch_without_a_file_is_charged_only_where_it_cannot_be_wrong() {
    let (one, other) = (reads(key(1, site(1, 4)), 2, 1), reads(key(3, site(1, 4)), 1, 1));
    for (name, events, charged) in [
        ("one file", vec![one.clone()], 2),
        ("one path under two inode numbers", vec![one.clone(), reads(key(2, site(1, 4)), 1, 1)], 2),
        ("two files", vec![one, other], 0),
    ] {
        let found = finished(&world(), events.into_iter().chain([switches(0, 1, 0, 2)]));
        assert_eq!(found.sum().totals.involuntary_switches, charged, "{name}");
    }
}
