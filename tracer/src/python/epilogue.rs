//! Where a function returns, for a uprobe there: a uretprobe would replace the return address on the stack.
//!
//! No disassembler: a function that saves registers by `push` gives them back by as many `pop`s just before its `ret`,
//! and no other bytes look like that row.

use crate::process::elf::ENDBR64;

/// A function that saves fewer registers has returns that could be mistaken.
const SAVED: usize = 4;
const RET: u8 = 0xc3;

/// Offsets of a function's `ret`s from its start; none where it does not end as described.
#[must_use]
pub fn returns(code: &[u8]) -> Vec<u64> {
    let body = code.strip_prefix(&ENDBR64).unwrap_or(code);
    let Some(first) = pushed(body) else { return Vec::new() };
    let rets = (0..code.len()).filter(|&at| code[at] == RET);
    rets.filter(|&at| gives_back(&code[..at], first)).map(|at| at as u64).collect()
}

/// The register that a function saves first, as `push` and `pop` number it.
fn pushed(code: &[u8]) -> Option<u8> {
    match *code {
        [0x41, byte @ 0x54..=0x57, ..] => Some(byte - 0x50 + 8),
        [byte @ (0x53 | 0x55), ..] => Some(byte - 0x50),
        _ => None,
    }
}

/// Whether this code ends with enough `pop`s of different registers that a callee saves, of which `last` comes last.
fn gives_back(mut code: &[u8], last: u8) -> bool {
    let mut popped = Vec::new();
    while let Some((register, rest)) = popped_last(code) {
        if popped.contains(&register) {
            break;
        }
        popped.push(register);
        code = rest;
    }
    popped.len() >= SAVED && popped.first() == Some(&last)
}

/// The register that the last instruction pops, and what is before it.
fn popped_last(code: &[u8]) -> Option<(u8, &[u8])> {
    match *code {
        [ref rest @ .., 0x41, byte @ 0x5c..=0x5f] => Some((byte - 0x58 + 8, rest)),
        [ref rest @ .., byte @ (0x5b | 0x5d)] => Some((byte - 0x58, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUSHES: [u8; 10] = [0x41, 0x57, 0x41, 0x56, 0x41, 0x55, 0x41, 0x54, 0x55, 0x53];
    const POPS: [u8; 10] = [0x5b, 0x5d, 0x41, 0x5c, 0x41, 0x5d, 0x41, 0x5e, 0x41, 0x5f];

    #[test]
    fn a_function_returns_where_it_has_given_back_what_it_saved() {
        let body = [0x90, RET, 0x41, 0x5f, RET, 0x90];
        let whole = [&PUSHES[..], &body, &POPS, &[RET, 0x90], &POPS, &[RET]].concat();
        let framed = [&[0x55, 0x48, 0x89, 0xe5][..], &PUSHES[..8], &POPS[2..], &[0x5d, RET]].concat();
        for (name, code, expected) in [
            ("two returns", whole.clone(), vec![26, 38]),
            ("endbr64 before it", [&ENDBR64[..], &whole].concat(), vec![30, 42]),
            ("with a frame pointer", framed, vec![21]),
            ("no push", [&[0x90][..], &whole].concat(), vec![]),
            ("another order", [&PUSHES[8..], &POPS[..], &[RET]].concat(), vec![]),
            ("too few", [&PUSHES[..4], &POPS[6..], &[RET]].concat(), vec![]),
            ("a thunk", vec![0xe9, 0, 0, 0, 0], vec![]),
            ("nothing", vec![], vec![]),
        ] {
            assert_eq!(returns(&code), expected, "{name}");
        }
    }
}
