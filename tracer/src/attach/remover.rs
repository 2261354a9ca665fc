//! Removes uprobes aside: for each, the kernel waits until nobody can be in it any more, a tenth of a second or so.
//! <https://github.com/torvalds/linux/blob/v6.12/kernel/trace/trace_event_perf.c#L189>

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use aya::programs::uprobe::UProbeLink;

/// A thread that does so. It is not waited for: what is left when we end, the kernel removes.
pub struct Remover {
    links: Sender<UProbeLink>,
    left: Arc<AtomicUsize>,
}

impl Remover {
    pub fn new() -> Self {
        let (links, removed) = channel::<UProbeLink>();
        let left = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&left);
        thread::spawn(move || {
            for link in removed {
                drop(link); // of a process that is gone, too: its breakpoints are, the rest is not
                counter.fetch_sub(1, Ordering::Relaxed);
            }
        });
        Self { links, left }
    }

    pub fn remove(&self, link: UProbeLink) {
        self.left.fetch_add(1, Ordering::Relaxed);
        // The thread lives as long as we do; without it, the link is dropped here.
        let _ = self.links.send(link);
    }

    /// Probes that are still to be removed.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }
}
