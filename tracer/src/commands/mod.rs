//! What the verbs do: each reads its options, asks the library, shows the answer.

pub mod doctor;
pub mod dump;
pub mod run;
pub mod signals;
pub mod trace;

use tracer::event::Pid;
use tracer::target::{self, Process};

/// A sentence for each id that is a thread's: it is taken as its process.
fn threads_among(pids: &[Pid]) -> impl Iterator<Item = String> {
    let opened = pids.iter().filter_map(|&pid| Some((pid, Process::open(pid).ok()?.pid)));
    let threads = opened.filter(|(asked, process)| asked != process);
    threads.map(|(asked, process)| format!("{asked} is a thread of PID {process}, which is taken instead"))
}

/// Of several processes one is gone: the others are looked at.
fn say_gone(error: &target::Error) {
    eprintln!("tracer: {error}");
}
