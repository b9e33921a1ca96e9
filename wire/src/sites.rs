//! Call sites, in a file beside the ring: each distinct stack once, each code object and module once.
//!
//! A header, then records one after the other, each at a multiple of [`UNIT`] bytes. A record is named by its place: a
//! reference is its offset divided by [`UNIT`], 24 bits, and that is the `site` that events carry. A record is whole before
//! anything refers to it, so whoever comes by a reference may read it, however the process ended. Numbers are little-endian.
//!
//! | record | words |
//! |---|---|
//! | stack | kind, native frames << 8, Python frames << 16, [`CUT_NATIVE`] and [`CUT_PYTHON`] << 24; a word for each frame |
//! | code | kind, [`LineTable`] << 8, first line << 32; bytes of file, name << 32; bytes of the line table; the three |
//! | module | kind, bytes of build id << 8, of path << 16; where it was loaded; build id and path |
//! | tensor | kind, data type << 8, layout << 16, memory layout << 24, dimensions << 32, of the padded shape << 40, 1 << 48 if there is a shard; shape, padded shape and shard, 32 bits each, two a word |
//!
//! Frames come innermost first, native ones before Python's. A frame is a reference to a module or a code object << 40, and
//! where in it: an address of the module's file, or the byte offset of the instruction.

/// The first bytes of the file.
pub const SITES_MAGIC: u64 = u64::from_le_bytes(*b"TTMSITES");

/// The version of what is described here.
pub const SITES_VERSION: u32 = 1;

/// The ending of the file's name, after the ring's whole name.
pub const SITES_EXTENSION: &str = "sites";

/// Bytes of the header: 64, of which words 0 to 5 are used: magic, version, ring id (two words), bytes used, events that
/// found no room.
pub const SITES_HEADER_BYTES: usize = 64;

/// Records begin at multiples of this.
pub const UNIT: usize = 8;

/// The largest file.
pub const MAX_SITES_BYTES: usize = 64 << 20;

/// The longest record.
pub const MAX_SITE_RECORD: usize = 512 << 10;

/// There were more native frames.
pub const CUT_NATIVE: u8 = 1;
/// There were more Python frames.
pub const CUT_PYTHON: u8 = 2;

/// The largest number of frames of a kind.
pub const MAX_FRAMES: usize = 64;

const STACK: u8 = 1;
const CODE: u8 = 2;
const MODULE: u8 = 3;
const TENSOR: u8 = 4;
const REFERENCE_BITS: u32 = 24;
const WITHIN_BITS: u32 = 40;

/// Where a frame stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The record of its module or code object; 0 where there is none.
    pub of: u32,
    /// Where in it. 40 bits.
    pub at: u64,
}

impl Frame {
    /// As a word.
    pub fn word(self) -> u64 {
        u64::from(self.of) << WITHIN_BITS | (self.at & ((1 << WITHIN_BITS) - 1))
    }

    fn from_word(word: u64) -> Self {
        Self { of: (word >> WITHIN_BITS) as u32, at: word & ((1 << WITHIN_BITS) - 1) }
    }
}

/// The format of a code object's line table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LineTable {
    /// CPython 3.10: pairs of instructions and lines.
    Pairs = 1,
    /// CPython 3.11 to 3.13: locations.
    Locations = 2,
}

/// What a stack record says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackRecord {
    /// Native frames, innermost first.
    pub native: Vec<Frame>,
    /// Python frames, innermost first.
    pub python: Vec<Frame>,
    /// [`CUT_NATIVE`] and [`CUT_PYTHON`].
    pub cut: u8,
}

/// What a code record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeRecord<'a> {
    /// How the line table is to be read.
    pub format: LineTable,
    /// The line of the `def`.
    pub first_line: u32,
    /// `co_filename`, as the file system has it.
    pub file: &'a [u8],
    /// The qualified name, or where there is none the name; UTF-8.
    pub name: &'a [u8],
    /// The line table, perhaps cut.
    pub lines: &'a [u8],
}

/// What a module record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModuleRecord<'a> {
    /// The GNU build id; empty where it has none.
    pub build_id: &'a [u8],
    /// Its file.
    pub path: &'a [u8],
    /// What was added to the file's addresses.
    pub load_bias: u64,
}

/// Dimensions of a shape, at most.
pub const MAX_DIMENSIONS: usize = 8;

/// What a tensor is, in tt-metal's own numbers; the same words as in its record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TensorRecord {
    /// `DataType`.
    pub dtype: u8,
    /// `Layout`.
    pub layout: u8,
    /// `TensorMemoryLayout`.
    pub memory_layout: u8,
    shape: Shape,
    padded_shape: Shape,
    /// Height and width of a shard.
    pub shard: Option<[u32; 2]>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shape {
    rank: u8,
    dimensions: [u32; MAX_DIMENSIONS],
}

impl Shape {
    fn new(dimensions: &[u32]) -> Self {
        let rank = dimensions.len().min(MAX_DIMENSIONS);
        let mut shape = Self { rank: rank as u8, ..Self::default() };
        shape.dimensions[..rank].copy_from_slice(&dimensions[..rank]);
        shape
    }

    fn dimensions(&self) -> &[u32] {
        self.dimensions.get(..self.rank.into()).unwrap_or(&[])
    }
}

impl TensorRecord {
    /// With these shapes, of which the first [`MAX_DIMENSIONS`] dimensions count.
    pub fn with_shapes(self, shape: &[u32], padded_shape: &[u32]) -> Self {
        Self { shape: Shape::new(shape), padded_shape: Shape::new(padded_shape), ..self }
    }

    /// Its dimensions as the program sees them.
    pub fn shape(&self) -> &[u32] {
        self.shape.dimensions()
    }

    /// Its dimensions as it lies in memory.
    pub fn padded_shape(&self) -> &[u32] {
        self.padded_shape.dimensions()
    }

    /// The words of its record: the first [`Self::count`] of them.
    pub fn words(&self) -> [u64; TENSOR_WORDS] {
        let Self { dtype, layout, memory_layout, shape, padded_shape, shard } = self;
        let numbers = [dtype, layout, memory_layout, &shape.rank, &padded_shape.rank].map(|&number| u64::from(number));
        let [dtype, layout, memory_layout, rank, padded_rank] = numbers;
        let mut words = [0; TENSOR_WORDS];
        words[0] = u64::from(TENSOR)
            | dtype << 8
            | layout << 16
            | memory_layout << 24
            | rank << 32
            | padded_rank << 40
            | u64::from(shard.is_some()) << 48;
        let shard = shard.as_ref().map_or(&[][..], |shard| shard);
        let numbers = [self.shape(), self.padded_shape(), shard].into_iter().flatten();
        numbers.enumerate().for_each(|(at, &number)| words[1 + at / 2] |= u64::from(number) << (at % 2 * 32));
        words
    }

    /// How many words its record has.
    pub fn count(&self) -> usize {
        let numbers = usize::from(self.shape.rank + self.padded_shape.rank) + 2 * usize::from(self.shard.is_some());
        1 + numbers.div_ceil(2)
    }
}

/// The most words of a tensor record.
pub const TENSOR_WORDS: usize = 2 + MAX_DIMENSIONS;

/// Bytes of words before a record's own bytes.
pub const STACK_HEAD: usize = 8;
/// Bytes of words before a record's own bytes.
pub const CODE_HEAD: usize = 24;
/// Bytes of words before a record's own bytes.
pub const MODULE_HEAD: usize = 16;

/// The first word of a stack record.
pub fn stack_head(native: usize, python: usize, cut: u8) -> u64 {
    u64::from(STACK) | (native as u64 & 0xFF) << 8 | (python as u64 & 0xFF) << 16 | u64::from(cut) << 24
}

/// The first words of a code record: its lengths are those of file, name and line table.
pub fn code_head(format: LineTable, first_line: u32, lengths: [usize; 3]) -> [u64; 3] {
    let [file, name, lines] = lengths.map(|length| length as u64 & 0xFFFF_FFFF);
    [u64::from(CODE) | (format as u64) << 8 | u64::from(first_line) << 32, file | name << 32, lines]
}

/// The first words of a module record.
pub fn module_head(build_id: usize, path: usize, load_bias: u64) -> [u64; 2] {
    [u64::from(MODULE) | (build_id as u64 & 0xFF) << 8 | (path as u64 & 0xFFFF) << 16, load_bias]
}

/// The bytes of the record that begins with these, as far as they tell (a record's first [`CODE_HEAD`] bytes are enough);
/// `None` for what is no record.
pub fn record_length(bytes: &[u8]) -> Option<usize> {
    let first = word(bytes, 0)?;
    let length = match first as u8 {
        STACK => STACK_HEAD + 8 * ((first >> 8 & 0xFF) as usize + (first >> 16 & 0xFF) as usize),
        CODE => {
            let (names, lines) = (word(bytes, 1)?, word(bytes, 2)?);
            let parts = [names & 0xFFFF_FFFF, names >> 32, lines & 0xFFFF_FFFF];
            CODE_HEAD + usize::try_from(parts.iter().sum::<u64>()).ok()?
        }
        TENSOR => 8 * tensor_words(first)?,
        MODULE => MODULE_HEAD + (first >> 8 & 0xFF) as usize + (first >> 16 & 0xFFFF) as usize,
        _ => return None,
    };
    (length <= MAX_SITE_RECORD).then_some(length)
}

/// Words of the tensor record that begins with this one.
fn tensor_words(first: u64) -> Option<usize> {
    let ranks = [first >> 32 & 0xFF, first >> 40 & 0xFF].map(|rank| rank as usize);
    let are_sound = ranks.iter().all(|&rank| rank <= MAX_DIMENSIONS);
    are_sound.then(|| 1 + (ranks[0] + ranks[1] + 2 * (first >> 48 & 1) as usize).div_ceil(2))
}

/// Reads a tensor record.
pub fn read_tensor(bytes: &[u8]) -> Option<TensorRecord> {
    let first = word(bytes, 0).filter(|first| *first as u8 == TENSOR)?;
    let words = tensor_words(first)?;
    let mut numbers = Vec::with_capacity(2 * words);
    for at in 1..words {
        let both = word(bytes, at)?;
        numbers.extend([both as u32, (both >> 32) as u32]);
    }
    let [rank, padded_rank] = [first >> 32 & 0xFF, first >> 40 & 0xFF].map(|rank| rank as usize);
    let (shape, rest) = numbers.split_at_checked(rank)?;
    let (padded_shape, rest) = rest.split_at_checked(padded_rank)?;
    let shard = if first >> 48 & 1 == 1 { Some(*rest.first_chunk()?) } else { None };
    let [dtype, layout, memory_layout] = [first >> 8, first >> 16, first >> 24].map(|number| number as u8);
    Some(
        TensorRecord { dtype, layout, memory_layout, shard, ..TensorRecord::default() }
            .with_shapes(shape, padded_shape),
    )
}

/// Reads a stack record.
pub fn read_stack(bytes: &[u8]) -> Option<StackRecord> {
    let first = word(bytes, 0).filter(|first| *first as u8 == STACK)?;
    let (native, python) = ((first >> 8 & 0xFF) as usize, (first >> 16 & 0xFF) as usize);
    if native.max(python) > MAX_FRAMES {
        return None;
    }
    let frames = |from: usize, count: usize| {
        (from..from + count).map(|at| Some(Frame::from_word(word(bytes, at)?))).collect::<Option<Vec<_>>>()
    };
    Some(StackRecord { native: frames(1, native)?, python: frames(1 + native, python)?, cut: (first >> 24) as u8 })
}

/// Reads a code record.
pub fn read_code(bytes: &[u8]) -> Option<CodeRecord<'_>> {
    let first = word(bytes, 0).filter(|first| *first as u8 == CODE)?;
    let format = match (first >> 8) as u8 {
        1 => LineTable::Pairs,
        2 => LineTable::Locations,
        _ => return None,
    };
    let names = word(bytes, 1)?;
    let (file, rest) = bytes.get(CODE_HEAD..)?.split_at_checked((names & 0xFFFF_FFFF) as usize)?;
    let (name, rest) = rest.split_at_checked((names >> 32) as usize)?;
    let lines = rest.get(..(word(bytes, 2)? & 0xFFFF_FFFF) as usize)?;
    Some(CodeRecord { format, first_line: (first >> 32) as u32, file, name, lines })
}

/// Reads a module record.
pub fn read_module(bytes: &[u8]) -> Option<ModuleRecord<'_>> {
    let first = word(bytes, 0).filter(|first| *first as u8 == MODULE)?;
    let (build_id, rest) = bytes.get(MODULE_HEAD..)?.split_at_checked((first >> 8 & 0xFF) as usize)?;
    let path = rest.get(..(first >> 16 & 0xFFFF) as usize)?;
    Some(ModuleRecord { build_id, path, load_bias: word(bytes, 1)? })
}

/// Whether the file begins as one of this version that belongs to the ring of this id.
pub fn is_sites_header(bytes: &[u8], ring_id: u128) -> bool {
    word(bytes, 0) == Some(SITES_MAGIC)
        && word(bytes, 1) == Some(SITES_VERSION.into())
        && word(bytes, 2) == Some(ring_id as u64)
        && word(bytes, 3) == Some((ring_id >> 64) as u64)
}

/// Events that found no room for their site, as the header counts them.
pub fn sites_refused(header: &[u8]) -> u64 {
    word(header, 5).unwrap_or(0)
}

/// The reference of a record at `offset`; `None` for offsets that no record has.
pub fn reference(offset: usize) -> Option<u32> {
    let reference = u32::try_from(offset / UNIT).ok()?;
    (offset >= SITES_HEADER_BYTES && offset.is_multiple_of(UNIT) && reference < 1 << REFERENCE_BITS)
        .then_some(reference)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at * 8..at * 8 + 8)?.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[u64], rest: &[&[u8]]) -> Vec<u8> {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        rest.iter().for_each(|part| bytes.extend_from_slice(part));
        bytes
    }

    #[test]
    fn records_come_back() {
        let frames = [Frame { of: 0xFF_FFFF, at: (1 << 40) - 1 }, Frame { of: 8, at: 0 }, Frame { of: 9, at: 77 }];
        let mut words = vec![stack_head(1, 2, CUT_PYTHON)];
        words.extend(frames.map(Frame::word));
        let stack = bytes(&words, &[]);
        assert_eq!(record_length(&stack), Some(stack.len()));
        let read = read_stack(&stack).unwrap();
        assert_eq!((read.native.as_slice(), read.python.as_slice(), read.cut), (&frames[..1], &frames[1..], 2));

        let code = bytes(&code_head(LineTable::Locations, 41, [4, 3, 2]), &[b"a.py", b"f.g", b"\x80\x01"]);
        assert_eq!(record_length(&code[..CODE_HEAD]), Some(code.len()));
        let read = read_code(&code).unwrap();
        assert_eq!(
            (read.file, read.name, read.lines, read.first_line),
            (&b"a.py"[..], &b"f.g"[..], &b"\x80\x01"[..], 41)
        );

        let module = bytes(&module_head(2, 5, 4096), &[b"\x01\x02", b"/a.so"]);
        assert_eq!(record_length(&module), Some(module.len()));
        let read = read_module(&module).unwrap();
        assert_eq!((read.build_id, read.path, read.load_bias), (&b"\x01\x02"[..], &b"/a.so"[..], 4096));
    }

    #[test]
    fn a_tensor_comes_back() {
        let plain = TensorRecord { dtype: 3, layout: 1, memory_layout: 2, ..TensorRecord::default() };
        for (shape, padded, shard) in [
            (&[1, 2, u32::MAX][..], &[1, 32, 64][..], None),
            (&[], &[], Some([7, 9])),
            (&[1, 2, 3, 4, 5, 6, 7, 8], &[1, 2, 3, 4, 5, 6, 32, 32], Some([u32::MAX, 1])),
        ] {
            let tensor = TensorRecord { shard, ..plain }.with_shapes(shape, padded);
            let record = bytes(&tensor.words()[..tensor.count()], &[]);
            assert_eq!((record_length(&record), read_tensor(&record)), (Some(record.len()), Some(tensor)));
            assert_eq!((tensor.shape(), tensor.padded_shape()), (shape, padded));
            assert_eq!(read_tensor(&record[..record.len() - 1]), None);
        }
        assert_eq!(record_length(&bytes(&[u64::from(TENSOR) | 9 << 32], &[])), None);
    }

    #[test]
    fn what_is_cut_or_no_record_gives_nothing() {
        let code = bytes(&code_head(LineTable::Pairs, 1, [4, u32::MAX as usize, 2]), &[b"a.py"]);
        assert_eq!((record_length(&code), read_code(&code)), (None, None));
        assert_eq!(read_stack(&bytes(&[stack_head(3, 200, 0), 1, 2], &[])), None);
        assert_eq!(record_length(&[0; 64]), None);
        assert_eq!(read_module(&bytes(&module_head(20, 5, 0), &[b"short"])), None);
        assert_eq!((reference(64), reference(68), reference(0), reference(128 << 20)), (Some(8), None, None, None));
    }
}
