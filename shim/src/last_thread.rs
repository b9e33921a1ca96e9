//! A process whose main thread left with pthread_exit ends when its last thread does. Ours must not be the one that keeps it.

use std::ffi::CStr;

/// The main thread of the process, as the flusher finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leader {
    /// It runs (or nobody can say).
    Runs,
    /// It left, and other threads of the host run.
    Left,
    /// It left, and so did all others but the flusher.
    LeftAlone,
}

/// Looks at /proc/self/stat: the leader's state, and how many threads there are, the leader counted as long as one lives.
/// No heap; a descriptor for the time of the call.
pub(crate) fn leader() -> Leader {
    let mut bytes = [0_u8; 1024];
    match read(c"/proc/self/stat", &mut bytes).and_then(|length| bytes.get(..length)).and_then(parse) {
        Some((b'Z', 2)) => Leader::LeftAlone,
        Some((b'Z', _)) => Leader::Left,
        _ => Leader::Runs,
    }
}

fn read(path: &CStr, bytes: &mut [u8]) -> Option<usize> {
    // SAFETY: the path is NUL-terminated, the buffer valid for its length, and the descriptor our own until it is closed.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        if fd < 0 {
            return None;
        }
        let length = libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len());
        libc::close(fd);
        usize::try_from(length).ok()
    }
}

/// State (field 3) and number of threads (field 20); the name in field 2 may hold anything, so count from its end.
fn parse(stat: &[u8]) -> Option<(u8, u32)> {
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let mut fields = stat.get(end + 1..)?.split(|&byte| byte == b' ').filter(|field| !field.is_empty());
    let state = *fields.next()?.first()?;
    let threads = std::str::from_utf8(fields.nth(16)?).ok()?.parse().ok()?;
    Some((state, threads))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_does_not_shift_the_fields() {
        let stat = b"7 (a) Z 2) Z 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 424242 1 2";
        assert_eq!(parse(stat), Some((b'Z', 3)));
        assert_eq!(parse(b"7 (cut"), None);
        assert_eq!(leader(), Leader::Runs);
    }
}
