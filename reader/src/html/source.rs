//! The text of source lines, where their files can be read and are those that ran.
//!
//! A page may go to others, and a recording may come from others: only files with the name of a source file are read, and only
//! lines that a call site names.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::Metadata,
    io::{BufRead, BufReader, Read},
    path::Path,
    sync::Arc,
    time::UNIX_EPOCH,
};

use crate::plain_file;

/// Lines that are kept, and files that are read for them.
const LINES: usize = 5_000;
const FILES: usize = 500;
/// Bytes of a file that is read, at most.
const BYTES: u64 = 1 << 20;
/// Characters of a line that are shown.
const CHARACTERS: usize = 160;

const EXTENSIONS: [&str; 8] = ["py", "cpp", "cc", "cxx", "c", "hpp", "hh", "h"];

/// A line of a source file, by the file's name and its number, from 1.
type Place = (Arc<str>, u32);

/// The lines that call sites name.
#[derive(Debug, Default)]
pub(super) struct Wanted(BTreeMap<Arc<str>, BTreeSet<u32>>);

impl Wanted {
    pub(super) fn add(&mut self, file: &Arc<str>, line: u32) {
        self.0.entry(file.clone()).or_default().insert(line);
    }
}

/// Lines that were read. A live page wants the same ones again and again.
#[derive(Debug, Default)]
pub(super) struct SourceLines {
    /// When the file was written, in ns since 1970, and the line.
    known: HashMap<Place, Option<(u64, String)>>,
    files: usize,
}

impl SourceLines {
    /// Those of a program that began at `started_ns`, by `file:line`. What was written later is not what ran.
    pub(super) fn of(&mut self, wanted: &Wanted, started_ns: u64) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for (file, lines) in &wanted.0 {
            if lines.iter().any(|&line| !self.known.contains_key(&(file.clone(), line))) {
                self.read(file, lines);
            }
            for &line in lines {
                if let Some(Some((written_ns, text))) = self.known.get(&(file.clone(), line))
                    && *written_ns <= started_ns
                {
                    texts.insert(format!("{file}:{line}"), text.clone());
                }
            }
        }
        texts
    }

    fn read(&mut self, file: &Arc<str>, lines: &BTreeSet<u32>) {
        if self.known.len() + lines.len() > LINES || self.files == FILES {
            return;
        }
        self.files += 1;
        let mut texts = texts_of(Path::new(&**file), lines).unwrap_or_default();
        for &line in lines {
            self.known.insert((file.clone(), line), texts.remove(&line));
        }
    }
}

/// The lines of a file that are wanted, as far as it can be read.
fn texts_of(path: &Path, lines: &BTreeSet<u32>) -> Option<HashMap<u32, (u64, String)>> {
    let extension = path.extension()?.to_str()?;
    if !path.is_absolute() || !EXTENSIONS.contains(&extension) {
        return None;
    }
    let file = plain_file::open(path).ok()?;
    let metadata = file.metadata().ok().filter(|metadata| metadata.len() <= BYTES)?;
    let (written_ns, last) = (written_ns(&metadata)?, *lines.last()?);
    let texts = (1..=last).zip(BufReader::new(file.take(BYTES)).split(b'\n'));
    let texts = texts.filter(|(line, _)| lines.contains(line)).filter_map(|(line, text)| {
        let text: String = String::from_utf8_lossy(&text.ok()?).trim().chars().take(CHARACTERS).collect();
        (!text.is_empty()).then_some((line, (written_ns, text)))
    });
    Some(texts.collect())
}

fn written_ns(metadata: &Metadata) -> Option<u64> {
    u64::try_from(metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn lines(name: &str, content: &[u8], started_ns: u64) -> Vec<String> {
        let folder = std::env::temp_dir().join(format!("ttmem-source-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        let file: Arc<str> = path.to_str().unwrap().into();
        let mut wanted = Wanted::default();
        [0, 2, 3, 9].into_iter().for_each(|line| wanted.add(&file, line));
        let found = SourceLines::default().of(&wanted, started_ns);
        fs::remove_file(&path).unwrap();
        found.into_values().collect()
    }

    #[test]
    fn lines_of_sources_are_read_and_of_nothing_else() {
        let content = b"one\n    two = \xff\n\nfour\n";
        assert_eq!(lines("a.py", content, u64::MAX), ["two = \u{fffd}"]);
        assert_eq!(lines("a.cpp", content, u64::MAX).len(), 1);
        assert!(lines("a.key", content, u64::MAX).is_empty(), "no source file");
        assert!(lines("b.py", content, 1).is_empty(), "written after the program began");
        let large = [b"x\ny\n".to_vec(), vec![b'#'; BYTES as usize]].concat();
        assert!(lines("c.py", &large, u64::MAX).is_empty(), "too large");
        let long = [b"x\n".to_vec(), vec![b'#'; 10_000]].concat();
        assert_eq!(lines("d.py", &long, u64::MAX)[0].len(), CHARACTERS);
    }

    #[test]
    fn there_is_an_end() {
        let mut wanted = Wanted::default();
        let file: Arc<str> = "/nonexistent/a.py".into();
        (0..=LINES as u32).for_each(|line| wanted.add(&file, line));
        let mut source = SourceLines::default();
        assert!(source.of(&wanted, 0).is_empty());
        assert_eq!((source.files, source.known.len()), (0, 0), "too many lines");
    }
}
