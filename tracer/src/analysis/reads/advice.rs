//! Which calls a better buffer would save, computed from what the file gives; and how to say it.
//!
//! Calls fall into stretches: each call of a stretch but the first took what a larger one before it would have brought
//! along. With a buffer that is large enough a stretch is as many calls as the file makes it, whatever is asked.

use crate::analysis::findings::place;
use crate::analysis::lines::own_line;
use crate::event::Nanos;
use crate::report::{Advice, FileKind, Read, Through};
use crate::symbols::Calls;
use crate::units::{bytes, count, counted, duration};

/// A read of a `seq_file` whose records do not fit into a page returns whole records only.
/// <https://github.com/torvalds/linux/blob/v6.12/fs/seq_file.c#L171>
const PAGE: u64 = 4_096;
/// A page without, on average, half of a record: a line of `/proc/PID/maps`, say.
const PAGE_OF_RECORDS: u64 = PAGE - 46;
/// What a pipe holds, unless it was made larger.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/pipe_fs_i.h#L5>
const PIPE: u64 = 65_536;
/// CPython's own choice from 3.14 on.
/// <https://github.com/python/cpython/blob/v3.14.0/Lib/_pyio.py#L26>
const LARGE: u64 = 131_072;
/// Whoever asks for that much at a time has little to win.
const LARGE_ENOUGH: u64 = 32_768;
/// Fewer calls are not worth a change.
const WORTH_IT: u64 = 10;

/// What else is known of the calls of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Calls that took what a larger one just before them would have brought along.
    pub continued: u64,
    /// Calls that left a pipe full.
    pub full: u64,
}

/// Who reads, as far as the Python code there tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    /// What that calls; `None` where it is not known, or is not one's own code.
    pub calls: Option<Calls>,
    /// No other line reads the file.
    pub alone: bool,
}

/// What savings are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Nanoseconds from its begin to its end.
    pub wall_ns: Nanos,
    /// Of all traced threads on the CPU.
    pub busy_ns: Nanos,
}

/// Fills in `avoidable` and `advice` of a row that has all the rest.
pub fn advise(read: &mut Read, flow: Flow, reader: Reader, window: Window) {
    let Some(better) = better(read, flow, reader) else { return };
    let avoidable = read.syscalls.saturating_sub(better.syscalls_then);
    read.avoidable = Some(avoidable);
    // A line that neither opens nor reads takes no such argument: what it calls reads.
    let Some(calls) = reader.calls.filter(|calls| !calls.neither()) else {
        read.avoidable = read.avoidable.filter(|avoidable| *avoidable == 0);
        return;
    };
    if avoidable >= WORTH_IT && avoidable * 10 >= read.syscalls && is_worth_it(read, avoidable, window) {
        let text = sentence(read, better, calls, window.wall_ns).into();
        let Better { buffer_size, syscalls_then, .. } = better;
        read.advice = Some(Advice { buffer_size, syscalls_then, text });
    }
}

/// 100 calls a second, or a hundredth of the window, or of its CPU time.
fn is_worth_it(read: &Read, avoidable: u64, window: Window) -> bool {
    const A_SECOND: u128 = 100;
    const SHARE: u128 = 100;
    let share = |ns: u64| u128::from(ns) * u128::from(avoidable) / u128::from(read.syscalls.max(1));
    let saved_ns = share(read.cost_ns());
    let busy_ns = if window.busy_ns == 0 { window.wall_ns } else { window.busy_ns };
    u128::from(avoidable) * 1_000_000_000 >= A_SECOND * u128::from(window.wall_ns)
        || saved_ns * SHARE >= u128::from(busy_ns.min(window.wall_ns))
}

/// A buffer, and the calls that it would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Better {
    buffer_size: u64,
    syscalls_then: u64,
    /// It is to be read once, and kept.
    kept: bool,
}

/// What saves more: a larger buffer, or to keep what was read.
fn better(read: &Read, flow: Flow, reader: Reader) -> Option<Better> {
    let buffered = larger(read, flow, reader);
    let kept = kept(read, reader);
    match (buffered, kept) {
        (Some(buffered), Some(kept)) if kept.syscalls_then >= buffered.syscalls_then => Some(buffered),
        (buffered, None) => buffered,
        (_, kept) => kept,
    }
}

/// A file that is opened again and again, and gives as much each time.
fn kept(read: &Read, reader: Reader) -> Option<Better> {
    const OFTEN: u64 = 10;
    let opens = read.opens.filter(|opens| *opens >= OFTEN)?;
    let opens_itself = reader.calls.is_some_and(|calls| calls.opens);
    let is_same = read.kind == FileKind::File && read.bytes > 0 && read.bytes.is_multiple_of(opens);
    (opens_itself && is_same).then(|| Better {
        buffer_size: read.bytes / opens,
        syscalls_then: read.syscalls.div_ceil(opens),
        kept: true,
    })
}

/// `None` where what a larger buffer would bring is not known, and where no line of Python chooses it.
fn larger(read: &Read, flow: Flow, reader: Reader) -> Option<Better> {
    if is_of_c_library(read) || (has_messages(read) && !is_stream(read, reader)) {
        return None;
    }
    let empty = read.returned.get(&0).copied().unwrap_or(0) + read.errors.values().sum::<u64>();
    let with_data = read.syscalls.saturating_sub(empty);
    let stretches = with_data.saturating_sub(flow.continued).max(u64::from(with_data > 0));
    let length = read.bytes.div_ceil(stretches.max(1));
    let (buffer_size, at_a_time) = gives(read, flow, length)?;
    let now = median(read);
    if now >= buffer_size.min(LARGE_ENOUGH) {
        return Some(Better { buffer_size: now, syscalls_then: read.syscalls, kept: false });
    }
    let syscalls_then = empty + stretches * length.div_ceil(at_a_time).max(1);
    Some(Better { buffer_size, syscalls_then: syscalls_then.min(read.syscalls), kept: false })
}

fn has_messages(read: &Read) -> bool {
    matches!(read.kind, FileKind::Pipe | FileKind::Fifo)
}

/// Who asks for one size each time, and is the only reader, does not read a header and then what that announces: a
/// larger read would take bytes of the next message.
fn is_stream(read: &Read, reader: Reader) -> bool {
    read.through == Some(Through::Buffered) || (reader.alone && read.requested.len() == 1)
}

/// `pread` into anything but a new `bytes`: a database's pages, say, which no argument of the Python line makes larger.
fn is_of_c_library(read: &Read) -> bool {
    read.syscall == "pread64" && read.through != Some(Through::Raw)
}

/// The buffer to take for stretches of this length, and how much of one a call with it returns.
fn gives(read: &Read, flow: Flow, length: u64) -> Option<(u64, u64)> {
    let enough = || (length + length / 8 + 1).next_power_of_two().clamp(PAGE, LARGE);
    match read.kind {
        _ if read.o_direct => None,
        FileKind::Procfs if length < PAGE => Some((PAGE, PAGE)),
        FileKind::Procfs if is_one_record(read) => Some((enough(), enough())),
        FileKind::Procfs => Some((PAGE, PAGE_OF_RECORDS)),
        FileKind::Sysfs => Some((PAGE, PAGE)),
        FileKind::File | FileKind::Memfd => Some((enough(), enough())),
        // The writer waits for room: what it would write to an empty pipe is not known.
        FileKind::Pipe | FileKind::Fifo if flow.full * 2 > read.syscalls => None,
        FileKind::Pipe | FileKind::Fifo => Some((PIPE, PIPE)),
        _ => None,
    }
}

/// Files of procfs that give more than a page at a time: seen, or known to be one record or to have a read of their own.
/// <https://github.com/torvalds/linux/blob/v6.12/fs/proc/stat.c#L205>
fn is_one_record(read: &Read) -> bool {
    const WHOLE: [&str; 9] = [
        "/stat",
        "/status",
        "/sched",
        "/cmdline",
        "/environ",
        "/mem",
        "/pagemap",
        "/net/snmp",
        "/net/netstat",
    ];
    let path = read.path.to_string();
    read.returned.keys().any(|size| *size > PAGE) || WHOLE.iter().any(|name| path.ends_with(name))
}

/// The size that half of the calls did not exceed.
fn median(read: &Read) -> u64 {
    let calls: u64 = read.requested.values().sum();
    let mut seen = 0;
    let half = read.requested.iter().find(|(_, of_size)| {
        seen += **of_size;
        seen * 2 >= calls
    });
    half.map_or(0, |(size, _)| *size)
}

/// `open(..., buffering=4096) at a.py:3 in f takes 400 calls instead of 600, 66.7 fewer a second`
fn sentence(read: &Read, better: Better, calls: Calls, window_ns: Nanos) -> String {
    let frame = read.stack.as_ref().and_then(|stack| own_line(stack));
    let at = frame.map_or_else(String::new, |frame| format!(" at {}", place(frame)));
    let avoidable = read.syscalls - better.syscalls_then;
    format!(
        "{}{at} takes {} instead of {}, {} fewer a second{}{}",
        change(read, better, calls),
        counted(better.syscalls_then, "call"),
        count(read.syscalls),
        per_second(avoidable, window_ns),
        hand_overs(read, avoidable, window_ns),
        in_one_piece(read, better),
    )
}

/// What goes with the calls: each is as likely as the others to have to wait for the GIL.
fn hand_overs(read: &Read, avoidable: u64, window_ns: Nanos) -> String {
    let share = |of: u64| (u128::from(of) * u128::from(avoidable) / u128::from(read.syscalls.max(1))) as u64;
    match (read.gil_waits.map(share), read.gil_wait_ns.map(share)) {
        (Some(waits @ 1..), Some(wait_ns)) => {
            let a_second = u128::from(wait_ns) * 1_000_000_000 / u128::from(window_ns.max(1));
            format!(
                ", and with them {} GIL hand-overs and {} of waiting a second",
                per_second(waits, window_ns),
                duration(a_second as u64)
            )
        }
        _ => String::new(),
    }
}

/// What to write there.
fn change(read: &Read, better: Better, calls: Calls) -> String {
    let size = better.buffer_size;
    match (read.through, read.syscall.as_str()) {
        _ if better.kept => "keeping what was read".to_owned(),
        (Some(Through::Buffered), "read") => format!("open(..., buffering={size})"),
        (Some(Through::Raw), "read") if calls.by_os && calls.reads => format!("os.read(fd, {size})"),
        (Some(Through::Raw), "read") if calls.opens => format!("open(..., buffering={size})"),
        (_, "pread64") => format!("os.pread(fd, {size}, ...)"),
        (_, "readv" | "preadv" | "preadv2") => format!("buffers of {size} bytes in all"),
        _ => format!("reading {size} bytes at a time"),
    }
}

/// Lines of procfs that are read by two calls may be of two moments.
fn in_one_piece(read: &Read, better: Better) -> String {
    let ends = read.returned.get(&0).copied().unwrap_or(0);
    if better.kept {
        let (opens, each) = (read.opens.map_or_else(String::new, count), bytes(better.buffer_size));
        return format!(": it was opened {opens} times, for {each} each; if it may change, os.stat tells");
    }
    match read.kind {
        FileKind::Procfs if better.syscalls_then <= 2 * ends => {
            "; one read is also a snapshot, two may be of two moments".to_owned()
        }
        FileKind::File if better.syscalls_then <= 2 * ends => "; so does read_bytes()".to_owned(),
        _ => String::new(),
    }
}

fn per_second(n: u64, window_ns: Nanos) -> String {
    let rate = n as f64 * 1e9 / window_ns.max(1) as f64;
    if rate < 99.95 { format!("{rate:.1}") } else { count(rate.round() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    /// Calls that asked for `asked` bytes, of which `ends` returned nothing.
    fn read(kind: FileKind, asked: u64, calls: u64, bytes: u64, ends: u64) -> Read {
        Read {
            kind,
            path: "/proc/7/maps".into(),
            syscall: "read".into(),
            syscalls: calls,
            eof: ends,
            bytes,
            requested: [(asked, calls)].into(),
            returned: [(0, ends), (asked, calls - ends)].into(),
            ..Read::default()
        }
    }

    const OWN: Calls = Calls { opens: true, reads: true, by_os: true };
    const WINDOW: Window = Window { wall_ns: SECOND, busy_ns: SECOND };

    fn advised(mut read: Read, continued: u64, full: u64) -> Read {
        let reader = Reader { calls: Some(OWN), alone: true };
        advise(&mut read, Flow { continued, full }, reader, WINDOW);
        read
    }

    #[test]
    fn what_a_line_does_not_read_itself_it_cannot_read_better() {
        let nobody = Calls { opens: false, reads: false, by_os: true };
        let two_sizes = Read {
            requested: [(4, 4_000), (50, 4_000)].into(),
            ..read(FileKind::Pipe, 4, 8_000, 216_000, 0)
        };
        let pipe = read(FileKind::Pipe, 4, 8_000, 32_000, 0);
        let file = read(FileKind::File, 100, 10_001, 1_000_000, 1);
        let own = Reader { calls: Some(OWN), alone: true };
        for (name, read, reader, expected) in [
            ("its own", &file, own, (Some(9_992), true)),
            ("what it calls", &file, Reader { calls: Some(nobody), ..own }, (None, false)),
            ("not known, or the library's", &file, Reader { calls: None, ..own }, (None, false)),
            ("a stream", &pipe, own, (Some(7_999), true)),
            (
                "another line reads what this one announces",
                &pipe,
                Reader { alone: false, ..own },
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
    fn what_saves_nothing_that_is_worth_a_change_is_not_told() {
        let hour = 3_600 * SECOND;
        for (wall_ns, busy_ns, told) in
            [(SECOND, SECOND, true), (hour, hour, false), (hour, SECOND / 2, true)]
        {
            let mut read = read(FileKind::File, 100, 10_001, 1_000_000, 1);
            let reader = Reader { calls: Some(OWN), alone: true };
            advise(&mut read, Flow { continued: 9_999, full: 0 }, reader, Window { wall_ns, busy_ns });
            assert_eq!(read.advice.is_some(), told, "{wall_ns} {busy_ns}");
        }
    }

    #[test]
    fn what_is_opened_again_and_again_is_to_be_kept() {
        let of = |opens, bytes| Read {
            opens: Some(opens),
            ..read(FileKind::File, 4_096, 2 * opens, bytes, opens)
        };
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
            "keeping what was read takes 2 calls instead of 1,674, 1,672 fewer a second: it was opened 837 times, for \
             4 B each; if it may change, os.stat tells"
        );
    }

    #[test]
    fn what_a_buffer_saves_depends_on_what_the_file_gives() {
        use FileKind::{Fifo, File, Inet, Pipe, Procfs, Sysfs};
        let stat = |read: Read| Read { path: "/proc/stat".into(), ..read };
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
            (
                "10 passes through 10 pages",
                read(Procfs, 1_024, 410, 409_600, 10),
                390,
                0,
                Some((290, Some(120))),
            ),
            (
                "as large, in one record",
                stat(read(Procfs, 1_024, 410, 409_600, 10)),
                390,
                0,
                Some((390, Some(20))),
            ),
            ("a page at a time already", read(Procfs, 32_768, 110, 409_600, 10), 90, 0, Some((0, None))),
            ("one call an open", read(Procfs, 1_024, 200, 204_800, 0), 0, 0, Some((0, None))),
            ("a page of sysfs", read(Sysfs, 64, 650, 40_960, 10), 630, 0, Some((630, Some(20)))),
            (
                "a file, from end to end",
                read(File, 100, 10_001, 1_000_000, 1),
                9_999,
                0,
                Some((9_992, Some(9))),
            ),
            ("pieces here and there", read(File, 100, 1_000, 100_000, 0), 0, 0, Some((0, None))),
            ("large pieces", read(File, 65_536, 1_000, 65_536_000, 0), 999, 0, Some((0, None))),
            ("few calls", read(File, 100, 9, 900, 0), 8, 0, Some((8, None))),
            ("little to win", read(File, 100, 1_000, 100_000, 0), 50, 0, Some((50, None))),
            ("lines of a pipe", read(Pipe, 1, 8_000, 8_000, 0), 7_900, 0, Some((7_900, Some(100)))),
            ("a pipe that is always full", read(Pipe, 1, 8_000, 8_000, 0), 7_900, 8_000, None),
            ("more than a pipe holds", read(Fifo, 16, 8_192, 131_072, 0), 8_191, 0, Some((8_190, Some(2)))),
            ("a socket", read(Inet, 1, 8_000, 8_000, 0), 0, 0, None),
            (
                "without the page cache",
                Read { o_direct: true, ..read(File, 512, 100, 51_200, 0) },
                99,
                0,
                None,
            ),
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
            format!("{what} at a.py:3 in f takes 200 calls instead of 8,900, 8,700 fewer a second")
        };
        let snapshot = "; one read is also a snapshot, two may be of two moments";
        let contended = Read { gil_waits: Some(890), gil_wait_ns: Some(89_000_000), ..base.clone() };
        for (read, expected) in [
            (base.clone(), takes("reading 4096 bytes at a time")),
            (Read { through: Some(Through::Buffered), ..base.clone() }, takes("open(..., buffering=4096)")),
            (Read { through: Some(Through::Raw), ..base.clone() }, takes("os.read(fd, 4096)")),
            (
                Read { syscall: "pread64".into(), through: Some(Through::Raw), ..base },
                takes("os.pread(fd, 4096, ...)"),
            ),
            (
                contended,
                takes("reading 4096 bytes at a time")
                    + ", and with them 870 GIL hand-overs and 87.0 ms of waiting a second",
            ),
        ] {
            assert_eq!(advised(read, 8_700, 0).advice.unwrap().text.to_string(), expected + snapshot);
        }
    }
}
