//! A timer that wakes a task once, when it is due. Tokio's own timers are kept in slots of 64 ms: one that is farther away
//! wakes its task at the begin of its slot, too, which doubled the wakes of a reader that has nothing to do.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use super::readable;

/// A timer of the kernel: timerfd_create(2).
pub struct Alarm {
    timer: AsyncFd<OwnedFd>,
    due: Option<Instant>,
}

impl Alarm {
    /// Not set.
    ///
    /// # Errors
    /// When the system has no room for another descriptor.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = readable::timer(timerfd_create(TimerfdClockId::Monotonic, flags)?)?;
        Ok(Self { timer, due: None })
    }

    /// Returns when this time has come, or earlier if an earlier time had been waited for.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn until(&mut self, due: Instant) -> io::Result<()> {
        if self.due != Some(due) {
            // Zero would be never.
            let left = due.saturating_duration_since(Instant::now()).max(std::time::Duration::from_nanos(1));
            let it_value =
                Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
            timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &once)?;
            self.due = Some(due);
        }
        self.timer.readable_mut().await?.clear_ready();
        self.due = None; // a wait for the same time again is to be woken again
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn wakes_when_it_is_due_again_and_again() {
        let mut alarm = Alarm::new().unwrap();
        let begin = Instant::now();
        for due in [begin + Duration::from_millis(30), begin, begin + Duration::from_millis(70)] {
            while Instant::now() < due {
                alarm.until(due).await.unwrap();
            }
        }
        assert!(begin.elapsed() >= Duration::from_millis(70));
    }

    #[tokio::test]
    async fn wakes_again_for_what_was_due_before() {
        let mut alarm = Alarm::new().unwrap();
        let due = Instant::now();
        for _ in 0..3 {
            alarm.until(due).await.unwrap();
        }
    }

    #[tokio::test]
    async fn one_that_is_given_up_does_not_keep_the_next_from_waking() {
        let mut alarm = Alarm::new().unwrap();
        let due = Instant::now() + Duration::from_millis(20);
        tokio::select! {
            biased;
            () = std::future::ready(()) => {}
            _ = alarm.until(due + Duration::from_secs(3600)) => unreachable!("an hour has not passed"),
        }
        alarm.until(due).await.unwrap();
        assert!(Instant::now() >= due);
    }
}
