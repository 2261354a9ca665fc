//! Where time goes: samples on the CPU, and stacks, which have to be those of the program.

mod cpu;
mod hot;
mod jit;
mod parked;
mod rounds;
pub mod walk;
