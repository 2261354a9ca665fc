//! The command line: what each command does, how a run ends, what is said of mistakes.

mod crowds;
mod doctor;
mod dump;
mod end;
mod errors;
mod evil_names;
mod exports;
mod hints;
mod library;
mod output;
mod page;
mod run;
mod selection;
