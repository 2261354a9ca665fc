//! Starts a command that waits, before it executes its program, until somebody is ready to watch it.
//!
//! The new process waits in `poll(2)` on a pipe: no system call that a report would count, no ptrace, and if we die the
//! pipe closes and it ends.

mod error;
mod gate;
mod search;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::thread::JoinHandle;

pub use error::Error;
use gate::Gate;

use crate::event::Pid;
use crate::limits;
use crate::report::Name;
pub use crate::sys::user::User;

/// A process that waits before it executes its program. Dropped, it ends without having done so.
pub struct Waiting {
    /// Its id.
    pub pid: Pid,
    command: Name,
    gate: Option<Gate>,
    /// Ends when the program has been executed, or could not be: only then does the system's answer come.
    spawning: Option<JoinHandle<io::Result<Child>>>,
}

impl Waiting {
    /// Starts it: the program and its arguments, where its standard output goes unless where ours does, and as which user it runs
    /// unless as we do.
    ///
    /// # Errors
    /// When there is no such program, or no process can be made.
    pub fn start(command: &[OsString], stdout: Option<OwnedFd>, user: Option<User>) -> Result<Self, Error> {
        let (program, arguments) = command.split_first().ok_or(Error::Empty)?;
        let name = Name::new(program.as_encoded_bytes());
        let cannot = |cause| Error::new(&name, cause);
        search::check(program).map_err(cannot)?;

        let mut command = Command::new(program);
        command.args(arguments);
        if let Some(stdout) = stdout {
            command.stdout(stdout);
        }
        // SAFETY: between fork and exec it makes system calls only: no allocation, no lock.
        unsafe { command.pre_exec(limits::restore) };
        if let Some(user) = user {
            run_as(&mut command, user);
        }
        let (gate, arrival) = Gate::before_exec_of(&mut command).map_err(cannot)?;
        // Spawning returns only after the exec, so that it must not keep us.
        let spawn = std::thread::Builder::new().spawn(move || command.spawn()).map_err(cannot)?;
        let mut spawning = Some(spawn);
        match arrival.pid() {
            Some(pid) => Ok(Self { pid, command: name, gate: Some(gate), spawning }),
            None => {
                let failed = join(&mut spawning).err();
                Err(cannot(failed.unwrap_or_else(|| io::ErrorKind::Interrupted.into())))
            }
        }
    }

    /// Lets it execute its program, and returns when the system has taken or refused that.
    ///
    /// # Errors
    /// When the program cannot be executed.
    pub fn release(mut self) -> Result<Child, Error> {
        let opened = self.gate.take().map_or(Ok(()), Gate::open);
        opened.and_then(|()| join(&mut self.spawning)).map_err(|cause| Error::new(&self.command, cause))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.gate = None; // closes the pipe
        let _ = join(&mut self.spawning);
    }
}

/// With the user's rights, and an environment that says so: of sudo it knows nothing.
fn run_as(command: &mut Command, user: User) {
    for variable in ["SUDO_UID", "SUDO_GID", "SUDO_USER", "SUDO_COMMAND", "SUDO_HOME"] {
        command.env_remove(variable);
    }
    if let Some((name, home)) = &user.entry {
        command.env("USER", name).env("LOGNAME", name).env("HOME", home);
    }
    let groups = user.group_ids();
    // SAFETY: between fork and exec it makes system calls only: no allocation, no lock.
    unsafe { command.pre_exec(move || user.become_here(&groups)) };
}

fn join(spawning: &mut Option<JoinHandle<io::Result<Child>>>) -> io::Result<Child> {
    let over = || io::Error::from(io::ErrorKind::Interrupted);
    spawning.take().ok_or_else(over)?.join().map_err(|_| over())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(command: &[&str]) -> Result<Waiting, Error> {
        Waiting::start(&command.iter().map(OsString::from).collect::<Vec<_>>(), None, None)
    }

    fn comm(pid: Pid) -> Option<String> {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()
    }

    #[test]
    fn nothing_is_executed_before_it_is_released() {
        let waiting = start(&["sleep", "1000"]).expect("sleep(1)");
        let pid = waiting.pid;
        assert_ne!(comm(pid).as_deref(), Some("sleep\n"));
        let mut child = waiting.release().expect("sleep(1)");
        assert_eq!((child.id(), comm(pid).as_deref()), (pid, Some("sleep\n")));
        child.kill().expect("our child");
        child.wait().expect("our child");
    }

    #[test]
    fn who_is_not_released_ends_without_a_trace() {
        let waiting = start(&["touch", "/nonexistent/file"]).expect("touch(1)");
        let pid = waiting.pid;
        drop(waiting);
        assert_eq!(comm(pid), None);
    }

    #[test]
    fn what_cannot_be_executed_is_said_in_one_line() {
        let directory = std::env::temp_dir();
        for (command, expected) in [
            ("no-such-command", "cannot run no-such-command: no such command; try its path, or another PATH"),
            ("/etc/passwd", "cannot run /etc/passwd: it is not executable; try chmod +x, or its interpreter"),
            (directory.to_str().expect("a name"), "it is not executable"),
        ] {
            let error = start(&[command]).err().expect(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn an_exec_that_fails_late_is_said_too() {
        let script = std::env::temp_dir().join(format!("tracer-launch-{}", std::process::id()));
        // Another process writes it: one that another test forks would hold our descriptor until its exec, and nobody can
        // execute what somebody has open for writing.
        let write = "printf '#!/no/such/interpreter\\n' > \"$0\" && chmod 755 \"$0\"";
        let wrote = Command::new("sh").args(["-c", write]).arg(&script).status().expect("sh(1)");
        assert!(wrote.success());
        let waiting = start(&[script.to_str().expect("a name")]).expect("it is executable");
        let error = waiting.release().expect_err("no interpreter").to_string();
        std::fs::remove_file(&script).expect("our own file");
        assert!(error.starts_with("cannot run ") && error.contains("no such"), "{error}");
    }
}
