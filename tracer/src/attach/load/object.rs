//! The probes' object file, embedded, and its adaptation to the running kernel.

use tracer_common::control::RDONLY_CAST_PLACEHOLDER;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracer.bpf.o"));

/// `BPF_JMP | BPF_CALL` with no registers: a helper call.
const HELPER_CALL: [u8; 4] = [0x85, 0, 0, 0];
/// `BPF_PSEUDO_KFUNC_CALL` as the source register: the immediate is a BTF id.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/bpf.h#L1325>
const KERNEL_FUNCTION: u8 = 2 << 4;

/// The object file, with its calls of `bpf_rdonly_cast` made real where the kernel has it: aya has no kernel
/// functions, so that the probes call a helper number that does not exist.
#[must_use]
pub fn for_kernel(rdonly_cast: Option<u32>) -> Vec<u8> {
    let mut object = OBJECT.to_vec();
    if let Some(id) = rdonly_cast {
        patch_calls(&mut object, id);
    }
    object
}

/// Instructions are 8 bytes at multiples of 8 in the file. Returns how many were changed.
fn patch_calls(object: &mut [u8], id: u32) -> usize {
    let mut patched = 0;
    for instruction in object.chunks_exact_mut(8) {
        let (head, immediate) = instruction.split_at_mut(4);
        if head == HELPER_CALL && immediate == RDONLY_CAST_PLACEHOLDER.to_le_bytes() {
            head[1] = KERNEL_FUNCTION;
            immediate.copy_from_slice(&id.to_le_bytes());
            patched += 1;
        }
    }
    patched
}

#[cfg(test)]
mod tests {
    use object::{Object, ObjectSection};

    use super::*;

    #[test]
    fn every_placeholder_becomes_a_call_of_the_kernel_function() {
        let mut object = OBJECT.to_vec();
        assert!(patch_calls(&mut object, 4711) > 0);
        assert_eq!(patch_calls(&mut object, 4711), 0);
    }

    #[test]
    fn nothing_is_embedded_that_only_a_debugger_reads() {
        let object = object::File::parse(OBJECT).unwrap();
        let names: Vec<_> = object.sections().map(|section| section.name().unwrap().to_owned()).collect();
        assert!(names.iter().any(|name| name == ".BTF.ext"), "{names:?}");
        assert!(!names.iter().any(|name| name.contains("debug")), "{names:?}");
    }
}
