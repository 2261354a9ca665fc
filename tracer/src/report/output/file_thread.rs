//! The thread that holds the file of a report until there is one: it keeps the rights of the user who asked, when the
//! others have given theirs up.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use super::draft::Draft;
use super::error::OutputError;
use super::invoker::Invoker;

/// A thread that has a draft. Dropped before it has got a report, it leaves nothing behind.
#[derive(Debug)]
pub struct FileThread {
    path: PathBuf,
    reports: Option<Sender<Vec<u8>>>,
    thread: Option<JoinHandle<Result<(), OutputError>>>,
}

impl FileThread {
    /// Begins the file.
    pub fn begin(invoker: &Invoker, path: &Path) -> Result<Self, OutputError> {
        let cannot = |cause| OutputError::create(path, cause);
        let (sender, reports) = channel();
        let (opened, answer) = channel();
        let (invoker, own_path) = (*invoker, path.to_owned());
        let keep = move || match create(&invoker, &own_path) {
            Ok(draft) => {
                let _ = opened.send(Ok(())); // the caller waits for it
                write(draft, &reports)
            }
            Err(refused) => {
                let _ = opened.send(Err(refused));
                Ok(())
            }
        };
        let thread = Builder::new().name("report-file".into()).spawn(keep).map_err(cannot)?;
        answer.recv().unwrap_or_else(|_| Err(cannot(io::Error::other("its thread has ended"))))?;
        Ok(Self { path: path.into(), reports: Some(sender), thread: Some(thread) })
    }

    /// Has the report written, and named.
    pub fn finish(mut self, report: &[u8]) -> Result<(), OutputError> {
        if let Some(reports) = self.reports.take() {
            let _ = reports.send(report.to_vec()); // a thread that has ended reports why
        }
        self.end()
    }

    fn end(&mut self) -> Result<(), OutputError> {
        self.reports = None;
        let ended = |_| Err(OutputError::write(&self.path, io::Error::other("its thread has ended")));
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap_or_else(ended))
    }
}

impl Drop for FileThread {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn create(invoker: &Invoker, path: &Path) -> Result<Draft, OutputError> {
    invoker.become_here().map_err(|cause| OutputError::create(path, cause))?;
    Draft::create(invoker, path)
}

/// The draft goes if nobody has a report for it.
fn write(draft: Draft, reports: &Receiver<Vec<u8>>) -> Result<(), OutputError> {
    reports.recv().map_or(Ok(()), |report| draft.finish(&report))
}
