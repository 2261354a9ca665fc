//! The page tables of x86-64, and the kernel's mapping of all memory, in which they and all pages lie.

/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// Bits of an entry of a page table.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/include/asm/pgtable_types.h#L10>
const PRESENT: u64 = 1;
const HUGE: u64 = 1 << 7;
/// The page's number: no machine has more than 64 TiB, and where memory is encrypted, a bit above says so.
const ADDRESS: u64 = 0x3fff_ffff_f000;
/// User addresses with page tables of four levels, and of five, lie below.
const USER_END: [u64; 2] = [1 << 47, 1 << 56];
/// With four levels the kernel's mapping lies above.
/// <https://github.com/torvalds/linux/blob/v6.12/Documentation/arch/x86/x86_64/mm.rst>
pub const FOUR_LEVELS: u64 = 0xffff_8000_0000_0000;

/// Where a mapping of all memory that begins at `base` has a byte of the process whose topmost table is at `tables`; 0 where
/// it is not resident. `load` reads a word of the mapping.
#[inline(always)]
pub fn translate(base: u64, tables: u64, address: u64, load: impl Fn(u64) -> u64) -> u64 {
    let entry = |table: u64, index: u64| load(table + (index & 511) * 8);
    let four_levels = base >= FOUR_LEVELS;
    if address >= USER_END[usize::from(!four_levels)] {
        return 0;
    }
    // Level by level, since the compiler makes a loop over them one that looks the shifts up.
    let mut table = tables;
    if !four_levels {
        let upper = entry(table, address >> 48);
        if upper & PRESENT == 0 {
            return 0;
        }
        table = base + (upper & ADDRESS);
    }
    let upper = entry(table, address >> 39);
    if upper & PRESENT == 0 {
        return 0;
    }
    let gigabyte = entry(base + (upper & ADDRESS), address >> 30);
    if gigabyte & PRESENT == 0 {
        return 0;
    }
    if gigabyte & HUGE != 0 {
        return base + byte(gigabyte, address, 30);
    }
    let large = entry(base + (gigabyte & ADDRESS), address >> 21);
    if large & PRESENT == 0 {
        return 0;
    }
    if large & HUGE != 0 {
        return base + byte(large, address, 21);
    }
    let page = entry(base + (large & ADDRESS), address >> 12);
    if page & PRESENT == 0 { 0 } else { base + byte(page, address, 12) }
}

/// Physical address of a byte in the page of so many bits that an entry names.
#[inline(always)]
fn byte(entry: u64, address: u64, bits: u32) -> u64 {
    let inside = (1 << bits) - 1;
    (entry & ADDRESS & !inside) + (address & inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: u64 = 0xff11_0000_0000_0000;
    const ENCRYPTED: u64 = 1 << 51;

    /// Tables at 0x1000, 0x2000 and so on, by level, each with the entry that leads on to `address`; `last` ends the walk.
    fn walk(base: u64, address: u64, levels: &[u32], last: u64) -> u64 {
        let entry_of = |level: usize| {
            let table = base + 0x1000 * (level as u64 + 1);
            table + (address >> levels[level] & 511) * 8
        };
        translate(base, base + 0x1000, address, |at| {
            match (0..levels.len()).find(|&level| entry_of(level) == at) {
                Some(level) if level + 1 == levels.len() => last,
                Some(level) => (0x1000 * (level as u64 + 2)) | PRESENT | ENCRYPTED,
                None => panic!("{at:#x} is read"),
            }
        })
    }

    #[test]
    fn pages_of_all_sizes_are_found() {
        let address = 0x7f12_3445_689a;
        let page = 0x4_0000_0000;
        for (name, base, levels, flags, inside) in [
            ("4 KiB", FOUR_LEVELS, &[39, 30, 21, 12][..], PRESENT, 0x89a),
            ("2 MiB", FOUR_LEVELS, &[39, 30, 21], PRESENT | HUGE, 0x5_689a),
            ("1 GiB", FOUR_LEVELS, &[39, 30], PRESENT | HUGE, 0x3445_689a),
            ("4 KiB, five levels", FIVE, &[48, 39, 30, 21, 12], PRESENT, 0x89a),
        ] {
            assert_eq!(walk(base, address, levels, page | flags | ENCRYPTED), base + page + inside, "{name}");
        }
    }

    #[test]
    fn what_is_not_resident_is_0() {
        let address = 0x7f12_3456_789a;
        for (base, levels) in [(FOUR_LEVELS, &[39, 30, 21, 12][..]), (FIVE, &[48, 39, 30, 21, 12])] {
            for depth in 1..=levels.len() {
                assert_eq!(walk(base, address, &levels[..depth], 0x5000), 0, "{base:#x}, {depth}");
            }
        }
    }

    #[test]
    fn addresses_that_are_not_the_users_are_not_translated() {
        let nothing = |_| panic!("nothing is to be read");
        for (base, address) in [(FOUR_LEVELS, 1 << 47), (FOUR_LEVELS, u64::MAX), (FIVE, 1 << 56)] {
            assert_eq!(translate(base, base, address, nothing), 0, "{address:#x}");
        }
    }
}
