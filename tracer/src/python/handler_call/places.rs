//! Where a function is called with a constant as its first argument, found by the instructions that name the constant.
//!
//! To decode all code takes a hundred times as long as to search it: so what is searched for is a displacement or a number that
//! leads to the constant, and what is decoded is the instruction that ends with it and those behind it, up to a call that
//! leads to the function. If one of the former has none of the latter, the code is not understood, and nothing is believed
//! of it.

use iced_x86::{Code, Instruction, OpKind, Register};
use memchr::{memchr_iter, memmem};

use crate::process::elf::{Elf, Segment};
use crate::process::machine_code::decode;

/// From an instruction that puts the constant into `%rdi` to the call: some others may come between.
const SOON: u64 = 16;
/// The same where another register has it first.
const LATER: u64 = 64;
/// Most places that the constant may lie at, and that may use it: a file may have been made to keep us busy.
const CONSTANTS: usize = 8;
const USES: usize = 128;
/// <https://gitlab.com/x86-psABIs/x86-64-ABI> (3.2.3, parameter passing)
const FIRST_ARGUMENT: Register = Register::RDI;
/// Before the displacement of `lea OFFSET(%rip),%REGISTER`: a prefix, the opcode, and which register.
const BEFORE_DISPLACEMENT: usize = 3;
const LEA: u8 = 0x8d;

/// Where a register gets a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Use {
    register: Register,
    /// Address of the next instruction.
    next: u64,
}

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CallSite {
    address: u64,
    /// The kernel emulates it.
    is_direct: bool,
}

/// Offsets in the file of all such calls, and whether the kernel emulates each; `None` where not all are known, or none is.
pub fn find(elf: &Elf, constant: &[u8], function: &str) -> Option<(Vec<u64>, bool)> {
    let constants = elf.constants()?;
    let addresses = constants.iter().flat_map(|part| addresses(part, constant)).take(CONSTANTS + 1);
    let addresses: Vec<_> = addresses.collect();
    drop(constants); // as large as what follows
    if addresses.len() > CONSTANTS {
        return None;
    }
    let is_it = |address| elf.is_function(address, function);
    let (mut offsets, mut are_direct) = (Vec::new(), true);
    for part in elf.instructions()? {
        for address in &addresses {
            for used in uses(&part, *address) {
                if offsets.len() == USES {
                    return None;
                }
                let call = call(&part, used?, &is_it, &|word| elf.is_bound_to(word, function))?;
                offsets.push(elf.file_offset(call.address)?);
                are_direct &= call.is_direct;
            }
        }
    }
    offsets.sort_unstable();
    offsets.dedup();
    (!offsets.is_empty()).then_some((offsets, are_direct))
}

/// Where a constant lies.
fn addresses<'a>(part: &'a Segment, constant: &'a [u8]) -> impl Iterator<Item = u64> + 'a {
    let found = memmem::find_iter(&part.bytes, constant);
    found.map(|at| part.address.wrapping_add(at as u64))
}

/// Whatever names an address; `None` for what is no instruction that is known.
fn uses(part: &Segment, address: u64) -> Vec<Option<Use>> {
    let code = &part.bytes[..];
    let leads_there = |&displacement: &usize| displaced(part, displacement) == Some(address);
    let displacements = memchr_iter(LEA, code).map(|opcode| opcode + 2).filter(leads_there);
    let relative = displacements.map(|at| {
        let load = ending_with(part, at, BEFORE_DISPLACEMENT)?;
        let is_it = load.code() == Code::Lea_r64_m && load.ip_rel_memory_address() == address;
        is_it.then(|| Use { register: load.op0_register(), next: load.next_ip() })
    });
    let number = u32::try_from(address).ok().map(u32::to_le_bytes);
    let numbers = number.iter().flat_map(|number| memmem::find_iter(code, number));
    let absolute = numbers.map(|at| {
        // Some registers take a prefix. What it says matters for which register it is, not for where the next begins.
        let mut loads = [2, 1].into_iter().filter_map(|before| ending_with(part, at, before));
        let load = loads.find(|load| load.code() == Code::Mov_r32_imm32)?;
        Some(Use { register: whole(load.op0_register()), next: load.next_ip() })
    });
    relative.chain(absolute).collect()
}

/// The instruction that begins so many bytes before the four that it ends with.
fn ending_with(part: &Segment, last: usize, before: usize) -> Option<Instruction> {
    let start = last.checked_sub(before)?;
    let address = part.address.wrapping_add(start as u64);
    decode(part.bytes.get(start..last + 4)?, address).next().filter(|found| found.len() == before + 4)
}

/// The register of which this one is the lower half: a load of that clears the upper one.
fn whole(half: Register) -> Register {
    Register::RAX + (half as u32 - Register::EAX as u32)
}

/// The first call of the function behind such a use, if the constant is its first argument.
fn call(
    part: &Segment,
    used: Use,
    is_function: &dyn Fn(u64) -> bool,
    is_bound: &dyn Fn(u64) -> bool,
) -> Option<CallSite> {
    let mut is_there = used.register == FIRST_ARGUMENT;
    let reach = if is_there { SOON } else { LATER };
    let code = part.bytes.get(used.next.wrapping_sub(part.address) as usize..)?;
    for instruction in decode(code, used.next) {
        if instruction.ip().wrapping_sub(used.next) >= reach {
            break;
        }
        let is_direct = instruction.op0_kind() == OpKind::NearBranch64;
        let is_it = match instruction.code() {
            Code::Call_rel32_64 => is_function(instruction.near_branch64()),
            Code::Call_rm64 if instruction.is_ip_rel_memory_operand() => {
                is_bound(instruction.ip_rel_memory_address())
            }
            _ => false,
        };
        if is_it {
            return is_there.then_some(CallSite { address: instruction.ip(), is_direct });
        }
        is_there |= passes(&instruction, used.register);
    }
    None
}

/// Whether it copies a register into that of the first argument.
fn passes(instruction: &Instruction, register: Register) -> bool {
    let is_mov = matches!(instruction.code(), Code::Mov_rm64_r64 | Code::Mov_r64_rm64);
    is_mov && (instruction.op0_register(), instruction.op1_register()) == (FIRST_ARGUMENT, register)
}

/// Where a displacement of an instruction that ends with it leads.
fn displaced(part: &Segment, at: usize) -> Option<u64> {
    let (displacement, _) = part.bytes.get(at..)?.split_first_chunk::<4>()?;
    let next = part.address.wrapping_add(at as u64 + 4);
    Some(next.wrapping_add_signed(i32::from_le_bytes(*displacement).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: u64 = 0x40_1000;
    const FORMAT: u64 = 0x74_41f6;
    const FUNCTION: u64 = 0x50_f170;
    const WORD: u64 = 0x80_0018;

    /// The code, with what it leads to put in for the letters.
    fn part(code: &[&[u8]]) -> Segment {
        let mut bytes = Vec::new();
        for piece in code {
            let to = match *piece {
                b"format" => FORMAT,
                b"call" => FUNCTION,
                b"word" => WORD,
                piece => {
                    bytes.extend_from_slice(piece);
                    continue;
                }
            };
            let next = TEXT + bytes.len() as u64 + 4;
            bytes.extend_from_slice(&(to.wrapping_sub(next) as u32).to_le_bytes());
        }
        Segment { address: TEXT, bytes }
    }

    /// Where the calls are: `None` for a use without one.
    fn calls(part: &Segment) -> Vec<Option<(usize, bool)>> {
        let call = |used: Option<Use>| {
            let call = call(part, used?, &|address| address == FUNCTION, &|word| word == WORD)?;
            Some(((call.address - TEXT) as usize, call.is_direct))
        };
        uses(part, FORMAT).into_iter().map(call).collect()
    }

    #[test]
    fn calls_are_found_behind_what_names_their_first_argument() {
        let number = &(FORMAT as u32).to_le_bytes()[..];
        let lea = |register: u8| [0x48 | (register >> 3) << 2, 0x8d, 0x05 | (register & 7) << 3];
        let clear = &[0x31, 0xc0][..]; // xor %eax,%eax
        let other = &[0x90; 20][..];
        for (name, code, expected) in [
            ("lea", vec![&lea(7)[..], b"format", clear, &[0xe8], b"call"], vec![Some((9, true))]),
            ("mov of a number", vec![&[0x90, 0xbf], number, clear, &[0xe8], b"call"], vec![Some((8, true))]),
            (
                "through a word",
                vec![&lea(7)[..], b"format", clear, &[0xff, 0x15], b"word"],
                vec![Some((9, false))],
            ),
            (
                "kept in %r14",
                vec![&lea(14)[..], b"format", other, &[0x4c, 0x89, 0xf7], clear, &[0xe8], b"call"],
                vec![Some((32, true))],
            ),
            (
                "a number in %r12",
                vec![&[0x41, 0xbc], number, &[0x4c, 0x89, 0xe7, 0xe8], b"call"],
                vec![Some((9, true))],
            ),
            (
                "kept, and another passed",
                vec![&lea(14)[..], b"format", other, clear, &[0xe8], b"call"],
                vec![None],
            ),
            ("too far away", vec![&lea(7)[..], b"format", other, &[0xe8], b"call"], vec![None]),
            ("another function", vec![&lea(7)[..], b"format", clear, &[0xe8, 1, 2, 3, 4]], vec![None]),
            ("an unknown instruction", vec![&[0x90, 0x68], number, clear, &[0xe8], b"call"], vec![None]),
            ("another constant", vec![&lea(7)[..], b"word", clear, &[0xe8], b"call"], vec![]),
            (
                "two, the second without",
                vec![&lea(7)[..], b"format", &[0xe8], b"call", &lea(7), b"format", other],
                vec![Some((7, true)), None],
            ),
            (
                "with a prefix that a linker has put before it",
                vec![&lea(7)[..], b"format", clear, &[0x67, 0xe8], b"call"],
                vec![Some((9, true))],
            ),
            (
                "what looks like one is part of another",
                vec![&lea(7)[..], b"format", &[0x49, 0xb8, 0xe8], b"call", &[0; 3], &[0xe8], b"call"],
                vec![Some((17, true))],
            ),
            (
                "what looks like a move is part of another",
                vec![&lea(14)[..], b"format", &[0xb8, 0x4c, 0x89, 0xf7, 0, 0xe8], b"call"],
                vec![None],
            ),
            ("cut", vec![&lea(7)[..], b"format", &[0xe8, 1, 2]], vec![None]),
        ] {
            assert_eq!(calls(&part(&code)), expected, "{name}");
        }
    }
}
