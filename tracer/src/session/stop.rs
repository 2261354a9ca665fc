//! What ends a run: the clock, a signal, the targets' end, a rule.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGINT;
use signal_hook::flag::{register, register_conditional_shutdown};
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::roots::Root;
use crate::sys::readable;

/// Exit code of a second Ctrl-C: 128 and the signal's number, as shells have it.
const QUIT: i32 = 130;

/// Signals that end the run with the report.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    impatient: Arc<AtomicBool>,
}

impl Signals {
    /// Watches from now on.
    ///
    /// # Errors
    /// When the system has no room for handlers.
    pub fn watch() -> io::Result<Self> {
        let impatient = Arc::new(AtomicBool::new(false));
        // In this order: the first Ctrl-C finds the flag as it was and raises it, at once and not when its turn comes.
        register_conditional_shutdown(SIGINT, QUIT, impatient.clone())?;
        register(SIGINT, impatient.clone())?;
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            impatient,
        })
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
}

/// The roots' pidfds.
pub struct Alive(Vec<AsyncFd<OwnedFd>>);

impl Alive {
    /// Watches these processes.
    ///
    /// # Errors
    /// When descriptors run out.
    pub fn watch(roots: &[Root]) -> io::Result<Self> {
        let pidfds = roots.iter().map(|root| {
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
