//! Processor time of processes and threads, in nanoseconds, as the scheduler counts it.

use std::{fs, path::Path};

fn on_processor(task: &Path) -> u64 {
    let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

fn sum(pid: u32, is_meant: impl Fn(&Path) -> bool) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks.map(|task| task.path()).filter(|task| is_meant(task)).map(|task| on_processor(&task)).sum()
}

/// Of all threads that a process has now.
pub fn cpu_ns(pid: u32) -> u64 {
    sum(pid, |_| true)
}

/// Of its threads of this name.
pub fn cpu_ns_of_thread(pid: u32, name: &str) -> u64 {
    sum(pid, |task| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name))
}
