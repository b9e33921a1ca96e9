//! Watches a folder for new rings, by inotify.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    sync::Arc,
};

use super::Wakeup;

/// Wakes whenever a file appears in the folder; on a thread of its own, which ends with the folder.
///
/// # Errors
/// What the system refused (there may be no more watches, for one): then somebody must look.
pub fn watch_folder(folder: &Path, wakeup: Arc<Wakeup>) -> io::Result<()> {
    let path = CString::new(folder.as_os_str().as_bytes())?;
    // SAFETY: inotify_init1 takes flags alone.
    let raw = unsafe { libc::inotify_init1(libc::IN_CLOEXEC) };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `raw` was just made for us and nobody else owns it.
    let watch = unsafe { OwnedFd::from_raw_fd(raw) };
    // SAFETY: the descriptor and the path are valid for the call.
    if unsafe { libc::inotify_add_watch(raw, path.as_ptr(), libc::IN_CREATE | libc::IN_MOVED_TO | libc::IN_ONLYDIR) }
        < 0
    {
        return Err(io::Error::last_os_error());
    }
    std::thread::Builder::new().name("ttmem-watch".into()).spawn(move || watch_until_it_goes(&watch, &wakeup)).map(drop)
}

fn watch_until_it_goes(watch: &OwnedFd, wakeup: &Wakeup) {
    let mut events = [0_u8; 4096];
    loop {
        // SAFETY: the descriptor is ours, the buffer is valid for its length.
        let bytes = unsafe { libc::read(watch.as_raw_fd(), events.as_mut_ptr().cast(), events.len()) };
        if bytes < 0 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
            continue;
        }
        wakeup.wake();
        // Each event: watch (4 bytes), mask (4), cookie, length of the name. The folder is gone: nothing will come.
        let mask = u32::from_ne_bytes([events[4], events[5], events[6], events[7]]);
        if bytes <= 0 || mask & libc::IN_IGNORED != 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;
    use crate::WaitSet;

    #[test]
    fn a_new_file_wakes() {
        let folder = std::env::temp_dir().join(format!("ttmem-watch-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let wakeup = Arc::new(Wakeup::default());
        watch_folder(&folder, Arc::clone(&wakeup)).unwrap();
        let seen = wakeup.count();
        WaitSet::new(&wakeup, seen).wait(Duration::from_millis(20));
        assert_eq!(wakeup.count(), seen, "nothing has come");
        let path = folder.join("new");
        let maker = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            fs::write(path, "").unwrap();
        });
        let since = std::time::Instant::now();
        // Where the kernel cannot wait for several words, a wait is a short nap.
        while wakeup.count() == seen && since.elapsed() < Duration::from_secs(10) {
            WaitSet::new(&wakeup, seen).wait(Duration::from_secs(20));
        }
        assert!(since.elapsed() < Duration::from_secs(10) && wakeup.count() != seen);
        maker.join().unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }
}
