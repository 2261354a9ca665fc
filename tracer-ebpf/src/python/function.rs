//! Functions and bound methods: which code a call of them runs.

use tracer_common::counters::Probe;
use tracer_common::handler::HandlerAddresses;
use tracer_common::python::Frame;
use tracer_common::target::Target;

use super::identity;
use crate::scratch;
use crate::user;

/// What a call of this object runs first: a Python function as a whole. `None` where C is called.
#[inline(always)]
pub fn called(probe: Probe, target: &Target, place: &HandlerAddresses, object: u64) -> Option<Frame> {
    let function = function_of(place, object)?;
    let code = user::read(function + u64::from(place.function_code))?;
    let scratch = scratch::of_probe(probe)?;
    scratch.walk_in(target);
    // No instruction: it has not begun.
    Some(Frame { code, instruction: -1, identity: identity(scratch, code) })
}

/// The type of any object.
#[inline(always)]
pub fn type_of(place: &HandlerAddresses, object: u64) -> Option<u64> {
    user::read(object + u64::from(place.object_type))
}

#[inline(always)]
fn function_of(place: &HandlerAddresses, object: u64) -> Option<u64> {
    let kind = type_of(place, object)?;
    if kind == place.function_type {
        return Some(object);
    }
    if kind != place.method_type {
        return None;
    }
    let function = user::read(object + u64::from(place.method_function))?;
    (type_of(place, function)? == place.function_type).then_some(function)
}
