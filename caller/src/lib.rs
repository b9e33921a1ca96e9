//! `libttmem.so`, loaded into this process: for `ttmem doctor`, which measures it from inside a program.
//!
//! A crate of its own, since loading a library and calling into it is `unsafe`, and the reader has none.

use std::{ffi::c_char, path::Path};

type ReportAllocation = unsafe extern "C" fn(i32, u64, u8, u64);
type ReportDeallocation = unsafe extern "C" fn(i32, u64);
type Version = unsafe extern "C" fn() -> *const c_char;

/// The loaded library. It is never unloaded: its thread runs until the process ends.
#[derive(Clone, Copy, Debug)]
pub struct Library {
    report_allocation: ReportAllocation,
    report_deallocation: ReportDeallocation,
    version: Version,
}

impl Library {
    /// Loads the file, which is to be `libttmem.so`.
    ///
    /// # Errors
    /// What the loader says, or which function is missing.
    pub fn load(path: &Path) -> Result<Self, String> {
        // SAFETY: the library's constructor reads the environment and registers a hook at exit, which is sound in any
        // process. The caller says that the file is this library; a name that it must have is looked up below.
        let library = unsafe { libloading::Library::new(path) }.map_err(|error| error.to_string())?;
        let library: &'static libloading::Library = Box::leak(Box::new(library));
        // SAFETY: include/ttmem.h gives these functions their types.
        unsafe {
            Ok(Self {
                report_allocation: *library.get(b"report_allocation").map_err(|error| error.to_string())?,
                report_deallocation: *library.get(b"report_deallocation").map_err(|error| error.to_string())?,
                version: *library.get(b"ttmem_version").map_err(|error| error.to_string())?,
            })
        }
    }

    /// Reports an allocation of DRAM.
    #[inline]
    pub fn report_allocation(&self, device: i32, size: u64, address: u64) {
        // SAFETY: any values will do, from any thread; the library is never unloaded.
        unsafe { (self.report_allocation)(device, size, 0, address) }
    }

    /// Reports a free.
    #[inline]
    pub fn report_deallocation(&self, device: i32, address: u64) {
        // SAFETY: as in `report_allocation`.
        unsafe { (self.report_deallocation)(device, address) }
    }

    /// The library's version.
    pub fn version(&self) -> String {
        // SAFETY: the function gives a string that ends with a NUL and lives as long as the library.
        unsafe { std::ffi::CStr::from_ptr((self.version)()) }.to_string_lossy().into_owned()
    }
}
