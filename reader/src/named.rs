//! What a user names: a mark, or a region of the program, that there may be many of.

/// Names that an error lists.
const LISTED: usize = 8;

/// The places of a name that is there as it was given, else that of `name:N`, the Nth from 1.
pub(crate) fn find(names: &[&str], name: &str) -> Vec<usize> {
    let of = |name: &str| -> Vec<usize> { (0..names.len()).filter(|&at| names[at] == name).collect() };
    let all = of(name);
    if !all.is_empty() {
        return all;
    }
    let numbered = name
        .rsplit_once(':')
        .and_then(|(name, number)| of(name).get(number.parse::<usize>().ok()?.checked_sub(1)?).copied());
    numbered.into_iter().collect()
}

/// The first of the names that there are, each once; `None` if there is none.
pub(crate) fn some_of<'a>(all: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut names: Vec<String> = Vec::new();
    for known in all.map(|known| format!("{known:?}")) {
        if !names.contains(&known) {
            names.push(known);
        }
    }
    match names.len() {
        0 => None,
        1..=LISTED => Some(names.join(", ")),
        number => Some(format!("{}, and {} more", names[..LISTED].join(", "), number - LISTED)),
    }
}
