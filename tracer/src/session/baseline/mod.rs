//! The baseline: processes, threads and sleeps that were there before the window.

pub mod asleep;
pub mod left_out;
pub mod pthreads;
pub mod threads;
pub mod window;
