//! What the library is told of a run: an option for each variable, and what is wrong with either.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::Args;
use ttmem_ring::{FolderError, default_dir};

use crate::{
    Failure,
    analysis::size_of,
    variables::{VARIABLES, Variable},
};

/// The options of `run` and `record` that stand for variables of the library.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Settings (each overrides the variable in brackets)")]
pub(super) struct Settings {
    /// Make rings in DIR, a folder of your own with mode 700 [TTMEM_DIR].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Give each process a ring of BYTES, from 4096 to 1GiB, rounded down to a power of two [TTMEM_RING_BYTES].
    #[arg(long, value_name = "BYTES")]
    ring_bytes: Option<OsString>,
    /// When ring and queue are full: wait while events are drained, drop the newest event, or wait at most so many milliseconds
    /// [TTMEM_ON_FULL].
    #[arg(long, value_name = "wait|drop|block:MS")]
    on_full: Option<OsString>,
    /// Take these frames of call sites [TTMEM_STACKS].
    #[arg(long, value_name = "on|python|native|off")]
    stacks: Option<OsString>,
    /// Stamp events by the processor's counter where it is reliable, or by clock_gettime [TTMEM_CLOCK].
    #[arg(long, value_name = "auto|monotonic")]
    clock: Option<OsString>,
    /// Let the library print nothing, or also a line at the end if no call reached it [TTMEM_LOG].
    #[arg(long, value_name = "off|on")]
    log: Option<OsString>,
    /// Preload this libttmem.so [TTMEM_LIBRARY].
    #[arg(long, value_name = "FILE")]
    library: Option<PathBuf>,
}

impl Settings {
    /// The value of an option, as its variable takes it.
    fn given(&self, flag: &str) -> Option<OsString> {
        let as_bytes = |text: &OsString| match text.to_str().and_then(size_of) {
            Some(bytes) => bytes.to_string().into(),
            None => text.clone(),
        };
        match flag {
            "dir" => self.dir.clone().map(PathBuf::into_os_string),
            "ring-bytes" => self.ring_bytes.as_ref().map(as_bytes),
            "on-full" => self.on_full.clone(),
            "stacks" => self.stacks.clone(),
            "clock" => self.clock.clone(),
            "log" => self.log.clone(),
            "library" => self.library.clone().map(PathBuf::into_os_string),
            _ => None,
        }
    }

    /// The value of a variable for this run: of its option, else of the environment.
    pub(super) fn value(&self, name: &str) -> Option<OsString> {
        let variable = VARIABLES.iter().find(|variable| variable.name == name)?;
        let given = variable.flag.and_then(|flag| self.given(flag));
        given.or_else(|| env::var_os(name)).filter(|value| !value.is_empty())
    }

    /// The variables that options set for the command.
    pub(super) fn variables(&self) -> Vec<(&'static str, OsString)> {
        let of = |variable: &Variable| Some((variable.name, self.given(variable.flag?)?));
        VARIABLES.iter().filter_map(of).collect()
    }

    /// Refuses, before the program runs, what the library would only complain about.
    pub(super) fn check(&self) -> Result<(), Failure> {
        for variable in VARIABLES {
            let given = variable.flag.and_then(|flag| Some((flag, self.given(flag)?)));
            if let Some((flag, value)) = given {
                if let Some(fault) = variable.fault(&value) {
                    return Err(Failure::new(format!("--{flag} {}: {fault}", value.to_string_lossy())));
                }
            } else if let Some(value) = env::var_os(variable.name).filter(|value| !value.is_empty())
                && variable.is_refused
                && let Some(fault) = variable.fault(&value)
            {
                let (name, value) = (variable.name, value.to_string_lossy());
                return Err(Failure::new(format!("{name}={value}: {fault}; change or unset it")));
            }
        }
        Ok(())
    }

    /// The folder that the run makes its own in.
    pub(super) fn folder(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(default_dir)
    }

    /// What is wrong with that folder.
    pub(super) fn folder_failure(&self, path: &Path, error: &FolderError) -> Failure {
        folder_failure(self.dir.as_deref(), path, error)
    }

    /// The library that the option names.
    pub(super) fn library(&self) -> Option<&Path> {
        self.library.as_deref()
    }
}

/// What is wrong with a folder of rings, after what named it: an option, a variable, or neither.
pub(super) fn folder_failure(option: Option<&Path>, path: &Path, error: &FolderError) -> Failure {
    let is_missing = matches!(error, FolderError::Io(error) if error.kind() == std::io::ErrorKind::NotFound);
    let why = if is_missing { "no such folder".to_owned() } else { error.to_string() };
    let mend = if is_missing { "create it" } else { "change it" };
    if let Some(option) = option {
        return Failure::new(format!("--dir {}: {why}; {mend}, or name another", option.display()));
    }
    match env::var_os("TTMEM_DIR").filter(|value| !value.is_empty()) {
        Some(value) => {
            Failure::new(format!("TTMEM_DIR={}: {why}; {mend}, or unset TTMEM_DIR", value.to_string_lossy()))
        }
        None => Failure::with(path, format!("{why}; name a folder of your own with --dir or TTMEM_DIR")),
    }
}

/// The option of commands that look for rings.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Place {
    /// Look for rings in DIR [TTMEM_DIR].
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

impl Place {
    /// The folder.
    pub(super) fn folder(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(default_dir)
    }

    /// The folder, and what named it if it is not the default: the end of a sentence that there is nothing in it.
    pub(super) fn described(&self) -> String {
        let folder = self.folder();
        let named = match env::var_os("TTMEM_DIR").filter(|value| !value.is_empty()) {
            _ if self.dir.is_some() => ", which --dir names",
            Some(_) => ", which TTMEM_DIR names",
            None => "",
        };
        let missing = if named.is_empty() || folder.exists() { "" } else { ": no such folder" };
        format!("{}{named}{missing}", crate::visible::visible_path(&folder))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_flag_of_the_table_is_an_option_of_run_and_record() {
        let ttmem = super::super::Arguments::command();
        for name in ["run", "record"] {
            let command = ttmem.find_subcommand(name).unwrap();
            for flag in VARIABLES.iter().filter_map(|variable| variable.flag) {
                assert!(command.get_arguments().any(|one| one.get_long() == Some(flag)), "{name} --{flag}");
            }
        }
    }

    #[test]
    fn an_option_is_what_its_variable_takes() {
        let settings = Settings { ring_bytes: Some("64MiB".into()), log: Some("off".into()), ..Settings::default() };
        assert_eq!(settings.value("TTMEM_RING_BYTES").as_deref(), Some(OsStr::new("67108864")));
        assert_eq!(settings.variables(), [("TTMEM_RING_BYTES", "67108864".into()), ("TTMEM_LOG", "off".into())]);
    }
}
