//! Entries of a map, many at a time: one call of bpf(2) instead of up to three for each.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use aya::Pod;
use aya::maps::{HashMap, IterableMap, MapData, PerCpuArray};

/// `BPF_MAP_LOOKUP_BATCH` and `BPF_MAP_DELETE_BATCH`, since Linux 5.6.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/bpf.h#L958>
const LOOKUP: libc::c_long = 24;
const DELETE: libc::c_long = 27;
/// Entries at a time. A bucket with more could not be read; the kernel makes one for each entry that a map has room for.
const AT_A_TIME: usize = 512;

/// Takes out the entries whose keys are wanted.
///
/// # Errors
/// When the kernel refuses to list them.
pub fn take<K: Pod, V: Pod>(
    map: &mut HashMap<MapData, K, V>,
    wanted: impl Fn(&K) -> bool,
) -> io::Result<Vec<(K, V)>> {
    let mut page = Page { keys: Vec::with_capacity(AT_A_TIME), values: Vec::with_capacity(AT_A_TIME) };
    let mut taken = Vec::new();
    let mut bucket = Some(None);
    while let Some(begin) = bucket {
        bucket = page.read(map, begin)?.map(Some);
        let entries = page.keys.iter().copied().zip(page.values.iter().copied());
        let found: Vec<_> = entries.filter(|(key, _)| wanted(key)).collect();
        remove(map, &found.iter().map(|(key, _)| *key).collect::<Vec<_>>());
        taken.extend(found);
    }
    Ok(taken)
}

/// All entries of an array, each with its value on every CPU that there may be.
///
/// # Errors
/// When the kernel refuses.
pub fn per_cpu<V: Pod>(map: &PerCpuArray<MapData, V>, entries: usize) -> io::Result<Vec<Vec<V>>> {
    // The kernel would leave a gap between the values.
    const { assert!(size_of::<V>().is_multiple_of(8)) };
    let cpus = aya::util::nr_cpus().map_err(|(_, error)| error)?;
    let mut keys = Vec::<u32>::with_capacity(entries);
    let mut values = Vec::<V>::with_capacity(entries * cpus);
    let mut end = 0_u32;
    let mut batch = Batch {
        end: &raw mut end as u64,
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count: entries as u32,
        ..Batch::new(map.map())
    };
    // SAFETY: there is room for so many entries, of the types that the map's have.
    unsafe { batch.call(LOOKUP) }?;
    // SAFETY: so many have been written, and any bytes are a value.
    unsafe { values.set_len(batch.count as usize * cpus) };
    Ok(values.chunks(cpus).map(<[V]>::to_vec).collect())
}

/// The `batch` of `union bpf_attr`: <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/bpf.h#L1578>
#[repr(C)]
#[derive(Default)]
struct Batch {
    begin: u64,
    end: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

impl Batch {
    fn new(map: &MapData) -> Self {
        let map = map.fd().as_fd().as_raw_fd().cast_unsigned();
        Self { map, ..Self::default() }
    }

    /// # Safety
    /// The addresses must be those of what the map has, and of as many as it says.
    unsafe fn call(&mut self, command: libc::c_long) -> io::Result<()> {
        // SAFETY: the caller's.
        match unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *self, size_of::<Self>()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Entries that lie in buckets which follow each other.
struct Page<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
}

impl<K: Pod, V: Pod> Page<K, V> {
    /// Reads from this bucket on, or from the first; where to go on, unless that was all.
    fn read(&mut self, map: &HashMap<MapData, K, V>, begin: Option<u32>) -> io::Result<Option<u32>> {
        let mut end = 0_u32;
        let mut batch = Batch {
            begin: begin.as_ref().map_or(0, |begin| &raw const *begin as u64),
            end: &raw mut end as u64,
            keys: self.keys.as_mut_ptr() as u64,
            values: self.values.as_mut_ptr() as u64,
            count: AT_A_TIME as u32,
            ..Batch::new(map.map())
        };
        // SAFETY: both have room for that many, of the types that the map's entries have, and any bytes are of those.
        let result = unsafe { batch.call(LOOKUP) };
        let next = match result {
            Ok(()) => Some(end),
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOENT) => None,
                // A probe that this call interrupted has the bucket: it is its turn again.
                Some(libc::EBUSY) => Some(end),
                _ => return Err(error),
            },
        };
        // SAFETY: so many have been written.
        unsafe {
            self.keys.set_len(batch.count as usize);
            self.values.set_len(batch.count as usize);
        }
        Ok(next)
    }
}

/// Its caller lists and removes them, so that all are there.
fn remove<K: Pod, V: Pod>(map: &mut HashMap<MapData, K, V>, mut keys: &[K]) {
    while !keys.is_empty() {
        let mut batch =
            Batch { keys: keys.as_ptr() as u64, count: keys.len() as u32, ..Batch::new(map.map()) };
        // SAFETY: there are so many, of the type that the map's keys have.
        let result = unsafe { batch.call(DELETE) };
        let passed = batch.count as usize + usize::from(result.is_err());
        keys = keys.get(passed..).unwrap_or_default();
    }
}
