//! The process to attach to, as /proc shows it.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::{ffi::OsStringExt, fs::MetadataExt},
    path::PathBuf,
};

use ttmem_ring::{folder_for, process_start};

use crate::Failure;

/// System calls in which a thread sleeps without a lock of the C library.
const SLEEPS: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_pwait,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_rt_sigtimedwait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_select,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_pause,
];

/// A running process of the user's own.
pub(crate) struct Target {
    pid: u32,
    started: u64,
}

impl Target {
    /// # Errors
    /// No such process; of another user; in another container.
    pub(crate) fn find(pid: u32) -> Result<Self, Failure> {
        let failure = |why: &str| Failure::new(format!("attach {pid}: {why}"));
        let started = process_start(pid).ok_or_else(|| failure("no such process"))?;
        let owner = fs::metadata(format!("/proc/{pid}")).map(|metadata| metadata.uid());
        let own = fs::metadata("/proc/self").map(|metadata| metadata.uid());
        if let (Ok(owner), Ok(own)) = (owner, own)
            && owner != own
        {
            return Err(failure(&format!("it belongs to user {owner}; run ttmem as that user")));
        }
        let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt"));
        match (namespace(&pid.to_string()), namespace("self")) {
            (Ok(its), Ok(own)) if its != own => {
                Err(failure("it runs in a container with files of its own; run ttmem in there"))
            }
            (Err(error), _) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(failure("its files in /proc cannot be read; run ttmem as root"))
            }
            _ => Ok(Self { pid, started }),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it still runs.
    pub(crate) fn runs(&self) -> bool {
        let state = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let is_dead = state.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']));
        !is_dead && process_start(self.pid) == Some(self.started)
    }

    /// Where its rings are, if it has any by itself.
    pub(crate) fn folder(&self) -> PathBuf {
        let variables = fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        let value = |name: &[u8]| {
            let mut variables = variables.split(|&byte| byte == 0);
            let value = variables.find_map(|variable| variable.strip_prefix(name)?.strip_prefix(b"="))?;
            Some(OsString::from_vec(value.to_vec()))
        };
        PathBuf::from(format!("/proc/{}/cwd", self.pid))
            .join(folder_for(value(b"TTMEM_DIR"), value(b"XDG_RUNTIME_DIR")))
    }

    /// Where the program's first instruction is.
    pub(super) fn entry(&self) -> Option<u64> {
        const AT_ENTRY: u64 = 9;
        let words = fs::read(format!("/proc/{}/auxv", self.pid)).ok()?;
        let (words, _) = words.as_chunks::<8>();
        let (pairs, _) = words.as_chunks::<2>();
        let [_, entry] = pairs.iter().find(|[kind, _]| u64::from_ne_bytes(*kind) == AT_ENTRY)?;
        Some(u64::from_ne_bytes(*entry))
    }

    /// Whether its first thread sleeps in a system call.
    pub(super) fn sleeps(&self) -> bool {
        let state = fs::read_to_string(format!("/proc/{0}/task/{0}/syscall", self.pid)).unwrap_or_default();
        let number = state.split(' ').next().and_then(|number| number.trim().parse().ok());
        number.is_some_and(|number| SLEEPS.contains(&number))
    }
}
