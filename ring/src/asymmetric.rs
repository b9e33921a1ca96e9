//! A fence that costs nothing on the side of those who report events, and a system call on the flusher's, which needs it only before
//! it sleeps.
//!
//! A thread publishes a record and then looks whether the flusher sleeps; the flusher says that it sleeps and then looks for
//! records. Each must not look before its own store is seen. The flusher has the kernel interrupt all threads of the process
//! in between (`membarrier`), so that each has either stored before, and is seen, or looks after, and sees.

/// The threads' side: what comes before it is not moved behind it, as far as the flusher's [`heavy`] goes.
#[inline(always)]
pub fn light() {
    // SYNC (P): pairs with `heavy`. To loom, which knows no membarrier, both are fences.
    #[cfg(any(loom, shuttle))]
    crate::sync::fence(crate::sync::Ordering::SeqCst);
    #[cfg(not(any(loom, shuttle)))]
    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
}

/// The flusher's side. False if the kernel refuses: then nothing is known.
#[cfg(any(loom, shuttle))]
pub fn heavy() -> bool {
    crate::sync::fence(crate::sync::Ordering::SeqCst);
    true
}

/// The flusher's side. False if the kernel refuses: then nothing is known.
#[cfg(not(any(loom, shuttle)))]
pub fn heavy() -> bool {
    // SYNC (P): pairs with `light`.
    membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
}

/// Asks the kernel for [`heavy`]; false if this kernel does not have it (before Linux 4.14, or forbidden). Once for a process; with
/// threads it may take some milliseconds.
#[cfg(not(any(loom, shuttle)))]
pub fn register() -> bool {
    membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) && heavy()
}

#[cfg(not(any(loom, shuttle)))]
fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the system call takes two numbers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0) == 0 }
}
