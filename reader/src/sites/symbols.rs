//! Names of native functions, from the files that they came from: also after the process is gone.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use addr2line::Loader;
use ttmem_recording::NativeFrame;
use ttmem_ring::MappedFiles;

/// The modules that were looked at. `None`: there is no such file, or another one is there now.
#[derive(Default)]
pub struct Symbols {
    modules: HashMap<Arc<str>, Option<Module>>,
    found: HashMap<(Arc<str>, u64), NativeFrame>,
}

/// A module's file, which may be built anew while it is read.
struct Module {
    /// Before the loader, whose mappings must not go first.
    _guards: MappedFiles,
    loader: Loader,
}

impl fmt::Debug for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Symbols").field("modules", &self.modules.len()).finish_non_exhaustive()
    }
}

impl Symbols {
    /// Adds the function's name and the line, where the file has them.
    pub(crate) fn name(&mut self, frame: &mut NativeFrame) {
        if frame.symbol.is_some() || frame.module.is_empty() {
            return;
        }
        let key = (frame.module.clone(), frame.address);
        if let Some(known) = self.found.get(&key).filter(|known| known.build_id == frame.build_id) {
            frame.clone_from(known);
            return;
        }
        let module = self.modules.entry(frame.module.clone()).or_insert_with(|| open(&frame.module, &frame.build_id));
        if let Some(Module { loader, .. }) = module {
            // The call is before the return address.
            let call = frame.address.saturating_sub(1);
            frame.symbol = loader.find_symbol(call).map(Arc::from);
            frame.line = line_of(loader, call);
        }
        self.found.insert(key, frame.clone());
    }
}

/// The line of a call. One that the compiler inlined from ttmem.hpp is that of the function around it.
fn line_of(loader: &Loader, call: u64) -> Option<(Arc<str>, u32)> {
    fn of(location: addr2line::Location<'_>) -> Option<(&str, u32)> {
        Some((location.file?, location.line?))
    }
    let innermost = loader.find_location(call).ok().flatten().and_then(of)?;
    let is_ours = |file: &str| file.ends_with("/ttmem.hpp");
    if is_ours(innermost.0)
        && let Ok(mut frames) = loader.find_frames(call)
    {
        while let Ok(Some(frame)) = frames.next() {
            if let Some((file, line)) = frame.location.and_then(of).filter(|(file, _)| !is_ours(file)) {
                return Some((file.into(), line));
            }
        }
    }
    Some((innermost.0.into(), innermost.1))
}

/// A library that was replaced since says nothing true about addresses in the old one.
fn open(path: &str, build_id: &str) -> Option<Module> {
    let path = PathBuf::from(path);
    if !path.is_file() || build_id_of(&path).unwrap_or_default() != build_id {
        return None;
    }
    let (guards, loader) = MappedFiles::guarding(|| Loader::new(&path));
    Some(Module { _guards: guards, loader: loader.ok()? })
}

/// The GNU build id that a file has now, hexadecimal.
fn build_id_of(path: &Path) -> Option<String> {
    use std::{fmt::Write, os::unix::fs::FileExt};
    let file = std::fs::File::open(path).ok()?;
    let read = |at: u64, length: usize| {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, at).ok().map(|()| bytes)
    };
    let word = |bytes: &[u8], at: usize, size: usize| {
        let bytes = bytes.get(at..at + size)?;
        Some(bytes.iter().rev().fold(0_u64, |value, &byte| value << 8 | u64::from(byte)))
    };
    let header = read(0, 64).filter(|header| header.starts_with(b"\x7fELF\x02\x01"))?;
    let (table, count) = (word(&header, 32, 8)?, word(&header, 56, 2)?);
    let table = read(table, 56 * count as usize)?;
    for segment in table.chunks_exact(56).filter(|segment| word(segment, 0, 4) == Some(4)) {
        let length = usize::try_from(word(segment, 32, 8)?).ok().filter(|&length| length < 1 << 20)?;
        let notes = read(word(segment, 8, 8)?, length)?;
        let mut at = 0;
        while let (Some(name), Some(content), Some(kind)) =
            (word(&notes, at, 4), word(&notes, at + 4, 4), word(&notes, at + 8, 4))
        {
            let from = at + 12 + (name as usize).next_multiple_of(4);
            let content_bytes = notes.get(from..from + content as usize);
            if kind == 3 && notes.get(at + 12..at + 16) == Some(b"GNU\0") {
                let mut text = String::new();
                for byte in content_bytes? {
                    let _ = write!(text, "{byte:02x}");
                }
                return Some(text);
            }
            at = from + (content as usize).next_multiple_of(4);
        }
    }
    None
}
