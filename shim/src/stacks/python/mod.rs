//! Python frames of the calling thread, read as memory.
//!
//! tt-metal's calls come with the GIL released, on the thread that runs the Python code. As long as this thread is inside
//! the call, its own frames do not change and hold their code objects, so they can be read without the GIL. Nothing here
//! takes it, touches a reference count or calls what may allocate.

mod layout;
mod text;

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr,
    sync::atomic::{AtomicPtr, AtomicU8, Ordering},
};

pub(super) use layout::Layout;
pub(super) use text::{Text, bytes_of};

use super::PYTHON_FRAMES;

/// What the constructor looks up; null where there is no Python.
struct Entry {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Entry {
    const fn new(name: &'static CStr) -> Self {
        Self { name, address: AtomicPtr::new(ptr::null_mut()) }
    }

    fn look_up(&self) -> bool {
        // SAFETY: the name is NUL-terminated.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, self.name.as_ptr()) };
        self.address.store(found, Ordering::Relaxed);
        !found.is_null()
    }

    fn get(&self) -> *mut c_void {
        self.address.load(Ordering::Relaxed)
    }
}

static THIS_THREAD: Entry = Entry::new(c"PyGILState_GetThisThreadState");
static VERSION: Entry = Entry::new(c"Py_Version");
static GET_VERSION: Entry = Entry::new(c"Py_GetVersion");
static IS_FINALIZING: Entry = Entry::new(c"_Py_IsFinalizing");
static IS_FINALIZING_313: Entry = Entry::new(c"Py_IsFinalizing");
static RUNTIME: Entry = Entry::new(c"_PyRuntime");
static CODE_TYPE: Entry = Entry::new(c"PyCode_Type");
static TEXT_TYPE: Entry = Entry::new(c"PyUnicode_Type");
static BYTES_TYPE: Entry = Entry::new(c"PyBytes_Type");

/// Looks for a Python in this process. For the constructor: no thread waits for the loader's lock then. A Python that is
/// loaded later is not seen.
pub(crate) fn find() {
    super::native::find_lookup();
    if THIS_THREAD.look_up() {
        for entry in
            [&VERSION, &GET_VERSION, &IS_FINALIZING, &IS_FINALIZING_313, &RUNTIME, &CODE_TYPE, &TEXT_TYPE, &BYTES_TYPE]
        {
            entry.look_up();
        }
    }
}

type ThisThread = unsafe extern "C" fn() -> *const u8;
type IsFinalizing = unsafe extern "C" fn() -> c_int;

/// The Python of this process.
pub(super) struct Python {
    layout: Layout,
    this_thread: ThisThread,
    is_finalizing: Option<IsFinalizing>,
    code_type: usize,
    text_type: usize,
    bytes_type: usize,
    /// Whether the layout was found to be what it should be.
    trust: AtomicU8,
}

const UNCHECKED: u8 = 0;
const GOOD: u8 = 1;
const BAD: u8 = 2;

/// One frame.
pub(super) struct Frame {
    /// Its code object, whose type was checked.
    pub(super) code: *const u8,
    /// The byte offset of the instruction that it is at.
    pub(super) at: u64,
    layout: *const Layout,
}

impl Python {
    /// `None`: there is none. An error: its version, which is not known.
    pub(super) fn new() -> Option<Result<Self, u32>> {
        let this_thread = THIS_THREAD.get();
        if this_thread.is_null() || CODE_TYPE.get().is_null() || TEXT_TYPE.get().is_null() || BYTES_TYPE.get().is_null()
        {
            return None;
        }
        let version = version()?;
        let Some(layout) = Layout::of(version, RUNTIME.get().cast_const().cast()) else { return Some(Err(version)) };
        let is_finalizing =
            [IS_FINALIZING.get(), IS_FINALIZING_313.get()].into_iter().find(|address| !address.is_null());
        // SAFETY: both are CPython's own functions of these names, which have had these signatures since 3.7.
        let (this_thread, is_finalizing) = unsafe {
            (
                std::mem::transmute::<*mut c_void, ThisThread>(this_thread),
                is_finalizing.map(|address| std::mem::transmute::<*mut c_void, IsFinalizing>(address)),
            )
        };
        Some(Ok(Self {
            layout,
            this_thread,
            is_finalizing,
            code_type: CODE_TYPE.get() as usize,
            text_type: TEXT_TYPE.get() as usize,
            bytes_type: BYTES_TYPE.get() as usize,
            trust: AtomicU8::new(UNCHECKED),
        }))
    }

    /// An address in the interpreter's own code.
    pub(super) fn code_address(&self) -> usize {
        self.this_thread as *const () as usize
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Shows the frames of this thread, innermost first.
    #[inline(always)]
    pub(super) fn walk(&self, mut visit: impl FnMut(Frame)) {
        // Threads that are left behind at the end lose their states while they run.
        // SAFETY: reads one word of the runtime.
        if self.is_finalizing.is_some_and(|is_finalizing| unsafe { is_finalizing() } != 0) {
            return;
        }
        // SAFETY: reads a thread-specific value; null for threads that Python does not know, and before and after Python.
        let state = unsafe { (self.this_thread)() };
        if state.is_null() || (self.trust.load(Ordering::Relaxed) != GOOD && !self.check(state)) {
            return;
        }
        // SAFETY: the state is this thread's own, and its layout was checked.
        let mut frame = unsafe { self.layout.innermost(state) };
        let mut shown = 0;
        // Frames of the interpreter itself lie between, at most one to each of the program's.
        for _ in 0..2 * PYTHON_FRAMES {
            if frame.is_null() || shown == PYTHON_FRAMES {
                return;
            }
            // SAFETY: a frame of this thread, which is inside our call: it does not change, and holds its code object.
            unsafe {
                if let Some((code, at)) = self.layout.position(frame)
                    && self.layout.type_of(code) == self.code_type
                {
                    shown += 1;
                    visit(Frame { code, at, layout: &raw const self.layout });
                }
                frame = self.layout.caller(frame);
            }
        }
    }

    /// Whether the layout fits, asked once where there is a frame to look at; every read may fail without harm.
    #[cold]
    fn check(&self, state: *const u8) -> bool {
        if self.trust.load(Ordering::Relaxed) == BAD {
            return false;
        }
        let types = [self.code_type, self.text_type, self.bytes_type];
        let trust = match crate::thread::keeping_errno(|| self.layout.check(state, types)) {
            Some(true) => GOOD,
            Some(false) => {
                crate::complain::once(format_args!(
                    "call sites have no Python frames: this Python's are laid out otherwise"
                ));
                BAD
            }
            None => return false,
        };
        self.trust.store(trust, Ordering::Relaxed);
        trust == GOOD
    }
}

impl Frame {
    /// What tells the code object from another that gets its address later: where its parts lie, and what number it
    /// has or what its line table says.
    #[inline(always)]
    pub(super) fn identity(&self) -> [u64; 3] {
        // SAFETY: the walk has checked that it is a code object; its frame holds it, and the layout outlives the walk.
        unsafe { (*self.layout).identity(self.code) }
    }
}

/// As `PY_VERSION_HEX`.
fn version() -> Option<u32> {
    let number = VERSION.get();
    if !number.is_null() {
        // SAFETY: `const unsigned long Py_Version`, from 3.11 on.
        return Some(unsafe { *number.cast::<std::ffi::c_ulong>() } as u32);
    }
    let text = GET_VERSION.get();
    if text.is_null() {
        return None;
    }
    // SAFETY: up to 3.10 it prints into a buffer of its own and returns that.
    let text = unsafe {
        let get = std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *const c_char>(text);
        CStr::from_ptr(get())
    };
    let mut numbers = text.to_bytes().split(|byte| !byte.is_ascii_digit());
    let mut number = || std::str::from_utf8(numbers.next()?).ok()?.parse::<u32>().ok();
    Some(number()? << 24 | number()? << 16)
}
