//! The lock of whoever moves a ring's tail: the reader that drains it, or the flusher while it folds.
//!
//! A lock of the open file (fcntl, open file description): it does not meet the flock by which a process shows that it
//! lives, and nobody drops it by closing another descriptor.

use std::{fs::File, io, os::fd::AsRawFd};

/// Takes the lock; false if somebody has it.
pub(crate) fn take(file: &File) -> bool {
    set(file, libc::F_WRLCK)
}

/// Drops it. Closing the file is not enough: a child that another thread forks holds the open file until it execs.
pub(crate) fn drop(file: &File) {
    set(file, libc::F_UNLCK);
}

fn set(file: &File, kind: libc::c_int) -> bool {
    // SAFETY: an all-zero flock is a valid value of this plain C struct.
    let mut whole: libc::flock = unsafe { std::mem::zeroed() };
    whole.l_type = kind as _;
    whole.l_whence = libc::SEEK_SET as _;
    // SAFETY: the descriptor is valid and the struct is initialised.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const whole) == 0 }
}

/// The other kind (flock), at once or not at all. It ends with the open file, or with its last mapping.
pub(crate) fn flock(file: &File, kind: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is valid.
    match unsafe { libc::flock(file.as_raw_fd(), kind | libc::LOCK_NB) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
