//! The one place where bytes become wire structs.

use tracer_common::event::Header;
use tracer_common::task::Numbers;
use tracer_common::{collector, file, handler, process, python, signal, turn};

/// A type whose every bit pattern is a value.
///
/// # Safety
/// `repr(C)`, integers and arrays of them only, without padding.
unsafe trait Plain: Copy {}

// SAFETY: the wire types are so by their definition in `tracer_common`.
unsafe impl Plain for Header {}
// SAFETY: as above.
unsafe impl Plain for process::Fork {}
// SAFETY: as above.
unsafe impl Plain for process::Exec {}
// SAFETY: as above.
unsafe impl Plain for process::Exit {}
// SAFETY: as above.
unsafe impl Plain for process::Free {}
// SAFETY: as above.
unsafe impl Plain for process::Rename {}
// SAFETY: as above.
unsafe impl Plain for process::Reaped {}
// SAFETY: as above.
unsafe impl Plain for signal::Generate {}
// SAFETY: as above.
unsafe impl Plain for signal::Deliver {}
// SAFETY: as above.
unsafe impl Plain for handler::Start {}
// SAFETY: as above.
unsafe impl Plain for collector::Pause {}
// SAFETY: as above.
unsafe impl Plain for collector::Sampled {}
// SAFETY: as above.
unsafe impl Plain for handler::End {}
// SAFETY: as above.
unsafe impl Plain for turn::Turn {}
// SAFETY: as above.
unsafe impl Plain for turn::Piece {}
// SAFETY: as above.
unsafe impl Plain for python::Code {}
// SAFETY: as above.
unsafe impl Plain for python::Frame {}
// SAFETY: as above.
unsafe impl Plain for file::File {}
// SAFETY: as above.
unsafe impl Plain for Numbers {}
// SAFETY: as above.
unsafe impl Plain for StackHead {}

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

pub(super) fn generate(bytes: &[u8]) -> Option<signal::Generate> {
    whole(bytes)
}

pub(super) fn deliver(bytes: &[u8]) -> Option<signal::Deliver> {
    whole(bytes)
}

pub(super) fn handler_start(bytes: &[u8]) -> Option<handler::Start> {
    whole(bytes)
}

pub(super) fn handler_end(bytes: &[u8]) -> Option<handler::End> {
    whole(bytes)
}

pub(super) fn gc_pause(bytes: &[u8]) -> Option<collector::Pause> {
    whole(bytes)
}

pub(super) fn gc_sample(bytes: &[u8]) -> Option<collector::Sampled> {
    whole(bytes)
}

pub(super) fn loop_turn(bytes: &[u8]) -> Option<turn::Turn> {
    whole(bytes)
}

pub(super) fn loop_piece(bytes: &[u8]) -> Option<turn::Piece> {
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
