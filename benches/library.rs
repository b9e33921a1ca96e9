//! libttmem.so as a program has it: loaded, and called through its C ABI.

use std::path::{Path, PathBuf};

use libloading::Library;

/// The signature of `report_allocation`.
pub type Report = unsafe extern "C" fn(i32, u64, u8, u64);
type Free = unsafe extern "C" fn(i32, u64);

/// Where a release build puts what it makes.
pub fn release_folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    target.join("release")
}

/// Loads the library, or the one that TTMEM_LIBRARY names. It reads its environment now.
///
/// # Panics
/// If it was not built.
pub fn load() -> &'static Library {
    let other = std::env::var_os("TTMEM_LIBRARY").filter(|path| !path.is_empty());
    let path = other.map_or_else(|| release_folder().join("libttmem.so"), PathBuf::from);
    // SAFETY: the library's constructor only reads the environment.
    let library = unsafe { Library::new(&path) };
    let library =
        library.unwrap_or_else(|error| panic!("{error}; build it first: cargo build --release -p ttmem-shim"));
    Box::leak(Box::new(library))
}

/// The function that reports an allocation.
///
/// # Panics
/// If the library has none.
pub fn report_allocation(library: &Library) -> Report {
    // SAFETY: the symbol has this signature; see include/ttmem.h.
    *unsafe { library.get(b"report_allocation") }.expect("report_allocation")
}

/// The function that reports a free.
///
/// # Panics
/// If the library has none.
pub fn report_deallocation(library: &Library) -> Free {
    // SAFETY: the symbol has this signature; see include/ttmem.h.
    *unsafe { library.get(b"report_deallocation") }.expect("report_deallocation")
}

/// The library's counts of itself: size, reported, in the ring, on the way, dropped.
///
/// # Panics
/// If the library has none.
pub fn stats(library: &Library) -> [u64; 5] {
    let mut stats = [size_of::<[u64; 5]>() as u64, 0, 0, 0, 0];
    // SAFETY: the struct is five 64-bit integers, the first its size.
    unsafe {
        let read = library.get::<unsafe extern "C" fn(*mut u64)>(b"ttmem_stats").expect("ttmem_stats");
        read(stats.as_mut_ptr());
    }
    stats
}
