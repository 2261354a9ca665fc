//! Machine code of interpreters: what a function begins with, what it loads, where it returns.

use iced_x86::{Code, Instruction, Mnemonic, OpKind, Register};

use crate::process::elf::Elf;
use crate::process::machine_code::decode;

/// Registers without arguments, nor the number of vector registers, that a function may use before it has read those.
/// <https://gitlab.com/x86-psABIs/x86-64-ABI> (3.2.3, parameter passing)
const FREE: [Register; 4] = [Register::RSP, Register::RBP, Register::R10, Register::R11];

/// Where the instruction after an `endbr64` is, with which some builds begin every function.
pub fn past_mark(code: &[u8]) -> u64 {
    let first = decode(code, 0).next().filter(|first| first.mnemonic() == Mnemonic::Endbr64);
    first.map_or(0, |mark| mark.next_ip())
}

/// Where an exported function begins in its file, past such a mark: the kernel would have to single-step that.
pub fn offset_past_mark(elf: &Elf, function: &str) -> Option<u64> {
    let start = elf.exported(function)?.address;
    let past = past_mark(&elf.bytes::<4>(start)?);
    elf.file_offset(start.wrapping_add(past))
}

/// Whether the kernel emulates an instruction: a probe on any other costs ten times as much, for it is copied and
/// single-stepped.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/kernel/uprobes.c> (`branch_setup_xol_ops`,
/// `push_setup_xol_ops`)
pub fn is_emulated(code: &[u8]) -> bool {
    decode(code, 0).next().is_some_and(|first| match first.mnemonic() {
        Mnemonic::Push => first.op0_kind() == OpKind::Register && first.len() <= 2,
        Mnemonic::Nop => first.op_count() == 0,
        Mnemonic::Call | Mnemonic::Jmp => first.op0_kind() == OpKind::NearBranch64,
        _ => false,
    })
}

/// Where a function jumps if `al` is 0, if all instructions before leave the registers of arguments as they are.
pub fn jump_over_vectors(code: &[u8]) -> Option<u64> {
    let mut instructions = decode(code, 0).skip_while(keeps_arguments);
    instructions.next().filter(|jump| jump.code() == Code::Je_rel8_64).map(|jump| jump.ip())
}

fn keeps_arguments(instruction: &Instruction) -> bool {
    match instruction.mnemonic() {
        Mnemonic::Endbr64 | Mnemonic::Nop | Mnemonic::Push | Mnemonic::Test => true,
        Mnemonic::Mov | Mnemonic::Lea | Mnemonic::Add | Mnemonic::Sub | Mnemonic::And => {
            instruction.op0_kind() == OpKind::Memory || FREE.contains(&instruction.op0_register())
        }
        _ => false,
    }
}

/// The variable that a function returns, if it is one load and lies at this address: `mov OFFSET(%rip),%rax; ret`.
pub fn loaded_variable(code: &[u8], address: u64) -> Option<u64> {
    let load = only_load(code, address)?;
    load.is_ip_rel_memory_operand().then(|| load.ip_rel_memory_address())
}

/// The thread-local variable that a function returns, as its distance from the FS base: `mov %fs:OFFSET,%rax; ret`.
pub fn loaded_thread_local(code: &[u8]) -> Option<i64> {
    let load = only_load(code, 0)?;
    let is_absolute = (load.memory_base(), load.memory_index()) == (Register::None, Register::None);
    (load.segment_prefix() == Register::FS && is_absolute).then(|| load.memory_displacement64().cast_signed())
}

/// The variable of 32 bits that a function at this address loads first.
pub fn first_int_load(code: &[u8], address: u64) -> Option<u64> {
    let is_int = |load: &Instruction| load.code() == Code::Mov_r32_rm32 && load.is_ip_rel_memory_operand();
    decode(code, address).find(is_int).map(|load| load.ip_rel_memory_address())
}

/// The load of a function that is nothing else.
fn only_load(code: &[u8], address: u64) -> Option<Instruction> {
    let mut body = decode(code, address).skip_while(|first| first.mnemonic() == Mnemonic::Endbr64);
    let (load, end) = (body.next()?, body.next()?);
    let loads = load.mnemonic() == Mnemonic::Mov
        && load.op0_register() == Register::RAX
        && load.op1_kind() == OpKind::Memory;
    (loads && end.mnemonic() == Mnemonic::Ret).then_some(load)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];

    #[test]
    fn knows_what_the_kernel_emulates() {
        for (name, bytes, expected) in [
            ("push %rbp", &[0x55, 0x48, 0x89, 0xe5][..], true),
            ("push %r15", &[0x41, 0x57], true),
            ("nop", &[0x90], true),
            ("jmp", &[0xe9, 1, 2, 3, 4], true),
            ("jmp *%rax", &[0xff, 0xe0], false),
            ("push $1", &[0x6a, 1], false),
            ("endbr64", &MARK, false),
            ("mov", &[0x48, 0x89, 0xe5], false),
            ("pop %r15", &[0x41, 0x5f], false),
            ("cut", &[0xe9, 1], false),
        ] {
            assert_eq!(is_emulated(bytes), expected, "{name}");
        }
        assert_eq!((past_mark(&MARK), past_mark(&[0x55])), (4, 0));
    }

    #[test]
    fn the_jump_is_found_behind_what_leaves_the_arguments_alone() {
        let saved = [0x48, 0x89, 0x74, 0x24, 0x28, 0x4c, 0x89, 0x85, 0x70, 0xff, 0xff, 0xff];
        let jump_over = [0x84, 0xc0, 0x74, 0x37];
        for (name, code, expected) in [
            ("at once", jump_over.to_vec(), Some(2)),
            ("behind a mark", [&MARK[..], &jump_over].concat(), Some(6)),
            (
                "in a frame by %rsp",
                [&[0x48, 0x81, 0xec, 0xd8, 0, 0, 0][..], &saved, &jump_over].concat(),
                Some(21),
            ),
            (
                "in a frame by %rbp",
                [&[0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x50][..], &saved, &jump_over].concat(),
                Some(22),
            ),
            (
                "what looks like one is part of another",
                [&[0x48, 0x89, 0xb5, 0x74, 0x37, 0xff, 0xff][..], &jump_over].concat(),
                Some(9),
            ),
            ("lea to %rax", [&[0x48, 0x8d, 0x44, 0x24, 0x20][..], &jump_over].concat(), None),
            ("lea to %r10", [&[0x4c, 0x8d, 0x54, 0x24, 0x08][..], &jump_over].concat(), Some(7)),
            ("mov of an argument", [&[0x48, 0x89, 0xf0][..], &jump_over].concat(), None),
            ("xor of an argument", [&[0x31, 0xff][..], &jump_over].concat(), None),
            ("call", [&[0xe8, 0, 0, 0, 0][..], &jump_over].concat(), None),
            ("another jump", vec![0x84, 0xc0, 0x75, 0x37], None),
            ("cut", saved.to_vec(), None),
        ] {
            assert_eq!(jump_over_vectors(&code), expected, "{name}");
        }
    }

    #[test]
    fn an_accessor_gives_its_variable() {
        let load = [0x48, 0x8b, 0x05, 0x81, 0xf6, 0x3a, 0x00, 0xc3];
        assert_eq!(loaded_variable(&load, 0x6a_c0e0), Some(0xa5_b768));
        assert_eq!(loaded_variable(&[&MARK[..], &load].concat(), 0x6a_c0dc), Some(0xa5_b768));
        assert_eq!(loaded_variable(&load[..7], 0), None, "something else may follow");
        let stored = [0x48, 0x89, 0x05, 0x81, 0xf6, 0x3a, 0x00, 0xc3];
        assert_eq!((loaded_variable(&stored, 0), loaded_thread_local(&load)), (None, None));
    }

    #[test]
    fn the_accessor_of_a_thread_local_gives_its_offset() {
        let load = [0x64, 0x48, 0x8b, 0x04, 0x25, 0xd8, 0xff, 0xff, 0xff, 0xc3];
        assert_eq!(loaded_thread_local(&load), Some(-40));
        assert_eq!(loaded_thread_local(&[&MARK[..], &load].concat()), Some(-40));
        assert_eq!(
            loaded_thread_local(&[&load[..9], &[0x90, 0xc3]].concat()),
            None,
            "something else follows"
        );
        assert_eq!((loaded_thread_local(&load[1..]), loaded_thread_local(&[])), (None, None));
    }

    #[test]
    fn finds_the_first_load_of_an_int() {
        let load = [0x8b, 0x05, 0x10, 0, 0, 0];
        for (name, code, expected) in [
            ("at once", load.to_vec(), Some(0x1016)),
            ("after others", [&[0x55, 0x53][..], &load].concat(), Some(0x1018)),
            ("a pointer before it", [&[0x48][..], &load, &load].concat(), Some(0x101d)),
            (
                "what looks like one is a constant",
                [&[0x48, 0xb8][..], &load, &[0, 0], &load].concat(),
                Some(0x1020),
            ),
            ("only a pointer", [&[0x48][..], &load].concat(), None),
            ("a store", vec![0x89, 0x05, 0x10, 0, 0, 0], None),
            ("cut", load[..5].to_vec(), None),
        ] {
            assert_eq!(first_int_load(&code, 0x1000), expected, "{name}");
        }
    }
}
