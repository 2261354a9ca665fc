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
/// A line that asks for that much at a time has little to win.
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

/// The code that reads, as far as the Python code there shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadingCode {
    /// What that calls; `None` where it is not known, or is not one's own code.
    pub calls: Option<Calls>,
    /// The same function has opened what it reads, by another call.
    pub opened: bool,
    /// No other line reads the file.
    pub alone: bool,
}

impl ReadingCode {
    /// It names what opens, and has opened this very file; or it names a function that opens, and has not.
    fn opens(self) -> bool {
        self.calls.is_some_and(|calls| if self.opened { calls.opens } else { calls.has_opener })
    }

    fn reads(self) -> bool {
        self.calls.is_some_and(|calls| calls.reads)
    }
}

/// What savings are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowTimes {
    /// Nanoseconds from its begin to its end.
    pub wall_ns: Nanos,
    /// Of all traced threads on the CPU.
    pub busy_ns: Nanos,
}

/// Fills in `avoidable` and `advice` of a row that has all the rest.
pub fn advise(read: &mut Read, flow: Flow, reader: ReadingCode, window: WindowTimes) {
    if read.sizes_unknown > 0 {
        return;
    }
    let Some(better) = better(read, flow, reader) else { return };
    let avoidable = read.syscalls.saturating_sub(better.syscalls_then);
    read.avoidable = Some(avoidable);
    // Where no call of the line's function takes such an argument, another one reads, or has chosen the buffer.
    let Some(change) = change(read, better, reader) else {
        read.avoidable = read.avoidable.filter(|avoidable| *avoidable == 0);
        return;
    };
    if avoidable >= WORTH_IT && avoidable * 10 >= read.syscalls && is_worth_it(read, avoidable, window) {
        let text = sentence(read, better, &change, window.wall_ns).into();
        let Better { buffer_size, syscalls_then, .. } = better;
        read.advice = Some(Advice { buffer_size, syscalls_then, text });
    }
}

/// 100 calls a second, or a hundredth of the window, or of its CPU time.
fn is_worth_it(read: &Read, avoidable: u64, window: WindowTimes) -> bool {
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
fn better(read: &Read, flow: Flow, reader: ReadingCode) -> Option<Better> {
    let buffered = larger(read, flow, reader);
    let kept = kept(read, reader);
    match (buffered, kept) {
        (Some(buffered), Some(kept)) if kept.syscalls_then >= buffered.syscalls_then => Some(buffered),
        (buffered, None) => buffered,
        (_, kept) => kept,
    }
}

/// A file that is opened again and again, and gives as much each time.
fn kept(read: &Read, reader: ReadingCode) -> Option<Better> {
    const OFTEN: u64 = 10;
    let opens = read.opens.filter(|opens| *opens >= OFTEN)?;
    let is_same = read.kind == FileKind::File && read.bytes > 0 && read.bytes.is_multiple_of(opens);
    (reader.opens() && is_same).then(|| Better {
        buffer_size: read.bytes / opens,
        syscalls_then: read.syscalls.div_ceil(opens),
        kept: true,
    })
}

/// `None` where what a larger buffer would bring is not known, and where no line of Python chooses it.
fn larger(read: &Read, flow: Flow, reader: ReadingCode) -> Option<Better> {
    if is_of_c_library(read) || (has_messages(read) && !is_stream(read, reader)) {
        return None;
    }
    let empty = read.returned.get(&0).copied().unwrap_or(0) + read.errors.values().sum::<u64>();
    let with_data = read.syscalls.saturating_sub(empty);
    let stretches = with_data.saturating_sub(flow.continued).max(u64::from(with_data > 0));
    let length = read.bytes.div_ceil(stretches.max(1));
    let (buffer_size, at_a_time) = gives(read, flow, length)?;
    let now = read.asked(50).unwrap_or(0);
    if now >= buffer_size.min(LARGE_ENOUGH) {
        // Of a file a call returns whatever it asks for: a larger one would save those that went on, for what that is worth.
        let is_all = now >= buffer_size && !matches!(read.kind, FileKind::File | FileKind::Memfd);
        let saves_none = flow.continued == 0 || is_all;
        let as_it_is = Better { buffer_size: now, syscalls_then: read.syscalls, kept: false };
        return saves_none.then_some(as_it_is);
    }
    let syscalls_then = empty + stretches * length.div_ceil(at_a_time).max(1);
    Some(Better { buffer_size, syscalls_then: syscalls_then.min(read.syscalls), kept: false })
}

fn has_messages(read: &Read) -> bool {
    matches!(read.kind, FileKind::Pipe | FileKind::Fifo)
}

/// A line that asks for one size each time, and is the only reader, does not read a header and then what that announces:
/// else a larger read would take bytes of the next message.
fn is_stream(read: &Read, reader: ReadingCode) -> bool {
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

/// `open(..., buffering=4096) at a.py:3 in f needs 400 calls instead of 600, 66.7 fewer per second`
fn sentence(read: &Read, better: Better, change: &str, window_ns: Nanos) -> String {
    let frame = read.stack.as_ref().and_then(|stack| own_line(stack));
    let at = frame.map_or_else(String::new, |frame| format!(" at {}", place(frame)));
    let avoidable = read.syscalls - better.syscalls_then;
    format!(
        "{change}{at} needs {} instead of {}, {} fewer per second{}{}",
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
                ", and {} fewer waits for the GIL per second ({} of waiting)",
                per_second(waits, window_ns),
                duration(a_second as u64)
            )
        }
        _ => String::new(),
    }
}

/// What to write there; `None` where the function itself neither reads so nor has opened the file. A text file asks for
/// as much at a time as its layer of text does, whatever its buffer.
fn change(read: &Read, better: Better, reader: ReadingCode) -> Option<String> {
    let size = better.buffer_size;
    let by_os = reader.calls.is_some_and(|calls| calls.by_os);
    Some(match (read.through, read.syscall.as_str()) {
        _ if better.kept => "keeping what was read".to_owned(),
        (Some(Through::Raw), "read") if by_os && reader.reads() => format!("os.read(fd, {size})"),
        (Some(_), "read") if reader.opens() => format!("open(..., buffering={size})"),
        (None | Some(Through::Buffered), "read") => return None,
        _ if !reader.reads() => return None,
        (_, "pread64") => format!("os.pread(fd, {size}, ...)"),
        (_, "readv" | "preadv" | "preadv2") => format!("buffers of {size} bytes in all"),
        _ => format!("reading {size} bytes at a time"),
    })
}

/// Lines of procfs that are read by two calls may be of two moments.
fn in_one_piece(read: &Read, better: Better) -> String {
    let ends = read.returned.get(&0).copied().unwrap_or(0);
    if better.kept {
        let (opens, each) = (read.opens.map_or_else(String::new, count), bytes(better.buffer_size));
        return format!(
            ": it was opened {opens} times for {each} each; if the file may change, check os.stat() first"
        );
    }
    match read.kind {
        FileKind::Procfs if better.syscalls_then <= 2 * ends => {
            "; a single read is also consistent, two may see two moments".to_owned()
        }
        FileKind::File if better.syscalls_then <= 2 * ends => "; read_bytes() does the same".to_owned(),
        _ => String::new(),
    }
}

fn per_second(n: u64, window_ns: Nanos) -> String {
    let rate = n as f64 * 1e9 / window_ns.max(1) as f64;
    if rate < 99.95 { format!("{rate:.1}") } else { count(rate.round() as u64) }
}
