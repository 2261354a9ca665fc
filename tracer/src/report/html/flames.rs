//! Stacks for the flame graphs, which the page's script draws: the only data of the page beside its tables.

use std::collections::HashMap;

use serde::Serialize;

use crate::report::{Frame, HotStack, Report};
use crate::units::{count, duration};

/// Frames of a stack that are drawn, from the outermost: deeper boxes cannot be distinguished.
const DEEPEST: usize = 256;

/// What the two graphs show, in words and as data.
pub struct Flames {
    /// `813 samples of 813`
    pub on_cpu: String,
    /// `42.0 s of 45.1 s`
    pub off_cpu: String,
    /// JSON that may stand in HTML.
    pub json: String,
}

#[derive(Default, Serialize)]
struct Data {
    /// Functions and lines.
    frames: Vec<[String; 2]>,
    /// `880/886 python3`
    threads: Vec<String>,
    /// Thread, samples, off-CPU nanoseconds, frames from the outermost.
    stacks: Vec<(usize, u64, u64, Vec<usize>)>,
    /// What the stacks that are not here add up to.
    rest: (u64, u64),
}

impl Flames {
    /// Of a report with at most so many stacks. `None` if it has none.
    pub fn new(report: &Report, most: usize) -> Option<Self> {
        let (stacks, all) = (&report.frames.stacks, report.frames.stacks.sum());
        let (shown, rest) = stacks.top(most);
        let rest = rest.map_or((0, 0), |rest| (rest.totals.samples, rest.totals.off_cpu_ns));
        let mut data = Data { rest, ..Data::default() };
        let mut places = Places::default();
        for stack in shown {
            data.add(stack, &mut places);
        }
        (!stacks.is_empty()).then(|| Self {
            on_cpu: format!(
                "{} of {} samples have a Python stack",
                count(all.totals.samples),
                count(report.quality.samples.taken)
            ),
            off_cpu: format!(
                "{} of {} were at a Python line",
                duration(all.totals.off_cpu_ns),
                duration(report.switches.off_cpu_ns)
            ),
            json: island(&data),
        })
    }
}

/// Where frames and threads stand in the data.
#[derive(Default)]
struct Places<'a> {
    frames: HashMap<&'a Frame, usize>,
    threads: HashMap<(u32, u32), usize>,
}

impl Data {
    fn add<'a>(&mut self, stack: &'a HotStack, places: &mut Places<'a>) {
        let thread = *places.threads.entry((stack.pid, stack.tid)).or_insert_with(|| {
            self.threads.push(thread(stack));
            self.threads.len() - 1
        });
        let frame = |frame: &'a Frame| {
            *places.frames.entry(frame).or_insert_with(|| {
                self.frames.push(words(frame));
                self.frames.len() - 1
            })
        };
        let frames = stack.stack.iter().rev().take(DEEPEST).map(frame).collect();
        self.stacks.push((thread, stack.samples, stack.off_cpu_ns, frames));
    }
}

fn thread(stack: &HotStack) -> String {
    let name = stack.thread_name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
    format!("{}/{}{name}", stack.pid, stack.tid)
}

fn words(frame: &Frame) -> [String; 2] {
    let line = frame.line.map_or_else(String::new, |line| format!(":{line}"));
    [frame.function.to_string(), format!("{}{line}", frame.file)]
}

/// JSON in which nothing can end the element that it stands in.
/// <https://html.spec.whatwg.org/multipage/scripting.html#restrictions-for-contents-of-script-elements>
fn island(data: &Data) -> String {
    let json = serde_json::to_string(data).expect("strings and whole numbers");
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
