//! Files that are as they should be, and files that others have made up.

use super::*;
use std::io::Write;

fn ours() -> Vec<u8> {
    std::fs::read("/proc/self/exe").expect("our own executable")
}

fn read(bytes: &[u8]) -> Option<Elf> {
    read_within(bytes, &Allowance::default())
}

fn read_within(bytes: &[u8], allowance: &Allowance) -> Option<Elf> {
    let memory = rustix::fs::memfd_create("elf", rustix::fs::MemfdFlags::CLOEXEC).expect("a memfd");
    let mut file = File::from(memory);
    file.write_all(bytes).expect("room");
    Elf::read(file, allowance)
}

#[test]
fn finds_symbols_and_their_bytes() {
    let elf = read(&ours()[..]).expect("an ELF file");
    let main = elf.symbol("main").expect("a main function");
    let from_memory: [u8; 4] = elf.bytes(main.address).expect("text");
    let offset = elf.file_offset(main.address).expect("text") as usize;
    assert_eq!(from_memory, ours()[offset..offset + 4]);
    assert_eq!(elf.symbol("no_such_symbol"), None);
    assert!(elf.writable().next().is_some());
}

#[test]
fn clones_are_functions_and_cold_parts_are_none() {
    for (symbol, expected) in [
        ("collect", true),
        ("collect.constprop.0", true),
        ("collect.isra.0.lto_priv.1", true),
        ("collect.cold", false),
        ("collect.constprop.0.cold", false),
        ("collecting", false),
        ("gc_collect", false),
    ] {
        assert_eq!(is_clone(format!("{symbol}\0.cold\0").as_bytes(), "collect"), expected, "{symbol}");
    }
    assert!(!is_clone(b"collect", "collect"), "a string table ends with a NUL");
    let endless = format!("collect.{}", "x".repeat(SUFFIX_LIMIT));
    assert!(!is_clone(endless.as_bytes(), "collect"), "no compiler makes such names");
}

#[test]
fn hostile_files_are_refused_or_lose_a_table() {
    let good = ours();
    assert!(read(b"").is_none());
    assert!(read(b"#!/bin/sh\n").is_none());
    assert!(read(&good[..64]).is_none(), "no program headers");
    for (name, at, bytes) in [
        ("section headers past the end", 0x28, &u64::MAX.to_le_bytes()[..]),
        ("no name section", 0x3e, &[0xfe, 0xff]),
        ("more sections than there are", 0x3c, &[0xff, 0xff]),
    ] {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        let elf = read(&bad).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(elf.section(".no_such_section"), None, "{name}");
    }
}

/// 699,050 symbols whose names have no end for 16 MiB: scanned for that, one search reads ten terabytes.
#[test]
fn names_without_end_take_no_time() {
    let count = TABLE_LIMIT as usize / size_of::<Sym64<LE>>();
    let mut symbol = [0; size_of::<Sym64<LE>>()];
    (symbol[4], symbol[6]) = (elf::STT_FUNC.0, 1);
    let symbols = ElfSymbols {
        table: vec![*pod::from_bytes(&symbol).expect("a symbol").0; count],
        strings: vec![b'c'; TABLE_LIMIT as usize],
    };
    let allowance = Allowance::default();
    let began = std::time::Instant::now();
    assert_eq!(symbols.find("ccc", &allowance), None);
    assert_eq!(symbols.clones("ccc", &allowance), Some(Vec::new()));
    assert!(!symbols.needs_any(&["Py_"], &allowance));
    // Milliseconds, and a second without optimisation beside other builds; scanned, it takes an hour.
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    let searches = (0..100).map_while(|_| symbols.clones("ccc", &allowance)).count();
    assert_eq!((searches, allowance.is_spent()), (29, true), "a search costs what it reads");
}

/// An ELF file of 17 MiB: so many segments of this size that are executed, and so many symbol tables, all in one place.
fn crowded(segments: u16, bytes: u64, sections: u16) -> Elf {
    let words = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let mut file = ours()[..64].to_vec(); // that it is an ELF file of this machine
    file[32..48].copy_from_slice(&words(&[64, 4096]));
    file[56..58].copy_from_slice(&segments.to_le_bytes());
    file[60..62].copy_from_slice(&sections.to_le_bytes());
    file[62..64].fill(0);
    for _ in 0..segments {
        file.extend(words(&[u64::from(elf::PF_X.0) << 32 | 1, 0, 0, 0, bytes, bytes, PAGE]));
    }
    file.resize(4096, 0);
    for section in 0..sections {
        let kind = if section % 2 == 0 { elf::SHT_DYNSYM } else { elf::SHT_SYMTAB };
        file.extend(words(&[u64::from(kind.0) << 32, 0, 0, 0, TABLE_LIMIT, 0, 0, 0]));
    }
    file.resize(17 << 20, 0);
    read(&file).expect("an ELF file")
}

/// 64 segments of 16 MiB, or four tables, would have us hold more than we may in all.
#[test]
fn a_file_makes_us_hold_so_much_and_no_more() {
    for (segments, bytes, expected) in [(2, 8 << 20, true), (2, 9 << 20, false), (20, 16 << 20, false)] {
        let elf = crowded(segments, bytes, 0);
        assert_eq!(elf.instructions().is_some(), expected, "{segments} of {bytes} bytes");
        assert_eq!(elf.constants().is_some(), expected, "{segments} of {bytes} bytes");
    }
    let elf = crowded(0, 0, 3);
    let held = |symbols: &ElfSymbols| size_of_val(&symbols.table[..]) + symbols.strings.len();
    assert_eq!(held(&elf.dynamic), 0, "its table and itself as strings, and the headers: more than fit");
    let held = held(elf.all_symbols()) as u64;
    assert!(held <= TABLES_LIMIT, "{held}");
}

#[test]
fn what_is_not_allowed_is_not_read() {
    let good = ours();
    let header = size_of::<FileHeader64<LE>>() as u64;
    assert!(read_within(&good, &Allowance::new(header - 1)).is_none());
    let elf = read_within(&good, &Allowance::new(4096)).expect("an ELF file");
    assert_eq!(elf.symbol("main"), None, "its tables are larger");
}

#[test]
fn any_header_is_survived() {
    let mut bytes = ours()[..4096].to_vec();
    let mut state = 1_u32;
    for _ in 0..2000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes[16 + (state >> 8) as usize % 1000] = (state >> 24) as u8;
        if let Some(elf) = read(&bytes) {
            let _ = (elf.symbol("main"), elf.section(".text"), elf.file_offset(u64::from(state)));
        }
    }
}
