//! Damage, by a seed.

/// A small, seeded generator (xorshift64): a failing case is found again by its seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator.
    pub fn seeded(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Small, huge, or anything: what breaks arithmetic is at the ends.
    pub fn word(&mut self) -> u64 {
        match self.below(6) {
            0 | 1 => self.next() % 300,
            2 => u64::MAX - self.next() % 300,
            3 => 1 << self.below(64),
            4 => u64::from(self.next() as u32),
            _ => self.next(),
        }
    }
}

/// These bytes with some damage: words, bytes, parts that are cut out, repeated or put elsewhere, another end.
pub fn mutated(sound: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    for _ in 0..1 + random.below(6) {
        let (at, length) = (random.below(bytes.len()), 1 + random.below(80));
        let end = (at + length).min(bytes.len());
        match random.below(10) {
            0..=3 => {
                let at = at / 8 * 8;
                let word = random.word().to_le_bytes();
                bytes.iter_mut().skip(at).zip(word).for_each(|(byte, new)| *byte = new);
            }
            4 | 5 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.word() as u8),
            6 => drop(bytes.drain(at.min(end)..end)),
            7 => {
                let part = bytes[at.min(end)..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, part);
            }
            8 => {
                let part = bytes[at.min(end)..end].to_vec();
                let to = random.below(bytes.len());
                bytes.iter_mut().skip(to).zip(part).for_each(|(byte, new)| *byte = new);
            }
            _ if random.below(4) == 0 => bytes.truncate(at),
            _ => bytes.iter_mut().skip(at).take(length).for_each(|byte| *byte = 0),
        }
    }
    bytes
}
