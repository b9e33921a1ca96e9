//! The machine, for the head of a table: figures without it say nothing.

use std::fs;

/// Processor, cores and kernel in one line.
pub fn machine() -> String {
    let about = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = |name: &str| {
        let value = about.lines().find(|line| line.starts_with(name))?;
        Some(value.split_once(':')?.1.trim().to_owned())
    };
    let model = line("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let family = line("cpu family").map_or(String::new(), |family| format!(" (family {family})"));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let virtual_machine = if about.contains(" hypervisor") { ", a virtual machine" } else { "" };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}{family}, {cores} cores{virtual_machine}, Linux {}", kernel.trim())
}
