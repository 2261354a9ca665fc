//! Processes that exited: not with 0, after their parent gave them up, or because they were asked to from outside.

use std::collections::BTreeSet;

use super::senders::{POLITE, SIGABRT, sent_by};
use super::{RankedFinding, grouped, own, place, process, when};
use crate::analysis::kills::BY_HANDLER;
use crate::report::{
    EndedIn, FindingKind, Frame, HandlerState, Origin, Outcome, Programs, Report, Severity, Signal,
    TargetProcess,
};
use crate::units::duration;

/// So many ends that are alike are a loop.
pub const LOOP: usize = 3;
/// Processes that a sentence names.
const NAMED: usize = 3;
/// A service may take its time to end after these, and has no reason to end by itself.
pub const TO_END: [u32; 2] = [3, 15];
pub const GRACE: u64 = 90_000_000_000;

/// The row of a process.
pub fn row(report: &Report, pid: u32) -> Option<&TargetProcess> {
    report.target.processes.rows.iter().rfind(|process| process.pid == pid)
}

/// Whether a process is traced.
pub fn is_traced(report: &Report, pid: Option<u32>) -> bool {
    report.target.processes.rows.iter().any(|process| Some(process.pid) == pid)
}

/// Whether it runs the Python program of its parent.
pub fn is_worker(report: &Report, pid: u32) -> bool {
    row(report, pid)
        .is_some_and(|process| process.python.is_some() && process.argv.is_none() && !process.root)
}

/// `, in recvfrom of 10.0.0.9:5432`
pub fn call(ended: &EndedIn) -> Option<String> {
    let object = ended.object.as_ref().map_or_else(String::new, |object| format!(" of {object}"));
    ended.syscall.as_ref().map(|call| format!(", in {call}{object}"))
}

/// A process that was asked from outside to end, and all those below it that ended with it.
pub struct Service<'a> {
    signal: &'a Signal,
    head: &'a TargetProcess,
    members: Vec<&'a TargetProcess>,
}

impl Service<'_> {
    /// Whether its sentence covers the end of this process.
    pub fn covers(&self, pid: u32) -> bool {
        self.head.pid == pid || self.members.iter().any(|member| member.pid == pid)
    }
}

/// Services that ended since they were asked to. A process without children that a signal killed is reported as killed.
pub fn services(report: &Report) -> Vec<Service<'_>> {
    let ended = report.target.processes.rows.iter().filter(|process| process.ended_at_ns.is_some());
    let heads = ended.filter_map(|head| Some((head, asked_to_end(report, head)?)));
    let heads = heads.filter(|(head, signal)| {
        let sender = signal.sender.as_ref().and_then(|sender| sender.pid);
        !is_traced(report, sender)
            && asked_to_end_above(report, head, signal).is_none()
            && !is_in_group(report, head)
    });
    let services =
        heads.map(|(head, signal)| Service { signal, head, members: members(report, head, signal) });
    let is_service = |service: &Service| {
        let head = service.head;
        head.exit_code.is_some() || !service.members.is_empty() || raised_again(report, head, service.signal)
    };
    services.filter(is_service).collect()
}

/// A process above it was asked the same: systemd asks all of a control group.
fn asked_to_end_above<'a>(
    report: &'a Report,
    process: &'a TargetProcess,
    signal: &Signal,
) -> Option<&'a TargetProcess> {
    let is_asked = |above: &TargetProcess| {
        asked_to_end(report, above).is_some_and(|asked| asked.number == signal.number)
    };
    ancestors(report, process).find(|above| is_asked(above))
}

/// Parent, grandparent and so on.
fn ancestors<'a>(report: &'a Report, process: &'a TargetProcess) -> impl Iterator<Item = &'a TargetProcess> {
    /// Numbers are used again, so that a chain may seem to have no end.
    const DEEPEST: usize = 32;
    std::iter::successors(Some(process), |process| row(report, process.ppid)).skip(1).take(DEEPEST)
}

/// The signal that made a process exit, or killed it, after it was asked to end.
fn asked_to_end<'a>(report: &'a Report, process: &TargetProcess) -> Option<&'a Signal> {
    let end = process.ended_at_ns?;
    let is_asked = |signal: &&Signal| {
        let began = signal.handler.as_ref().and_then(|handler| handler.started_after_ns);
        let began = signal.at_ns + began.or(signal.delivered_after_ns).unwrap_or(0);
        let until = began + if TO_END.contains(&signal.number) { GRACE } else { BY_HANDLER };
        let acts = match process.exit_code {
            Some(_) => signal.outcome == Outcome::Handled && signal.handler_state != HandlerState::Pending,
            None => signal.outcome == Outcome::Killed || raised_again(report, process, signal),
        };
        signal.target.pid == process.pid
            && POLITE.contains(&signal.number)
            && acts
            && signal.at_ns <= end
            && end <= until
    };
    report.signals.rows.iter().find(is_asked).filter(|signal| signal.origin != Origin::Fault)
}

/// Whether its handler ran, and the process then ended itself by the same signal, so that its parent learns why:
/// uvicorn, and what Python itself does at a Ctrl-C.
/// <https://github.com/python/cpython/blob/v3.13.0/Modules/main.c> (`exit_sigint`)
fn raised_again(report: &Report, process: &TargetProcess, signal: &Signal) -> bool {
    let is_it = |raised: &Signal| {
        (raised.number, raised.target.pid) == (signal.number, process.pid)
            && raised.sender.as_ref().is_some_and(|sender| sender.pid == Some(process.pid))
            && raised.outcome == Outcome::Killed
            && raised.at_ns > signal.at_ns
    };
    signal.outcome == Outcome::Handled
        && signal.handler_state == HandlerState::Started
        && report.signals.rows.iter().any(is_it)
}

/// Those below that ended with it: by themselves, or since a process of the same tree asked them to.
fn members<'a>(report: &'a Report, head: &TargetProcess, signal: &Signal) -> Vec<&'a TargetProcess> {
    let with_it = |member: &&TargetProcess| {
        let in_time = member.ended_at_ns.is_some_and(|end| end >= signal.at_ns && end < signal.at_ns + GRACE);
        let well = member.exit_code == Some(0) || asked_to_end(report, member).is_some();
        in_time && well && ancestors(report, member).any(|above| above.pid == head.pid)
    };
    report.target.processes.rows.iter().filter(with_it).collect()
}

/// Whether the sentence about a whole call covers its end.
fn is_in_group(report: &Report, process: &TargetProcess) -> bool {
    let kills = report.processes.kills.rows.iter();
    kills.flat_map(|kill| &kill.reached).any(|reached| reached.pid == process.pid && reached.by_it)
}

/// One sentence for each service that was ended, and for the exits that are alike.
pub fn ends(report: &Report, programs: &Programs) -> Vec<RankedFinding> {
    let services = services(report);
    let sentences = services.iter().map(|service| service_of(report, service));
    let exits = report.target.processes.rows.iter().filter_map(|process| EndedProcess::new(report, process));
    let exits = exits.filter(|exit| {
        is_python(exit.process)
            && !is_in_group(report, exit.process)
            && !services.iter().any(|service| service.covers(exit.process.pid))
    });
    let mut exits: Vec<_> = exits.collect();
    exits.sort_by_key(|exit| exit.at_ns);
    let alike = grouped(with_starts(exits, programs), |exit| exit.alike(programs));
    sentences.chain(alike.iter().map(|exits| exit_of(report, exits))).collect()
}

/// `SIGTERM from pid 1 (systemd, uid 0) ended pid 7 (gunicorn) and 4 processes below it: it exited with 0 after 320 ms`
fn service_of(report: &Report, service: &Service) -> RankedFinding {
    let Service { signal, head, members } = service;
    let after = duration(head.ended_at_ns.unwrap_or(signal.at_ns).saturating_sub(signal.at_ns));
    let below = match members.len() as u64 {
        0 => String::new(),
        1 => " and a process below it".to_owned(),
        count => format!(" and {count} processes below it"),
    };
    let (end, severity) = match head.exit_code {
        Some(0) => ("exited with 0".to_owned(), Severity::Warn),
        Some(code) => (format!("exited with {code}"), Severity::Critical),
        None if raised_again(report, head, signal) => {
            ("handled it, and then ended itself with the same signal".to_owned(), Severity::Warn)
        }
        None => ("was killed by it".to_owned(), Severity::Critical),
    };
    let came =
        interrupted(signal).map_or_else(String::new, |frame| format!("; it arrived at {}", place(frame)));
    let text = format!(
        "{} {} ended {}{below}: it {end} after {after}{came} ({})",
        signal.signal,
        sent_by(signal),
        process(report, head.pid),
        when([signal.at_ns; 2]),
    );
    RankedFinding::new(FindingKind::ProcessEnd, severity, head.pid, text)
        .leads_by(signal.at_ns)
        .at(own(signal.sender_stack.as_ref()).or(interrupted(signal)))
        .with("signal", signal.signal.as_str())
        .with("at_ns", signal.at_ns)
        .with("exit_code", head.exit_code.map(u64::from))
        .with("ended", 1 + members.len() as u64)
        .with("sender_pid", signal.sender.as_ref().and_then(|sender| sender.pid).map(u64::from))
}

fn interrupted(signal: &Signal) -> Option<&Frame> {
    signal.interrupted.as_ref()?.frame.as_ref()
}

/// A process that exited, and why that is worth a sentence.
struct EndedProcess<'a> {
    process: &'a TargetProcess,
    code: u32,
    at_ns: u64,
    /// What it was asked before.
    signal: Option<&'a Signal>,
    /// The line that started it; of one that was there before the window, that of all others like it.
    started_at: Option<&'a Frame>,
}

impl<'a> EndedProcess<'a> {
    fn new(report: &'a Report, process: &'a TargetProcess) -> Option<Self> {
        let (code, at_ns) = process.exit_code.zip(process.ended_at_ns)?;
        let signal = asked_to_end(report, process);
        // A child that its parent gives up may still end well.
        let given_up = signal.is_some_and(|signal| signal.number == SIGABRT);
        let started_at = process.started_at.as_ref();
        (code != 0 || given_up).then_some(Self { process, code, at_ns, signal, started_at })
    }

    /// What exits have in common that are reported together.
    fn alike(&self, programs: &Programs) -> impl PartialEq + use<'a> {
        (self.end(programs), self.started_at)
    }

    /// The same without the line that started them.
    fn end(&self, programs: &Programs) -> impl PartialEq + use<'a> {
        let line = self.frame();
        let sender = self.signal.map(|signal| (signal.number, own(signal.sender_stack.as_ref())));
        let TargetProcess { ppid, comm, .. } = self.process;
        (programs.first(*ppid), comm, self.words(), self.code, line, sender)
    }

    /// The command line without numbers: those of workers differ in descriptors and ports.
    fn words(&self) -> String {
        self.process.title.to_string().replace(|byte: char| byte.is_ascii_digit(), "")
    }

    /// The line that exited, if Python still ran, and it is not the library's for whatever a child does.
    fn frame(&self) -> Option<&'a Frame> {
        let stack = self.process.ended_in.as_ref()?.stack.as_ref()?;
        let is_of_pool =
            stack.first().is_some_and(|frame| frame.file.as_bytes().ends_with(b"/popen_fork.py"));
        own(Some(stack)).filter(|_| !is_of_pool)
    }

    fn severity(&self, report: &Report) -> Severity {
        // A program that was started may say something by its exit code; a worker does not.
        let is_program = self.process.argv.is_some() && self.code < 3;
        match () {
            () if self.is_by_parent(report) || self.could_not_execute() => Severity::Info,
            () if is_program => Severity::Warn,
            () => Severity::Critical,
        }
    }

    /// A child that was made to execute a program, and found none: its parent has an exception for that, and may have asked
    /// on purpose. <https://github.com/python/cpython/blob/v3.12.1/Modules/_posixsubprocess.c> (`do_fork_exec`)
    fn could_not_execute(&self) -> bool {
        let stack = self.process.ended_in.as_ref().and_then(|ended| ended.stack.as_ref());
        let makes = |frame: &Frame| {
            let function = frame.function.to_string();
            function.ends_with("_execute_child") || function.ends_with("spawnv_passfds")
        };
        let is_made = stack.and_then(|stack| stack.first()).is_some_and(makes);
        self.code == 255 && self.process.argv.is_none() && is_made
    }

    /// Whether its own parent asked it to end, and did not give it up.
    fn is_by_parent(&self, report: &Report) -> bool {
        self.signal.is_some_and(|signal| {
            let sender = signal.sender.as_ref().and_then(|sender| sender.pid);
            signal.number != SIGABRT && sender == Some(self.process.ppid) && is_traced(report, sender)
        })
    }

    /// ` running python3 crash.py`, of a program that was started.
    fn command(&self) -> String {
        const LONGEST: usize = 80;
        let Some(arguments) = &self.process.argv else { return String::new() };
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let line = arguments.join(" ");
        match line.char_indices().nth(LONGEST) {
            Some((end, _)) => format!(", running {}…", &line[..end]),
            None => format!(", running {line}"),
        }
    }

    /// How it came to that.
    fn why(&self) -> String {
        if let Some(signal) = self.signal {
            let after = duration(self.at_ns.saturating_sub(signal.at_ns));
            let came = interrupted(signal)
                .map_or_else(String::new, |frame| format!("; it arrived at {}", place(frame)));
            return format!(", {after} after {} {}{came}", signal.signal, sent_by(signal));
        }
        if self.could_not_execute() {
            return ": it could not execute its program".to_owned();
        }
        match (self.frame(), &self.process.ended_in) {
            (Some(frame), _) => format!(" at {}", place(frame)),
            (None, Some(_)) if self.code == 1 => ": an uncaught exception, or sys.exit(1)".to_owned(),
            (None, Some(_)) => format!(": its Python code had ended, as with sys.exit({})", self.code),
            (None, None) => String::new(),
        }
    }
}

fn exit_of(report: &Report, exits: &[EndedProcess]) -> RankedFinding {
    let (first, last) = (&exits[0], &exits[exits.len() - 1]);
    let names: Vec<_> = exits.iter().take(NAMED).map(|exit| process(report, exit.process.pid)).collect();
    let who = match exits.len() {
        1 => names[0].clone(),
        many if many > NAMED => format!("{many} processes ({} and others)", names.join(", ")),
        many => format!("{many} processes ({})", names.join(", ")),
    };
    // What its parent ends again and again was too slow for it, or hung: it did not crash.
    let (lead, severity) = match (is_loop(exits) && !first.could_not_execute(), first.is_by_parent(report)) {
        (true, false) => ("crash loop: ", Severity::Critical),
        (true, true) => ("", Severity::Warn),
        (false, _) => ("", first.severity(report)),
    };
    let started = first.started_at;
    let started = started.map_or_else(String::new, |frame| format!(", started at {}", place(frame)));
    let command =
        exits.iter().map(EndedProcess::command).find(|command| !command.is_empty()).unwrap_or_default();
    let about = [parents(report, exits), command, started].concat();
    let text = format!(
        "{lead}{who}{about}{} exited with {}{} ({})",
        if about.is_empty() { "" } else { "," },
        first.code,
        first.why(),
        when([first.at_ns, last.at_ns]),
    );
    RankedFinding::new(FindingKind::ProcessEnd, severity, first.process.pid, text)
        .leads_by(first.signal.map_or(first.at_ns, |signal| signal.at_ns))
        .at(first.frame().or_else(|| first.signal.and_then(interrupted)).or(first.started_at))
        .with("exit_code", u64::from(first.code))
        .with("at_ns", first.at_ns)
        .with("last_at_ns", last.at_ns)
        .with("count", exits.len() as u64)
        .with("signal", first.signal.map(|signal| crate::report::Name::from(signal.signal.as_str())))
}

/// Gives those that were there before the window the line that started all others like them.
fn with_starts<'a>(mut exits: Vec<EndedProcess<'a>>, programs: &Programs) -> Vec<EndedProcess<'a>> {
    for index in 0..exits.len() {
        if exits[index].process.at_ns.is_none() {
            let end = exits[index].end(programs);
            let alike = exits.iter().filter(|exit| exit.end(programs) == end);
            let mut starts = alike.filter_map(|exit| exit.started_at);
            let first = starts.next();
            exits[index].started_at = first.filter(|first| starts.all(|start| start == *first));
        }
    }
    exits
}

/// `, child of pid 7 (app)`, or of several that run one program `, children of 4 processes (sh)`
fn parents(report: &Report, exits: &[EndedProcess]) -> String {
    let first = exits[0].process;
    let Some(parent) = row(report, first.ppid).filter(|parent| parent.pid != first.pid) else {
        return String::new();
    };
    let pids: BTreeSet<_> = exits.iter().map(|exit| exit.process.ppid).collect();
    match (pids.len(), exits.len()) {
        (1, 1) => format!(", child of {}", process(report, parent.pid)),
        (1, _) => format!(", children of {}", process(report, parent.pid)),
        (several, _) => format!(", children of {several} processes ({})", parent.comm),
    }
}

/// Several of one parent, one begun after the end of another.
fn is_loop(exits: &[EndedProcess]) -> bool {
    let follows = |exit: &EndedProcess, before: &EndedProcess| {
        exit.process.ppid == before.process.ppid
            && exit.process.at_ns.is_some_and(|born| born >= before.at_ns)
    };
    let again = |exit: &EndedProcess| exits.iter().any(|before| follows(exit, before));
    exits.len() >= LOOP && exits.iter().filter(|exit| again(exit)).count() + 1 >= LOOP
}

/// Whether it is, or was, a Python: a short life may end before it is probed.
fn is_python(process: &TargetProcess) -> bool {
    let is_name = |name: &[u8]| {
        name.rsplit(|&byte| byte == b'/').next().is_some_and(|name| name.starts_with(b"python"))
    };
    let command = process.argv.as_ref().and_then(|arguments| arguments.first());
    process.python.is_some() || command.is_some_and(|command| is_name(command.as_bytes()))
}
