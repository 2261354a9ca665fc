//! Rows of reads and of switches joined by the names of their lines and files.

use std::collections::{BTreeMap, HashMap};

use syscalls::Errno;
use tracer_common::syscall::flag;

use super::advice;
use super::opens::Opens;
use super::{ReadSum, Reads};
use crate::analysis::causes::syscall_name;
use crate::analysis::lines::{self, FrameIds};
use crate::analysis::patterns::Patterns;
use crate::analysis::switch_sum::{SwitchSum, is_voluntary};
use crate::analysis::switches::{Switches, after_call};
use crate::event::{Bytes, FileId, Nanos, Pid, ReadRow, SwitchRow};
use crate::report::{self, Bounded, Read, Row as _, Through};
use crate::symbols::{Calls, FileKind, FrameId, Symbols};

/// The rows of the report, most calls first; only those that it keeps get their stacks and advice.
pub fn rows(reads: &Reads, symbols: &Symbols, switches: &Switches, window_ns: Nanos) -> Bounded<Read> {
    let mut merged = Merged::new(reads, symbols);
    merged.join(switches, symbols);
    let busy_ns = switches.rows().map(|(_, sum)| sum.on_cpu_ns).sum();
    let window = advice::WindowTimes { wall_ns: window_ns, busy_ns };
    let lines = merged.lines();
    let mut rows: Vec<_> = merged.rows.into_iter().collect();
    rows.sort_by(|(a, x), (b, y)| y.sum.calls.cmp(&x.sum.calls).then_with(|| a.cmp(b)));
    let explained = |(at, (site, row)): (usize, (MergedSite, Joined))| {
        let mut read = row.read(&site);
        if at < Read::LIMIT {
            let alone = lines[&(site.pid, site.path.clone())] == 1;
            row.explain(&mut read, &site, alone, window, symbols);
        }
        read
    };
    rows.into_iter().enumerate().map(explained).collect()
}

/// What makes two reads one row of the report.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct MergedSite {
    pid: Pid,
    path: Bytes,
    syscall: u32,
    line: Option<FrameId>,
}

/// What reads, without what is read: process, system call, line.
type ReadingLine = (Pid, u32, Option<FrameId>);

/// One row of the report, nearly.
#[derive(Debug, Default)]
struct Joined {
    sum: ReadSum,
    opens: Opens,
    kind: report::FileKind,
    flags: u32,
    switched: [u64; 2],
    off_cpu_ns: u64,
    /// Getting the GIL back afterwards; `None` where waits for it are not distinguished from others.
    gil: Option<GilCost>,
    /// What the code of its line calls; the outer `None` before anything was added.
    calls: Option<Option<Calls>>,
}

/// What it took to get the GIL back.
#[derive(Clone, Copy, Debug, Default)]
struct GilCost {
    waits: u64,
    switches: u64,
    wait_ns: u64,
}

/// Rows whose lines and paths are equal by name.
#[derive(Default)]
struct Merged {
    rows: HashMap<MergedSite, Joined>,
    /// Where the reads of a path by a reader went.
    paths: HashMap<ReadingLine, HashMap<Bytes, MergedSite>>,
    /// The site that reads a path of a process most often.
    readers: HashMap<(Pid, Bytes), MergedSite>,
}

impl Merged {
    fn new(reads: &Reads, symbols: &Symbols) -> Self {
        let folded = Patterns::new(reads.rows.iter().filter_map(|(key, sum)| {
            let file = symbols.file(key.file)?;
            Some(((key.pid, key.syscall, line(key, sum, symbols)), file.path.clone()))
        }));
        let mut merged = Self::default();
        for (key, sum) in reads.rows.iter() {
            let reader = (key.pid, key.syscall, line(key, sum, symbols));
            let (pid, syscall, line) = reader;
            let path = path(key, symbols);
            let site = MergedSite { pid, path: folded.path(reader, path.clone()), syscall, line };
            let row = merged.rows.entry(site.clone()).or_default();
            row.add(key, sum, symbols);
            row.gil = reads.with_gil.contains(&pid).then(GilCost::default);
            merged.paths.entry(reader).or_default().insert(path, site);
        }
        merged.readers = merged.most_frequent();
        merged
    }

    /// How many lines read each path.
    fn lines(&self) -> HashMap<(Pid, Bytes), usize> {
        let mut lines = HashMap::new();
        for site in self.rows.keys() {
            *lines.entry((site.pid, site.path.clone())).or_default() += 1;
        }
        lines
    }

    fn most_frequent(&self) -> HashMap<(Pid, Bytes), MergedSite> {
        let mut most = HashMap::<_, (u64, &MergedSite)>::new();
        for (path, site) in self.paths.values().flatten() {
            let calls = self.rows[site].sum.calls;
            let best = most.entry((site.pid, path.clone())).or_insert((calls, site));
            if (calls, site) > *best {
                *best = (calls, site);
            }
        }
        most.into_iter().map(|(file, (_, site))| (file, site.clone())).collect()
    }

    /// The reads after which a wait for the GIL took it back. After any other call on the file, opening and closing it,
    /// say, it is the price of what reads the file most.
    fn before(&self, key: &SwitchRow, symbols: &Symbols) -> Option<MergedSite> {
        let syscall = after_call(key)?;
        let path = &symbols.file(key.object)?.path;
        let here = self
            .paths
            .get(&(key.task.pid, syscall, symbols.leaf(key.stack)))
            .and_then(|paths| paths.get(path));
        here.or_else(|| self.readers.get(&(key.task.pid, path.clone()))).cloned()
    }

    /// Adds each row of switches to the reads that it happened in, or that it is the price of.
    fn join(&mut self, switches: &Switches, symbols: &Symbols) {
        for (key, sum) in switches.rows() {
            if let Some(site) = self.before(key, symbols) {
                self.rows.entry(site).and_modify(|row| row.add_gil(sum));
            }
            if let Some(site) = inside(&self.paths, key, symbols) {
                self.rows.entry(site.clone()).and_modify(|row| row.add_switches(is_voluntary(key), sum));
            }
        }
    }
}

/// The reads that a switch happened in. A switch that is involuntary does not name its file: it is charged where the
/// line reads one file only.
fn inside<'a>(
    paths: &'a HashMap<ReadingLine, HashMap<Bytes, MergedSite>>,
    key: &SwitchRow,
    symbols: &Symbols,
) -> Option<&'a MergedSite> {
    let syscall = key.syscall?;
    let paths = paths.get(&(key.task.pid, syscall, symbols.leaf(key.stack)))?;
    if let Some(file) = symbols.file(key.object) {
        return paths.get(&file.path);
    }
    let mut sites = paths.values();
    let first = sites.next()?;
    (key.object.is_none() && sites.all(|site| site == first)).then_some(first)
}

impl Joined {
    fn add(&mut self, key: &ReadRow, sum: &ReadSum, symbols: &Symbols) {
        self.sum.merge(sum);
        self.opens.add(key, sum);
        let calls = symbols.calls(key.space, &key.site);
        self.calls = Some(self.calls.map_or(calls, |known| Some(known?.and(calls?))));
        self.flags |= key.flags;
        self.kind = symbols.file(key.file).map_or(self.kind, |file| kind(file.kind));
    }

    /// The stack, and what could be done.
    fn explain(
        &self,
        read: &mut Read,
        site: &MergedSite,
        alone: bool,
        window: advice::WindowTimes,
        symbols: &Symbols,
    ) {
        read.stack = self.usual_stack(symbols);
        read.sampled = site.line.is_none() && read.stack.is_some();
        // What is said of a line has to be true of all its reads, and of its own.
        if !read.sampled || self.is_of_one_line(symbols) {
            let calls = self.own_calls(site, symbols);
            let opened = self.sum.own == self.sum.calls;
            let reader = advice::ReadingCode { calls, opened, alone };
            advice::advise(read, self.sum.flow, reader, window);
        }
    }

    fn add_switches(&mut self, voluntary: bool, sum: &SwitchSum) {
        self.switched[usize::from(voluntary)] += sum.count;
        self.off_cpu_ns += sum.off_cpu_ns;
    }

    fn add_gil(&mut self, sum: &SwitchSum) {
        if let Some(gil) = &mut self.gil {
            gil.waits += sum.gil_waits;
            gil.switches += sum.count;
            gil.wait_ns += sum.off_cpu_ns;
        }
    }

    fn read(&self, site: &MergedSite) -> Read {
        let (requested, returned) = (self.sum.requested.finish(), self.sum.returned.finish());
        let errors = self.errors();
        let answered = returned.values().chain(errors.values()).sum();
        let with_sizes = requested.values().sum::<u64>().min(answered);
        Read {
            pid: site.pid,
            path: report::Name::new(&site.path),
            kind: self.kind,
            syscall: syscall_name(site.syscall.into()).unwrap_or("unknown").into(),
            through: self.through(),
            syscalls: self.sum.calls,
            opens: self.opens.finish(),
            eof: self.sum.eof,
            errors,
            bytes: self.sum.bytes,
            requested,
            returned,
            sizes_unknown: self.sum.calls.saturating_sub(with_sizes),
            o_direct: self.flags & flag::DIRECT != 0,
            nonblocking: self.flags & flag::NONBLOCKING != 0,
            off_cpu_ns: self.off_cpu_ns,
            voluntary_switches: self.switched[1],
            involuntary_switches: self.switched[0],
            gil_waits: self.gil.map(|gil| gil.waits),
            gil_switches: self.gil.map(|gil| gil.switches),
            gil_wait_ns: self.gil.map(|gil| gil.wait_ns),
            ..Read::default()
        }
    }

    /// A text file is read in pieces of 8,192 bytes that are `bytes` too, whatever its buffer: what reads is not known then.
    /// <https://github.com/python/cpython/blob/v3.12.0/Modules/_io/textio.c#L1185>
    fn through(&self) -> Option<Through> {
        const TEXT: u64 = 8_192;
        match self.sum.into {
            [0, 0] => None,
            [raw, buffered] if buffered > raw => Some(Through::Buffered),
            _ if self.sum.requested.finish().contains_key(&TEXT) => None,
            _ => Some(Through::Raw),
        }
    }

    fn errors(&self) -> BTreeMap<String, u64> {
        let mut errors = BTreeMap::new();
        for (errno, calls) in &self.sum.errors {
            *errors.entry(errno_name(*errno)).or_default() += calls;
        }
        errors
    }

    /// What its line calls, unless that belongs to the standard library, whose calls cannot be changed.
    fn own_calls(&self, site: &MergedSite, symbols: &Symbols) -> Option<Calls> {
        let file = &symbols.frame(site.line?).file;
        self.calls.flatten().filter(|_| !lines::is_standard_library(file))
    }

    /// All stacks that were seen have the same line innermost.
    fn is_of_one_line(&self, symbols: &Symbols) -> bool {
        let mut leaves = self.sum.stacks.iter().map(|(stack, _)| symbols.leaf(*stack));
        let first = leaves.next().flatten();
        first.is_some() && leaves.all(|leaf| leaf == first)
    }

    /// The stack most often seen, by its names.
    fn usual_stack(&self, symbols: &Symbols) -> Option<report::Stack> {
        let mut counts = BTreeMap::<FrameIds, u64>::new();
        for (stack, calls) in &self.sum.stacks {
            if let Some(frames) = lines::frames(symbols, *stack) {
                *counts.entry(frames).or_default() += calls;
            }
        }
        let (frames, _) = counts.into_iter().max_by_key(|(_, calls)| *calls)?;
        Some(lines::stack(symbols, &frames))
    }
}

/// The line of a call site: by its own record, or by that of a stack which it is the top of.
fn line(key: &ReadRow, sum: &ReadSum, symbols: &Symbols) -> Option<FrameId> {
    let of_stack = || sum.stacks.iter().find_map(|(stack, _)| symbols.leaf(*stack));
    if key.site.code == 0 { None } else { symbols.site(key.space, &key.site).or_else(of_stack) }
}

/// The path; in parentheses where there is none.
fn path(key: &ReadRow, symbols: &Symbols) -> Bytes {
    let unnamed = match key.file {
        _ if key.flags & flag::NO_FILE != 0 => "(closed)",
        FileId::NONE => "(other files)",
        _ => "(unknown)",
    };
    symbols.file(key.file).map_or_else(|| unnamed.as_bytes().into(), |file| file.path.clone())
}

/// `EINVAL`. What the kernel calls `ERESTARTSYS` and the like is a signal: user space sees `EINTR`, or the call again.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/errno.h#L14>
fn errno_name(errno: u32) -> String {
    const INTERRUPTED: [u32; 4] = [512, 513, 514, 516];
    if INTERRUPTED.contains(&errno) {
        return "EINTR".to_owned();
    }
    let known = i32::try_from(errno).ok().and_then(|errno| Errno::new(errno).name());
    known.map_or_else(|| errno.to_string(), Into::into)
}

fn kind(kind: FileKind) -> report::FileKind {
    match kind {
        FileKind::Procfs => report::FileKind::Procfs,
        FileKind::Sysfs => report::FileKind::Sysfs,
        FileKind::Regular => report::FileKind::File,
        FileKind::Pipe => report::FileKind::Pipe,
        FileKind::Fifo => report::FileKind::Fifo,
        FileKind::Unix => report::FileKind::Unix,
        FileKind::Inet => report::FileKind::Inet,
        FileKind::Tty => report::FileKind::Tty,
        FileKind::Device => report::FileKind::Device,
        FileKind::Memfd => report::FileKind::Memfd,
        FileKind::Other => report::FileKind::Other,
    }
}
