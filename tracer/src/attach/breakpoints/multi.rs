//! Programs at breakpoints, loaded for links that hold many of them: since Linux 6.10.
//!
//! A uprobe of perf(1)'s kind takes the kernel a tenth of a second to remove, one after the other on the whole machine;
//! links of this kind are removed in a fiftieth, many at a time, and do not keep others from setting theirs.
//! <https://github.com/torvalds/linux/blob/v6.12/kernel/trace/trace_event_perf.c#L289> (`event_mutex`)
//!
//! aya loads no programs for them. So the object is linked a second time, to the maps that aya has made.

use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use aya::Ebpf;
use aya::maps::{Map, MapData};
use aya_obj::btf::BtfFeatures;
use aya_obj::{Function, Object, ProgramSection};

use crate::sys::uprobes;

/// All programs at breakpoints.
pub struct Multi {
    types: OwnedFd,
    programs: HashMap<String, MultiProgram>,
}

struct MultiProgram {
    license: CString,
    function: Function,
    at_return: bool,
    loaded: Option<OwnedFd>,
}

impl Multi {
    /// Links the programs of an object to the maps that were made for it; `None` where the kernel has no such links.
    pub fn new(object: &[u8], ebpf: &Ebpf) -> Option<Self> {
        let mut multi = Self::link(object, ebpf)?;
        let name = multi.programs.keys().min_by_key(|name| multi.programs[*name].size())?.clone();
        let program = multi.program(&name).ok()?;
        uprobes::are_for_processes(program.loaded.as_ref()?.as_fd()).then_some(multi)
    }

    fn link(object: &[u8], ebpf: &Ebpf) -> Option<Self> {
        let mut object = Object::parse(object).ok()?;
        // A kernel that has such links knows all of these types.
        let every_type = BtfFeatures::new(true, true, true, true, true, true, true, true);
        let types = object.fixup_and_sanitize_btf(&every_type).ok()??.to_bytes();
        let types = uprobes::load_types(&types).ok()?;
        let texts = object.functions.keys().map(|(section, _)| *section).collect();
        let fds: HashMap<&str, RawFd> =
            ebpf.maps().filter_map(|(name, map)| Some((name, fd(map)?))).collect();
        let maps = std::mem::take(&mut object.maps);
        let made = maps.iter().filter_map(|(name, map)| Some((name.as_str(), *fds.get(name.as_str())?, map)));
        object.relocate_maps(made, &texts).ok()?;
        object.relocate_calls(&texts).ok()?;
        Some(Self { types, programs: programs(&object) })
    }

    /// Has the kernel verify a program, once.
    pub fn load(&mut self, name: &str) -> io::Result<()> {
        self.program(name).map(|_| ())
    }

    /// Sets the breakpoints of a program in one process.
    pub fn attach(&mut self, name: &str, pid: u32, path: &Path, offsets: &[u64]) -> io::Result<OwnedFd> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let program = self.program(name)?;
        let loaded = program.loaded.as_ref().ok_or(io::ErrorKind::NotFound)?;
        uprobes::attach(loaded.as_fd(), &path, offsets, program.at_return, pid)
    }

    fn program(&mut self, name: &str) -> io::Result<&MultiProgram> {
        let program = self.programs.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        if program.loaded.is_none() {
            program.loaded = Some(uprobes::load(&uprobes::Program {
                name,
                instructions: &program.function.instructions,
                license: &program.license,
                functions: (
                    &program.function.func_info.func_info_bytes(),
                    program.function.func_info_rec_size,
                ),
                btf: self.types.as_fd(),
            })?);
        }
        Ok(program)
    }
}

impl MultiProgram {
    fn size(&self) -> usize {
        self.function.instructions.len()
    }
}

fn programs(object: &Object) -> HashMap<String, MultiProgram> {
    let of = |(name, program): (&String, &aya_obj::Program)| {
        let at_return = match program.section {
            ProgramSection::UProbe { .. } => false,
            ProgramSection::URetProbe { .. } => true,
            _ => return None,
        };
        let function = object.functions.get(&program.function_key())?.clone();
        let program = MultiProgram { license: program.license.clone(), function, at_return, loaded: None };
        Some((name.clone(), program))
    };
    object.programs.iter().filter_map(of).collect()
}

/// The descriptor of a map of the kinds that the object has.
fn fd(map: &Map) -> Option<RawFd> {
    let fd = |data: &MapData| data.fd().as_fd().as_raw_fd();
    match map {
        Map::Array(data) | Map::PerCpuArray(data) | Map::HashMap(data) | Map::LruHashMap(data) => {
            Some(fd(data))
        }
        Map::PerCpuHashMap(data) | Map::RingBuf(data) => Some(fd(data)),
        _ => None,
    }
}
