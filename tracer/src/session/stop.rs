//! What ends a run: the clock, a signal, the targets' end, a rule.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::register;
use signal_hook::low_level::{self, exit};
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::attach::wait_for_removals;
use crate::roots::Root;
use crate::sys::readable;

/// Exit code of a death by a signal, as shells have it.
const KILLED: i32 = 128;

/// Signals that end the run with the report.
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    /// The next Ctrl-C quits.
    impatient: Arc<AtomicBool>,
    /// Any of them does: there is no report yet, or it waits for nothing but its reader.
    at_once: Arc<AtomicBool>,
}

impl StopSignals {
    /// Watches from now on: while we attach each of them quits at once, since there is nothing to report.
    ///
    /// # Errors
    /// When the system has no room for handlers.
    pub fn watch() -> io::Result<Self> {
        let (impatient, at_once) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
        // In this order: the first Ctrl-C finds the flag as it was and raises it, at once and not when its turn comes.
        quit_at(SIGINT, &impatient)?;
        register(SIGINT, impatient.clone())?;
        quit_at(SIGTERM, &at_once)?;
        quit_at(SIGHUP, &at_once)?;
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            impatient,
            at_once,
        })
    }

    /// From now on the first of them ends the run with its report.
    pub fn window_begins(&self) {
        self.impatient.store(false, Ordering::Relaxed);
        self.at_once.store(false, Ordering::Relaxed);
    }

    /// Returns at the first of them. From then on a Ctrl-C quits at once.
    pub async fn first(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
        self.impatient.store(true, Ordering::Relaxed);
    }

    /// From now on each of them quits at once: a reader may never take the report.
    pub fn report_is_made(&self) {
        self.impatient.store(true, Ordering::Relaxed);
        self.at_once.store(true, Ordering::Relaxed);
    }
}

/// Ends the process at a signal once the flag is up, as soon as no probe is being removed.
fn quit_at(signal: i32, flag: &Arc<AtomicBool>) -> io::Result<()> {
    let flag = Arc::clone(flag);
    let quit = move || {
        if flag.load(Ordering::Relaxed) {
            wait_for_removals();
            exit(KILLED + signal);
        }
    };
    // SAFETY: a handler may read flags, sleep and end the process.
    unsafe { low_level::register(signal, quit) }.map(|_| ())
}

/// The roots' pidfds.
pub struct Alive(Vec<AsyncFd<OwnedFd>>);

impl Alive {
    /// Watches these processes.
    ///
    /// # Errors
    /// When descriptors run out.
    pub fn watch(roots: &[Root]) -> io::Result<Self> {
        let pidfds = roots.iter().filter(|root| root.asked).map(|root| {
            let pidfd = root.process.pidfd().try_clone_to_owned()?;
            readable::pidfd(pidfd)
        });
        pidfds.collect::<io::Result<_>>().map(Self)
    }

    /// Returns when the last of them has ended.
    pub async fn all_ended(&self) {
        for pidfd in &self.0 {
            // A pidfd is readable once its process has ended, and stays so.
            let _ = pidfd.readable().await;
        }
    }
}
