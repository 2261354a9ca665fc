//! The tracer as a library: `process` knows a process, `python` its interpreter, `attach` loads the probes, `decode` turns
//! their bytes into events, `timeline` names what they mention, `analysis` folds them into rows, `report` shows these; a
//! `session` is one run of it all.

pub mod analysis;
pub mod attach;
mod clock;
pub mod cpython;
pub mod decode;
pub mod diff;
pub mod dispositions;
pub mod doctor;
pub mod dump;
pub mod event;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod kernel;
pub mod launch;
pub mod limits;
pub mod process;
pub mod ps;
pub mod python;
pub mod recording;
pub mod redact;
pub mod report;
pub mod sections;
pub mod selection;
pub mod session;
pub mod symbols;
mod sys;
pub mod timeline;
pub mod units;
