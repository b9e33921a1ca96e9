//! Starts tracking in a process that did not preload the library: our functions are written into the GOT of each loaded library, as
//! memray does. The hooks are those of the preload, one list for both ways.

mod loading;
mod object;
mod settling;

use std::{
    ffi::{CStr, c_int, c_void},
    ptr,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use once_cell::race::OnceBox;

use crate::{complain, symbols::Symbol};
use object::{Object, Slot};
pub(crate) use settling::{is_settling, settle};

/// A function of ours, and the function that it stands in for. The `hook!`s lay them into a section of their own.
#[repr(C)]
pub(crate) struct Hook {
    pub(crate) symbol: &'static Symbol,
    pub(crate) function: *const (),
}

// SAFETY: constant, and the function may be called on any thread.
unsafe impl Sync for Hook {}

// The linker exports the bounds of a section, unless they are declared hidden.
std::arch::global_asm!(".hidden __start_ttmem_hooks", ".hidden __stop_ttmem_hooks");

unsafe extern "C" {
    // The linker's bounds of the section `ttmem_hooks`.
    #[link_name = "__start_ttmem_hooks"]
    static FIRST_HOOK: u8;
    #[link_name = "__stop_ttmem_hooks"]
    static HOOKS_END: u8;
}

fn hooks() -> &'static [Hook] {
    let (first, end) = (&raw const FIRST_HOOK, &raw const HOOKS_END);
    // SAFETY: the section holds nothing but the statics that `hook!` puts there, one after the other.
    unsafe { std::slice::from_raw_parts(first.cast(), (end as usize - first as usize) / size_of::<Hook>()) }
}

/// A name, and the two functions that it may stand for.
struct Entry {
    name: &'static CStr,
    ours: usize,
    /// `None` of dlopen.
    symbol: Option<&'static Symbol>,
}

impl Entry {
    /// What stood in a slot before; 0 where it cannot be found any more.
    fn real(&self) -> usize {
        self.symbol.map_or_else(loading::real, |symbol| symbol.address() as usize)
    }
}

/// All of them, by name.
fn entries() -> &'static [Entry] {
    static ENTRIES: OnceBox<Vec<Entry>> = OnceBox::new();
    ENTRIES.get_or_init(|| {
        let of_hook = |hook: &'static Hook| Entry {
            name: hook.symbol.c_name(),
            ours: hook.function as usize,
            symbol: Some(hook.symbol),
        };
        let dlopen = Entry { name: c"dlopen", ours: loading::function(), symbol: None };
        let mut entries: Vec<Entry> = hooks().iter().map(of_hook).chain([dlopen]).collect();
        entries.sort_unstable_by_key(|entry| entry.name);
        Box::new(entries)
    })
}

fn entry(name: &CStr) -> Option<&'static Entry> {
    // Nearly all names are others', and looked at once for each relocation of each library.
    let bytes = name.to_bytes();
    if !bytes.starts_with(b"_ZN2tt8tt_metal") && bytes != b"dlopen" {
        return None;
    }
    let entries = entries();
    entries.binary_search_by_key(&name, |entry| entry.name).ok().map(|at| &entries[at])
}

/// Whether slots hold our functions. SYNC: Relaxed; the loader's own lock orders walks.
static ACTIVE: AtomicBool = AtomicBool::new(false);

/// What was walked before.
static WALKED: Mutex<Walked> = Mutex::new(Walked { unloads: 0, objects: Vec::new() });

struct Walked {
    /// Libraries that had ever been unloaded by then.
    unloads: u64,
    /// Where the program headers of each lie.
    objects: Vec<usize>,
}

impl Walked {
    /// Nothing was.
    fn clear(&mut self) {
        *self = Self { unloads: 0, objects: Vec::new() };
    }
}

/// Whether calls come through slots that we wrote, so that tracking may have begun late.
pub(crate) fn is_active() -> bool {
    ACTIVE.load(Ordering::Relaxed)
}

/// Writes our functions into each loaded library, and from now on into each that dlopen loads by its path. Where the library was
/// preloaded they are there already.
pub(crate) fn install() {
    // Before the walk, not in it: the loader's lock is held there, and a lookup takes another.
    entries();
    settling::begin();
    ACTIVE.store(true, Ordering::Relaxed);
    // Not by waiting: a child that was forked amid a walk would wait for ever.
    if let Ok(mut walked) = WALKED.try_lock() {
        walked.clear();
    }
    refresh();
    settling::written();
}

/// Looks at libraries that were loaded since the last look.
pub(crate) fn refresh() {
    if is_active() {
        let mut refused = false;
        walk(true, &mut |entry, slot| {
            let now = slot.get();
            // 0 is what a weak function has that nobody defines.
            if now != entry.ours && now != 0 {
                refused |= slot.set(entry.ours).is_err();
            }
        });
        if refused {
            complain::once(format_args!(
                "the kernel refuses to make a library's GOT writable: part of its calls go untracked"
            ));
        }
    }
}

/// Puts tt-metal's own functions back.
pub(crate) fn remove() {
    if ACTIVE.swap(false, Ordering::Relaxed) {
        // Looked up before the walk, see `install`.
        let real: Vec<usize> = entries().iter().map(Entry::real).collect();
        walk(false, &mut |entry, slot| {
            let at = entries().iter().position(|one| ptr::eq(one, entry));
            if let Some(&real) = at.and_then(|at| real.get(at))
                && slot.get() == entry.ours
                && real != 0
            {
                let _ = slot.set(real);
            }
        });
    }
}

/// What a walk does with a slot.
type Visit<'a> = &'a mut dyn FnMut(&'static Entry, Slot<'_>);

struct Walk<'a> {
    /// `None` if all libraries are to be walked.
    walked: Option<MutexGuard<'a, Walked>>,
    visit: Visit<'a>,
}

/// Calls `visit` with each slot of each library but this one; with `only_new`, of those that were loaded since the last such walk.
fn walk(only_new: bool, visit: Visit<'_>) {
    // One that is being walked by another thread is walked twice: nothing is lost by that.
    let mut walk = Walk { walked: WALKED.try_lock().ok().filter(|_| only_new), visit };
    // SAFETY: callback and argument fit together, and both outlive the call.
    unsafe { libc::dl_iterate_phdr(Some(callback), (&raw mut walk).cast()) };
}

unsafe extern "C" fn callback(info: *mut libc::dl_phdr_info, _size: usize, walk: *mut c_void) -> c_int {
    // SAFETY: the loader gives a valid record for the time of the call; the argument is that of `walk`, not otherwise used meanwhile.
    let (info, walk) = unsafe { (&*info, &mut *walk.cast::<Walk<'_>>()) };
    if let Some(walked) = &mut walk.walked {
        if walked.unloads != info.dlpi_subs {
            // Another library may lie where one was.
            walked.clear();
        }
        walked.unloads = info.dlpi_subs;
        let place = info.dlpi_phdr as usize;
        match walked.objects.binary_search(&place) {
            Ok(_) => return 0,
            Err(at) => walked.objects.insert(at, place),
        }
    }
    if is_ours(info) {
        return 0;
    }
    // SAFETY: as above.
    if let Some(object) = unsafe { Object::read(info) } {
        object.each_slot(|name, slot| {
            if let Some(entry) = entry(name) {
                (walk.visit)(entry, slot);
            }
        });
    }
    0
}

/// Whether this is the library that we are in.
fn is_ours(info: &libc::dl_phdr_info) -> bool {
    let here = (&raw const ACTIVE) as usize;
    // SAFETY: the loader's program headers of a loaded library, as many as it says.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    headers.iter().filter(|header| header.p_type == libc::PT_LOAD).any(|header| {
        let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
        (start..start.wrapping_add(header.p_memsz as usize)).contains(&here)
    })
}
