//! A recording that was cut short, damaged, or made to do harm: it is read as far as it goes, and never with a panic.

#![forbid(unsafe_code)]

mod common;

use common::{Entry, Random, process, read, realistic_trace, seal, small_file};
use ttmem_recording::{RecordingError, Writer};
use ttmem_wire::Record;

/// Whether `part` is what a reader of `whole` sees first.
fn is_beginning(part: &[Entry], whole: &[Entry]) -> bool {
    let Some((last, before)) = part.split_last() else { return true };
    part.len() <= whole.len()
        && *before == whole[..before.len()]
        && match (last, &whole[before.len()]) {
            (Entry::Events(process, some), Entry::Events(same, all)) => process == same && all.starts_with(some),
            (last, entry) => last == entry,
        }
}

fn chunk_ends(file: &[u8]) -> Vec<usize> {
    let mut ends = vec![16];
    while let Some(head) = file.get(ends[ends.len() - 1]..).filter(|rest| !rest.is_empty()) {
        ends.push(ends[ends.len() - 1] + 32 + u32::from_le_bytes(head[16..20].try_into().unwrap()) as usize);
    }
    ends
}

#[test]
fn a_file_that_is_cut_anywhere_gives_what_lies_before() {
    let file = small_file(&realistic_trace(60));
    let whole = read(&file).0;
    let ends = chunk_ends(&file);
    let mut longest = 0;
    for length in 0..file.len() {
        let (entries, end) = read(&file[..length]);
        assert!(is_beginning(&entries, &whole), "{length} bytes");
        let torn = length - ends.iter().rfind(|&&end| end <= length).unwrap_or(&0);
        assert_eq!(end.unwrap(), Some(torn as u64), "{length} bytes");
        longest = longest.max(entries.len());
    }
    assert_eq!(longest, whole.len(), "only the end was missing");
    assert_eq!(read(&file).1.unwrap(), None);
}

#[test]
fn a_flipped_bit_is_an_error_or_does_not_matter() {
    let mut file = small_file(&realistic_trace(60));
    let whole = read(&file).0;
    let mut same = 0;
    for bit in 0..file.len() * 8 {
        file[bit / 8] ^= 1 << (bit % 8);
        let (entries, end) = read(&file);
        match end {
            Err(RecordingError::NotARecording | RecordingError::Newer { .. }) => assert!(bit < 12 * 8),
            Err(RecordingError::Damaged { at, .. }) => {
                assert!(is_beginning(&entries, &whole), "bit {bit}");
                assert!(at as usize <= bit / 8, "bit {bit}: {at}");
            }
            Err(error) => panic!("bit {bit}: {error}"),
            Ok(cut) => {
                assert_eq!((cut, &entries), (None, &whole), "bit {bit}");
                same += 1;
            }
        }
        file[bit / 8] ^= 1 << (bit % 8);
    }
    assert_eq!(same, 4 * 8, "only the reserved bytes of the file's head do not matter");
}

#[test]
fn the_errors_say_what_to_do_or_where_to_look() {
    let message = |file: &[u8]| read(file).1.unwrap_err().to_string();
    let file = small_file(&realistic_trace(20));
    assert_eq!(message(b"\x7fELF"), "not a ttmem recording");
    assert_eq!(message(&[0; 100]), "not a ttmem recording");
    let mut newer = file.clone();
    newer[8] = 3;
    assert_eq!(message(&newer), "recording format 3, this ttmem reads 2: use a newer ttmem");
    let second = chunk_ends(&file)[1];
    let mut damaged = file.clone();
    damaged[second + 40] ^= 1;
    assert_eq!(message(&damaged), format!("damaged at byte {second}: the checksum of this block is wrong"));
    let mut longer = file.clone();
    longer.push(0);
    assert_eq!(message(&longer), format!("damaged at byte {}: something follows the end of the recording", file.len()));
}

/// A file of one chunk with the right checksums.
fn file_of(kind: &[u8; 4], items: u32, plain_bytes: u32, stored_bytes: u32, content: &[u8]) -> Vec<u8> {
    let mut file = Writer::new(Vec::new()).unwrap().finish().unwrap()[..16].to_vec();
    file.extend_from_slice(kind);
    [0, items, plain_bytes, stored_bytes, 0, 0, 0]
        .iter()
        .for_each(|field| file.extend_from_slice(&field.to_le_bytes()));
    file.extend_from_slice(content);
    seal(&mut file);
    file
}

#[test]
fn lengths_that_cannot_be_are_refused_before_room_is_made() {
    const IMPOSSIBLE: &str = "damaged at byte 16: this block says that it has an impossible length";
    let most = 16 << 20;
    for (plain, stored, why) in [
        (most + 1, 10, IMPOSSIBLE),
        (u32::MAX, 10, IMPOSSIBLE),
        (u32::MAX, u32::MAX, IMPOSSIBLE),
        (10, 11, IMPOSSIBLE),
        (11, 10, "damaged at byte 16: this block cannot be decompressed"),
        (most, 10, "damaged at byte 16: this block cannot be decompressed"),
    ] {
        let file = file_of(b"META", 1, plain, stored, b"0123456789");
        assert_eq!(read(&file).1.unwrap_err().to_string(), why);
    }
    let file = file_of(b"EVNT", 65_537, 10, 10, b"0123456789");
    assert_eq!(
        read(&file).1.unwrap_err().to_string(),
        "damaged at byte 16: this block says that it has too many events"
    );
    // Longer than the file: as far as a reader can know, the file was cut.
    assert_eq!(read(&file_of(b"META", 1, most, most, b"0123456789")).1.unwrap(), Some(42));
}

#[test]
fn what_unpacks_to_more_or_less_than_it_says_is_refused() {
    let bomb = zstd::bulk::compress(&vec![0; 100 << 20], 1).unwrap();
    for plain in [bomb.len() as u32 + 1, 1 << 20, 16 << 20] {
        let file = file_of(b"META", 1, plain, bomb.len() as u32, &bomb);
        assert!(matches!(read(&file).1, Err(RecordingError::Damaged { at: 16, .. })), "{plain}");
    }
    let small = zstd::bulk::compress(&[0; 1000], 1).unwrap();
    let file = file_of(b"META", 1, 1001, small.len() as u32, &small);
    assert!(matches!(read(&file).1, Err(RecordingError::Damaged { at: 16, .. })));
}

#[test]
fn a_full_chunk_that_lies_about_its_events_is_refused() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.meta(&process(0)).unwrap();
    writer.events(0, &realistic_trace(50)).unwrap();
    let file = writer.finish().unwrap();
    let at = chunk_ends(&file)[1];
    for items in [1, 49, 51, 300, 65_536] {
        let mut lying = file.clone();
        lying[at + 8..at + 12].copy_from_slice(&u32::to_le_bytes(items));
        seal(&mut lying);
        assert!(matches!(read(&lying).1, Err(RecordingError::Damaged { .. })), "{items} events");
    }
}

/// Changes some bytes, and now and then removes or repeats some.
fn mutate(file: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        let at = random.below(file.len() as u64) as usize;
        let end = file.len().min(at + 1 + random.below(20) as usize);
        match random.below(8) {
            0 => drop(file.drain(at..end)),
            1 => file.extend_from_within(at..end),
            2 => file[at..end].fill(0xFF),
            3 => file[at..end].fill(0),
            _ => file[at] = random.next() as u8,
        }
        if file.is_empty() {
            file.push(0);
        }
    }
}

#[test]
fn twenty_thousand_damaged_files_are_read_without_panic() {
    let trace = realistic_trace(500);
    let mut odd = trace[..40].to_vec();
    odd.push(Record { words: [u64::MAX; 8] });
    // Blocks that are stored as they are, so that damage hits the columns, and compressed ones.
    let files = [small_file(&trace[..40]), small_file(&odd), small_file(&trace)];
    let (mut damaged, mut read_through) = (0, 0);
    for seed in 0..20_000 {
        let mut random = Random::seeded(seed);
        let mut file = files[random.below(3) as usize].clone();
        mutate(&mut file, &mut random);
        if random.below(4) > 0 {
            seal(&mut file);
        }
        let (entries, end) = read(&file);
        let events = entries.iter().map(|entry| if let Entry::Events(_, records) = entry { records.len() } else { 0 });
        // A column of one number needs no bytes for its events, so a short file may have as many as its chunks allow.
        assert!(events.sum::<usize>() <= file.len() / 32 * 65_536, "seed {seed}");
        match end {
            Err(_) => damaged += 1,
            Ok(_) => read_through += 1,
        }
    }
    // Were it always the same, it would try nothing.
    assert!(damaged > 500 && read_through > 500, "{damaged} damaged, {read_through} read through");
}
