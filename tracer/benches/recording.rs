//! How large a recording of an hour is, and what it takes to open it, without an hour of waiting: the seconds of a short one
//! are written again and again by the recorder itself, so close together that there are 10,000 events a second.
//!
//! ```text
//! sudo tracer record --pid $(pgrep -f web.py) -d 20s -o web.trc       xtask/bench/web.py under load, or another
//! cargo bench -p tracer --bench recording -- web.trc                  how it is written, by kind of event, and opened
//! cargo bench -p tracer --bench recording -- web.trc hour.trc         keeps the hour, to profile what reads it
//! ```
//! Threads that were born in the recording are others each time, as they would be.

use std::collections::{BTreeMap, HashSet};
use std::env;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use tracer::event::{Event, Task, Tid};
use tracer::recording::{Opening, Reader, Record, Recorder, RecordingFile, Records, Standing};
use tracer::report::text;
use tracer::session::{View, replay};
use tracer::symbols::Entry;

const SECONDS: u64 = 3_600;
/// As many show what each kind takes.
const PART: u64 = 60;
const EVENTS_A_SECOND: usize = 10_000;
const SECOND: u64 = 1_000_000_000;
/// What the kernel gives threads by default before it begins again.
const TIDS: Tid = 4_194_304;

fn main() {
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    match &arguments[..] {
        [] => println!("no recording is named: see the source"),
        [open, path] if open == "open" => open_it(Path::new(path)),
        [source, kept @ ..] => {
            let folder = tempfile::TempDir::new().expect("there is room");
            let path = kept.first().map_or(folder.path().join("hour.trc"), Into::into);
            measure(&Source::read(Path::new(source)), &path);
        }
    }
}

fn measure(source: &Source, path: &Path) {
    let began = Instant::now();
    let (events, whole) = source.write(path, SECONDS, |_| true);
    let rate = events / SECONDS;
    println!("{events} events, {rate} a second: {} in {:.1} s", mib(whole), began.elapsed().as_secs_f64());
    let own = env::current_exe().expect("it runs");
    let opened = Command::new(own).arg("open").arg(path).status().expect("it has run");
    assert!(opened.success());
    println!("of {PART} seconds:");
    let part = path.with_extension("part");
    let (_, bare) = source.write(&part, PART, |_| false);
    println!("  {:24} {:>12} {}", "without events", "", mib(bare));
    for (kind, share) in source.kinds() {
        let (events, bytes) = source.write(&part, PART, |event| is_kind(event, &kind));
        let each = (bytes - bare) as f64 / events.max(1) as f64;
        println!("  {kind:24} {:>11.1}% {}, {each:.2} B each", share * 100.0, mib(bytes - bare));
    }
    std::fs::remove_file(part).expect("it was written");
}

fn mib(bytes: u64) -> String {
    format!("{:8.1} MB", bytes as f64 / 1e6)
}

fn open_it(path: &Path) {
    let began = Instant::now();
    let replayed = replay(Reader::open(path).expect("it is there"), &View::default()).expect("it is whole");
    let folded = began.elapsed();
    let style = text::Style { color: false, width: 100, full: false };
    let shown = text::render(&replayed.report, style);
    let status = std::fs::read_to_string("/proc/self/status").expect("it is there");
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!(
        "opened in {:.1} s, {:.1} s with its text of {} bytes; {peak}",
        folded.as_secs_f64(),
        began.elapsed().as_secs_f64(),
        shown.len()
    );
}

fn kind_of(event: &Event) -> String {
    let shown = format!("{event:?}");
    let end = shown.find(|char: char| !char.is_alphanumeric()).unwrap_or(shown.len());
    shown[..end].to_owned()
}

fn is_kind(event: &Event, kind: &str) -> bool {
    kind_of(event) == kind
}

/// A short recording.
struct Source {
    opening: Opening,
    entries: Vec<Entry>,
    /// Between how the run stood once and how it stood next.
    seconds: Vec<Vec<Event>>,
    standing: Standing,
    /// Threads that were born while it lasted.
    born: HashSet<Tid>,
}

impl Source {
    fn read(path: &Path) -> Self {
        let mut reader = Reader::open(path).expect("a recording of this tracer");
        let (mut opening, mut entries, mut seconds, mut last) = (None, Vec::new(), vec![Vec::new()], None);
        while let Some(block) = reader.block().expect("it can be read") {
            for record in Records::new(&block) {
                match record.expect("it is whole") {
                    Record::Opening(of) => opening = Some(*of),
                    Record::Symbol(entry) => entries.push(entry),
                    Record::Event(event) => seconds.last_mut().expect("there is one").push(event),
                    Record::Standing(of) | Record::Base(of) => {
                        last = Some(*of);
                        seconds.push(Vec::new());
                    }
                }
            }
        }
        seconds.retain(|events| !events.is_empty());
        let forks = seconds.iter().flatten().filter_map(|event| match event {
            Event::Fork(fork) => Some(fork.child.tid),
            _ => None,
        });
        let born = forks.collect();
        let (opening, standing) = (opening.expect("it has begun"), last.expect("it has stood"));
        Self { opening, entries, seconds, standing, born }
    }

    /// How often each kind is there, of all.
    fn kinds(&self) -> Vec<(String, f64)> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let events = self.seconds.iter().flatten();
        events.for_each(|event| *counts.entry(kind_of(event)).or_default() += 1);
        let all: usize = counts.values().sum();
        let mut shares: Vec<_> =
            counts.into_iter().map(|(kind, count)| (kind, count as f64 / all as f64)).collect();
        shares.sort_by(|one, other| other.1.total_cmp(&one.1));
        shares
    }

    /// Writes so many seconds, of some events; how many these were, and the bytes of the file.
    fn write(&self, path: &Path, length: u64, keep: impl Fn(&Event) -> bool) -> (u64, u64) {
        let (file, end) = RecordingFile::create(path).expect("it can be written");
        let mut recorder = Recorder::new(Box::new(file));
        recorder.open(&self.opening);
        let (mut seconds, mut events, mut written) = (self.seconds.iter().enumerate().cycle(), 0, 0);
        let mut rounds = 0;
        for second in 0..length {
            let mut count = 0;
            while count < EVENTS_A_SECOND {
                let (at, of) = seconds.next().expect("they never end");
                rounds += u32::from(at == 0);
                count += of.len();
                for event in of.iter().filter(|event| is_repeated(event, rounds) && keep(event)) {
                    recorder.event(&self.moved(event, second, at as u64, rounds));
                    written += 1;
                }
            }
            events += count as u64;
            let entries = if second == 0 { &self.entries[..] } else { &[] };
            let ended = (second == length - 1).then_some(self.standing.ended).flatten();
            let at_ns = self.opening.start_ns + (second + 1) * SECOND;
            recorder.stand(entries, &Standing { ended, at_ns, ..self.standing.clone() });
        }
        assert!(!recorder.has_failed(), "{events} events");
        drop(recorder);
        (written, end.wait().expect("all was written"))
    }

    /// The same in another second, by other threads.
    fn moved(&self, event: &Event, second: u64, at: u64, rounds: u32) -> Event {
        let mut event = event.clone();
        let moved = |of: &u64| second * SECOND + of.saturating_sub(at * SECOND);
        event.times_mut().into_iter().flatten().for_each(|time| *time = moved(time));
        let thread = |task: &mut Task| {
            if self.born.contains(&task.tid) {
                task.tid = 1 + (task.tid + rounds * self.born.len() as Tid) % TIDS;
            }
        };
        tasks(&mut event).into_iter().flatten().for_each(thread);
        event
    }
}

/// What is reported once of a run is there once.
fn is_repeated(event: &Event, rounds: u32) -> bool {
    let is_once = matches!(
        event,
        Event::Process(_)
            | Event::KernelSwitchesBefore { .. }
            | Event::LoopsWatched
            | Event::Doing { .. }
            | Event::Loop { .. }
    );
    rounds <= 1 || !is_once
}

fn tasks(event: &mut Event) -> [Option<&mut Task>; 2] {
    match event {
        Event::Switches { key, .. } => [Some(&mut key.task), None],
        Event::Wakeups { key, .. } => [Some(&mut key.row.task), Some(&mut key.waker.task)],
        Event::GilHeld { key, .. } => [Some(&mut key.task), None],
        Event::Samples { key, .. } => [Some(&mut key.task), None],
        Event::Fork(fork) => [Some(&mut fork.parent), Some(&mut fork.child)],
        Event::Exit(exit) => [Some(&mut exit.task), None],
        Event::ThreadName { task, .. }
        | Event::KernelSwitches { task, .. }
        | Event::KernelSwitchesBefore { task, .. }
        | Event::GcSample { task, .. } => [Some(task), None],
        _ => [None, None],
    }
}
