//! A loaded library as the dynamic linker sees it: its dynamic section and relocations (System V ABI, chapter 5), read where they lie.

use std::{
    ffi::{CStr, c_char},
    io,
    ops::Range,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

/// `Elf64_Dyn`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Dynamic {
    tag: i64,
    value: u64,
}

/// `Elf64_Rela`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Relocation {
    offset: u64,
    info: u64,
    addend: i64,
}

// Tags of `Dynamic`.
const DT_NULL: i64 = 0;
const DT_PLTRELSZ: i64 = 2;
const DT_STRTAB: i64 = 5;
const DT_SYMTAB: i64 = 6;
const DT_RELA: i64 = 7;
const DT_RELASZ: i64 = 8;
const DT_PLTREL: i64 = 20;
const DT_JMPREL: i64 = 23;

/// Relocations that put the address of a function into a word: `GLOB_DAT`, `JUMP_SLOT`, and `64`, which vtables have.
#[cfg(target_arch = "x86_64")]
const TYPES: [u32; 3] = [6, 7, 1];
#[cfg(target_arch = "aarch64")]
const TYPES: [u32; 3] = [1025, 1026, 257];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const TYPES: [u32; 0] = [];

const PAGE: usize = 4096;

/// One loaded library.
pub(super) struct Object {
    base: usize,
    symbols: *const libc::Elf64_Sym,
    strings: *const c_char,
    /// Start and bytes of the two tables of relocations.
    tables: [(*const Relocation, usize); 2],
    /// What the dynamic linker made read-only after it had relocated it.
    read_only: Range<usize>,
}

impl Object {
    /// `None` of a library without symbols or relocations of the kind that is known.
    ///
    /// # Safety
    /// `info` is what the loader passes, and is used during its callback alone.
    pub(super) unsafe fn read(info: &libc::dl_phdr_info) -> Option<Self> {
        let base = info.dlpi_addr as usize;
        // SAFETY: the loader's program headers of a loaded library, as many as it says.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        let range = |kind: u32| {
            let header = headers.iter().find(|header| header.p_type == kind)?;
            let start = base.wrapping_add(header.p_vaddr as usize);
            Some(start..start.wrapping_add(header.p_memsz as usize))
        };
        let mut object = Self {
            base,
            symbols: ptr::null(),
            strings: ptr::null(),
            tables: [(ptr::null(), 0); 2],
            read_only: range(libc::PT_GNU_RELRO).unwrap_or(0..0),
        };
        let mut entry = range(libc::PT_DYNAMIC)?.start as *const Dynamic;
        let mut has_rela = true;
        loop {
            // SAFETY: the dynamic section is mapped while the library is, and ends with DT_NULL.
            let Dynamic { tag, value } = unsafe { entry.read() };
            // glibc has added the base to addresses; other loaders, and the vDSO, have not.
            let address = || {
                let address = value as usize;
                if address < base { address.wrapping_add(base) } else { address }
            };
            match tag {
                DT_NULL => break,
                DT_STRTAB => object.strings = address() as *const c_char,
                DT_SYMTAB => object.symbols = address() as *const libc::Elf64_Sym,
                DT_RELA => object.tables[0].0 = address() as *const Relocation,
                DT_RELASZ => object.tables[0].1 = value as usize,
                DT_JMPREL => object.tables[1].0 = address() as *const Relocation,
                DT_PLTRELSZ => object.tables[1].1 = value as usize,
                DT_PLTREL => has_rela = value as i64 == DT_RELA,
                _ => {}
            }
            // SAFETY: not the last entry.
            entry = unsafe { entry.add(1) };
        }
        (has_rela && !object.strings.is_null() && !object.symbols.is_null()).then_some(object)
    }

    /// Calls `visit` with each word that the address of a named function was put into, and that name.
    pub(super) fn each_slot(&self, mut visit: impl FnMut(&CStr, Slot<'_>)) {
        for (table, bytes) in self.tables {
            if table.is_null() {
                continue;
            }
            // SAFETY: the library's own table, mapped while it is, with that many bytes.
            for relocation in unsafe { std::slice::from_raw_parts(table, bytes / size_of::<Relocation>()) } {
                let (kind, symbol) = (relocation.info as u32, (relocation.info >> 32) as usize);
                if symbol == 0 || relocation.addend != 0 || !TYPES.contains(&kind) {
                    continue;
                }
                // SAFETY: a relocation names a symbol of the library's table, and that a NUL-terminated string of its strings.
                let name = unsafe {
                    let symbol = self.symbols.add(symbol);
                    CStr::from_ptr(self.strings.add((*symbol).st_name as usize))
                };
                let word = self.base.wrapping_add(relocation.offset as usize) as *const AtomicUsize;
                visit(name, Slot { word, object: self });
            }
        }
    }
}

/// A word with the address of a function.
pub(super) struct Slot<'a> {
    word: *const AtomicUsize,
    object: &'a Object,
}

impl Slot<'_> {
    fn word(&self) -> &AtomicUsize {
        // SAFETY: a word that the dynamic linker has written, aligned, mapped while the library is. Other threads read it by the
        // processor's indirect jumps, and the linker may write it: so an atomic.
        unsafe { &*self.word }
    }

    pub(super) fn get(&self) -> usize {
        self.word().load(Ordering::Relaxed)
    }

    /// Puts another function there.
    pub(super) fn set(&self, function: usize) -> io::Result<()> {
        let at = self.word as usize;
        if self.object.read_only.contains(&at) {
            self.protect(libc::PROT_READ | libc::PROT_WRITE)?;
            self.word().store(function, Ordering::Release);
            self.protect(libc::PROT_READ)
        } else {
            self.word().store(function, Ordering::Release);
            Ok(())
        }
    }

    fn protect(&self, protection: libc::c_int) -> io::Result<()> {
        let page = self.word as usize & !(PAGE - 1);
        // SAFETY: a page of the library's data that the loader mapped and made read-only; it stays readable.
        match unsafe { libc::mprotect(page as *mut libc::c_void, PAGE, protection) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
