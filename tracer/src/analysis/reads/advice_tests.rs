//! Advice, by what is known of the reads and of the code that reads.

use super::advice::{Flow, ReadingCode, WindowTimes, advise};
use crate::event::Nanos;
use crate::report::{FileKind, Read, Through};
use crate::symbols::Calls;

const SECOND: Nanos = 1_000_000_000;

/// Calls that asked for `asked` bytes, of which `ends` returned nothing.
fn read(kind: FileKind, asked: u64, calls: u64, bytes: u64, ends: u64) -> Read {
    Read {
        kind,
        path: "/proc/7/maps".into(),
        syscall: "read".into(),
        through: Some(Through::Raw),
        syscalls: calls,
        eof: ends,
        bytes,
        requested: [(asked, calls)].into(),
        returned: [(0, ends), (asked, calls - ends)].into(),
        ..Read::default()
    }
}

const OWN: Calls = Calls { opens: true, has_opener: false, reads: true, by_os: true };
const WINDOW: WindowTimes = WindowTimes { wall_ns: SECOND, busy_ns: SECOND };

fn advised(mut read: Read, continued: u64, full: u64) -> Read {
    let reader = ReadingCode { calls: Some(OWN), opened: true, alone: true };
    advise(&mut read, Flow { continued, full }, reader, WINDOW);
    read
}

#[test]
fn what_a_line_does_not_read_itself_it_cannot_read_better() {
    let nothing = Calls::default();
    let two_sizes =
        Read { requested: [(4, 4_000), (50, 4_000)].into(), ..read(FileKind::Pipe, 4, 8_000, 216_000, 0) };
    let pipe = read(FileKind::Pipe, 4, 8_000, 32_000, 0);
    let file = read(FileKind::File, 100, 10_001, 1_000_000, 1);
    let own = ReadingCode { calls: Some(OWN), opened: true, alone: true };
    for (name, read, reader, expected) in [
        ("its own", &file, own, (Some(9_992), true)),
        ("what it calls", &file, ReadingCode { calls: Some(nothing), ..own }, (None, false)),
        ("not known, or the library's", &file, ReadingCode { calls: None, ..own }, (None, false)),
        ("sizes that are not known", &Read { sizes_unknown: 1, ..file.clone() }, own, (None, false)),
        ("a stream", &pipe, own, (Some(7_999), true)),
        (
            "another line reads what this one announces",
            &pipe,
            ReadingCode { alone: false, ..own },
            (None, false),
        ),
        ("lengths, and what they announce", &two_sizes, own, (None, false)),
    ] {
        let mut read = read.clone();
        let flow = Flow { continued: 9_999.min(read.syscalls - 1), full: 0 };
        advise(&mut read, flow, reader, WINDOW);
        assert_eq!((read.avoidable, read.advice.is_some()), expected, "{name}");
    }
}

#[test]
fn a_buffer_is_chosen_where_the_file_is_opened() {
    use Through::{Buffered, Raw};
    let by_file = Calls { by_os: false, ..OWN };
    let iterates = Calls { reads: false, ..OWN };
    let has_opener = Calls { opens: false, has_opener: true, ..iterates };
    let open = Some("open(..., buffering=131072)");
    for (name, through, calls, opened, expected) in [
        ("for line in open(path, \"rb\")", Some(Buffered), iterates, true, open),
        ("for line in open_binary(path)", Some(Buffered), has_opener, false, open),
        ("the same of a file that was passed in", Some(Buffered), iterates, false, None),
        ("file.readline() of one that was passed in", Some(Buffered), by_file, false, None),
        ("a text file", None, iterates, true, None),
        ("one without a buffer, opened here", Some(Raw), by_file, true, open),
        ("passed in", Some(Raw), by_file, false, Some("reading 131072 bytes at a time")),
        ("a descriptor", Some(Raw), OWN, false, Some("os.read(fd, 131072)")),
        ("an iterator over one without a buffer", Some(Raw), iterates, false, None),
    ] {
        let mut read = Read { through, ..read(FileKind::File, 100, 10_001, 1_000_000, 1) };
        let reader = ReadingCode { calls: Some(calls), opened, alone: true };
        advise(&mut read, Flow { continued: 9_999, full: 0 }, reader, WINDOW);
        let advice = read.advice.map(|advice| advice.text.to_string());
        let change = advice.as_deref().and_then(|text| text.split(" needs ").next());
        assert_eq!(change, expected, "{name}");
    }
}

#[test]
fn what_saves_nothing_that_is_worth_a_change_is_not_reported() {
    let hour = 3_600 * SECOND;
    for (wall_ns, busy_ns, reported) in
        [(SECOND, SECOND, true), (hour, hour, false), (hour, SECOND / 2, true)]
    {
        let mut read = read(FileKind::File, 100, 10_001, 1_000_000, 1);
        let reader = ReadingCode { calls: Some(OWN), opened: true, alone: true };
        advise(&mut read, Flow { continued: 9_999, full: 0 }, reader, WindowTimes { wall_ns, busy_ns });
        assert_eq!(read.advice.is_some(), reported, "{wall_ns} {busy_ns}");
    }
}

#[test]
fn what_is_opened_again_and_again_is_to_be_kept() {
    let of =
        |opens, bytes| Read { opens: Some(opens), ..read(FileKind::File, 4_096, 2 * opens, bytes, opens) };
    for (name, read, expected) in [
        ("four bytes each time", of(837, 4 * 837), Some((2, 4))),
        ("it grew", of(837, 4 * 837 + 1), None),
        ("few times", of(9, 36), None),
    ] {
        let read = advised(read, 0, 0);
        let found = read.advice.map(|advice| (advice.syscalls_then, advice.buffer_size));
        assert_eq!(found, expected, "{name}");
    }
    let text = advised(of(837, 4 * 837), 0, 0).advice.unwrap().text.to_string();
    assert_eq!(
        text,
        "keeping what was read needs 2 calls instead of 1,674, 1,672 fewer per second: it was opened 837 times for \
         4 B each; if the file may change, check os.stat() first"
    );
}

#[test]
fn what_a_buffer_saves_depends_on_what_the_file_gives() {
    use FileKind::{Fifo, File, Inet, Pipe, Procfs, Sysfs};
    let stat = |read: Read| Read { path: "/proc/stat".into(), ..read };
    let pages = Read { returned: [(0, 10), (4_096, 100)].into(), ..read(Procfs, 32_768, 110, 409_600, 10) };
    for (name, read, continued, full, expected) in [
        (
            "100 passes through 1,400 bytes",
            read(Procfs, 16, 8_900, 140_000, 100),
            8_700,
            0,
            Some((8_700, Some(200))),
        ),
        (
            "the reader stops before the end",
            read(Procfs, 16, 8_800, 140_000, 0),
            8_700,
            0,
            Some((8_700, Some(100))),
        ),
        ("10 passes through 10 pages", read(Procfs, 1_024, 410, 409_600, 10), 390, 0, Some((290, Some(120)))),
        (
            "as large, in one record",
            stat(read(Procfs, 1_024, 410, 409_600, 10)),
            390,
            0,
            Some((390, Some(20))),
        ),
        ("a page at a time already", pages, 90, 0, Some((0, None))),
        ("one call an open", read(Procfs, 1_024, 200, 204_800, 0), 0, 0, Some((0, None))),
        ("a page of sysfs", read(Sysfs, 64, 650, 40_960, 10), 630, 0, Some((630, Some(20)))),
        ("a file, from end to end", read(File, 100, 10_001, 1_000_000, 1), 9_999, 0, Some((9_992, Some(9)))),
        ("pieces here and there", read(File, 100, 1_000, 100_000, 0), 0, 0, Some((0, None))),
        ("large pieces", read(File, 65_536, 1_000, 65_536_000, 0), 999, 0, None),
        ("one large piece each", read(File, 65_536, 1_000, 65_536_000, 0), 0, 0, Some((0, None))),
        ("few calls", read(File, 100, 9, 900, 0), 8, 0, Some((8, None))),
        ("little to win", read(File, 100, 1_000, 100_000, 0), 50, 0, Some((50, None))),
        ("lines of a pipe", read(Pipe, 1, 8_000, 8_000, 0), 7_900, 0, Some((7_900, Some(100)))),
        ("a pipe that is always full", read(Pipe, 1, 8_000, 8_000, 0), 7_900, 8_000, None),
        ("more than a pipe holds", read(Fifo, 16, 8_192, 131_072, 0), 8_191, 0, Some((8_190, Some(2)))),
        ("a socket", read(Inet, 1, 8_000, 8_000, 0), 0, 0, None),
        ("without the page cache", Read { o_direct: true, ..read(File, 512, 100, 51_200, 0) }, 99, 0, None),
    ] {
        let read = advised(read, continued, full);
        let found = read.avoidable.map(|n| (n, read.advice.as_ref().map(|advice| advice.syscalls_then)));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn the_buffer_is_as_large_as_it_has_to_be() {
    for (kind, bytes, expected) in [
        (FileKind::Procfs, 1_500, 4_096),
        (FileKind::Procfs, 100_000, 4_096),
        (FileKind::File, 100, 4_096),
        (FileKind::File, 4_000, 8_192),
        (FileKind::File, 100_000, 131_072),
        (FileKind::File, 10_000_000, 131_072),
        (FileKind::Pipe, 100, 65_536),
    ] {
        let read = advised(read(kind, 16, 1_000, bytes, 0), 999, 0);
        assert_eq!(read.advice.unwrap().buffer_size, expected, "{kind} {bytes}");
    }
}

#[test]
fn the_sentence_names_the_line_the_change_and_what_it_saves() {
    let frame = crate::report::Frame { function: "f".into(), file: "a.py".into(), line: Some(3) };
    let base = Read { stack: Some(vec![frame]), ..read(FileKind::Procfs, 16, 8_900, 140_000, 100) };
    let takes = |what: &str| {
        format!("{what} at a.py:3 in f needs 200 calls instead of 8,900, 8,700 fewer per second")
    };
    let snapshot = "; a single read is also consistent, two may see two moments";
    let contended = Read { gil_waits: Some(890), gil_wait_ns: Some(89_000_000), ..base.clone() };
    for (read, expected) in [
        (base.clone(), takes("os.read(fd, 4096)")),
        (Read { through: Some(Through::Buffered), ..base.clone() }, takes("open(..., buffering=4096)")),
        (Read { syscall: "pread64".into(), ..base.clone() }, takes("os.pread(fd, 4096, ...)")),
        (Read { syscall: "readv".into(), ..base }, takes("buffers of 4096 bytes in all")),
        (
            contended,
            takes("os.read(fd, 4096)") + ", and 870 fewer waits for the GIL per second (87.0 ms of waiting)",
        ),
    ] {
        assert_eq!(advised(read, 8_700, 0).advice.unwrap().text.to_string(), expected + snapshot);
    }
}
