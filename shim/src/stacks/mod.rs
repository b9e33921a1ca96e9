//! Call sites: which lines of the program an event comes from.
//!
//! [`Stacks::site`] walks the frames of the calling thread, Python's as memory and the native ones by cached unwind rules,
//! and makes one number of them. A stack that was seen before is found by that number, without a lock, a system call or a
//! byte of heap. A new one is written into the side file first, and only then gets its reference: see [`side_file`].

mod intern;
mod native;
mod python;
mod side_file;
mod table;

use std::{ops::Range, sync::atomic::AtomicU64};

use ttmem_ring::RingFile;

use crate::{complain, config::StackChoice};
pub(crate) use native::{Go, Registers, Rules};
use python::Python;
use side_file::SideFile;
use table::Table;

/// Native frames of a site, beside those of tt-metal and ttnn; more are cut. Theirs do not count, since the outermost of
/// them names the operation: with them a site has up to [`ttmem_wire::sites::MAX_FRAMES`].
const NATIVE_FRAMES: usize = 16;
/// Python frames of a site; more are cut.
const PYTHON_FRAMES: usize = 32;
/// Distinct stacks of a process.
const MAX_STACKS: u64 = 100_000;

/// What the constructor finds out; see [`find_python`].
pub(crate) use python::find as find_python;

/// The call sites of one process. Never dropped.
pub(crate) struct Stacks {
    choice: StackChoice,
    file: SideFile,
    /// Stacks, code objects and modules that the file has, by their keys.
    stacks: Table,
    codes: Table,
    modules: Table,
    tensors: Table,
    python: Option<Python>,
    count: AtomicU64,
    /// Where our own code lies, and the interpreter's.
    own: Range<usize>,
    interpreter: Range<usize>,
}

impl Stacks {
    /// The sites of a new ring; `None` where nobody wants them, or there can be no file (which is said).
    pub(crate) fn create(choice: StackChoice, ring: &RingFile) -> Option<&'static Self> {
        if choice == StackChoice::Off {
            return None;
        }
        let file = match SideFile::create(ring.path(), ring.header().ring_id) {
            Ok(file) => file,
            Err(error) => {
                complain::once(format_args!(
                    "no call sites: cannot make a file beside {}: {error}",
                    ring.path().display()
                ));
                return None;
            }
        };
        let python = match choice.python().then(Python::new).flatten() {
            None => None,
            Some(Ok(python)) => Some(python),
            Some(Err(version)) => {
                let (major, minor) = (version >> 24, version >> 16 & 0xFF);
                complain::once(format_args!("call sites have no Python frames: CPython {major}.{minor} is not known"));
                None
            }
        };
        let interpreter = python.as_ref().map_or(0..0, |python| code_around(python.code_address()));
        Some(Box::leak(Box::new(Self {
            choice,
            file,
            stacks: Table::new(1 << 18)?,
            codes: Table::new(1 << 17)?,
            modules: Table::new(1 << 12)?,
            tensors: Table::new(1 << 14)?,
            python,
            count: AtomicU64::new(0),
            own: code_around(code_around as *const () as usize),
            interpreter,
        })))
    }

    /// The site of the call that we stand in, 0 for none.
    #[inline(never)]
    pub(crate) fn site(&'static self) -> u32 {
        let registers = Registers::here();
        let mut key = Key::new();
        self.walk(&registers, |frame| match frame {
            Step::Python(frame) => key.add_python(&frame),
            Step::Native(address) => key.add(address as u64),
        });
        let key = key.finish();
        let found = self.stacks.find(key).unwrap_or_else(|| self.first_sight(&registers, key));
        // Keeps this frame where it is until all is done: the registers are its own.
        std::hint::black_box(found)
    }

    /// Shows every frame of a site: Python's first, then native ones up to the interpreter, both innermost first. Returns
    /// whether there are more native ones than a site has.
    #[inline(always)]
    fn walk(&self, registers: &Registers, mut visit: impl FnMut(Step)) -> bool {
        let mut in_python = false;
        if let Some(python) = &self.python {
            python.walk(|frame| {
                in_python = true;
                visit(Step::Python(frame));
            });
        }
        let mut skipping = true;
        self.choice.native()
            && Rules.walk(registers, NATIVE_FRAMES, |&Registers { pc: address, .. }, is_metal| {
                if skipping && self.own.contains(&address) {
                    return native::Go::Skip;
                }
                skipping = false;
                // What calls from here on is the interpreter, and its frames are known.
                if in_python && self.interpreter.contains(&address) {
                    return native::Go::Stop;
                }
                visit(Step::Native(address));
                if is_metal { native::Go::Skip } else { native::Go::Count }
            })
    }
}

/// One frame of a walk.
enum Step {
    Python(python::Frame),
    Native(usize),
}

/// Where the code of the module with this address lies.
fn code_around(address: usize) -> Range<usize> {
    native::module_of(address).map_or(0..0, |module| module.start..module.end)
}

/// A number for a stack, made of its frames one by one.
pub(crate) struct Key(u64);

impl Key {
    fn new() -> Self {
        Self(0x243F_6A88_85A3_08D3)
    }

    #[inline(always)]
    fn add(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9E37_79B9_7F4A_7C15_u128;
        self.0 = (product as u64) ^ (product >> 64) as u64 ^ self.0.rotate_left(29);
    }

    #[inline(always)]
    fn add_python(&mut self, frame: &python::Frame) {
        self.add(frame.at);
        frame.identity().into_iter().for_each(|word| self.add(word));
    }

    fn finish(self) -> u64 {
        // 0 is no key.
        (self.0 ^ self.0 >> 32).max(1)
    }
}
