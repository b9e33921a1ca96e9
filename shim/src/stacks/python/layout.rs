//! Where CPython keeps what we read. 3.10 to 3.12 as in their headers, on 64-bit platforms (tests/e2e compares what comes of
//! them with what Python says itself); 3.13 publishes its own.

use std::mem::size_of;

use ttmem_wire::sites::LineTable;

/// The offsets of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) lines: LineTable,
    /// In a thread state: its innermost frame, or what points to it.
    state_frame: usize,
    /// There: the innermost frame.
    indirect: Option<usize>,
    frame: FrameLayout,
    code: CodeLayout,
    /// Sizes of a string's head: one of ASCII only, any other.
    pub(super) text_heads: [usize; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FrameLayout {
    caller: usize,
    code: usize,
    /// 3.10: an index; later: a pointer to the instruction.
    instruction: usize,
    is_index: bool,
    /// A byte that says whose it is; those of the interpreter itself are left out.
    owner: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CodeLayout {
    file: usize,
    name: usize,
    line_table: usize,
    first_line: usize,
    instructions: usize,
    /// A number that no two code objects share, where there is one.
    version: Option<usize>,
}

/// `FRAME_OWNED_BY_CSTACK`.
const OWNED_BY_C: u8 = 3;
const TYPE: usize = 8;
const SIZE: usize = 16;
const BYTES: usize = 32;
const TEXT_LENGTH: usize = 16;
const TEXT_STATE: usize = 32;

const V310: Layout = Layout {
    lines: LineTable::Pairs,
    state_frame: 24,
    indirect: None,
    frame: FrameLayout { caller: 24, code: 32, instruction: 96, is_index: true, owner: None },
    code: CodeLayout { file: 104, name: 112, line_table: 120, first_line: 40, instructions: 0, version: None },
    text_heads: [48, 72],
};

const V311: Layout = Layout {
    lines: LineTable::Locations,
    state_frame: 56,
    indirect: Some(8),
    frame: FrameLayout { caller: 48, code: 32, instruction: 56, is_index: false, owner: Some(69) },
    code: CodeLayout { file: 112, name: 128, line_table: 136, first_line: 72, instructions: 184, version: None },
    text_heads: [48, 72],
};

const V312: Layout = Layout {
    indirect: Some(0),
    frame: FrameLayout { caller: 8, code: 0, instruction: 56, is_index: false, owner: Some(70) },
    code: CodeLayout { file: 112, name: 128, line_table: 136, first_line: 68, instructions: 192, version: Some(92) },
    text_heads: [40, 56],
    ..V311
};

/// Words of `_Py_DebugOffsets` in 3.13.
mod published {
    pub(super) const COOKIE: u64 = u64::from_le_bytes(*b"xdebugpy");
    pub(super) const VERSION: usize = 1;
    pub(super) const FREE_THREADED: usize = 2;
    pub(super) const CURRENT_FRAME: usize = 184 / 8;
    pub(super) const PREVIOUS: usize = 232 / 8;
    pub(super) const EXECUTABLE: usize = 240 / 8;
    pub(super) const INSTRUCTION: usize = 248 / 8;
    pub(super) const OWNER: usize = 264 / 8;
    pub(super) const FILE: usize = 280 / 8;
    pub(super) const QUALIFIED_NAME: usize = 296 / 8;
    pub(super) const LINE_TABLE: usize = 304 / 8;
    pub(super) const FIRST_LINE: usize = 312 / 8;
    pub(super) const INSTRUCTIONS: usize = 344 / 8;
}

unsafe fn read<T: Copy>(base: *const u8, offset: usize) -> T {
    // SAFETY: the caller knows that there is a T.
    unsafe { base.add(offset).cast::<T>().read_unaligned() }
}

impl Layout {
    /// The layout of this version (as `PY_VERSION_HEX`); `runtime` is `_PyRuntime`.
    pub(super) fn of(version: u32, runtime: *const u64) -> Option<Self> {
        match version >> 16 {
            0x030A => Some(V310),
            0x030B => Some(V311),
            0x030C => Some(V312),
            0x030D => Self::published(version, runtime),
            _ => None,
        }
    }

    fn published(version: u32, runtime: *const u64) -> Option<Self> {
        if runtime.is_null() {
            return None;
        }
        // SAFETY: `_PyRuntime` of 3.13 begins with these words, constants all; the cookie is looked at first.
        let word = |at: usize| unsafe { runtime.add(at).read() };
        if word(0) != published::COOKIE || word(published::VERSION) as u32 >> 16 != version >> 16 {
            return None;
        }
        if word(published::FREE_THREADED) != 0 {
            return None;
        }
        let offset = |at: usize| (word(at) < 4096).then_some(word(at) as usize);
        Some(Self {
            state_frame: offset(published::CURRENT_FRAME)?,
            indirect: None,
            frame: FrameLayout {
                caller: offset(published::PREVIOUS)?,
                code: offset(published::EXECUTABLE)?,
                instruction: offset(published::INSTRUCTION)?,
                is_index: false,
                owner: Some(offset(published::OWNER)?),
            },
            code: CodeLayout {
                file: offset(published::FILE)?,
                name: offset(published::QUALIFIED_NAME)?,
                line_table: offset(published::LINE_TABLE)?,
                first_line: offset(published::FIRST_LINE)?,
                instructions: offset(published::INSTRUCTIONS)?,
                version: Some(92),
            },
            ..V312
        })
    }

    /// # Safety
    /// `state` is this thread's own state, of this layout, as for all that follow.
    #[inline(always)]
    pub(super) unsafe fn innermost(&self, state: *const u8) -> *const u8 {
        // SAFETY: as the caller says.
        unsafe {
            let first: *const u8 = read(state, self.state_frame);
            match self.indirect {
                Some(offset) if !first.is_null() => read(first, offset),
                Some(_) => std::ptr::null(),
                None => first,
            }
        }
    }

    #[inline(always)]
    pub(super) unsafe fn caller(&self, frame: *const u8) -> *const u8 {
        // SAFETY: as the caller says.
        unsafe { read(frame, self.frame.caller) }
    }

    /// The code object, and the byte offset in it; `None` for frames of the interpreter itself.
    #[inline(always)]
    pub(super) unsafe fn position(&self, frame: *const u8) -> Option<(*const u8, u64)> {
        // SAFETY: as the caller says.
        unsafe {
            if let Some(owner) = self.frame.owner
                && read::<u8>(frame, owner) == OWNED_BY_C
            {
                return None;
            }
            let code: *const u8 = read(frame, self.frame.code);
            if code.is_null() {
                return None;
            }
            let at = if self.frame.is_index {
                i64::from(read::<i32>(frame, self.frame.instruction)) * 2
            } else {
                let instruction: usize = read(frame, self.frame.instruction);
                instruction.wrapping_sub(code as usize + self.code.instructions) as i64
            };
            // Before the first instruction it is at the first.
            Some((code, at.clamp(0, 1 << 32) as u64))
        }
    }

    #[inline(always)]
    pub(super) unsafe fn type_of(&self, object: *const u8) -> usize {
        // SAFETY: as the caller says: every object begins so.
        unsafe { read(object, TYPE) }
    }

    #[inline(always)]
    pub(super) unsafe fn identity(&self, code: *const u8) -> [u64; 3] {
        // SAFETY: as the caller says.
        unsafe {
            let file: u64 = read(code, self.code.file);
            let name: u64 = read(code, self.code.name);
            let table: *const u8 = read(code, self.code.line_table);
            let length: usize = read(table, SIZE);
            let first_line = u64::from(read::<u32>(code, self.code.first_line));
            let version = self.code.version.map_or(0, |offset| u64::from(read::<u32>(code, offset)));
            [
                code as u64 ^ file.rotate_left(16) ^ name.rotate_left(32),
                table as u64 ^ (version << 32 | first_line).rotate_left(20) ^ (length as u64) << 48,
                // Code that is made again and again gets the same addresses: then only the lines tell.
                if self.code.version.is_some() { 0 } else { sample(table, length) },
            ]
        }
    }

    /// Pointers to file, name and line table, and the first line.
    pub(crate) unsafe fn parts(&self, code: *const u8) -> ([*const u8; 3], u32) {
        // SAFETY: as the caller says.
        unsafe {
            let part = |offset| read::<*const u8>(code, offset);
            let CodeLayout { file, name, line_table, first_line, .. } = self.code;
            ([part(file), part(name), part(line_table)], read::<u32>(code, first_line))
        }
    }

    /// Whether the innermost frame looks as it should; `None` if there is none. By reads that may fail.
    pub(super) fn check(&self, state: *const u8, [code, text, bytes]: [usize; 3]) -> Option<bool> {
        let word = |base: usize, offset: usize| careful_word(base.wrapping_add(offset));
        let look = || -> Option<Option<bool>> {
            let mut frame = word(state as usize, self.state_frame)?;
            if let (Some(offset), true) = (self.indirect, frame != 0) {
                frame = word(frame, offset)?;
            }
            for _ in 0..8 {
                if frame == 0 {
                    return Some(None);
                }
                let owner = match self.frame.owner {
                    Some(offset) => word(frame, offset)? as u8,
                    None => 0,
                };
                let object = word(frame, self.frame.code)?;
                if owner != OWNED_BY_C && object != 0 {
                    let is_type = |object: usize, wanted| Some(word(object, TYPE)? == wanted);
                    let parts = [(self.code.file, text), (self.code.name, text), (self.code.line_table, bytes)];
                    let mut sound = is_type(object, code)?;
                    for (offset, wanted) in parts {
                        sound = sound && is_type(word(object, offset)?, wanted)?;
                    }
                    return Some(Some(sound));
                }
                frame = word(frame, self.frame.caller)?;
            }
            Some(Some(false))
        };
        look().unwrap_or(Some(false))
    }
}

/// A word of this process, by the kernel, which does not mind if it is not there. Where the kernel is not allowed to, the
/// version's word is taken.
fn careful_word(address: usize) -> Option<usize> {
    let mut word = 0_usize;
    let ours = libc::iovec { iov_base: (&raw mut word).cast(), iov_len: size_of::<usize>() };
    let theirs = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: size_of::<usize>() };
    // SAFETY: both vectors are valid; a bad address is an error.
    let read = unsafe { libc::process_vm_readv(libc::getpid(), &raw const ours, 1, &raw const theirs, 1, 0) };
    if read == size_of::<usize>() as isize {
        return Some(word);
    }
    // SAFETY: this thread's own errno.
    let error = unsafe { *libc::__errno_location() };
    if matches!(error, libc::EPERM | libc::ENOSYS) && address != 0 {
        // SAFETY: the version is one that we know, so there is a word.
        return Some(unsafe { read_word(address) });
    }
    None
}

/// Some words of a bytes object of this length, made one.
///
/// # Safety
/// `object` is a bytes object of that length.
#[inline(always)]
unsafe fn sample(object: *const u8, length: usize) -> u64 {
    // SAFETY: a bytes object of less than 8 bytes takes up 40 bytes all the same, since it ends with a NUL and objects are
    // aligned to 8; the other words are within its bytes.
    unsafe {
        let word = |at: usize| read::<u64>(object, BYTES + at);
        let Some(last) = length.checked_sub(8) else { return word(0) & ((1 << (8 * length)) - 1) };
        [last / 4, last / 2, last / 4 * 3, last]
            .iter()
            .fold(word(0), |mixed: u64, &at| (mixed.rotate_left(11) ^ word(at)).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}

unsafe fn read_word(address: usize) -> usize {
    // SAFETY: as the caller says.
    unsafe { (address as *const usize).read_unaligned() }
}

/// A string's characters: the number of them, their width in bytes, and where they lie. `None` for legacy strings.
pub(super) unsafe fn characters(layout: &Layout, text: *const u8) -> Option<(usize, usize, *const u8)> {
    // SAFETY: the caller knows it to be a string.
    unsafe {
        let state: u32 = read(text, TEXT_STATE);
        let (kind, is_compact, is_ascii) = (state >> 2 & 7, state >> 5 & 1 == 1, state >> 6 & 1 == 1);
        let head = *layout.text_heads.get(usize::from(!is_ascii))?;
        (is_compact && matches!(kind, 1 | 2 | 4)).then(|| (read(text, TEXT_LENGTH), kind as usize, text.add(head)))
    }
}

/// The bytes of a bytes object.
pub(super) unsafe fn bytes<'a>(object: *const u8) -> &'a [u8] {
    // SAFETY: the caller knows it to be one that lives as long.
    unsafe { std::slice::from_raw_parts(object.add(BYTES), read(object, SIZE)) }
}
