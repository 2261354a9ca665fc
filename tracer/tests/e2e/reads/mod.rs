//! Every read is counted at its line: how often, how much, of what, in which sizes.

mod advice;
mod connections;
mod kinds;
mod psutil_polls;
mod sendfile;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{
    Program, Python, Report, Scratch, Tally, Tracer, number, on_every_python, rows, site, skip, text,
};

on_every_python!(rows_equal_the_programs_truth, strace_confirms_the_truth, waits_are_reported);

/// What a read that waits may do besides: enter and leave the kernel, and run again once it is woken.
const BESIDES_NS: u64 = 1_000_000;

fn start(python: &Python, scratch: &Scratch) -> Program {
    let file = scratch.file("read by the test");
    Program::start_with(python, "reads.py", &[file.to_str().expect("temporary paths are UTF-8")])
}

fn rows_equal_the_programs_truth(python: &Python) {
    let scratch = Scratch::new();
    let mut program = start(python, &scratch);
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();

    for expected in truth.as_array().expect("the truth is a list") {
        assert_eq!(seen(row(&report, program.pid(), expected)), reported(expected));
    }
}

/// The only row of a line.
#[track_caller]
fn row<'a>(report: &'a Report, pid: u32, expected: &Value) -> &'a Value {
    let here = site(&expected["frame"]);
    let at_line: Vec<_> = rows(&report["reads"])
        .filter(|row| row["pid"] == pid && row["stack"].get(0).is_some_and(|leaf| site(leaf) == here))
        .collect();
    assert_eq!(at_line.len(), 1, "rows of {here}: {at_line:#?}");
    at_line[0]
}

/// What the report says, in the shape of [`reported`].
fn seen(row: &Value) -> Value {
    let mut returned = row["returned"].clone();
    returned.as_object_mut().expect("returned is an object").remove("0"); // `eof` has them
    json!({
        "frame": site(&row["stack"][0]),
        "syscall": row["syscall"],
        "kind": row["kind"],
        "path": if ["unix", "inet"].contains(&text(&row["kind"])) { &Value::Null } else { &row["path"] },
        "syscalls": row["syscalls"],
        "bytes": row["bytes"],
        "eof": row["eof"],
        "eagain": row["errors"].get("EAGAIN").map_or(0, number),
        "nonblocking": row["nonblocking"],
        "requested": row["requested"],
        "returned": returned,
    })
}

fn reported(expected: &Value) -> Value {
    let mut reported = expected.clone();
    reported["frame"] = site(&expected["frame"]).into();
    reported["nonblocking"] = (number(&expected["eagain"]) > 0).into();
    reported
}

/// That the program counts right is not taken from the program.
fn strace_confirms_the_truth(python: &Python) {
    let scratch = Scratch::new();
    let mut program = start(python, &scratch);
    let output = scratch.file("strace");
    let Some(strace) = Strace::attach(program.pid(), &output) else { return skip("there is no strace") };
    let truth = program.go();
    drop(program); // and with it strace, which has written all lines then
    strace.end();

    let mut expected = Tally::new();
    for site in truth.as_array().expect("the truth is a list") {
        *expected.entry(text(&site["syscall"]).to_owned()).or_default() += number(&site["syscalls"]);
    }
    assert_eq!(counted_by_strace(&output), expected);
}

/// System calls by name, without those on stdin.
fn counted_by_strace(output: &Path) -> Tally {
    let text = fs::read_to_string(output).expect("strace wrote its output");
    let mut counted = Tally::new();
    for line in text.lines() {
        let Some((name, arguments)) =
            line.split_once(' ').and_then(|(_pid, call)| call.trim_start().split_once('('))
        else {
            continue;
        };
        // `???`: a call that strace has not seen begin.
        if !arguments.starts_with("0,") && name != "???" {
            *counted.entry(name.to_owned()).or_default() += 1;
        }
    }
    counted
}

struct Strace(std::process::Child);

impl Strace {
    fn attach(pid: u32, output: &Path) -> Option<Self> {
        use std::io::{BufRead, BufReader};

        let mut child = Command::new("strace")
            .args([
                "-f",
                "-e",
                "trace=read,pread64,readv,preadv2,recvfrom,recvmsg",
                "-e",
                "signal=none",
                "-o",
            ])
            .arg(output)
            .args(["-p", &pid.to_string()])
            .stderr(std::process::Stdio::piped())
            .spawn()
            .ok()?;
        let stderr = child.stderr.take().expect("stderr is piped");
        let first =
            BufReader::new(stderr).lines().next().expect("strace says something").expect("it is text");
        assert!(first.contains("attached"), "{first}");
        Some(Self(child))
    }

    fn end(mut self) {
        self.0.wait().expect("it is our child");
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn waits_are_reported(python: &Python) {
    let mut program = Program::start(python, "slow_reads.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();

    let row = row(&report, program.pid(), &truth);
    let reads = number(&truth["reads"]);
    assert_eq!(row["syscalls"], reads, "{row}");
    // The program counts from before the call to after it, and the page faults in between: each may be a wait of its own.
    let faults = number(&truth["faults"]);
    let (reported, counted) = (number(&row["voluntary_switches"]), number(&truth["voluntary_switches"]));
    let causes = &report["switches"]["causes"];
    assert!(reported <= counted && counted <= reported + faults, "{counted} counted: {row}, and {causes:#}");
    let (seen, waited) = (number(&row["off_cpu_ns"]), number(&truth["waited_ns"]));
    assert!(
        seen <= waited && seen + reads * BESIDES_NS >= waited,
        "{seen} ns reported, {waited} ns waited: {row}"
    );
}
