//! Removes probes aside: for each, the kernel waits until nobody can be in it any more.
//! <https://github.com/torvalds/linux/blob/v6.12/kernel/events/uprobes.c#L1286> (`uprobe_unregister_sync`)

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

/// Waits that go on at a time: they wait for the same moments, so that many take as long as one. With 8 at a time, 64
/// breakpoints took eight times as long, half a second on a busy machine.
const AT_A_TIME: usize = 128;

/// Probes that all removers have still to remove: for a process that is about to end.
static LEFT: AtomicUsize = AtomicUsize::new(0);
/// What a signal waits for them at most; the kernel takes a fiftieth of a second for one.
const PATIENCE: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(5);

/// Waits until none is being removed, but not for long. Does nothing that a signal's handler may not.
pub fn wait_for_removals() {
    let mut waited = Duration::ZERO;
    while LEFT.load(Ordering::Relaxed) > 0 && waited < PATIENCE {
        thread::sleep(LOOK);
        waited += LOOK;
    }
}

/// Whatever is removed by being dropped.
type HeldBreakpoint = Box<dyn Send>;

/// Threads that do so. Dropped, it waits for them: a thread that is ended while it is in there leaves the breakpoint in the
/// target's code ("failed to unregister, leaking uprobe").
pub struct Remover {
    queue: Option<Sender<HeldBreakpoint>>,
    waiting: Arc<Mutex<Receiver<HeldBreakpoint>>>,
    left: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Remover {
    pub fn new() -> Self {
        let (queue, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        Self { queue: Some(queue), waiting, left: Arc::default(), threads: Vec::new() }
    }

    pub fn remove(&mut self, held: impl Send + 'static) {
        LEFT.fetch_add(1, Ordering::Relaxed);
        let left = self.left.fetch_add(1, Ordering::Relaxed) + 1;
        if self.threads.len() < left.min(AT_A_TIME) {
            self.threads.extend(self.start());
        }
        // Where there is no thread to be had it is done here, and takes as long as it takes.
        match &self.queue {
            Some(queue) if !self.threads.is_empty() => drop(queue.send(Box::new(held))),
            _ => {
                drop(held);
                self.left.fetch_sub(1, Ordering::Relaxed);
                LEFT.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    fn start(&self) -> Option<JoinHandle<()>> {
        let (waiting, left) = (Arc::clone(&self.waiting), Arc::clone(&self.left));
        let next = move || waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let remove = move || {
            while let Ok(held) = next() {
                drop(held); // of a process that is gone, too: its breakpoints are, the rest is not
                left.fetch_sub(1, Ordering::Relaxed);
                LEFT.fetch_sub(1, Ordering::Relaxed);
            }
        };
        // The kernel's log names the thread, and so whose it was, should it complain.
        Builder::new().name(format!("tracer-{}", std::process::id())).spawn(remove).ok()
    }

    /// Probes that are still to be removed.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }
}

impl Drop for Remover {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // one that panicked has removed nothing more
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::time::Instant;

    struct Slow(Arc<AtomicUsize>, Duration);

    impl Drop for Slow {
        fn drop(&mut self) {
            std::thread::sleep(self.1);
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn nothing_is_left_when_it_is_dropped() {
        let removed = Arc::new(AtomicUsize::new(0));
        let mut remover = Remover::new();
        let still_left = AtomicBool::new(false);
        for _ in 0..50 {
            remover.remove(Slow(removed.clone(), Duration::from_millis(20)));
            still_left.fetch_or(remover.left() > 0, Ordering::Relaxed);
        }
        assert!(still_left.load(Ordering::Relaxed), "it is done aside");
        drop(remover);
        assert_eq!(removed.load(Ordering::Relaxed), 50);
    }

    /// One after the other they would take twenty seconds, and eight at a time more than two.
    #[test]
    fn a_hundred_take_as_long_as_one() {
        let removed = Arc::new(AtomicUsize::new(0));
        let mut remover = Remover::new();
        let began = Instant::now();
        (0..100).for_each(|_| remover.remove(Slow(removed.clone(), Duration::from_millis(200))));
        drop(remover);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}
