//! Which loaded file an address belongs to.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    mem::MaybeUninit,
    ptr, slice,
    sync::atomic::{AtomicPtr, Ordering},
};

/// A loaded file.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "frames are walked by frame pointers there"))]
pub(crate) struct Module {
    /// Its first byte in memory.
    pub(crate) start: usize,
    /// Behind its last.
    pub(crate) end: usize,
    /// What was added to the file's own addresses.
    pub(crate) bias: usize,
    /// Its path; empty for the program itself.
    name: *const c_char,
    eh_frame_header: usize,
}

/// glibc's `struct dl_find_object`, for platforms without its optional parts.
#[repr(C)]
struct FoundObject {
    flags: u64,
    map_start: *mut c_void,
    map_end: *mut c_void,
    link_map: *const LinkMap,
    eh_frame: *mut c_void,
    reserved: [u64; 7],
}

/// The public beginning of a `struct link_map`.
#[repr(C)]
struct LinkMap {
    address: usize,
    name: *const c_char,
}

/// What the file names of tt-metal's and ttnn's libraries begin with.
const METAL: [&[u8]; 5] = [b"libtt_metal.", b"libtt-metal.", b"libtt_stl.", b"_ttnncpp.", b"_ttnn."];

type FindObject = unsafe extern "C" fn(*mut c_void, *mut FoundObject) -> c_int;

/// `_dl_find_object`, from glibc 2.35 on: no lock. Looked up by the constructor.
static FIND_OBJECT: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// For the constructor.
pub(crate) fn find_lookup() {
    // SAFETY: the name is NUL-terminated.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_dl_find_object".as_ptr()) };
    FIND_OBJECT.store(found, Ordering::Relaxed);
}

/// The module that `address` lies in.
pub(crate) fn module_of(address: usize) -> Option<Module> {
    let find = FIND_OBJECT.load(Ordering::Relaxed);
    if find.is_null() {
        return by_headers(address);
    }
    let mut found = MaybeUninit::<FoundObject>::zeroed();
    // SAFETY: the function is glibc's, with this signature; it fills the struct where it returns 0.
    unsafe {
        let find = std::mem::transmute::<*mut c_void, FindObject>(find);
        if find(address as *mut c_void, found.as_mut_ptr()) != 0 {
            return None;
        }
        let found = found.assume_init();
        let link_map = found.link_map.as_ref()?;
        Some(Module {
            start: found.map_start as usize,
            end: found.map_end as usize,
            bias: link_map.address,
            name: link_map.name,
            eh_frame_header: found.eh_frame as usize,
        })
    }
}

/// The same before glibc 2.35: takes a lock of the loader's, which is never held while code of a library runs.
#[cold]
fn by_headers(address: usize) -> Option<Module> {
    struct Search {
        address: usize,
        found: Option<Module>,
    }
    unsafe extern "C" fn callback(info: *mut libc::dl_phdr_info, _: usize, search: *mut c_void) -> c_int {
        // SAFETY: the loader gives a valid record, the caller its own Search, which nothing else uses meanwhile.
        let (info, search) = unsafe { (&*info, &mut *search.cast::<Search>()) };
        if info.dlpi_phdr.is_null() {
            return 0;
        }
        let bias = info.dlpi_addr as usize;
        // SAFETY: the loader's own table of program headers.
        let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
        let loaded = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
        let (mut start, mut end) = (usize::MAX, 0);
        for header in loaded {
            let first = bias.wrapping_add(header.p_vaddr as usize);
            start = start.min(first);
            end = end.max(first.wrapping_add(header.p_memsz as usize));
        }
        if !(start..end).contains(&search.address) {
            return 0;
        }
        let unwinding = headers.iter().find(|header| header.p_type == libc::PT_GNU_EH_FRAME);
        let eh_frame_header = unwinding.map_or(0, |header| bias.wrapping_add(header.p_vaddr as usize));
        search.found = Some(Module { start, end, bias, name: info.dlpi_name, eh_frame_header });
        1
    }
    let mut search = Search { address, found: None };
    // SAFETY: callback and argument fit together, and both outlive the call.
    unsafe { libc::dl_iterate_phdr(Some(callback), (&raw mut search).cast()) };
    search.found
}

#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
impl Module {
    /// The bytes from `address` to the module's end.
    pub(super) fn bytes_from(&self, address: usize) -> Option<&'static [u8]> {
        let is_inside = (self.start..self.end).contains(&address);
        // SAFETY: unwind tables lie in a segment that is loaded as long as the module is, whose code is on our stack, and is
        // never written to. Their end is not known, the module's is; whoever parses stops at the tables' own ends.
        is_inside.then(|| unsafe { slice::from_raw_parts(address as *const u8, self.end - address) })
    }

    /// `.eh_frame_hdr`, and what follows it.
    pub(super) fn eh_frame_header(&self) -> Option<&'static [u8]> {
        self.bytes_from(self.eh_frame_header)
    }

    /// Its path, as the loader has it; empty for the program itself.
    pub(crate) fn path(&self) -> &[u8] {
        if self.name.is_null() {
            return &[];
        }
        // SAFETY: the loader's own string, which lives as long as the module is loaded.
        unsafe { CStr::from_ptr(self.name) }.to_bytes()
    }

    /// Whether it is a library of tt-metal's or ttnn's.
    pub(super) fn is_metal(&self) -> bool {
        let path = self.path();
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        METAL.iter().any(|library| name.starts_with(library))
    }

    /// The GNU build id, read from the notes in memory.
    pub(crate) fn build_id(&self) -> Option<&'static [u8]> {
        // SAFETY: the first page of a module is its ELF header where its first segment begins the file; checked by the magic.
        let (header, headers) = unsafe {
            let header = (self.start as *const libc::Elf64_Ehdr).as_ref()?;
            if header.e_ident.get(..4)? != b"\x7fELF" || header.e_phoff as usize > 4096 || header.e_phnum > 64 {
                return None;
            }
            let first = (self.start + header.e_phoff as usize) as *const libc::Elf64_Phdr;
            (header, slice::from_raw_parts(first, header.e_phnum.into()))
        };
        let _ = header;
        headers.iter().filter(|header| header.p_type == libc::PT_NOTE).find_map(|header| {
            let notes = self.bytes_from(self.bias.wrapping_add(header.p_vaddr as usize))?;
            build_id_in(notes.get(..header.p_memsz as usize)?)
        })
    }
}

/// The note of type 3 by "GNU".
fn build_id_in(mut notes: &[u8]) -> Option<&[u8]> {
    loop {
        let number = |at: usize| Some(u32::from_le_bytes(notes.get(at..at + 4)?.try_into().ok()?) as usize);
        let (name, content, kind) = (number(0)?, number(4)?, number(8)?);
        let content_at = 12_usize.checked_add(name.checked_next_multiple_of(4)?)?;
        let end = content_at.checked_add(content)?;
        if kind == 3 && notes.get(12..12 + name)? == b"GNU\0" {
            return notes.get(content_at..end);
        }
        notes = notes.get(end.checked_next_multiple_of(4)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_by_both_ways() {
        let address = build_id_in as *const () as usize;
        let by_headers = by_headers(address).unwrap();
        find_lookup();
        let found = module_of(address).unwrap();
        assert_eq!(found.bias, by_headers.bias);
        assert!((found.start..found.end).contains(&address) && (by_headers.start..by_headers.end).contains(&address));
        assert!(found.eh_frame_header().is_some() && module_of(8).is_none());
        assert_eq!(found.eh_frame_header, by_headers.eh_frame_header);
    }

    #[test]
    fn the_file_name_says_what_is_tt_metals() {
        let is_metal =
            |path: &CStr| Module { start: 0, end: 0, bias: 0, name: path.as_ptr(), eh_frame_header: 0 }.is_metal();
        let own =
            [c"/v/libtt_metal.so", c"/v/_ttnncpp.so", c"_ttnn.cpython-310-x86_64-linux-gnu.so", c"libtt_stl.so.1"];
        assert!(own.into_iter().all(is_metal));
        let others = [c"", c"/v/_ttnncpp.so/libapp.so", c"/usr/bin/python3", c"/v/libtt_metals.so"];
        assert!(!others.into_iter().any(is_metal));
    }

    #[test]
    fn a_build_id_is_found_among_other_notes() {
        let mut notes = Vec::new();
        for (kind, content) in [(1_u32, &[1_u8, 2, 3, 4][..]), (3, &[9, 8, 7][..])] {
            for number in [4_u32, content.len() as u32, kind] {
                notes.extend_from_slice(&number.to_le_bytes());
            }
            notes.extend_from_slice(b"GNU\0");
            notes.extend_from_slice(content);
        }
        assert_eq!(build_id_in(&notes), Some(&[9, 8, 7][..]));
        assert_eq!(build_id_in(&notes[..30]), None);
    }
}
