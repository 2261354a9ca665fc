//! How a thread state leads to its innermost frame.

use tracer_common::python::{Layout, flag, status};

use crate::direct::Memory;
use crate::user;

/// What the layout says of it, in so few bytes that a search can have them on the stack.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TopFrame {
    /// The pointer in a thread state.
    pointer: u16,
    /// 1 where that leads to a `_PyCFrame`.
    via_cframe: u16,
    /// The pointer in there.
    cframe_frame: u16,
}

impl TopFrame {
    #[inline(always)]
    pub fn of(layout: &Layout) -> Self {
        Self {
            pointer: layout.top_frame,
            via_cframe: u16::from(layout.flags & flag::VIA_CFRAME != 0),
            cframe_frame: layout.cframe_frame,
        }
    }

    /// Address of the innermost frame of a thread state, 0 when it has none.
    #[inline(always)]
    pub fn address(self, memory: Memory, state: u64) -> Result<u64, u32> {
        let top = user::word(memory, state + u64::from(self.pointer)).ok_or(status::FAULTED)?;
        if self.via_cframe == 0 || top == 0 {
            return Ok(top);
        }
        user::word(memory, top + u64::from(self.cframe_frame)).ok_or(status::FAULTED)
    }
}
