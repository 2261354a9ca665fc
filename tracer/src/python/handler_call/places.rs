//! Where a function is called with a constant as its first argument, found by the instructions that name the constant.
//!
//! No disassembler: what is looked for are a displacement or a number that leads to the constant and to nothing else, and
//! shortly behind it a call that leads to the function and to nothing else. If one of the former has none of the latter, the
//! code is not understood, and nothing is believed of it.

use memchr::{memchr_iter, memmem};

use crate::process::elf::{Elf, Part};

/// From an instruction that puts the constant into `%rdi` to the call: some others may come between.
const SOON: usize = 16;
/// The same where another register has it first.
const LATER: usize = 64;
/// Most places that the constant may lie at, and that may use it: a file may have been made to keep us busy.
const CONSTANTS: usize = 8;
const USES: usize = 128;
/// `%rdi`, as instructions number it.
const FIRST_ARGUMENT: u8 = 7;

/// Where a register gets a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Use {
    register: u8,
    /// Where the instruction ends, from the start of its part.
    end: usize,
}

/// A call: from the start of its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Call {
    at: usize,
    /// The kernel emulates it.
    is_direct: bool,
}

/// Offsets in the file of all such calls, and whether the kernel emulates each; `None` where not all are known, or none is.
pub fn find(elf: &Elf, constant: &[u8], function: &str) -> Option<(Vec<u64>, bool)> {
    let constants = elf.constants()?;
    let addresses = constants.iter().flat_map(|part| addresses(part, constant)).take(CONSTANTS + 1);
    let addresses: Vec<_> = addresses.collect();
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
                offsets.push(elf.file_offset(part.address.wrapping_add(call.at as u64))?);
                are_direct &= call.is_direct;
            }
        }
    }
    offsets.sort_unstable();
    offsets.dedup();
    (!offsets.is_empty()).then_some((offsets, are_direct))
}

/// Where a constant lies.
fn addresses<'a>(part: &'a Part, constant: &'a [u8]) -> impl Iterator<Item = u64> + 'a {
    let found = memmem::find_iter(&part.bytes, constant);
    found.map(|at| part.address.wrapping_add(at as u64))
}

/// Whatever names an address; `None` for what is no instruction that is known.
fn uses(part: &Part, address: u64) -> Vec<Option<Use>> {
    let code = &part.bytes[..];
    let leads_there = |&at: &usize| displaced(part, at + 2) == Some(address);
    let is_lea = |&at: &usize| code.get(at + 1).is_some_and(|operands| operands & 0xc7 == 0x05);
    let relative = memchr_iter(0x8d, code).filter(is_lea).filter(leads_there);
    let relative = relative.map(|at| {
        let prefix = at.checked_sub(1).map(|before| code[before]).filter(|prefix| prefix & 0xfb == 0x48)?;
        Some(Use { register: (code[at + 1] >> 3 & 7) | (prefix & 4) << 1, end: at + 6 })
    });
    let number = u32::try_from(address).ok().map(u32::to_le_bytes);
    let numbers = number.iter().flat_map(|number| memmem::find_iter(code, number));
    let absolute = numbers.map(|at| {
        let before = at.checked_sub(2).map(|start| &code[start..at])?;
        let high = if before[0] == 0x41 { 8 } else { 0 };
        (before[1] & 0xf8 == 0xb8).then_some(Use { register: (before[1] & 7) | high, end: at + 4 })
    });
    relative.chain(absolute).collect()
}

/// The first call of the function behind such a use, if the constant is its first argument.
fn call(
    part: &Part,
    used: Use,
    is_function: &dyn Fn(u64) -> bool,
    is_bound: &dyn Fn(u64) -> bool,
) -> Option<Call> {
    let is_there = used.register == FIRST_ARGUMENT;
    let reach = if is_there { SOON } else { LATER };
    let code = part.bytes.get(used.end..)?;
    let code = &code[..code.len().min(reach)];
    let calls = (0..code.len()).find_map(|at| {
        let within = used.end + at;
        let is_direct = match code[at..] {
            [0xe8, ..] if displaced(part, within + 1).is_some_and(is_function) => true,
            [0xff, 0x15, ..] if displaced(part, within + 2).is_some_and(is_bound) => false,
            _ => return None,
        };
        Some(Call { at: within, is_direct })
    });
    let call = calls?;
    let moved = mov_to_first_argument(used.register);
    let is_moved = || memmem::find(&part.bytes[used.end..call.at], &moved).is_some();
    (is_there || is_moved()).then_some(call)
}

/// `mov %REGISTER,%rdi`
fn mov_to_first_argument(register: u8) -> [u8; 3] {
    [0x48 | (register >> 3) << 2, 0x89, 0xc0 | (register & 7) << 3 | FIRST_ARGUMENT]
}

/// Where a displacement of an instruction that ends with it leads.
fn displaced(part: &Part, at: usize) -> Option<u64> {
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
    fn part(code: &[&[u8]]) -> Part {
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
        Part { address: TEXT, bytes }
    }

    /// Where the calls are: `None` for a use without one.
    fn calls(part: &Part) -> Vec<Option<(usize, bool)>> {
        let call = |used: Option<Use>| {
            let call = call(part, used?, &|address| address == FUNCTION, &|word| word == WORD)?;
            Some((call.at, call.is_direct))
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
            ("cut", vec![&lea(7)[..], b"format", &[0xe8, 1, 2]], vec![None]),
        ] {
            assert_eq!(calls(&part(&code)), expected, "{name}");
        }
    }
}
