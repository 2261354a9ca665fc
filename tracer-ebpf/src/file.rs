//! The only reader of `struct file`: what a descriptor means, and its path at first sight.

mod identity;
pub mod pipe;

use core::ffi::c_void;
use core::hint::black_box;

use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_kernel, bpf_probe_read_kernel_str};
use tracer_common::event::kind;
use tracer_common::file::{COMPONENT_BYTES, COMPONENTS, File, PATH_BYTES, flag};
use tracer_common::hash::file_id;

use crate::config::{HAS_RDONLY_CAST, KIOCB_TYPE};
use crate::emit::{header, now, send_record};
use crate::kernel::{self, Typed, cast, copied, field, load, word};
use crate::maps::{SEEN, SEEN_FILES};
use crate::narrow::{count, index, low, low_quarter};
use crate::scratch::{self, Scratch, raise};
use crate::task::Task;

use self::identity::identify;

/// What a descriptor means.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Opened {
    /// Address of the `struct file`.
    pub file: u64,
    /// Address of its inode.
    inode: u64,
    /// Address of its super block.
    super_block: u64,
    /// `i_ino`
    number: u64,
    /// `s_dev`
    device: u32,
    /// `i_mode`
    pub mode: u32,
    /// `f_flags`
    pub flags: u32,
    /// `i_nlink`
    links: u32,
    /// Fills the struct up to its alignment.
    pad: u32,
    /// See [`file_id`]; what comes and goes shares it with others.
    pub id: u64,
    /// What distinguishes this object from others that have its id; the lower half is that of the id, or all of it where there
    /// are none.
    own: u64,
    /// `f_pos`
    pub position: u64,
}

impl Opened {
    /// A pipe, with a name or without.
    #[inline(always)]
    pub fn is_pipe(&self) -> bool {
        const S_IFMT: u32 = 0o170_000;
        const S_IFIFO: u32 = 0o010_000;
        self.mode & S_IFMT == S_IFIFO
    }
}

/// What a descriptor of the current thread means now: its id, 0 when it is not open. Sends what it is at its first
/// sight, and leaves the rest in the scratch buffer. A global function, see [`crate::python::walk`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn opened(probe: u32, descriptor: u32) -> u64 {
    let task = Task::current();
    let Some(scratch) = scratch::get(probe) else { return 0 };
    let Some(opened) = look_up(task, descriptor) else { return 0 };
    scratch.file.opened = opened;
    identify(&mut scratch.file.opened, task, descriptor);
    send_once(probe, task, scratch);
    // Looked up anew: to send wrote to it behind the compiler's back.
    scratch::get(probe).map_or(0, |scratch| scratch.file.opened.id)
}

/// The `struct file` that a descriptor means, and no more.
#[inline(always)]
pub fn address(task: Task, descriptor: u32) -> Option<u64> {
    Some(load(slot(task, descriptor)?)).filter(|&file| file != 0)
}

#[inline(always)]
fn look_up(task: Task, descriptor: u32) -> Option<Opened> {
    let slot = slot(task, descriptor)?;
    if HAS_RDONLY_CAST.load() == 1 { typed(slot) } else { untyped(slot) }
}

/// Where the descriptor table has a descriptor.
#[inline(always)]
fn slot(task: Task, descriptor: u32) -> Option<u64> {
    // SAFETY: the verifier knows the pointers as a `files_struct` and a `fdtable`, and checks the loads.
    let (array, max): (u64, u32) = unsafe {
        let table: Typed = field(task.files(), &kernel::FILES_FDT);
        (field(table, &kernel::FDT_FD), field(table, &kernel::FDT_MAX))
    };
    (descriptor < max).then(|| array + u64::from(descriptor) * 8)
}

/// By direct loads: a slot of the descriptor table, seen as the start of a `struct kiocb`, is a `struct file *`.
#[inline(always)]
fn typed(slot: u64) -> Option<Opened> {
    // SAFETY: `HAS_RDONLY_CAST`, and the loader has checked that `ki_filp` is the first member.
    let file: Typed = unsafe { core::ptr::read_volatile(cast(slot, &KIOCB_TYPE).cast()) };
    if file.is_null() {
        return None;
    }
    // SAFETY: `file` is typed, and so is what it points at.
    unsafe {
        let inode: Typed = field(file, &kernel::FILE_INODE);
        let super_block: Typed = field(inode, &kernel::INODE_SB);
        let (number, device): (u64, u32) =
            (field(inode, &kernel::INODE_INO), field(super_block, &kernel::SB_DEV));
        let generation: u32 = field(inode, &kernel::INODE_GENERATION);
        let id = file_id(number, device, generation);
        Some(Opened {
            file: file as u64,
            inode: inode as u64,
            super_block: super_block as u64,
            number,
            device,
            mode: u32::from(field::<u16>(inode, &kernel::INODE_MODE)),
            flags: field(file, &kernel::FILE_FLAGS),
            links: field(inode, &kernel::INODE_LINKS),
            pad: 0,
            id,
            own: id,
            position: field(file, &kernel::FILE_POSITION),
        })
    }
}

/// By copies, before 6.2.
#[inline(always)]
fn untyped(slot: u64) -> Option<Opened> {
    let file = Some(load(slot)).filter(|&file| file != 0)?;
    let inode = word(file, &kernel::FILE_INODE);
    let super_block = word(inode, &kernel::INODE_SB);
    let (number, device) = (word(inode, &kernel::INODE_INO), low(word(super_block, &kernel::SB_DEV)));
    let generation = low(word(inode, &kernel::INODE_GENERATION));
    let id = file_id(number, device, generation);
    Some(Opened {
        file,
        inode,
        super_block,
        number,
        device,
        mode: u32::from(low_quarter(word(inode, &kernel::INODE_MODE))),
        flags: low(word(file, &kernel::FILE_FLAGS)),
        links: low(word(inode, &kernel::INODE_LINKS)),
        pad: 0,
        id,
        own: id,
        position: word(file, &kernel::FILE_POSITION),
    })
}

/// Sends what a file is, if that has not been sent.
#[inline(always)]
fn send_once(probe: u32, task: Task, scratch: &mut Scratch) {
    let Opened { id, own, .. } = scratch.file.opened;
    let slot = low(id) & (SEEN - 1);
    let Some(&seen) = SEEN_FILES.get(slot) else { return };
    if seen == id || seen == own {
        return;
    }
    let is_another = identity::is_another(&scratch.file.opened, seen);
    let (flags, remembered) = if is_another { (flag::SEVERAL, id) } else { (0, own) };
    if send(probe, task, flags, scratch)
        && let Some(seen) = SEEN_FILES.get_ptr_mut(slot)
    {
        // SAFETY: one word; of two CPUs that write it, the last one only makes the other's file be sent again.
        unsafe { *seen = remembered };
    }
}

#[inline(always)]
fn send(probe: u32, task: Task, flags: u32, scratch: &mut Scratch) -> bool {
    let (opened, file) = (scratch.file.opened, &mut scratch.file.record);
    (file.id, file.inode, file.device) = (opened.id, opened.number, opened.device);
    (file.mode, file.open_flags) = (opened.mode, opened.flags);
    file.magic = word(opened.super_block, &kernel::SB_MAGIC);
    file.rdev = low(word(opened.inode, &kernel::INODE_RDEV));
    let is_named = read_socket(&opened, file);
    start_climb(task, &opened, flags, scratch);
    let steps = if is_named == 0 { COMPONENTS } else { 0 };
    if is_named != 0 {
        (scratch.file.climb.bytes, scratch.file.climb.done) = (u64::from(is_named), 1);
        raise(&mut scratch.file.climb.flags, flag::NAMED);
    }
    let mut number = probe;
    // SAFETY: `climb_step` has the signature that the helper wants, and `number` outlives the loop.
    unsafe { bpf_loop(steps, climb_step as *mut c_void, (&raw mut number).cast(), 0) };
    finish(probe, task)
}

/// Sends the file in the scratch buffer, whose path has been followed.
#[inline(always)]
fn finish(probe: u32, task: Task) -> bool {
    // Looked up anew: the steps wrote to it behind the compiler's back.
    let Some(scratch) = scratch::get(probe) else { return false };
    let (climb, file) = (&scratch.file.climb, &mut scratch.file.record);
    file.flags = climb.flags | if climb.done == 0 { flag::TRUNCATED } else { 0 };
    file.path_bytes = low(climb.bytes);
    let bytes =
        File::FIXED as u64 + u64::from(file.path_bytes & (2 * count(PATH_BYTES) - 1)).min(PATH_BYTES as u64);
    file.header = header(kind::FILE, index(bytes), now(), task);
    // SAFETY: the record is as long as its longest path.
    unsafe { send_record(probe, (&raw const scratch.file.record).cast(), bytes) }
}

/// Address family of a socket, and the end of it that is reported; bytes of a Unix socket's name, which becomes the path.
#[inline(always)]
fn read_socket(opened: &Opened, file: &mut File) -> u32 {
    (file.family, file.port, file.address) = (0, 0, [0; 16]);
    if !identity::is_socket(opened) {
        return 0;
    }
    let sock = identity::sock(opened);
    let family = identity::family(sock);
    file.family = u32::from(family);
    if family == identity::AF_UNIX {
        return identity::unix_name(sock).map_or(0, |name| copy_name(name, file));
    }
    if let Some(end) = identity::inet_end(sock, family)
        && let Some(address) = copied(end.address)
    {
        (file.port, file.address) = (u32::from(end.port), address);
    }
    0
}

#[inline(always)]
fn copy_name(name: identity::SocketName, file: &mut File) -> u32 {
    // Hidden from the compiler, which would leave out the mask; the verifier needs it.
    let bytes = black_box(name.bytes) & 127;
    // SAFETY: there is room for more than 127 bytes.
    let failed =
        unsafe { bpf_probe_read_kernel(file.path.as_mut_ptr().cast(), bytes, name.address as *const _) };
    if failed == 0 { bytes } else { 0 }
}

/// The walk from a dentry up to the process's root. Kept in the scratch buffer: what the verifier reads back from
/// there is unknown to it, so that one pass through a step stands for all.
#[repr(C)]
pub struct Climb {
    dentry: u64,
    mount: u64,
    root_dentry: u64,
    root_mount: u64,
    bytes: u64,
    flags: u32,
    done: u32,
}

#[inline(always)]
fn start_climb(task: Task, opened: &Opened, flags: u32, scratch: &mut Scratch) {
    let dentry = word(opened.file, &kernel::FILE_DENTRY);
    let (root_dentry, root_mount) = task.root();
    let hashed = word(dentry, &kernel::DENTRY_PPREV) != 0;
    scratch.file.climb = Climb {
        dentry,
        mount: word(opened.file, &kernel::FILE_MNT),
        root_dentry,
        root_mount,
        bytes: 0,
        flags: flags | if hashed { 0 } else { flag::UNHASHED },
        done: 0,
    };
}

#[inline(never)]
unsafe extern "C" fn climb_step(index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` hands on what it was given.
    let probe = unsafe { *context.cast::<u32>() };
    let Some(scratch) = scratch::get(probe) else { return 1 };
    let climb = &mut scratch.file.climb;
    if climb.dentry == climb.root_dentry && climb.mount == climb.root_mount {
        climb.flags |= flag::ROOTED;
        climb.done = 1;
        return 1;
    }
    let parent = word(climb.dentry, &kernel::DENTRY_PARENT);
    let at_mount = climb.dentry == word(climb.mount, &kernel::VFSMOUNT_ROOT);
    if !at_mount && parent != climb.dentry {
        let appended = append_name(scratch);
        scratch.file.climb.dentry = parent;
        return i64::from(!appended);
    }
    if cross_mount(climb) {
        return 0;
    }
    climb.done = 1;
    if index == 0 {
        // A file without a parent has only its own name: `memfd:NAME`, `[eventfd]`.
        append_name(scratch);
    }
    1
}

/// From the root of a mount to where it is mounted; false where it is mounted nowhere.
#[inline(always)]
fn cross_mount(climb: &mut Climb) -> bool {
    let mount = climb.mount.wrapping_sub(u64::from(kernel::MOUNT_MNT.load()));
    let parent = word(mount, &kernel::MOUNT_PARENT);
    if parent == mount || parent == 0 {
        return false;
    }
    climb.dentry = word(mount, &kernel::MOUNT_MOUNTPOINT);
    climb.mount = parent + u64::from(kernel::MOUNT_MNT.load());
    true
}

/// Appends the name of the current dentry; false when there is no room.
#[inline(always)]
fn append_name(scratch: &mut Scratch) -> bool {
    let at = scratch.file.climb.bytes;
    if at > (PATH_BYTES - COMPONENT_BYTES) as u64 {
        return false;
    }
    let name = word(scratch.file.climb.dentry, &kernel::DENTRY_NAME);
    // SAFETY: there is room for the longest component, as just checked.
    let copied = unsafe {
        let into = scratch.file.record.path.as_mut_ptr().add(index(at));
        bpf_probe_read_kernel_str(into.cast(), count(COMPONENT_BYTES), name as *const _)
    };
    if copied > 0 {
        scratch.file.climb.bytes = at + copied.cast_unsigned();
    }
    copied > 0
}
