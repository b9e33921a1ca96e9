//! A ring file in memory. Here and nowhere else bytes of the file become slots and pages.

use memmap2::MmapRaw;
use ttmem_wire::{HEADER_BYTES, Header, MAX_POOLS, PAGE, WRITER_PAGES};

use crate::{
    layout::{FlusherPage, Page, PoolTable, ProducerPage, ReaderPage, Slot},
    queue::Queue,
};

/// A mapped ring file whose header was checked against the size of the mapping.
#[derive(Debug)]
pub(crate) struct Mapped {
    raw: MmapRaw,
    header: Header,
}

impl Mapped {
    /// Takes a mapping of a whole ring file. `header` must be what [`Header::decode`] gave for exactly this file, or what
    /// is about to be written into it; its bounds are checked once more.
    pub(crate) fn new(raw: MmapRaw, header: Header) -> Option<Self> {
        header.check(raw.len() as u64).is_ok().then_some(Self { raw, header })
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// Writes the header into the first page; for the maker of the file, before it has a name.
    pub(crate) fn write_header(&self) {
        let page = self.header.encode();
        // SAFETY: the mapping is at least a header long (checked in `new`), and nobody else knows the file yet.
        unsafe { std::ptr::copy_nonoverlapping(page.as_ptr(), self.raw.as_mut_ptr(), page.len()) };
    }

    pub(crate) fn producers(&self) -> &ProducerPage {
        self.page(0)
    }

    pub(crate) fn flusher(&self) -> &FlusherPage {
        self.page(1)
    }

    pub(crate) fn reader(&self) -> &ReaderPage {
        self.page(2)
    }

    pub(crate) fn pools(&self) -> PoolTable<'_> {
        PoolTable::new(self.slots(self.header.pools_offset, MAX_POOLS as u64))
    }

    pub(crate) fn queue(&self) -> Queue<'_> {
        Queue::new(self.producers(), self.slots(self.header.queue_offset, self.header.queue_slots))
    }

    pub(crate) fn ring(&self) -> &[Slot] {
        self.slots(self.header.ring_offset, self.header.ring_slots)
    }

    pub(crate) fn keep_from_children(&self) -> std::io::Result<()> {
        self.raw.advise(memmap2::Advice::DontFork)
    }

    fn page<T: Page>(&self, index: usize) -> &T {
        const { assert!(size_of::<T>() == PAGE && align_of::<T>() == PAGE) };
        assert!(index < WRITER_PAGES);
        // SAFETY: the header's check puts every part behind the writers' pages, so these lie in the mapping, which is page
        // aligned; a `Page` may have any bytes and be written by others; and the mapping lives as long as `self`.
        unsafe { &*self.raw.as_ptr().add(HEADER_BYTES + index * PAGE).cast::<T>() }
    }

    fn slots(&self, offset: u64, count: u64) -> &[Slot] {
        // SAFETY: `new` checked that the part lies in the mapping and starts on a page; a Slot is 64 bytes of atomics,
        // valid for any bit pattern; the mapping lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.raw.as_ptr().add(offset as usize).cast::<Slot>(), count as usize) }
    }
}
