//! System calls on files.

use std::{fs, fs::File, io, os::fd::AsRawFd, os::unix::fs::MetadataExt};

/// The result of a system call, or its error.
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Which file it is, whatever names it has.
pub(crate) fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

pub(crate) fn effective_uid() -> u32 {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() }
}

/// Whether a file of this size may be written: growing one beyond the limit would end the host with SIGXFSZ.
pub(crate) fn check_size_limit(bytes: u64) -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit to write to.
    check(unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) })?;
    if limit.rlim_cur < bytes { Err(io::Error::from_raw_os_error(libc::EFBIG)) } else { Ok(()) }
}

/// Locks by flock, at once or not at all. The lock ends with the open file, or with its last mapping.
pub(crate) fn flock(file: &File, kind: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is valid.
    check(unsafe { libc::flock(file.as_raw_fd(), kind | libc::LOCK_NB) }).map(drop)
}
