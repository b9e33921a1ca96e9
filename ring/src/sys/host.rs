//! What this machine offers to rings: for `ttmem doctor`.

use std::{
    ffi::CString,
    fs::File,
    io,
    os::{
        fd::{AsRawFd, FromRawFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

/// Room on a file system, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskSpace {
    /// All of it.
    pub total: u64,
    /// What this user may still take.
    pub free: u64,
}

/// The room on the file system on which `path` lies.
///
/// # Errors
/// What the system says.
pub fn space(path: &Path) -> io::Result<DiskSpace> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: all zeroes are a valid value of this plain C struct.
    let mut stat: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends with a NUL, and `stat` is valid to write to.
    if unsafe { libc::statvfs(path.as_ptr(), &raw mut stat) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let unit = stat.f_frsize as u64;
    Ok(DiskSpace { total: stat.f_blocks as u64 * unit, free: stat.f_bavail as u64 * unit })
}

/// A call of the kernel that a ring or its reader makes.
#[derive(Debug)]
pub struct Feature {
    /// What it is called.
    pub name: &'static str,
    /// Since which Linux.
    pub since: &'static str,
    /// What the kernel said when it was tried here.
    pub tried: io::Result<()>,
}

/// Tries what rings need, in the folder that they lie in.
pub fn features(folder: &File) -> Vec<Feature> {
    let flags = libc::O_TMPFILE | libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: the descriptor and the path are valid for the call.
    let fd = unsafe { libc::openat(folder.as_raw_fd(), c".".as_ptr(), flags, 0o600) };
    // SAFETY: a descriptor that was just opened is ours alone.
    let file = if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(unsafe { File::from_raw_fd(fd) }) };
    let on_file = |call: &dyn Fn(&File) -> libc::c_int| match &file {
        Ok(file) => check(call(file)),
        Err(_) => Err(io::Error::other("not tried, there is no file without a name")),
    };
    let locked = on_file(&|file| {
        // SAFETY: an all-zero flock is valid: a lock of the whole file, once its kind is set.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = libc::F_WRLCK as libc::c_short;
        // SAFETY: the descriptor and the lock are valid for the call.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) }
    });
    let reserved = on_file(&|file| {
        // SAFETY: the descriptor is valid.
        unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, 4096) }
    });
    vec![
        Feature {
            name: "O_TMPFILE",
            since: "3.11, on tmpfs, ext4, xfs or btrfs",
            tried: file.as_ref().map(drop).map_err(again),
        },
        Feature { name: "open file description locks", since: "3.15", tried: locked },
        Feature { name: "fallocate", since: "2.6.23, on tmpfs 3.5", tried: reserved },
        Feature { name: "MADV_WIPEONFORK", since: "4.14", tried: wipe_on_fork() },
        Feature { name: "pidfd_open", since: "5.3", tried: pidfd() },
    ]
}

fn again(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::from(error.kind()), io::Error::from_raw_os_error)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn wipe_on_fork() -> io::Result<()> {
    const PAGE: usize = 4096;
    // SAFETY: an anonymous mapping at an address of the kernel's choice, checked before use, and unmapped by its own size.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let page = libc::mmap(std::ptr::null_mut(), PAGE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let advised = check(libc::madvise(page, PAGE, libc::MADV_WIPEONFORK));
        libc::munmap(page, PAGE);
        advised
    }
}

fn pidfd() -> io::Result<()> {
    // SAFETY: the call takes two numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, std::process::id(), 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made for us.
    unsafe { libc::close(fd as libc::c_int) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_what_it_takes() {
        let folder = std::env::temp_dir().join(format!("ttmem-host-{}", std::process::id()));
        let open = crate::ensure_folder(&folder).unwrap();
        for feature in features(&open) {
            assert!(feature.tried.is_ok(), "{feature:?}");
        }
        let room = space(&folder).unwrap();
        assert!(room.free <= room.total && room.total > 0);
        std::fs::remove_dir(&folder).unwrap();
        assert!(space(&folder).is_err());
    }
}
