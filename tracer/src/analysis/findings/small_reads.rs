//! Files that are read in pieces which are too small.

use std::collections::BTreeMap;

use super::{Found, at, own, process};
use crate::report::text::units::{bytes, count, counted, duration};
use crate::report::{FileKind, FindingKind, Read, Report, Severity};

/// Pieces up to this size are small.
const SMALL: u64 = 1_024;
/// Fewer calls are not worth a sentence.
const MANY: u64 = 100;
/// So many cost something.
const TOO_MANY: u64 = 10_000;
/// What a read of a procfs file gives at most, about: <https://github.com/torvalds/linux/blob/v6.12/fs/seq_file.c>
const PAGE: u64 = 4_096;
/// A system call that copies some bytes takes about this long.
const CALL_NS: u64 = 1_000;

/// One sentence for each line that reads a file in small pieces although more was there.
pub fn small_reads(report: &Report) -> Vec<Found> {
    report.reads.rows.iter().filter(|read| is_small(read)).map(|read| small_read(report, read)).collect()
}

/// Small is what was asked for, not what there was: the calls must have returned at least half of it.
fn is_small(read: &Read) -> bool {
    let asked: u64 = read.requested.iter().map(|(size, calls)| size * calls).sum();
    has_a_length(read.kind)
        && read.syscalls >= MANY
        && nearly_all(&read.requested) <= SMALL
        && read.bytes * 2 >= asked
}

/// Messages have the size that their sender gave them.
fn has_a_length(kind: FileKind) -> bool {
    matches!(kind, FileKind::Procfs | FileKind::Sysfs | FileKind::File | FileKind::Pipe | FileKind::Memfd)
}

fn small_read(report: &Report, read: &Read) -> Found {
    let median = median(&read.requested);
    let text = format!(
        "{} reads {} {} at a time: {} calls for {}{}{}{}",
        process(report, read.pid),
        read.path,
        bytes(median),
        count(read.syscalls),
        bytes(read.bytes),
        at(read.stack.as_ref()),
        price(read),
        remedy(read),
    );
    let severity = if read.syscalls >= TOO_MANY { Severity::Warn } else { Severity::Info };
    Found::new(FindingKind::SmallReads, severity, read.pid, text)
        .costs(read.off_cpu_ns + read.gil_wait_ns.unwrap_or(0) + read.syscalls * CALL_NS)
        .at(own(read.stack.as_ref()))
        .with("path", read.path.clone())
        .with("syscalls", read.syscalls)
        .with("bytes", read.bytes)
        .with("requested", median)
}

/// A read gives the GIL away: with other threads about, getting it back is what a call costs most.
fn price(read: &Read) -> String {
    match (read.gil_waits, read.gil_wait_ns) {
        (Some(waits @ 1..), Some(wait_ns)) => {
            format!(", and {} for the GIL after them, {} in all", counted(waits, "wait"), duration(wait_ns))
        }
        _ => String::new(),
    }
}

/// How much a pass through the file returns is known from the calls that met its end; a reader may meet it twice in
/// one pass, so there must be room for twice as much.
fn remedy(read: &Read) -> String {
    let pass = read.bytes.checked_div(read.eof).unwrap_or(u64::MAX);
    let a_page_is_enough =
        matches!(read.kind, FileKind::Procfs | FileKind::File) && pass.saturating_mul(2) <= PAGE;
    if a_page_is_enough && read.syscalls > 3 * read.eof {
        format!("; the whole is about {}, one read of {PAGE} would do", bytes(pass))
    } else {
        String::new()
    }
}

/// The size that half of the calls did not exceed.
fn median(sizes: &BTreeMap<u64, u64>) -> u64 {
    quantile(sizes, 50)
}

/// The size that nine of ten calls did not exceed: headers that alternate with what they announce are not small reads.
fn nearly_all(sizes: &BTreeMap<u64, u64>) -> u64 {
    quantile(sizes, 90)
}

fn quantile(sizes: &BTreeMap<u64, u64>, percent: u64) -> u64 {
    let share = (sizes.values().sum::<u64>() * percent).div_ceil(100);
    let mut calls = 0;
    let reached = sizes.iter().find(|(_, count)| {
        calls += **count;
        calls >= share
    });
    reached.map_or(0, |(size, _)| *size)
}
