//! What a call of an object runs, read from outside.

use std::io;

use super::model::Handler;
use crate::cpython::code::{CodeObject, Pointers};
use crate::cpython::memory::Memory;
use crate::event::Bytes;
use crate::python::Interpreter;
use crate::python::signals::Handlers;
use crate::redact;
use crate::report::{Frame, Name};

/// Bytes from `ob_type` of an object to what follows its head: `partialobject.fn`, `PyCFunctionObject.m_ml`, whose first
/// member is its name. <https://github.com/python/cpython/blob/v3.12.0/Modules/_functoolsmodule.c>,
/// <https://github.com/python/cpython/blob/v3.12.0/Include/cpython/methodobject.h>
const FIRST_MEMBER: u64 = 8;
/// Likewise to `tp_name` of a type, after its size.
/// <https://github.com/python/cpython/blob/v3.12.0/Include/cpython/object.h>
const TYPE_NAME: u64 = 16;
/// Partials of partials that are unwrapped.
const WRAPPERS: u32 = 4;
/// Longest name in C.
const NAME_BYTES: usize = 128;

/// What CPython calls for an entry of its table of handlers.
pub fn handler(memory: &dyn Memory, interpreter: &Interpreter, handlers: &Handlers, object: u64) -> Handler {
    let head = u64::from(handlers.place.object_type);
    let type_name = |object| type_name(memory, head, object);
    let mut found = Handler { kind: type_name(object).ok().map(Name::from), ..Handler::default() };
    let (mut object, mut wrappers) = (object, 0);
    while wrappers < WRAPPERS && type_name(object).is_ok_and(|name| *name == *b"functools.partial") {
        let Ok(inner) = memory.u64(object.wrapping_add(head + FIRST_MEMBER)) else { break };
        (object, wrappers) = (inner, wrappers + 1);
    }
    found.frame = function(memory, handlers, object).and_then(|code| frame(memory, interpreter, code)).ok();
    if type_name(object).is_ok_and(|name| *name == *b"builtin_function_or_method") {
        found.name = builtin_name(memory, head, object).ok().map(Name::from);
    }
    found
}

/// The code object of a function or a bound method.
fn function(memory: &dyn Memory, handlers: &Handlers, object: u64) -> io::Result<u64> {
    let place = &handlers.place;
    let kind = memory.u64(object.wrapping_add(place.object_type.into()))?;
    let function = if kind == place.method_type {
        memory.u64(object.wrapping_add(place.method_function.into()))?
    } else {
        object
    };
    if memory.u64(function.wrapping_add(place.object_type.into()))? != place.function_type {
        return Err(io::ErrorKind::InvalidData.into());
    }
    memory.u64(function.wrapping_add(place.function_code.into()))
}

/// The function as a whole, at its first line.
fn frame(memory: &dyn Memory, interpreter: &Interpreter, code: u64) -> io::Result<Frame> {
    let layout = &interpreter.layout;
    let identity = Pointers::read(memory, &layout.wire(), code)?.identity();
    let object = CodeObject::read(code, identity, layout, memory)?;
    Ok(Frame {
        function: Name::from(object.function),
        file: Name::from(redact::source(object.file)),
        line: u32::try_from(object.first_line).ok(),
    })
}

fn builtin_name(memory: &dyn Memory, head: u64, object: u64) -> io::Result<Bytes> {
    let method = memory.u64(object.wrapping_add(head + FIRST_MEMBER))?;
    string(memory, memory.u64(method)?)
}

fn type_name(memory: &dyn Memory, head: u64, object: u64) -> io::Result<Bytes> {
    let kind = memory.u64(object.wrapping_add(head))?;
    string(memory, memory.u64(kind.wrapping_add(head + TYPE_NAME))?)
}

/// A string of C, up to its NUL. It may lie at the end of what is mapped, so that it is read in small pieces.
fn string(memory: &dyn Memory, address: u64) -> io::Result<Bytes> {
    let mut found = Vec::new();
    while found.len() < NAME_BYTES {
        let piece = memory.u64(address.wrapping_add(found.len() as u64))?.to_le_bytes();
        let end = piece.iter().position(|&byte| byte == 0);
        found.extend_from_slice(&piece[..end.unwrap_or(piece.len())]);
        if end.is_some() {
            return Ok(found.into());
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}
