//! A stack that was never seen: its code objects and modules are written down, each once, and then the stack itself.
//!
//! Two threads that meet the same one at once both write it; one of the two records is found from then on, the other is
//! never referred to.

use std::sync::atomic::Ordering;

use ttmem_wire::sites::{
    self, CODE_HEAD, CUT_NATIVE, CUT_PYTHON, Frame, LineTable, MAX_FRAMES, MODULE_HEAD, STACK_HEAD, TensorRecord,
};

use super::{
    Key, MAX_STACKS, PYTHON_FRAMES, Stacks, Step,
    native::{Module, Registers, module_of},
    python::{self, Text, bytes_of},
};

/// The longest path, name and line table that are kept; what is longer is cut.
const MAX_PATH: usize = 4096;
const MAX_NAME: usize = 1024;
const MAX_LINES: usize = 256 << 10;

/// Frames as words of the stack record.
struct Frames {
    python: [u64; PYTHON_FRAMES],
    native: [u64; MAX_FRAMES],
    python_count: usize,
    native_count: usize,
    is_whole: bool,
}

impl Stacks {
    /// Writes the stack down and gives its reference; 0 if there is no room. `key` is what the walk made of it.
    #[cold]
    #[inline(never)]
    pub(super) fn first_sight(&self, registers: &Registers, key: u64) -> u32 {
        if self.file.is_full() {
            self.file.count_refused();
            return 0;
        }
        let reference = crate::thread::keeping_errno(|| self.write_down(registers, key));
        if reference.is_none() {
            self.file.count_refused();
        }
        reference.unwrap_or(0)
    }

    fn write_down(&self, registers: &Registers, key: u64) -> Option<u32> {
        let mut frames = Frames {
            python: [0; PYTHON_FRAMES],
            native: [0; MAX_FRAMES],
            python_count: 0,
            native_count: 0,
            is_whole: true,
        };
        let mut again = Key::new();
        let is_cut = self.walk(registers, |step| match step {
            Step::Python(frame) => {
                again.add_python(&frame);
                frames.push_python(self.code(&frame), frame.at);
            }
            Step::Native(address) => {
                again.add(address as u64);
                let (module, at) = self.place(address);
                frames.push_native(module, at);
            }
        });
        // What a module or code object found no room for is not put into the table: it is tried again.
        if !frames.is_whole || again.finish() != key || frames.python_count + frames.native_count == 0 {
            return None;
        }
        if self.count.fetch_add(1, Ordering::Relaxed) >= MAX_STACKS {
            self.file.close();
            return None;
        }
        let Frames { python, native, python_count, native_count, .. } = &frames;
        let cut = u8::from(is_cut) * CUT_NATIVE + u8::from(*python_count == PYTHON_FRAMES) * CUT_PYTHON;
        let mut space = self.file.space(STACK_HEAD + 8 * (native_count + python_count))?;
        space.put_word(sites::stack_head(*native_count, *python_count, cut));
        let words = native.iter().take(*native_count).chain(python.iter().take(*python_count));
        words.for_each(|&word| space.put_word(word));
        Some(self.stacks.insert(key, space.reference()))
    }

    /// The record of the frame's code object.
    fn code(&self, frame: &python::Frame) -> Option<u32> {
        let mut key = Key::new();
        frame.identity().into_iter().for_each(|word| key.add(word));
        let key = key.finish();
        self.codes.find(key).or_else(|| self.write_code(frame, key))
    }

    fn write_code(&self, frame: &python::Frame, key: u64) -> Option<u32> {
        let layout = self.python.as_ref()?.layout();
        // SAFETY: the walk has checked that it is a code object, its frame holds it and it holds its parts, whose types
        // `Python::check` has seen.
        let (file, name, lines, first_line) = unsafe {
            let ([file, name, lines], first_line) = layout.parts(frame.code);
            (Text::new(layout, file), Text::new(layout, name), bytes_of(lines), first_line)
        };
        let lines = lines.get(..MAX_LINES).unwrap_or(lines);
        let lengths = [file.byte_length(MAX_PATH), name.byte_length(MAX_NAME), lines.len()];
        let mut space = self.file.space(CODE_HEAD + lengths.iter().sum::<usize>())?;
        sites::code_head(layout.lines, first_line, lengths).into_iter().for_each(|word| space.put_word(word));
        file.bytes(MAX_PATH, |bytes| space.put(bytes));
        name.bytes(MAX_NAME, |bytes| space.put(bytes));
        space.put(lines);
        Some(self.codes.insert(key, space.reference()))
    }

    /// The module of an address, and the address in the module's own terms. Code that no file has stands for itself.
    fn place(&self, address: usize) -> (Option<u32>, u64) {
        let Some(module) = module_of(address) else { return (Some(0), address as u64) };
        let mut key = Key::new();
        [module.start, module.end, module.bias].into_iter().for_each(|word| key.add(word as u64));
        let path = module.path();
        key.add(path.len() as u64);
        for part in path.chunks(8) {
            key.add(part.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)));
        }
        let key = key.finish();
        let reference = self.modules.find(key).or_else(|| self.write_module(&module, key));
        (reference, address.wrapping_sub(module.bias) as u64)
    }

    fn write_module(&self, module: &Module, key: u64) -> Option<u32> {
        let build_id = module.build_id().unwrap_or(&[]);
        let build_id = build_id.get(..64).unwrap_or(build_id);
        let mut buffer = [0_u8; 1024];
        let path = match module.path() {
            b"" => own_path(&mut buffer),
            path => path.get(..MAX_PATH).unwrap_or(path),
        };
        let mut space = self.file.space(MODULE_HEAD + build_id.len() + path.len())?;
        sites::module_head(build_id.len(), path.len(), module.bias as u64)
            .into_iter()
            .for_each(|word| space.put_word(word));
        space.put(build_id);
        space.put(path);
        Some(self.modules.insert(key, space.reference()))
    }
}

/// Stands for a call site that nobody saw, as a Python function of this name would.
const BEFORE_TRACKING: &[u8] = b"allocated before tracking began";
const OURSELVES: &[u8] = b"ttmem";

impl Stacks {
    /// The site of what was allocated before tracking began; 0 if there is no room.
    #[cold]
    pub(crate) fn before_tracking(&self) -> u32 {
        let mut key = Key::new();
        key.add(BEFORE_TRACKING.as_ptr() as u64);
        let key = key.finish();
        let found = self.stacks.find(key).or_else(|| crate::thread::keeping_errno(|| self.write_before_tracking(key)));
        found.unwrap_or(0)
    }

    fn write_before_tracking(&self, key: u64) -> Option<u32> {
        let lengths = [OURSELVES.len(), BEFORE_TRACKING.len(), 0];
        let mut code = self.file.space(CODE_HEAD + lengths.iter().sum::<usize>())?;
        sites::code_head(LineTable::Pairs, 0, lengths).into_iter().for_each(|word| code.put_word(word));
        code.put(OURSELVES);
        code.put(BEFORE_TRACKING);
        let frame = Frame { of: code.reference(), at: 0 };
        let mut stack = self.file.space(STACK_HEAD + 8)?;
        stack.put_word(sites::stack_head(0, 1, 0));
        stack.put_word(frame.word());
        Some(self.stacks.insert(key, stack.reference()))
    }

    /// The record that says what a tensor is; 0 if there is no room. One that was seen before is one lookup.
    #[inline(always)]
    pub(crate) fn tensor(&self, kind: &TensorRecord, shape: &[u32], padded_shape: &[u32]) -> u32 {
        let mut key = Key::new();
        let [rank, padded_rank] = [shape, padded_shape].map(|shape| shape.len() as u64);
        let codes = [kind.dtype, kind.layout, kind.memory_layout].map(u64::from);
        key.add(codes[0] | codes[1] << 8 | codes[2] << 16 | rank << 24 | padded_rank << 32);
        let mut add = |shape: &[u32]| {
            for pair in shape.chunks(2) {
                key.add(pair.iter().fold(0, |word, &side| word << 32 | u64::from(side)));
            }
        };
        [shape, padded_shape, kind.shard.as_ref().map_or(&[], |shard| shard)].into_iter().for_each(&mut add);
        let key = key.finish();
        self.tensors.find(key).unwrap_or_else(|| self.write_tensor(&kind.with_shapes(shape, padded_shape), key))
    }

    #[cold]
    #[inline(never)]
    fn write_tensor(&self, tensor: &TensorRecord, key: u64) -> u32 {
        let words = tensor.words();
        let words = words.get(..tensor.count()).unwrap_or(&words);
        let Some(mut space) = crate::thread::keeping_errno(|| self.file.space(8 * words.len())) else { return 0 };
        words.iter().for_each(|&word| space.put_word(word));
        self.tensors.insert(key, space.reference())
    }
}

impl Frames {
    fn push_python(&mut self, code: Option<u32>, at: u64) {
        self.is_whole &= code.is_some();
        if let Some(word) = self.python.get_mut(self.python_count) {
            *word = Frame { of: code.unwrap_or(0), at }.word();
            self.python_count += 1;
        }
    }

    fn push_native(&mut self, module: Option<u32>, at: u64) {
        self.is_whole &= module.is_some();
        if let Some(word) = self.native.get_mut(self.native_count) {
            *word = Frame { of: module.unwrap_or(0), at }.word();
            self.native_count += 1;
        }
    }
}

/// The path of the program.
fn own_path(buffer: &mut [u8]) -> &[u8] {
    // SAFETY: the path is NUL-terminated, the buffer valid for its length.
    let length = unsafe { libc::readlink(c"/proc/self/exe".as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(length).ok().and_then(|length| buffer.get(..length)).unwrap_or(&[])
}
