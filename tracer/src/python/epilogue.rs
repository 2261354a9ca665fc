//! Where a function returns, for a uprobe there: a uretprobe would replace the return address on the stack.
//!
//! A function that saves registers by `push` gives them back by as many `pop`s just before its `ret`. One that does not may
//! end in another's code, by a jump, and has ends that are not seen here.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use crate::process::machine_code::decode;

/// A function that saves fewer registers has returns that could be mistaken.
const SAVED: usize = 4;
/// What a function gives back as it found it.
/// <https://gitlab.com/x86-psABIs/x86-64-ABI> (3.2.1, registers)
const CALLEE_SAVED: [Register; 6] =
    [Register::RBX, Register::RBP, Register::R12, Register::R13, Register::R14, Register::R15];

/// Offsets of a function's `ret`s from its start; none where it does not end as described, or is no code throughout.
#[must_use]
pub fn returns(code: &[u8]) -> Vec<u64> {
    let instructions: Vec<_> = decode(code, 0).collect();
    let is_whole = instructions.last().is_some_and(|last| last.next_ip() == code.len() as u64);
    let mut body = instructions.iter().skip_while(|first| first.mnemonic() == Mnemonic::Endbr64);
    let Some(first) = body.next().and_then(|first| saved_by(first, Mnemonic::Push)) else {
        return Vec::new();
    };
    let before_ret =
        |at: &usize| instructions[*at].mnemonic() == Mnemonic::Ret && gives_back(&instructions[..*at], first);
    let rets = (0..instructions.len()).filter(|at| is_whole && before_ret(at));
    rets.map(|at| instructions[at].ip()).collect()
}

/// Whether this code ends with enough `pop`s of different registers that a callee saves, of which `last` comes last.
fn gives_back(code: &[Instruction], last: Register) -> bool {
    let mut popped = Vec::new();
    for register in code.iter().rev().map_while(|instruction| saved_by(instruction, Mnemonic::Pop)) {
        if popped.contains(&register) {
            break;
        }
        popped.push(register);
    }
    popped.len() >= SAVED && popped.first() == Some(&last)
}

/// The register that is saved, or given back, by an instruction.
fn saved_by(instruction: &Instruction, mnemonic: Mnemonic) -> Option<Register> {
    let register = (instruction.op0_kind() == OpKind::Register).then(|| instruction.op0_register())?;
    (instruction.mnemonic() == mnemonic && CALLEE_SAVED.contains(&register)).then_some(register)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
    const RET: u8 = 0xc3;
    const PUSHES: [u8; 10] = [0x41, 0x57, 0x41, 0x56, 0x41, 0x55, 0x41, 0x54, 0x55, 0x53];
    const POPS: [u8; 10] = [0x5b, 0x5d, 0x41, 0x5c, 0x41, 0x5d, 0x41, 0x5e, 0x41, 0x5f];

    #[test]
    fn a_function_returns_where_it_has_given_back_what_it_saved() {
        let body = [0x90, RET, 0x41, 0x5f, RET, 0x90];
        let whole = [&PUSHES[..], &body, &POPS, &[RET, 0x90], &POPS, &[RET]].concat();
        let framed = [&[0x55, 0x48, 0x89, 0xe5][..], &PUSHES[..8], &POPS[2..], &[0x5d, RET]].concat();
        let movabs = [0x48, 0xb8, 0x5b, 0x5d, 0x41, 0x5e, 0x41, 0x5f, RET, 0x90];
        for (name, code, expected) in [
            ("two returns", whole.clone(), vec![26, 38]),
            ("endbr64 before it", [&MARK[..], &whole].concat(), vec![30, 42]),
            ("with a frame pointer", framed, vec![21]),
            ("no push", [&[0x90][..], &whole].concat(), vec![]),
            ("another order", [&PUSHES[8..], &POPS[..], &[RET]].concat(), vec![]),
            ("too few", [&PUSHES[..4], &POPS[6..], &[RET]].concat(), vec![]),
            ("a thunk", vec![0xe9, 0, 0, 0, 0], vec![]),
            (
                "what looks like its end is part of a constant",
                [&PUSHES[..], &movabs, &POPS, &[RET]].concat(),
                vec![30],
            ),
            ("cut", [&whole[..], &[0xe9, 0]].concat(), vec![]),
            ("nothing", vec![], vec![]),
        ] {
            assert_eq!(returns(&code), expected, "{name}");
        }
    }
}
