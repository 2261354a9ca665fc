//! The unsafe calls into the kernel that no crate covers.

pub mod alarm;
pub mod aside;
pub mod batch;
pub mod clock;
pub mod closed;
pub mod filter;
pub mod heap;
pub mod in_flight;
pub mod inherited;
pub mod membarrier;
pub mod memory;
pub mod readable;
pub mod rights;
pub mod uprobes;
pub mod user;
pub mod vmlinux;
pub mod words;
