//! The kernel's types, as far as aya needs them: it looks tracepoints and the iterator over tasks up by name, and wants
//! their numbers.
//!
//! To read all of the kernel's 130,000 types once more takes longer than to write so many empty ones down.

use aya::Endianness;
use aya::programs::ProgramError;

use crate::attach::error::Error;
use crate::attach::plan::Tracepoint;
use crate::attach::tasks::LISTED;
use crate::kernel::btf::Btf;

const MAGIC: u16 = 0xeb9f;
const VERSION: u8 = 1;
const HEADER_BYTES: u32 = 24;
/// `struct btf_type`, to which these kinds append nothing.
const TYPE_BYTES: usize = 12;
/// A pointer to `void`.
const EMPTY: [u32; 3] = [0, 2 << 24, 0];
const TYPEDEF: u32 = 8 << 24;
const FUNC: u32 = 12 << 24;

/// Types of which none but those of these tracepoints and of the iterator is anything, each with the number that it has
/// in the kernel.
pub fn needed_by<'a>(kernel: &Btf, points: impl Iterator<Item = &'a Tracepoint>) -> Result<aya::Btf, Error> {
    let tracepoint = |point: &Tracepoint| {
        Some((kernel.tracepoint_id(point.name)?, TYPEDEF, format!("btf_trace_{}", point.name)))
    };
    let iterator = format!("bpf_iter_{LISTED}");
    let iterator = kernel.function_id(&iterator).map(|id| (id, FUNC, iterator));
    let (mut types, mut strings) = (Vec::new(), vec![0]);
    // One that this kernel lacks is reported when its program is loaded.
    for (id, kind, name) in points.filter_map(tracepoint).chain(iterator) {
        let index = (id - 1) as usize; // 0 is `void`, which is not written down
        if types.len() <= index {
            types.resize(index + 1, EMPTY);
        }
        types[index] = [u32::try_from(strings.len()).expect("a few names"), kind, 0];
        strings.extend(name.as_bytes().iter().chain(&[0]));
    }
    let blob = blob(&types, &strings);
    aya::Btf::parse(&blob, Endianness::default())
        .map_err(|error| Error::new("describe the tracepoints", &ProgramError::Btf(error)))
}

fn blob(types: &[[u32; 3]], strings: &[u8]) -> Vec<u8> {
    let bytes = |length: usize| u32::try_from(length).expect("fewer types than the kernel has");
    let (types_bytes, strings_bytes) = (bytes(types.len() * TYPE_BYTES), bytes(strings.len()));
    let mut blob = Vec::with_capacity(HEADER_BYTES as usize + types.len() * TYPE_BYTES + strings.len());
    blob.extend(MAGIC.to_ne_bytes());
    blob.extend([VERSION, 0]); // no flags
    for word in [HEADER_BYTES, 0, types_bytes, types_bytes, strings_bytes] {
        blob.extend(word.to_ne_bytes());
    }
    blob.extend(types.iter().flatten().flat_map(|word| word.to_ne_bytes()));
    blob.extend(strings);
    blob
}
