//! The kernel's struct fields that the probes load: one list, from which the probes declare their `.rodata`
//! globals and user space fills them from the running kernel's BTF.

/// Calls `$then!` with rows of `GLOBAL = struct . path`, each the byte offset of a field.
#[macro_export]
macro_rules! kernel_fields {
    ($then:ident) => {
        $then! {
            TASK_PID = task_struct."pid";
            TASK_TGID = task_struct."tgid";
            TASK_COMM = task_struct."comm";
            TASK_GROUP_LEADER = task_struct."group_leader";
            TASK_THREAD_PID = task_struct."thread_pid";
            TASK_FLAGS = task_struct."flags";
            TASK_ON_CPU = task_struct."on_cpu";
            TASK_REAL_PARENT = task_struct."real_parent";
            TASK_EXIT_STATE = task_struct."exit_state";
            TASK_EXIT_CODE = task_struct."exit_code";
            TASK_SIGNAL = task_struct."signal";
            TASK_BLOCKED = task_struct."blocked";
            TASK_REAL_BLOCKED = task_struct."real_blocked";
            TASK_PENDING = task_struct."pending.signal";
            TASK_NVCSW = task_struct."nvcsw";
            TASK_NIVCSW = task_struct."nivcsw";
            TASK_CPU_TIME = task_struct."se.sum_exec_runtime";
            TASK_START_TIME = task_struct."start_time";
            TASK_FSBASE = task_struct."thread.fsbase";
            TASK_FILES = task_struct."files";
            TASK_FS = task_struct."fs";
            TASK_MM = task_struct."mm";
            SIGNAL_PIDS = signal_struct."pids";
            SIGNAL_PENDING = signal_struct."shared_pending.signal";
            SIGNAL_OOM_MM = signal_struct."oom_mm";
            PID_LEVEL = pid."level";
            PID_NUMBERS = pid."numbers";
            SIGNAL_LIVE = signal_struct."live";
            SIGNAL_GROUP_EXIT_CODE = signal_struct."group_exit_code";
            MM_PGD = mm_struct."pgd";
            MM_ARG_START = mm_struct."arg_start";
            MM_ARG_END = mm_struct."arg_end";
            FILES_FDT = files_struct."fdt";
            FDT_FD = fdtable."fd";
            FDT_MAX = fdtable."max_fds";
            FS_ROOT_DENTRY = fs_struct."root.dentry";
            FS_ROOT_MNT = fs_struct."root.mnt";
            FILE_INODE = file."f_inode";
            FILE_FLAGS = file."f_flags";
            FILE_OPERATIONS = file."f_op";
            FILE_DENTRY = file."f_path.dentry";
            FILE_MNT = file."f_path.mnt";
            FILE_PRIVATE = file."private_data";
            FILE_POSITION = file."f_pos";
            PIPE_HEAD = pipe_inode_info."head";
            PIPE_TAIL = pipe_inode_info."tail";
            PIPE_SLOTS = pipe_inode_info."ring_size";
            PIPE_BUFFERS = pipe_inode_info."bufs";
            PIPE_BUFFER_OFFSET = pipe_buffer."offset";
            PIPE_BUFFER_LENGTH = pipe_buffer."len";
            INODE_MODE = inode."i_mode";
            INODE_SB = inode."i_sb";
            INODE_INO = inode."i_ino";
            INODE_RDEV = inode."i_rdev";
            INODE_GENERATION = inode."i_generation";
            INODE_LINKS = inode."i_nlink";
            SB_DEV = super_block."s_dev";
            SB_MAGIC = super_block."s_magic";
            DENTRY_NAME = dentry."d_name.name";
            DENTRY_PARENT = dentry."d_parent";
            DENTRY_PPREV = dentry."d_hash.pprev";
            VFSMOUNT_ROOT = vfsmount."mnt_root";
            MOUNT_MNT = mount."mnt";
            MOUNT_PARENT = mount."mnt_parent";
            MOUNT_MOUNTPOINT = mount."mnt_mountpoint";
            SOCKET_SK = socket."sk";
            SOCK_FAMILY = sock."__sk_common.skc_family";
            SOCK_DADDR = sock."__sk_common.skc_daddr";
            SOCK_DPORT = sock."__sk_common.skc_dport";
            SOCK_V6_DADDR = sock."__sk_common.skc_v6_daddr";
            SOCK_NUM = sock."__sk_common.skc_num";
            SOCK_RCV_SADDR = sock."__sk_common.skc_rcv_saddr";
            SOCK_V6_RCV_SADDR = sock."__sk_common.skc_v6_rcv_saddr";
            SOCK_BACKLOG = sock."sk_max_ack_backlog";
            BPRM_FILENAME = linux_binprm."filename";
            SIGACTION_HANDLER = k_sigaction."sa.sa_handler";
        }
    };
}
