//! What is said of the files that a flight recorder saves.

use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tracer::recording::Saved;
use tracer::report::Name;
use tracer::report::output::OutputError;
use tracer::units::{bytes, counted};

use crate::notice;
use crate::status::Status;

/// How long the last file may take: a minute's writing, and a disk that does not answer is not waited for.
const LAST_FILE: Duration = Duration::from_secs(10);

/// Those that were saved, and those that were not.
pub struct SavedFiles {
    saves: Receiver<Saved>,
    written: u64,
    left_out: u64,
    /// There were as many files as there may be.
    are_enough: bool,
    /// It was said that the disk is too slow.
    is_slow: bool,
}

impl SavedFiles {
    /// None so far.
    pub fn new(saves: Receiver<Saved>) -> Self {
        Self { saves, written: 0, left_out: 0, are_enough: false, is_slow: false }
    }

    /// Says what has become of those that were due.
    pub fn say(&mut self, status: &Status) {
        while let Ok(saved) = self.saves.try_recv() {
            if let Err(error) = self.say_one(status, saved) {
                notice::say(error);
            }
        }
    }

    /// The same, once the recorder is gone, and how many there was no room for.
    ///
    /// # Errors
    /// When the last file cannot be written.
    pub fn say_rest(mut self, status: &Status) -> Result<(), OutputError> {
        let end = Instant::now() + LAST_FILE;
        while let Ok(saved) = self.saves.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.say_one(status, saved)?;
        }
        if self.left_out > 0 {
            let (files, saves) = (counted(self.written, "file"), counted(self.left_out, "save"));
            let why = if self.are_enough { ": --saves sets how many there may be" } else { "" };
            notice::say(format!("{files} saved, {saves} left out{why}"));
        }
        Ok(())
    }

    fn say_one(&mut self, status: &Status, saved: Saved) -> Result<(), OutputError> {
        match saved {
            Saved::File { why, path, bytes } => {
                self.written += 1;
                status.say(&saved_line(&why, &path, bytes));
            }
            Saved::Failed(error) => return Err(error),
            Saved::LeftOut { why, are_enough } => {
                self.left_out += 1;
                let was_said = if are_enough { &mut self.are_enough } else { &mut self.is_slow };
                if !std::mem::replace(was_said, true) {
                    notice::say(match are_enough {
                        true => format!("{why}: not saved, nor is what follows; try a larger --saves"),
                        false => {
                            format!("{why}: not saved: the one before is being written; try another disk")
                        }
                    });
                }
            }
        }
        Ok(())
    }
}

fn saved_line(why: &str, path: &Path, written: u64) -> String {
    let name = Name::new(path.as_os_str().as_encoded_bytes());
    format!("{why}: {} in {name}; try tracer report {name}", bytes(written))
}
