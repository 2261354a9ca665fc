//! One run in every format has the same totals, also where rows did not fit; and no name changes the shape of a file.

use std::io::Read as _;

use flate2::read::GzDecoder;
use prost::Message as _;
use serde_json::Value;

use super::super::sanitize::tests::EVIL;
use super::super::tests::sample;
use super::weights::total;
use super::*;
use crate::report::{Bounded, Cause, Frame, HotStack, Name, Read, Report, Signal, SwitchCause, bounded};

/// A run with more rows than the lists of a report have room for.
fn crowded() -> Report {
    let mut report = sample();
    let stack = |n: u32| vec![Frame { function: "f".into(), file: format!("a{n}.py").into(), line: Some(n) }];
    let hot = |n| HotStack { pid: 4242, stack: stack(n), samples: n.into(), ..HotStack::default() };
    report.frames.stacks = bounded((1..=50).map(hot), 20);
    let samples = &mut report.quality.samples;
    samples.python = report.frames.stacks.sum().totals.samples;
    samples.taken = samples.python + samples.no_python_frame + samples.faulted + samples.unresolved;
    let causes = [Cause::Gil, Cause::Read, Cause::Sleep];
    let cause = |n: u32| SwitchCause {
        pid: 4242,
        cause: causes[n as usize % causes.len()],
        stack: (!n.is_multiple_of(7)).then(|| stack(n)),
        off_cpu_ns: u64::from(n) * 1_000_003,
        count: 1,
        ..SwitchCause::default()
    };
    let all = || (1..=50).map(cause);
    report.switches.causes = bounded(all(), 20);
    report.switches.off_cpu_ns = all().map(|row| row.off_cpu_ns).sum();
    if let Some(gil) = &mut report.gil {
        gil.wait_ns = all().filter(|row| row.cause == Cause::Gil).map(|row| row.off_cpu_ns).sum();
    }
    let read = |n| Read { pid: 4242, bytes: n, syscalls: 1, path: "/etc/hosts".into(), ..Read::default() };
    report.reads = bounded((1..=50).map(read), 20);
    let signal = |n| Signal { count: n, ..Signal::default() };
    report.signals = bounded((1..=50).map(signal), 20);
    report
}

fn profile(report: &Report) -> pprof::Profile {
    let mut bytes = Vec::new();
    GzDecoder::new(&pprof::write(report)[..]).read_to_end(&mut bytes).unwrap();
    pprof::Profile::decode(&bytes[..]).unwrap()
}

/// What each format has of a measure, by its own words.
fn totals(report: &Report, of: Measure) -> [(&'static str, u64); 4] {
    let collapsed = collapsed::write(report, of);
    let weights = collapsed.lines().map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap());
    let speedscope: Value = serde_json::from_slice(&speedscope::write(report)).unwrap();
    let profiles = speedscope["profiles"].as_array().unwrap();
    let profile_of = profiles.iter().find(|profile| profile["name"] == of.title()).unwrap();
    let column = match of {
        Measure::Cpu => 0,
        Measure::OffCpu => 2,
        Measure::Gil => 3,
        Measure::Reads => 4,
    };
    let values = profile(report).sample.into_iter().map(|sample| sample.value[column].cast_unsigned());
    [
        ("collapsed", weights.sum()),
        ("speedscope", profile_of["weights"].as_array().unwrap().iter().filter_map(Value::as_u64).sum()),
        ("pprof", values.sum()),
        ("flame graph", drawn(&flame::write(report, of), of)),
    ]
}

/// Width of the frame below all others: `all (1,234 ns, 100%)`.
fn drawn(svg: &[u8], of: Measure) -> u64 {
    let svg = std::str::from_utf8(svg).unwrap();
    let all =
        svg.split_once("<title>all (").unwrap().1.split_once(&format!(" {}, 100%)", of.unit())).unwrap().0;
    all.replace(',', "").parse().unwrap()
}

#[test]
fn totals_are_the_same_in_every_format() {
    for (name, report) in [("sample", sample()), ("crowded", crowded())] {
        for of in Measure::ALL {
            for (format, found) in totals(&report, of) {
                assert_eq!(found, total(&report, of), "{name}: {} in {format}", of.title());
            }
        }
        assert!(Measure::ALL.iter().all(|of| total(&report, *of) > 0), "{name} has something of everything");
    }
    let report = crowded();
    assert_eq!(total(&report, Measure::OffCpu), report.switches.off_cpu_ns);
    assert!(report.frames.stacks.rest.is_some() && report.reads.rest.is_some());
}

/// Each cause by itself: pprof's label is the report's word.
#[test]
fn times_by_cause_are_the_reports() {
    let report = crowded();
    let profile = profile(&report);
    let word = |number: i64| profile.string_table[usize::try_from(number).unwrap()].as_str();
    let rows = &report.switches.causes.rows;
    for cause in [Cause::Gil, Cause::Read, Cause::Sleep] {
        let reported = rows.iter().filter(|row| row.cause == cause).map(|row| row.off_cpu_ns).sum::<u64>();
        let has = |sample: &&pprof::Sample| {
            sample.label.iter().any(|label| (word(label.key), word(label.str)) == ("cause", cause.as_str()))
        };
        let found = profile.sample.iter().filter(has).map(|sample| sample.value[2]).sum::<i64>();
        assert_eq!(found.cast_unsigned(), reported, "{cause}");
        let line = format!("[{cause}] ");
        let collapsed = collapsed::write(&report, Measure::OffCpu);
        let weights = collapsed.lines().filter_map(|stack| stack.split(';').next_back()?.strip_prefix(&line));
        assert_eq!(weights.map(|weight| weight.parse::<u64>().unwrap()).sum::<u64>(), reported, "{cause}");
    }
}

/// Rows, and what they add up to: calls that read, signals.
#[test]
fn json_lines_have_every_row_and_the_report() {
    let report = crowded();
    let lines: Vec<Value> =
        lines::write(&report).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sum = |kind: &str, key: &str| {
        let rows = lines.iter().filter(|line| line["kind"] == kind);
        rows.filter_map(|row| row[key].as_u64()).sum::<u64>()
    };
    assert_eq!(sum("reads", "syscalls"), report.reads.sum().totals.syscalls);
    assert_eq!(sum("signals", "count"), report.signals.sum().totals.count);
    assert_eq!(sum("switches.causes", "off_cpu_ns"), report.switches.off_cpu_ns);
    let read = lines.iter().find(|line| line["kind"] == "reads").unwrap();
    assert_eq!(read["what"], "other", "a row's own kind is not lost");
    let last = lines.last().unwrap();
    assert_eq!(serde_json::from_value::<Report>(last.clone()).unwrap(), report);
}

/// Stacks by thread are of one thread in speedscope and pprof; frames of one line are written once.
#[test]
fn a_frame_is_reported_once() {
    let report = crowded();
    let speedscope: Value = serde_json::from_slice(&speedscope::write(&report)).unwrap();
    let frames = speedscope["shared"]["frames"].as_array().unwrap();
    let mut different: Vec<_> = frames.iter().map(ToString::to_string).collect();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), frames.len());
    let profile = profile(&report);
    let known = |id: &u64| profile.location.iter().any(|location| location.id == *id);
    assert!(profile.sample.iter().flat_map(|sample| &sample.location_id).all(known));
    assert!(profile.sample.iter().all(|sample| !sample.location_id.is_empty()));
}

#[test]
fn an_empty_report_is_no_empty_file() {
    let report = Report::default();
    for of in Measure::ALL {
        assert_eq!(collapsed::write(&report, of), "");
        let svg = String::from_utf8(flame::write(&report, of)).unwrap();
        assert!(svg.contains(&format!("[no {}]", of.title())), "{svg}");
    }
    assert!(profile(&report).sample.is_empty());
    assert!(markdown::write(&report).contains("none that stand out"));
}

/// Line feeds, separators, markup, and what XML cannot hold.
#[test]
fn no_name_forges_a_line_or_a_frame() {
    let forged: [(&str, &[u8], &str); 4] = [
        ("a separator", b"a;b", r"a\x3bb"),
        ("a weight", b"f 7", "f 7"),
        ("markup", b"</title><script>x</script>&]]>", "</title><script>x</script>&]]>"),
        ("another line", b"f 7\nforged 9", r"f 7\x0aforged 9"),
    ];
    for (title, evil, shown) in EVIL.iter().chain(&forged) {
        let frame = Frame { function: Name::new(evil), file: Name::new(evil), line: None };
        let mut report = Report::default();
        report.frames.stacks =
            Bounded::from(vec![HotStack { stack: vec![frame], samples: 3, ..HotStack::default() }]);
        (report.quality.samples.taken, report.quality.samples.python) = (3, 3);
        report.target.processes.rows = vec![crate::report::TargetProcess {
            comm: Name::new(evil),
            title: Name::new(evil),
            root: true,
            ..crate::report::TargetProcess::default()
        }];
        let collapsed = collapsed::write(&report, Measure::Cpu);
        let shown = shown.replace(';', r"\x3b");
        assert_eq!(collapsed, format!("{shown} (0);{shown} ({shown}) 3\n"), "{title}");
        let svg = String::from_utf8(flame::write(&report, Measure::Cpu)).unwrap();
        assert_eq!(svg.matches("<script").count(), 1, "{title}: inferno's own");
        assert!(svg.contains("<title>all (3 samples, 100%)</title>"), "{title}: {svg}");
        for line in markdown::write(&report).lines() {
            assert_eq!(line, crate::report::Sentence::new(line).as_str(), "{title}");
        }
    }
}

/// Slices end after they began, in the order of time; every track is described, signals are as many as in the report.
#[test]
fn a_trace_is_in_order() {
    let report = sample();
    let trace = perfetto::Trace::decode(&perfetto::write(&report)[..]).unwrap();
    let described = trace.packet.iter().filter_map(|packet| packet.track_descriptor.as_ref());
    let described: Vec<u64> = described.map(|track| track.uuid).collect();
    let mut open = std::collections::HashMap::<u64, i64>::new();
    let (mut last, mut signals) = (0, 0);
    for packet in trace.packet.iter().filter(|packet| packet.timestamp.is_some()) {
        assert!(packet.timestamp >= Some(last) && packet.timestamp >= Some(report.window.start_monotonic_ns));
        last = packet.timestamp.unwrap();
        let Some(event) = &packet.track_event else { continue };
        assert!(described.contains(&event.track_uuid) || event.name.starts_with("fork "), "{event:?}");
        let step = match event.kind {
            1 => 1,
            2 => -1,
            _ => 0,
        };
        let open = open.entry(event.track_uuid).or_default();
        *open += step;
        assert!(*open >= 0, "{event:?}");
        let alike = event.debug_annotations.iter().find(|annotation| annotation.name == "alike");
        signals += alike.map_or(0, |alike| alike.string_value.parse::<u64>().unwrap());
    }
    assert!(open.values().all(|open| *open == 0), "{open:?}");
    assert_eq!(signals, report.signals.sum().totals.count);
}
