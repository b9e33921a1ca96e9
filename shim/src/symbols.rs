//! Finds tt-metal's own functions behind the names that we stand in for.

use std::{
    ffi::{CStr, OsStr, c_char, c_int, c_void},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

use crate::thread;

/// The library that has them. Python loads it with RTLD_LOCAL, where RTLD_NEXT finds nothing.
const LIBRARY: &CStr = c"libtt_metal.so";

/// A symbol of the real library, looked up at its first use. A miss is not remembered: the library may come later.
pub(crate) struct Symbol {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Symbol {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self { name, address: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The mangled name, for the dynamic linker.
    pub(crate) fn c_name(&self) -> &'static CStr {
        self.name
    }

    /// The mangled name.
    pub(crate) fn name(&self) -> &'static str {
        self.name.to_str().unwrap_or("?")
    }

    /// Its address, or null.
    #[inline(always)]
    pub(crate) fn address(&self) -> *mut c_void {
        let known = self.address.load(Ordering::Relaxed);
        if known.is_null() { self.look_up() } else { known }
    }

    #[cold]
    #[inline(never)]
    fn look_up(&self) -> *mut c_void {
        let found = thread::keeping_errno(|| find(self.name));
        self.address.store(found, Ordering::Relaxed);
        found
    }
}

/// A mangled name with its NUL, as a C string.
pub(crate) const fn mangled(name: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("a mangled name has no NUL in it"),
    }
}

/// The real function or table of this name, or null.
pub(crate) fn find(name: &CStr) -> *mut c_void {
    // SAFETY: the name is NUL-terminated. RTLD_NEXT means "after this library", so it never finds our own function.
    let next = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    if !next.is_null() {
        return next;
    }
    let handle = library_handle();
    if handle.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the handle is open and never closed. A lookup in it searches that library and what it needs, not us.
    unsafe { libc::dlsym(handle, name.as_ptr()) }
}

static HANDLE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// The loaded library, never loaded by us. It is kept open: addresses that we remember must not go away.
fn library_handle() -> *mut c_void {
    let known = HANDLE.load(Ordering::Relaxed);
    if !known.is_null() {
        return known;
    }
    let mut found = open_if_loaded(LIBRARY.as_ptr());
    if found.is_null() {
        // Under another soname: by the path under which it is loaded.
        each_library(|path| {
            if is_tt_metal(path) {
                found = open_if_loaded(path.as_ptr());
            }
            !found.is_null()
        });
    }
    HANDLE.store(found, Ordering::Relaxed);
    found
}

fn open_if_loaded(path: *const c_char) -> *mut c_void {
    // SAFETY: the path is NUL-terminated; with RTLD_NOLOAD nothing is loaded and no code runs.
    unsafe { libc::dlopen(path, libc::RTLD_NOLOAD | libc::RTLD_LAZY) }
}

fn is_tt_metal(path: &CStr) -> bool {
    let bytes = path.to_bytes();
    let name = bytes.rsplit(|&byte| byte == b'/').next().unwrap_or(bytes);
    name.starts_with(b"libtt_metal")
}

/// The path of tt-metal's own library, where it is loaded and one of its own.
pub(crate) fn path_of_tt_metal() -> Option<PathBuf> {
    let mut found = None;
    each_library(|path| {
        if is_tt_metal(path) {
            found = Some(PathBuf::from(OsStr::from_bytes(path.to_bytes())));
        }
        found.is_some()
    });
    found
}

/// Calls `visit` with the path of each loaded library until it says true.
fn each_library<F: FnMut(&CStr) -> bool>(mut visit: F) {
    unsafe extern "C" fn callback<F: FnMut(&CStr) -> bool>(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        visit: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader gives a valid record for the time of the call; its name is NUL-terminated or null.
        let name = unsafe { (*info).dlpi_name };
        if name.is_null() {
            return 0;
        }
        // SAFETY: `visit` is the closure that each_library passes, alive and not otherwise used during the call; the name
        // was just checked.
        c_int::from(unsafe { (*visit.cast::<F>())(CStr::from_ptr(name)) })
    }
    // SAFETY: callback and argument fit together, and both outlive the call.
    unsafe { libc::dl_iterate_phdr(Some(callback::<F>), (&raw mut visit).cast()) };
}
