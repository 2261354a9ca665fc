//! A report with everything in it, as JSON and as text.
//!
//! `testdata/sample.json` is written by hand. `TRACER_BLESS=1 cargo test` rewrites the text beside it.

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::json::{Layout, to_event, to_string};
use super::sanitize::tests::EVIL;
use super::text::{Style, render};
use super::*;

const SAMPLE: &str = include_str!("testdata/sample.json");

pub fn sample() -> Report {
    serde_json::from_str(SAMPLE).unwrap()
}

/// The same of a process without children, GIL, or anything that was opt-in.
fn one_process() -> Report {
    let mut report = Report { gil: None, gc: None, loops: None, ..sample() };
    report.target.processes.rows.truncate(1);
    report.frames.entries = None;
    report
}

fn text(report: &Report, width: u16) -> String {
    render(report, Style { color: false, width, full: false })
}

fn compare_with_golden(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/testdata").join(file);
    if env::var_os("TRACER_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap();
    assert_eq!(golden, text, "{file}; if the new text is right, run with TRACER_BLESS=1");
}

#[test]
fn json_comes_back_letter_by_letter() {
    let json = to_string(&sample(), Layout::Pretty);
    for (number, (line, expected)) in (1..).zip(json.lines().zip(SAMPLE.lines())) {
        assert_eq!(line, expected, "line {number}");
    }
    assert_eq!(json.len(), SAMPLE.len());
}

#[test]
fn json_lines_end_in_the_report() {
    let line = to_event(&sample());
    assert!(line.starts_with(r#"{"kind":"report","schema":"tracer.report/1","#));
    assert_eq!(line.matches('\n').count(), 1);
    assert_eq!(line.replacen(r#""kind":"report","#, "", 1), to_string(&sample(), Layout::Compact));
    assert_eq!(serde_json::from_str::<Report>(&line).unwrap(), sample(), "readers ignore the kind");
}

#[test]
fn text_reads_as_before() {
    compare_with_golden("sample-100.txt", &text(&sample(), 100));
    compare_with_golden("one-process-80.txt", &text(&one_process(), 80));
    let window = Window { sections: crate::sections::Sections::ALL.list(), ..Window::default() };
    compare_with_golden("nothing.txt", &text(&Report { window, ..Report::default() }, 100));
}

#[test]
fn every_row_is_shown_on_request() {
    let mut report = sample();
    report.signals = Bounded::default();
    let signal = |pid| Signal {
        target: SignalTarget { pid, ..SignalTarget::default() },
        count: 1,
        ..Signal::default()
    };
    report.signals.rows = (9_000..9_040).map(signal).collect();
    let shown = |full| {
        let text = render(&report, Style { color: false, width: 100, full });
        (9_000..9_040).filter(|pid| text.contains(&format!(" {pid} "))).count()
    };
    assert_eq!((shown(false), shown(true)), (6, 40));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [60, 72, 80, 100, 400] {
        for line in text(&sample(), width).lines() {
            let columns = line.width();
            assert!(columns <= width.min(100).into(), "{columns} of {width}: {line}");
            assert_eq!(line, line.trim_end());
        }
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    let mut colored = render(&sample(), Style { color: true, width: 100, full: false });
    for code in ["1", "2", "33", "31", "0"] {
        colored = colored.replace(&format!("\x1b[{code}m"), "");
    }
    assert_eq!(colored, text(&sample(), 100));
}

#[test]
fn no_name_breaks_out_of_the_text() {
    for (title, evil, _) in EVIL {
        let report = named(&Name::new(evil));
        assert_eq!(report.target.processes.rows[0].comm.as_bytes(), *evil, "{title}");
        for text in [text(&report, 100), text(&report, 60), to_string(&report, Layout::Pretty)] {
            assert_eq!(text.replace('\n', ""), sanitize::sentence(&text.replace('\n', "")), "{title}");
            assert!(text.lines().filter(|line| line.starts_with("READS")).count() <= 1, "{title}");
        }
    }
}

/// The sample, in which all that has a name is called this.
pub fn named(name: &Name) -> Report {
    let name = serde_json::to_string(name).unwrap();
    let json = NAMES.iter().fold(SAMPLE.to_string(), |json, key| replace_values(&json, key, &name));
    serde_json::from_str(&json).unwrap()
}

/// The keys under which the target's own names are.
const NAMES: &[&str] =
    &["comm", "title", "exe", "python", "function", "file", "path", "object", "thread_name", "task"];

/// Puts `value` wherever the sample has a string under `key`.
fn replace_values(json: &str, key: &str, value: &str) -> String {
    let prefix = format!("\"{key}\": \"");
    let replace = |line: &str| match line.split_once(&prefix) {
        Some((indent, rest)) => {
            let comma = if rest.ends_with(',') { "," } else { "" };
            format!("{indent}\"{key}\": {value}{comma}\n")
        }
        None => format!("{line}\n"),
    };
    json.lines().map(replace).collect()
}

/// The contract's keys: `path: keys`. That they are in its order is the sample's to show.
const CONTRACT: &str = "\
schema tracer host target window quality overhead findings switches gil reads processes signals frames gc loops \
  over_time
tracer: version
host: kernel arch cpus
target: pids processes
target.processes: pid namespace_pid ppid comm title exe python free_threaded root started_by started_at \
  at_ns ended_at_ns how argv argv_cut pgid sid cgroup exit_code exit_signal ended_in out_of_memory reaped_by \
  reaped_at_ns
target.processes.ended_in: stack syscall object
target.processes.started_by: function file line
window: start start_monotonic_ns duration_ns ended sections
quality: hits filtered emitted aggregated lost sections records kernel_missed samples
quality.sections.signals: hits lost text
quality.records: tried decoded corrupt lost
quality.samples: expected taken python no_python_frame faulted unresolved truncated
overhead: bpf_ns trap_ns programs tracer_cpu_ns tracer_peak_rss_bytes map_bytes attach_ns shed reads_covered_ns
overhead.shed: at_ns what why
findings: kind severity text pid frame evidence
switches: voluntary involuntary kernel_voluntary kernel_involuntary checked_voluntary checked_involuntary \
  in_doubt on_cpu_ns off_cpu_ns run_queue_ns callers causes
switches.callers: one_in_at_most estimated
switches.causes: pid cause syscall object lock after_call count count_error off_cpu_ns run_queue_ns began_before \
  still_blocked stack wakers
switches.causes.after_call: syscall object
switches.causes.wakers: pid tid comm frame count
gil: wait_ns waits switches holders blocked_while_held holders_unknown
gil.holders: pid tid threads frame held_while_others_waited_ns
gil.blocked_while_held: pid cause syscall object frame count off_cpu_ns others_waited_ns
reads: pid path kind syscall through stack sampled syscalls opens eof errors bytes requested returned sizes_unknown o_direct \
  nonblocking off_cpu_ns voluntary_switches involuntary_switches gil_waits gil_switches gil_wait_ns avoidable advice
reads.advice: buffer_size syscalls_then text
processes: forked execed exited reaped zombies orphans kills
processes.zombies: pid ppid comm exit_code signal exited_at_ns zombie_ns end_is_upper_bound reaped parent_ended \
  spawned_at parent_doing sigchld
processes.orphans: pid comm old_ppid new_ppid old_parent_ended old_parent_signal
processes.kills: signal number at_ns sender sender_stack origin aim pgid reached reached_count ended_count left \
  left_count
processes.kills.reached: pid comm end by_it ended_after_ns
processes.kills.left: pid comm pgid
signals: signal number at_ns count sender origin sender_stack target disposition delivered_after_ns interrupted \
  handler_state handler outcome
signals.sender: pid tid comm uid
signals.target: pid tid group
signals.interrupted: syscall frame
signals.handler: frame started_after_ns ended_after_ns waited_for run_queue_ns
frames: rate_hz reached_hz hot stacks entries
frames.hot: pid function file line self_samples total_samples off_cpu_ns
frames.stacks: pid tid thread_name stack samples off_cpu_ns
frames.entries: metric covered_ns rows
frames.entries.rows: pid function file line count
gc: method collections pauses
loops: pid tid turns busy_ns max_busy_ns by
loops.by: callback task frame stack on_cpu cause object count total_ns max_ns
over_time: step_ns threads
over_time.threads: pid tid thread_name states
gc.collections: pid generation count collected at_least
gc.pauses: pid generation count total_ns max_ns collected started_by stack waiters sampled
";

#[test]
fn keys_are_those_of_the_contract() {
    let json = serde_json::to_value(sample()).unwrap();
    for line in CONTRACT.trim().lines() {
        let (path, keys) = line.split_once(": ").unwrap_or(("", line));
        let object = path.split('.').filter(|key| !key.is_empty()).fold(&json, |json, key| find(json, key));
        let found: BTreeSet<&str> =
            object_in(object).as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(found, keys.split_whitespace().collect(), "{path}");
    }
}

/// What the first object that has something under `key` has there.
fn find<'a>(json: &'a Value, key: &str) -> &'a Value {
    let objects = json.as_array().map_or_else(|| std::slice::from_ref(json), Vec::as_slice);
    let mut values = objects.iter().filter_map(|object| object.get(key));
    values.find(|value| !value.is_null()).unwrap_or_else(|| panic!("the sample has no {key}"))
}

/// The object itself, or the first one of a list.
fn object_in(json: &Value) -> &Value {
    json.get(0).unwrap_or(json)
}
