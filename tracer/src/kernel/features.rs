//! What the running kernel can do, as far as the probes differ by it.

use super::btf::{self, Btf};

/// Values for the probes' `.rodata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// Global variables by name: field offsets, and which branches to take.
    pub globals: Vec<(&'static str, u32)>,
    /// BTF id of the kernel function `bpf_rdonly_cast`, where there is one (6.2).
    pub rdonly_cast: Option<u32>,
}

impl Features {
    /// Reads them from the kernel's BTF.
    ///
    /// # Errors
    /// When a field that the probes need is not there.
    pub fn from_btf(btf: &Btf) -> Result<Self, btf::Error> {
        let mut globals = offsets(btf)?;
        let rdonly_cast = typed_files(btf);
        globals.push(("HAS_RDONLY_CAST", u32::from(rdonly_cast.is_some())));
        globals.push(("KIOCB_TYPE", btf.struct_id("kiocb").unwrap_or(0)));
        globals.push(("WORD_TYPE", btf.struct_id("timespec64").unwrap_or(0)));
        globals.push(("TASK_TYPE", btf.struct_id("task_struct").unwrap_or(0)));
        globals.push(("PREV_STATE_ARGUMENT", prev_state_argument(btf)));
        globals.extend(preempt_count(btf).into_iter().flatten());
        globals.extend(userlocks(btf)?);
        globals.extend(unix_names(btf).into_iter().flatten());
        Ok(Self { globals, rdonly_cast })
    }
}

macro_rules! table {
    ($($name:ident = $struct:ident . $path:literal;)*) => {
        &[$((stringify!($name), stringify!($struct), $path)),*]
    };
}

fn offsets(btf: &Btf) -> Result<Vec<(&'static str, u32)>, btf::Error> {
    let fields: &[(&'static str, &'static str, &'static str)] = tracer_common::kernel_fields!(table);
    fields.iter().map(|&(name, container, path)| Ok((name, btf.offset(container, path)?))).collect()
}

/// The cast is of use only while the first member of `struct kiocb` is a `struct file *`, and that of `struct timespec64`
/// a word.
fn typed_files(btf: &Btf) -> Option<u32> {
    btf.function_id("bpf_rdonly_cast").filter(|_| {
        matches!(btf.offset("kiocb", "ki_filp"), Ok(0)) && matches!(btf.offset("timespec64", "tv_sec"), Ok(0))
    })
}

/// Where each CPU counts the interrupts that it is in. It lies as far from the CPU's run queue as the variables lie
/// apart, and the run queue is found through whatever runs, given `CONFIG_FAIR_GROUP_SCHED`. From 6.2 to 6.14 it was
/// part of a struct. <https://github.com/torvalds/linux/blob/v6.12/arch/x86/include/asm/current.h#L15>
fn preempt_count(btf: &Btf) -> Option<[(&'static str, u32); 3]> {
    let in_struct = || Some(btf.per_cpu_offset("pcpu_hot")? + btf.offset("pcpu_hot", "preempt_count").ok()?);
    let at = btf.per_cpu_offset("__preempt_count").or_else(in_struct)?;
    Some([
        ("TASK_CFS_RQ", btf.offset("task_struct", "se.cfs_rq").ok()?),
        ("CFS_RQ_RQ", btf.offset("cfs_rq", "rq").ok()?),
        ("RQ_PREEMPT_COUNT", at.wrapping_sub(btf.per_cpu_offset("runqueues")?)),
    ])
}

/// A bit field, or a byte of its own.
fn userlocks(btf: &Btf) -> Result<[(&'static str, u32); 2], btf::Error> {
    let bits = btf.bit_offset("sock", "sk_userlocks")?;
    Ok([("SOCK_USERLOCKS", bits / 8), ("SOCK_USERLOCKS_BIT", bits % 8)])
}

/// Where Unix sockets have their names, unless they are a module.
fn unix_names(btf: &Btf) -> Option<[(&'static str, u32); 3]> {
    Some([
        ("UNIX_ADDRESS", btf.offset("unix_sock", "addr").ok()?),
        ("UNIX_PEER", btf.offset("unix_sock", "peer").ok()?),
        ("UNIX_NAME", btf.offset("unix_address", "name").ok()?),
    ])
}

/// `sched_switch(preempt, prev, next, prev_state)` has its last parameter since 5.18.
fn prev_state_argument(btf: &Btf) -> u32 {
    match btf.tracepoint_integers("sched_switch").as_deref() {
        Some([true, false, false, true]) => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernel_has_all_that_the_probes_need() {
        let btf = Btf::of_kernel().unwrap();
        let features = Features::from_btf(&btf).unwrap();
        assert!(features.globals.iter().any(|&(name, offset)| name == "TASK_TGID" && offset > 0));
    }
}
