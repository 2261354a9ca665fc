//! Where a new process waits between its fork and its exec.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::event::Pid;

/// Our end. Dropped, it makes the process end.
pub struct Gate(PipeWriter);

/// Becomes readable when the process has come to the gate.
pub struct Arrival(PipeReader);

impl Gate {
    /// Makes the process that a command will spawn wait.
    ///
    /// # Errors
    /// When descriptors run out.
    pub fn before_exec_of(command: &mut Command) -> io::Result<(Self, Arrival)> {
        let (arrival, arrived) = io::pipe()?;
        let (gate, opener) = io::pipe()?;
        let opener_copy = opener.as_raw_fd();
        let wait = move || wait(&arrived, &gate, opener_copy);
        // SAFETY: between fork and exec it makes system calls only: no allocation, no lock.
        unsafe { command.pre_exec(wait) };
        Ok((Self(opener), Arrival(arrival)))
    }

    /// Lets the process pass.
    ///
    /// # Errors
    /// When it has ended.
    pub fn open(mut self) -> io::Result<()> {
        self.0.write_all(&[1])
    }
}

impl Arrival {
    /// Waits for the process and gives its id, `None` if none could be made.
    pub fn pid(mut self) -> Option<Pid> {
        let mut pid = [0; 4];
        self.0.read_exact(&mut pid).ok()?;
        Some(Pid::from_ne_bytes(pid))
    }
}

/// In the new process: sends its id and waits.
fn wait(mut arrived: &PipeWriter, gate: &PipeReader, opener: RawFd) -> io::Result<()> {
    // SAFETY: this process's copy, which nothing here uses: as long as it is open, the pipe does not close.
    unsafe { rustix::io::close(opener) };
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    arrived.write_all(&pid.to_ne_bytes())?;
    loop {
        let mut fds = [PollFd::new(gate, PollFlags::IN)];
        match poll(&mut fds, None) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) if fds[0].revents().contains(PollFlags::IN) => return Ok(()),
            Ok(_closed) => return Err(Errno::CANCELED.into()),
        }
    }
}
