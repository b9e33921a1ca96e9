//! Who a process is, and how it ended.

use std::{
    fs,
    io::Read,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    time::Duration,
};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By exit with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Ended {
    /// From a wait status.
    pub fn from_wait_status(status: i32) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Signal(libc::WTERMSIG(status))
        } else {
            Self::Code(libc::WEXITSTATUS(status))
        }
    }
}

/// When process `pid` was started: clock ticks since boot. `None` if there is no such process.
pub fn process_start(pid: u32) -> Option<u64> {
    start_from_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Field 22; the name in field 2 may hold spaces and parentheses, so count from its end.
fn start_from_stat(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Sends a signal to a child of ours that has not been waited for, so that the number can mean nobody else.
pub fn send_signal(child: u32, signal: i32) {
    // SAFETY: kill takes two integers; a process that is gone gives an error that nobody needs.
    unsafe { libc::kill(child as libc::pid_t, signal) };
}

/// Sleeps until a child of ours that has not been waited for has ended, or a signal has come, or this time is over. Where
/// the kernel cannot tell (before Linux 5.3), a few milliseconds.
pub fn sleep_while_it_runs(child: u32, longest: Duration) {
    // SAFETY: pidfd_open takes two integers and returns a new descriptor (close-on-exec) or -1.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, child as libc::pid_t, 0) } as i32;
    if raw < 0 {
        return std::thread::sleep(longest.min(Duration::from_millis(5)));
    }
    // SAFETY: `raw` was just made for us and nobody else owns it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(raw) };
    let mut wanted = libc::pollfd { fd: pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd. That a signal ends it early is what we want.
    unsafe { libc::poll(&raw mut wanted, 1, longest.as_millis().min(60_000) as i32) };
}

/// The boot that this is, or 0 where the kernel does not say.
pub(crate) fn boot_id() -> u128 {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    u128::from_str_radix(&text.trim().replace('-', ""), 16).unwrap_or(0)
}

/// 128 random bits.
pub(crate) fn random_id() -> u128 {
    let mut bytes = [0_u8; 16];
    // SAFETY: the buffer is valid for its length. A kernel without getrandom leaves zeroes; the pid in the name still differs.
    unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    u128::from_ne_bytes(bytes)
}

/// The arguments of this process, as much as a header keeps.
pub(crate) fn command_line() -> Vec<String> {
    let mut bytes = Vec::new();
    let Ok(file) = fs::File::open("/proc/self/cmdline") else { return Vec::new() };
    let _ = file.take(ttmem_wire::MAX_COMMAND_BYTES as u64).read_to_end(&mut bytes);
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes.split(|&byte| byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
}

/// Holds on to a process, so that its way of ending can be asked for after it is gone, even if it is no child of ours.
#[derive(Debug)]
pub struct ProcessWatch {
    pidfd: OwnedFd,
}

/// `struct pidfd_info` of linux/pidfd.h, first published version.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    exit_code: i32,
}

const PIDFD_INFO_EXIT: u64 = 1 << 3;
/// `_IOWR(0xFF, 11, struct pidfd_info)`.
const PIDFD_GET_INFO: libc::c_ulong = (3 << 30) | ((size_of::<PidfdInfo>() as libc::c_ulong) << 16) | (0xFF << 8) | 11;

impl ProcessWatch {
    /// Watches the process that has this pid and start time. `None` if it is gone, or the kernel has no pidfds.
    pub fn open(pid: u32, started: u64) -> Option<Self> {
        // SAFETY: pidfd_open takes two integers and returns a new descriptor (close-on-exec) or -1.
        let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) } as i32;
        if raw < 0 {
            return None;
        }
        // SAFETY: `raw` is a descriptor that was just made for us and that nobody else owns.
        let pidfd = unsafe { OwnedFd::from_raw_fd(raw) };
        // Checked after the open: from here on the descriptor means this process, whoever gets the number later.
        (process_start(pid) == Some(started)).then_some(Self { pidfd })
    }

    /// How it ended; `None` while it runs, and on kernels before 6.15, which do not keep that.
    pub fn ended(&self) -> Option<Ended> {
        let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
        // SAFETY: the request's number states the struct's size; the kernel writes at most that many bytes into `info`.
        let result = unsafe { libc::ioctl(self.pidfd.as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
        (result == 0 && info.mask & PIDFD_INFO_EXIT != 0).then(|| Ended::from_wait_status(info.exit_code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_start_time() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 424242 1 2";
        assert_eq!(start_from_stat(stat), Some(424_242));
        assert!(process_start(std::process::id()).is_some());
    }

    #[test]
    fn a_watched_process_tells_how_it_ended() {
        for (command, expected) in [("exit 7", Ended::Code(7)), ("kill -9 $$", Ended::Signal(9))] {
            let mut child = std::process::Command::new("/bin/sh")
                .args(["-c", &format!("read x; {command}")])
                .stdin(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let Some(watch) = ProcessWatch::open(child.id(), process_start(child.id()).unwrap()) else {
                eprintln!("SKIPPED: this kernel has no pidfd_open");
                child.kill().unwrap();
                child.wait().unwrap();
                return;
            };
            assert_eq!(watch.ended(), None);
            drop(child.stdin.take());
            child.wait().unwrap();
            match watch.ended() {
                None => eprintln!("SKIPPED: this kernel has no PIDFD_INFO_EXIT"),
                ended => assert_eq!(ended, Some(expected)),
            }
        }
    }
}
