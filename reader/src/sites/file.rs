//! Reads the file beside a ring, record by record as events name them.

use std::{collections::HashMap, fmt::Write, fs::File, os::unix::fs::FileExt, path::Path, sync::Arc};

use ttmem_recording::{NativeFrame, PythonFrame, Site};
use ttmem_wire::sites::{
    self, CODE_HEAD, Frame, LineTable, SITES_HEADER_BYTES, UNIT, read_code, read_module, read_stack, read_tensor,
    record_length,
};

use super::{lines::line_at, tensor};

/// The open file. What it says of code objects and modules is kept.
#[derive(Debug)]
pub(crate) struct SiteFile {
    file: File,
    /// Bytes of records that may still be read: records of a sound file do not overlap, and each is read once.
    unread: u64,
    codes: HashMap<u32, Option<Code>>,
    modules: HashMap<u32, Option<Module>>,
}

/// Path and build id.
type Module = (Arc<str>, Arc<str>);

#[derive(Debug)]
struct Code {
    function: Arc<str>,
    file: Arc<str>,
    first_line: u32,
    format: LineTable,
    lines: Vec<u8>,
}

impl SiteFile {
    /// Opens the file beside this ring, if it has one.
    pub(crate) fn open(ring: &Path, ring_id: u128) -> Option<Self> {
        let (file, unread) = ttmem_ring::open_sites(ring).ok()??;
        let mut header = [0; SITES_HEADER_BYTES];
        file.read_exact_at(&mut header, 0).ok()?;
        sites::is_sites_header(&header, ring_id).then(|| Self {
            file,
            unread,
            codes: HashMap::new(),
            modules: HashMap::new(),
        })
    }

    /// Events that go without their site since the file is full.
    pub(crate) fn refused(&self) -> u64 {
        let mut header = [0; SITES_HEADER_BYTES];
        self.file.read_exact_at(&mut header, 0).map_or(0, |()| sites::sites_refused(&header))
    }

    /// The site or tensor of this number. Its native frames have no symbols yet.
    pub(crate) fn site(&mut self, id: u32) -> Option<Site> {
        let record = self.record(id)?;
        if let Some(tensor) = read_tensor(&record) {
            return Some(Site { id, tensor: Some(tensor::tensor(&tensor).into()), ..Site::default() });
        }
        let stack = read_stack(&record)?;
        Some(Site {
            id,
            python: stack.python.iter().map(|frame| self.python(*frame)).collect(),
            native: stack.native.iter().map(|frame| self.native(*frame)).collect(),
            tensor: None,
        })
    }

    fn python(&mut self, frame: Frame) -> PythonFrame {
        if !self.codes.contains_key(&frame.of) {
            let code = self.record(frame.of).and_then(|bytes| {
                let code = read_code(&bytes)?;
                Some(Code {
                    function: String::from_utf8_lossy(code.name).into(),
                    file: String::from_utf8_lossy(code.file).into(),
                    first_line: code.first_line,
                    format: code.format,
                    lines: code.lines.to_vec(),
                })
            });
            self.codes.insert(frame.of, code);
        }
        match self.codes.get(&frame.of) {
            Some(Some(code)) => PythonFrame {
                function: code.function.clone(),
                file: code.file.clone(),
                // Code that the compiler made up belongs to the line of the `def`. No source has a line 0.
                line: line_at(code.format, &code.lines, code.first_line, frame.at)
                    .or(Some(code.first_line))
                    .filter(|&line| line > 0),
            },
            _ => PythonFrame { function: "?".into(), file: "?".into(), line: None },
        }
    }

    fn native(&mut self, frame: Frame) -> NativeFrame {
        if !self.modules.contains_key(&frame.of) {
            let module = self.record(frame.of).and_then(|bytes| {
                let module = read_module(&bytes)?;
                let mut build_id = String::new();
                module.build_id.iter().for_each(|byte| {
                    let _ = write!(build_id, "{byte:02x}");
                });
                Some((String::from_utf8_lossy(module.path).into(), build_id.into()))
            });
            self.modules.insert(frame.of, module);
        }
        let (module, build_id) = match self.modules.get(&frame.of) {
            Some(Some(module)) => module.clone(),
            _ => (Arc::default(), Arc::default()),
        };
        NativeFrame { module, build_id, address: frame.at, symbol: None, line: None }
    }

    fn record(&mut self, reference: u32) -> Option<Vec<u8>> {
        let offset = reference as usize * UNIT;
        sites::reference(offset)?;
        let mut head = [0; CODE_HEAD];
        // The last record of a file may be shorter than the longest head; the file is not.
        self.file.read_exact_at(&mut head, offset as u64).ok()?;
        let length = record_length(&head)?;
        self.unread = self.unread.checked_sub(length as u64)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset as u64).ok()?;
        Some(bytes)
    }
}
