//! The tasks of the tracer's pid namespace, by both their numbers. Read by the tracer itself, where it is not in the
//! initial namespace.

use core::ffi::c_void;

use aya_ebpf::bindings::seq_file;
use aya_ebpf::helpers::generated::bpf_seq_write;
use tracer_common::task::Numbers;

use crate::kernel::Typed;
use crate::narrow::count;
use crate::number::Namespace;
use crate::task::Task;

/// `struct bpf_iter__task`: <https://github.com/torvalds/linux/blob/v6.12/kernel/bpf/task_iter.c>
#[repr(C)]
pub struct Context {
    /// `struct bpf_iter_meta`, which begins with the file that is being read.
    meta: *const *mut seq_file,
    /// `struct task_struct`, null after the last.
    task: Typed,
}

/// One task of the reader's pid namespace.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
pub extern "C" fn tasks(context: *const Context) -> i32 {
    // SAFETY: the kernel's context of an iterator over tasks; the verifier knows its types.
    let (meta, task) = unsafe { ((*context).meta, (*context).task) };
    if task.is_null() {
        return 0;
    }
    let reader = Namespace::new(Task::current().typed());
    let numbers = Numbers {
        // SAFETY: not null.
        tid: unsafe { Task::new(task) }.tid(),
        shown: reader.number_of(task),
        level: reader.level,
        pad: 0,
        namespace: reader.address,
    };
    // SAFETY: the file is that of the context, and the bytes are `numbers`'.
    unsafe {
        let file = meta.read_volatile();
        bpf_seq_write(file, (&raw const numbers).cast::<c_void>(), count(size_of::<Numbers>()));
    }
    0
}
