//! Reads what belongs to a target on a thread that can be left behind.
//!
//! A target's memory need not answer: by userfaultfd(2) the target itself decides when, and what a file is mapped to may
//! lie on a server that is gone. A thread that reads it then waits in the kernel, which no signal ends, until that is over or
//! its process ends. So none of it is read by a thread that is needed again.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::rights;

/// Memory that has not answered for so long is not asked again: a command is to end within a second of being asked to end.
const SILENCE: Duration = Duration::from_millis(400);
/// Longest that all of a piece of work may take, however often it goes on, for who has a session to run.
pub const BRIEFLY: Duration = Duration::from_millis(600);
/// The same for who has nothing else to do.
pub const PATIENTLY: Duration = Duration::from_secs(2);
/// Threads that are left behind at most. From then on nobody's memory is read.
const ABANDONED: usize = 16;
/// Ours, from the deepest: an ELF file is read.
const STACK_BYTES: usize = 1 << 20;

type AsideWork = Box<dyn FnOnce() + Send>;

/// A thread that reads.
struct AsideThread {
    work: Sender<AsideWork>,
    /// Moves while it gets answers.
    beat: Arc<AtomicU64>,
}

/// What all who read share.
struct AsideState {
    /// The reader, unless somebody uses it.
    idle: Option<AsideThread>,
    /// Processes that have not answered, by the thread that was asked for their memory.
    silent: Vec<u32>,
}

static STATE: Mutex<AsideState> = Mutex::new(AsideState { idle: None, silent: Vec::new() });

thread_local! {
    /// Its beat, on a thread that reads.
    static BEAT: RefCell<Option<Arc<AtomicU64>>> = const { RefCell::new(None) };
}

/// Does what reads of the process of this thread, aside. On a thread that is aside already it is simply done.
///
/// # Errors
/// `TimedOut` if no answer has come for a while, now or before, or if there was no end in the time that it is given.
pub fn aside<T: Send + 'static>(
    tid: u32,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    if is_aside() {
        return Ok(work());
    }
    let Some(reader) = reader(tid)? else { return Ok(work()) };
    let (result, answer) = sync_channel(1);
    let sent = reader.work.send(Box::new(move || _ = result.send(work())));
    sent.map_err(|_| io::Error::other("the thread that reads has ended"))?;
    let began = Instant::now();
    let mut beat = reader.beat.load(Ordering::Relaxed);
    loop {
        match answer.recv_timeout(SILENCE.min(limit.saturating_sub(began.elapsed()))) {
            Ok(result) => {
                state().idle = Some(reader);
                return Ok(result);
            }
            Err(RecvTimeoutError::Timeout) => {
                let before = std::mem::replace(&mut beat, reader.beat.load(Ordering::Relaxed));
                if beat == before || began.elapsed() >= limit {
                    state().silent.push(tid);
                    return Err(no_answer());
                }
            }
            Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("reading has failed")),
        }
    }
}

/// Whether this thread may be left behind.
pub fn is_aside() -> bool {
    BEAT.with_borrow(Option::is_some)
}

/// Says, on a thread that is aside, that it goes on.
pub fn beat() {
    BEAT.with_borrow(|beat| {
        if let Some(beat) = beat {
            beat.fetch_add(1, Ordering::Relaxed);
        }
    });
}

/// The processes that have not answered, by the thread that was asked for their memory.
#[must_use]
pub fn silent() -> Vec<u32> {
    state().silent.clone()
}

/// The idle reader, or another; `None` where the system has no room for a thread: then there is but this one.
fn reader(tid: u32) -> io::Result<Option<AsideThread>> {
    let mut state = state();
    if state.silent.len() >= ABANDONED || state.silent.contains(&tid) {
        return Err(no_answer());
    }
    Ok(state.idle.take().or_else(|| start().ok()))
}

fn start() -> io::Result<AsideThread> {
    let (work, pieces) = channel::<AsideWork>();
    let beat = Arc::new(AtomicU64::new(0));
    let ours = Arc::clone(&beat);
    let read = move || {
        rights::settle_for_reading();
        BEAT.set(Some(ours));
        pieces.into_iter().for_each(|work| work());
    };
    thread::Builder::new().name("target".into()).stack_size(STACK_BYTES).spawn(read)?;
    Ok(AsideThread { work, beat })
}

fn no_answer() -> io::Error {
    let text = format!("it has not answered for {} ms", SILENCE.as_millis());
    io::Error::new(io::ErrorKind::TimedOut, text)
}

fn state() -> MutexGuard<'static, AsideState> {
    // Nobody panics while holding it.
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_left_behind_and_not_asked_again() {
        // No thread has such ids.
        let (silent, talks) = (u32::MAX, u32::MAX - 1);
        let began = Instant::now();
        let error = aside(silent, PATIENTLY, || thread::sleep(Duration::from_secs(3600)));
        assert_eq!(error.expect_err("it sleeps").kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= SILENCE);
        let began = Instant::now();
        assert!(aside(silent, PATIENTLY, || ()).is_err());
        assert!(began.elapsed() < SILENCE, "nobody waits twice");
        assert!(super::silent().contains(&silent));

        let slow = move || {
            (0..3).for_each(|_| {
                thread::sleep(SILENCE / 2);
                beat();
            });
            aside(silent, BRIEFLY, || 7).expect("it is aside already")
        };
        assert_eq!(aside(talks, PATIENTLY, slow).expect("it goes on"), 7);
        let endless = || loop {
            thread::sleep(Duration::from_millis(10));
            beat();
        };
        let began = Instant::now();
        assert!(aside::<()>(u32::MAX - 2, BRIEFLY, endless).is_err(), "it goes on for ever");
        assert!(began.elapsed() >= BRIEFLY);
    }
}
