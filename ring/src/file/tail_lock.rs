//! The tail lock: its holder alone moves a ring's tail. It is the reader that drains, or the flusher while it writes a checkpoint.
//!
//! It is a lock of the open file description (fcntl): it does not conflict with the flock that shows that a process lives, and
//! closing another descriptor does not drop it.

use std::{fs::File, os::fd::AsRawFd};

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
