//! Instructions of a process, decoded.
//!
//! A breakpoint in the middle of an instruction would harm the process, so that the lengths are a decoder's to say.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic};

/// The instructions of this code, which lies at an address, up to the first that is none.
pub fn decode(code: &[u8], address: u64) -> impl Iterator<Item = Instruction> {
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    std::iter::from_fn(move || decoder.can_decode().then(|| decoder.decode()))
        .take_while(|instruction| !instruction.is_invalid())
}

/// The word that holds where a linker's stub jumps to: `jmp *OFFSET(%rip)`, in some builds behind an `endbr64`.
pub fn jumps_through(stub: &[u8], address: u64) -> Option<u64> {
    let mut body = decode(stub, address).skip_while(|first| first.mnemonic() == Mnemonic::Endbr64);
    let jump = body.next().filter(|jump| jump.code() == Code::Jmp_rm64)?;
    jump.is_ip_rel_memory_operand().then(|| jump.ip_rel_memory_address())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_jumps_through_a_word() {
        const STUB: u64 = 0x40_1000;
        let jump = [0xff, 0x25, 0xe2, 0x2f, 0, 0];
        for (name, code, expected) in [
            ("plain", [&jump[..], &[0x68, 0, 0, 0, 0]].concat(), Some(STUB + 0x2fe8)),
            ("behind a mark", [&[0xf3, 0x0f, 0x1e, 0xfa][..], &jump].concat(), Some(STUB + 0x2fec)),
            (
                "with a prefix, too",
                [&[0xf3, 0x0f, 0x1e, 0xfa, 0xf2][..], &jump].concat(),
                Some(STUB + 0x2fed),
            ),
            ("a call", vec![0xff, 0x15, 0xe2, 0x2f, 0, 0], None),
            ("through a register", vec![0xff, 0x60, 0x10], None),
            ("something before it", [&[0x90][..], &jump].concat(), None),
            ("cut", jump[..5].to_vec(), None),
        ] {
            assert_eq!(jumps_through(&code, STUB), expected, "{name}");
        }
    }
}
