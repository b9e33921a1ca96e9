//! What a user names: a mark, a region, a process, a section; and the name that was meant where there is none of it.

use crate::{Failure, report::shorten};

/// Names that an error lists.
const LISTED: usize = 8;

/// Characters of a command line that an error shows.
const SHOWN: usize = 60;

/// How alike two names are at least, of 1, for one to be proposed instead of the other.
const ALIKE: f64 = 0.8;

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
    first(all.map(|known| format!("{known:?}")))
}

/// The first of many, each once; `None` if there is none.
fn first(all: impl Iterator<Item = String>) -> Option<String> {
    let mut names: Vec<String> = Vec::new();
    for known in all {
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

/// The names that there are, and the one that was meant: the second half of an error about `name`.
pub(crate) fn instead<'a>(name: &str, all: impl Iterator<Item = &'a str> + Clone) -> String {
    let Some(known) = some_of(all.clone()) else { return "there is none".to_owned() };
    match nearest(name, all) {
        Some(near) => format!("there are {known}; did you mean {near:?}?"),
        None => format!("there are {known}"),
    }
}

/// The name that is most like this one (Jaro-Winkler, which weighs the beginning most).
pub(crate) fn nearest<'a>(name: &str, all: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let rated = all.into_iter().map(|known| (strsim::jaro_winkler(&name, &known.to_lowercase()), known));
    let near = rated.filter(|(alike, _)| *alike >= ALIKE);
    near.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, known)| known)
}

/// Which process of several, as the user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessName {
    /// By its id.
    Pid(u32),
    /// By words of its command line, without the folders before them: `model.py`, `train.py --rank 3`.
    Words(String),
}

impl std::str::FromStr for ProcessName {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Self::Words(text.to_owned()), Self::Pid))
    }
}

impl ProcessName {
    /// The id of the process that has this name. Where no whole word is the name, a part of the command line may be.
    ///
    /// # Errors
    /// If there is none of this name, or more than one.
    pub(crate) fn pid<'a>(&self, processes: impl Iterator<Item = (u32, &'a [String])> + Clone) -> Result<u32, Failure> {
        let list = |pid: u32, command: &[String]| format!("{pid} ({})", shorten(&without_folders(command), SHOWN));
        let of = |is_named: &dyn Fn(u32, &[String]) -> bool| -> Vec<(u32, &[String])> {
            processes.clone().filter(|(pid, command)| is_named(*pid, command)).collect()
        };
        let mut found = match self {
            Self::Pid(wanted) => of(&|pid, _| pid == *wanted),
            Self::Words(words) => {
                let is_word = |known: &String| known == words || base_name(known) == words;
                let whole = of(&|_, command| command.iter().any(is_word));
                let is_part = |command: &[String]| {
                    without_folders(command).contains(words.as_str()) || command.join(" ").contains(words.as_str())
                };
                if whole.is_empty() { of(&|_, command| is_part(command)) } else { whole }
            }
        };
        found.sort_by_key(|(pid, _)| *pid);
        found.dedup_by_key(|(pid, _)| *pid);
        let (name, near) = match self {
            Self::Pid(pid) => {
                let pids: Vec<String> = processes.clone().map(|(pid, _)| pid.to_string()).collect();
                (pid.to_string(), nearest(&pid.to_string(), pids.iter().map(String::as_str)).map(str::to_owned))
            }
            Self::Words(words) => {
                let each = |command: &[String]| command.iter().map(|word| base_name(word).to_owned()).collect();
                let tails = |command: &[String]| -> Vec<String> {
                    (0..command.len()).map(|from| without_folders(&command[from..])).collect()
                };
                let names_of = |command| if words.contains(' ') { tails(command) } else { each(command) };
                let names: Vec<String> = processes.clone().flat_map(|(_, command)| names_of(command)).collect();
                let near = nearest(words, names.iter().map(String::as_str));
                (format!("{words:?}"), near.map(|near| format!("{near:?}")))
            }
        };
        match found[..] {
            [(pid, _)] => Ok(pid),
            [] => {
                let known = first(processes.map(|(pid, command)| list(pid, command)));
                let known = known.map_or_else(|| "there is none".to_owned(), |known| format!("there are {known}"));
                let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                Err(Failure::new(format!("no process {name}; {known}{near}")))
            }
            _ => {
                let many = first(found.iter().map(|(pid, command)| list(*pid, command))).unwrap_or_default();
                Err(Failure::new(format!("{} processes are named {name}: {many}; give the id of one", found.len())))
            }
        }
    }
}

/// A command line without the folders before its words.
fn without_folders(command: &[String]) -> String {
    command.iter().map(|word| base_name(word)).collect::<Vec<_>>().join(" ")
}

/// A word of a command line without the folders before it.
fn base_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_near_is_proposed_and_one_that_is_not_is_not() {
        let all = ["held-by-fewer", "device-close", "growth"];
        assert_eq!(nearest("held-by-few", all), Some("held-by-fewer"));
        assert_eq!(nearest("Grwoth", all), Some("growth"));
        assert_eq!(nearest("quux", all), None);
        assert!(instead("grwth", all.into_iter()).ends_with("did you mean \"growth\"?"));
        assert_eq!(instead("grwth", [].into_iter()), "there is none");
    }

    #[test]
    fn a_process_is_named_by_its_id_or_words_of_its_command() {
        let lines = ["python /home/a/train.py --rank 0", "python /home/a/train.py --rank 1", "python serve.py"];
        let commands = lines.map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let all = || [4242, 4243, 4250].into_iter().zip(commands.iter().map(Vec::as_slice));
        let pid = |name: &str| name.parse::<ProcessName>().unwrap().pid(all()).map_err(|error| error.to_string());
        assert_eq!(pid("4242"), Ok(4242));
        for name in ["serve.py", "serve", "python serve.py"] {
            assert_eq!(pid(name), Ok(4250), "{name}");
        }
        for name in ["train.py --rank 1", "--rank 1", "a/train.py --rank 1"] {
            assert_eq!(pid(name), Ok(4243), "{name}");
        }
        assert_eq!(
            pid("4251").unwrap_err(),
            "no process 4251; there are 4242 (python train.py --rank 0), 4243 (python train.py --rank 1), \
             4250 (python serve.py); did you mean 4250?"
        );
        assert!(pid("train.py --rank 7").unwrap_err().contains("did you mean \"train.py --rank"));
        assert!(pid("tran.py").unwrap_err().ends_with("did you mean \"train.py\"?"));
        assert!(pid("train.py").unwrap_err().starts_with("2 processes are named \"train.py\": 4242 "));
    }
}
