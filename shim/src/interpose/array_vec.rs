//! A list with a fixed room on the stack, as that of the crate arrayvec: it costs what is put into it, and not what would fit.

use std::mem::MaybeUninit;

/// Up to `N` elements. Their number lies before them, in the cache line of the first.
#[repr(C)]
pub(super) struct ArrayVec<T, const N: usize> {
    count: usize,
    /// The first `count` of them are written.
    room: [MaybeUninit<T>; N],
}

impl<T: Copy, const N: usize> ArrayVec<T, N> {
    #[inline(always)]
    pub(super) const fn new() -> Self {
        Self { count: 0, room: [const { MaybeUninit::uninit() }; N] }
    }

    /// Adds one; false where there is no room.
    #[inline(always)]
    pub(super) fn push(&mut self, one: T) -> bool {
        let Some(place) = self.room.get_mut(self.count) else { return false };
        place.write(one);
        self.count += 1;
        true
    }

    #[inline(always)]
    pub(super) fn as_slice(&self) -> &[T] {
        // SAFETY: so many were written, and an element that may be uninitialised lies in memory as one that is not.
        unsafe { std::slice::from_raw_parts(self.room.as_ptr().cast(), self.count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_fits() {
        let mut list = ArrayVec::<u16, 2>::new();
        assert!(list.as_slice().is_empty());
        assert_eq!([7, 8, 9].map(|one| list.push(one)), [true, true, false]);
        assert_eq!(list.as_slice(), [7, 8]);
    }
}
