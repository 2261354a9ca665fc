//! The one place where bytes become wire structs.

use tracer_common::event::Header;
use tracer_common::task::Numbers;
use tracer_common::{file, gc, handler, process, python, signal, switch, turn};

/// A type whose every bit pattern is a value.
///
/// # Safety
/// `repr(C)`, integers and arrays of them only, without padding.
unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($wire:ty),+ $(,)?) => {$(
        // SAFETY: the wire types are `repr(C)`, of integers and arrays of them, and without padding by their definition in
        // `tracer_common`; `StackHead` below is, too.
        unsafe impl Plain for $wire {}
    )+};
}

plain!(
    Header,
    process::Fork,
    process::Exec,
    process::Exit,
    process::Free,
    process::Rename,
    process::Reaped,
    switch::Counted,
    signal::Generate,
    signal::Deliver,
    handler::Start,
    gc::Pause,
    gc::Sampled,
    handler::HandlerEnd,
    turn::Turn,
    turn::Piece,
    turn::Turned,
    python::Code,
    python::Frame,
    file::File,
    Numbers,
    StackHead,
);

/// What precedes the frames of a [`python::Stack`].
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct StackHead {
    pub header: Header,
    pub id: u64,
    pub space: u64,
    pub status: u32,
    pub depth: u32,
}

const _: () = assert!(size_of::<StackHead>() == python::Stack::FIXED);

/// The value at the start of the bytes, which must hold it whole.
fn whole<T: Plain>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: there are enough bytes, any of them make a `T`, and an unaligned read is one.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// The value whose last bytes were not sent: they are 0. At least `fixed` bytes must be there.
fn cut<T: Plain>(bytes: &[u8], fixed: usize) -> Option<Box<T>> {
    if bytes.len() < fixed {
        return None;
    }
    let length = bytes.len().min(size_of::<T>());
    let mut value = Box::<T>::new_uninit();
    // SAFETY: `length` bytes are readable in `bytes` and writable in the box; what follows is set to 0, so that all of
    // the value is written, and any bytes make a `T`.
    unsafe {
        let start = value.as_mut_ptr().cast::<u8>();
        start.write_bytes(0, size_of::<T>());
        start.copy_from_nonoverlapping(bytes.as_ptr(), length);
        Some(value.assume_init())
    }
}

pub(super) fn header(bytes: &[u8]) -> Option<Header> {
    whole(bytes)
}

/// As many as there are.
pub(super) fn tasks(bytes: &[u8]) -> Vec<Numbers> {
    bytes.chunks_exact(size_of::<Numbers>()).filter_map(whole).collect()
}

pub(super) fn fork(bytes: &[u8]) -> Option<process::Fork> {
    whole(bytes)
}

pub(super) fn exec(bytes: &[u8]) -> Option<process::Exec> {
    whole(bytes)
}

pub(super) fn exit(bytes: &[u8]) -> Option<process::Exit> {
    whole(bytes)
}

pub(super) fn free(bytes: &[u8]) -> Option<process::Free> {
    whole(bytes)
}

pub(super) fn rename(bytes: &[u8]) -> Option<process::Rename> {
    whole(bytes)
}

pub(super) fn reaped(bytes: &[u8]) -> Option<process::Reaped> {
    whole(bytes)
}

pub(super) fn counted(bytes: &[u8]) -> Option<switch::Counted> {
    whole(bytes)
}

pub(super) fn generate(bytes: &[u8]) -> Option<signal::Generate> {
    whole(bytes)
}

pub(super) fn deliver(bytes: &[u8]) -> Option<signal::Deliver> {
    whole(bytes)
}

pub(super) fn handler_start(bytes: &[u8]) -> Option<handler::Start> {
    whole(bytes)
}

pub(super) fn handler_end(bytes: &[u8]) -> Option<handler::HandlerEnd> {
    whole(bytes)
}

pub(super) fn gc_pause(bytes: &[u8]) -> Option<gc::Pause> {
    whole(bytes)
}

pub(super) fn gc_sample(bytes: &[u8]) -> Option<gc::Sampled> {
    whole(bytes)
}

pub(super) fn loop_turn(bytes: &[u8]) -> Option<turn::Turn> {
    whole(bytes)
}

pub(super) fn loop_piece(bytes: &[u8]) -> Option<turn::Piece> {
    whole(bytes)
}

pub(super) fn loop_end(bytes: &[u8]) -> Option<turn::Turned> {
    whole(bytes)
}

pub(super) fn code(bytes: &[u8]) -> Option<Box<python::Code>> {
    cut(bytes, python::Code::FIXED)
}

pub(super) fn file(bytes: &[u8]) -> Option<Box<file::File>> {
    cut(bytes, file::File::FIXED)
}

pub(super) fn stack(bytes: &[u8]) -> Option<(StackHead, Vec<python::Frame>)> {
    let head: StackHead = whole(bytes)?;
    let frames = bytes.get(python::Stack::FIXED..)?.chunks_exact(size_of::<python::Frame>());
    let frames: Vec<_> = frames.take(head.depth as usize).filter_map(whole).collect();
    (frames.len() == head.depth as usize).then_some((head, frames))
}
