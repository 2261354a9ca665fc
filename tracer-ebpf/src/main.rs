//! The probes: they filter, read and send; arithmetic and policy belong to user space.
//!
//! `task` alone reads `task_struct`, `python` alone reads interpreter memory, `file` alone reads `struct file`;
//! `emit` counts what became of each hit; `maps` gives the reason for each capacity.
#![no_std]
#![no_main]
// `asm!` for an atomic addition.
#![feature(asm_experimental_arch)]

mod config;
mod direct;
mod emit;
mod file;
mod gil;
mod kernel;
mod maps;
mod narrow;
mod number;
mod opens;
mod probes;
mod python;
mod registers;
mod scratch;
mod task;
mod thread;
mod turn;
mod user;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // The verifier refuses a program that could get here.
    loop {}
}

/// Helpers such as `bpf_probe_read_user` are for GPL-compatible programs.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
