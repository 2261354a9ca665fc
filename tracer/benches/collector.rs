//! How fast the collector is, piece by piece, and what it allocates: a million events a second is the goal, on one
//! core. A drained row that is like one before must allocate nothing; an event that is sent by itself may allocate for
//! the name that it brings. `cargo bench -p tracer` runs it.

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use tracer::analysis::{Analysis, Sections, Window};
use tracer::decode;
use tracer::event::Event;
use tracer::report::{self, Report};
use tracer::symbols::Symbols;
use tracer::timeline::{Children, Names, Spaces};

mod world;
use world::{EVENTS, messages, rows, symbols};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// Everything that a run does with an event, but for what only `/proc` shows.
#[derive(Default)]
struct Collector {
    names: Names,
    spaces: Spaces,
    children: Children,
    analysis: Analysis,
}

impl Collector {
    fn event(&mut self, event: &Event) {
        if let Event::Exit(exit) = event {
            self.spaces.leave(exit.task.pid);
        }
        self.names.sites(event, &self.spaces);
        self.children.fold(event);
        self.analysis.fold(event);
    }

    fn after(events: &[Event]) -> Self {
        let mut collector = Self::default();
        events.iter().for_each(|event| collector.event(event));
        collector
    }

    fn finish(self, symbols: &Symbols) -> Sections {
        let window = Window { duration_ns: 10_000_000_000, rate_hz: 99, ..Window::default() };
        self.analysis.finish(symbols, &window)
    }
}

fn event(bytes: &[u8]) -> Event {
    match decode::message(bytes, 0, |_, _, _| true) {
        Ok(decode::Message::Event(event)) => event,
        other => panic!("an event, not {other:?}"),
    }
}

fn everything() -> Vec<Event> {
    rows().into_iter().chain(messages().iter().map(|bytes| event(bytes))).collect()
}

/// Bytes of the ring buffer to events.
#[divan::bench]
fn decode_streamed(bencher: Bencher<'_, '_>) {
    let messages = messages();
    bencher
        .counter(ItemsCount::new(EVENTS))
        .bench_local(|| messages.iter().for_each(|bytes| drop(black_box(event(bytes)))));
}

/// Bytes of the ring buffer into the analysis.
#[divan::bench]
fn collect_streamed(bencher: Bencher<'_, '_>) {
    let messages = messages();
    bencher.counter(ItemsCount::new(EVENTS)).with_inputs(Collector::default).bench_local_values(
        |mut collector| {
            messages.iter().for_each(|bytes| collector.event(&event(bytes)));
            collector
        },
    );
}

/// Drained rows into the analysis, as in every second but the first: their like is there.
#[divan::bench]
fn collect_rows(bencher: Bencher<'_, '_>) {
    let rows = rows();
    let mut collector = Collector::after(&rows);
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| rows.iter().for_each(|row| collector.event(row)));
}

/// Frames that are known to their ids.
#[divan::bench]
fn intern_frames(bencher: Bencher<'_, '_>) {
    let frames: Vec<_> = (0..1_000).map(world::frame).collect();
    let mut symbols = Symbols::default();
    bencher.counter(ItemsCount::new(frames.len())).bench_local(|| {
        frames.iter().for_each(|frame| _ = black_box(symbols.intern(frame.clone())));
    });
}

/// From the analysis to the sections of the report.
#[divan::bench(sample_count = 10)]
fn make_sections(bencher: Bencher<'_, '_>) {
    let (symbols, events) = (symbols(), everything());
    bencher
        .with_inputs(|| Collector::after(&events))
        .bench_local_values(|collector| collector.finish(&symbols));
}

/// The report as text and as JSON.
#[divan::bench(sample_count = 10)]
fn write_report(bencher: Bencher<'_, '_>) {
    let sections = Collector::after(&everything()).finish(&symbols());
    let Sections { switches, reads, signals, frames, .. } = sections;
    let report = Report { switches, reads, signals, frames, ..Report::default() };
    let style = report::text::Style { color: false, width: 100, full: false };
    bencher.bench_local(|| {
        (
            report::text::render(&report, style),
            report::json::to_string(&report, report::json::Layout::Compact),
        )
    });
}
