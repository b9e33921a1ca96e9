//! `ttmem generate`: what an installation has beside the command, from the command line's own definition.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate_to};

use super::Arguments;
use crate::Failure;

/// Write the man pages, and the completions of bash, zsh and fish, below a folder as `/usr/share`
#[derive(Args, Debug)]
pub(super) struct Generate {
    /// The folder
    #[arg(value_name = "FOLDER")]
    share: PathBuf,
}

impl Generate {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let mut command = Arguments::command();
        command.build();
        for (shell, place, name) in [
            (Shell::Bash, "bash-completion/completions", "ttmem"),
            (Shell::Zsh, "zsh/site-functions", "_ttmem"),
            (Shell::Fish, "fish/vendor_completions.d", "ttmem.fish"),
        ] {
            let folder = self.folder(place)?;
            let written = generate_to(shell, &mut command.clone(), "ttmem", &folder);
            let written = written.map_err(|error| Failure::with(&folder, error))?;
            // As bash-completion looks for it: by the command's name alone.
            fs::rename(&written, folder.join(name)).map_err(|error| Failure::with(&written, error))?;
        }
        let folder = self.folder("man/man1")?;
        clap_mangen::generate_to(command, &folder).map_err(|error| Failure::with(&folder, error))?;
        Ok(ExitCode::SUCCESS)
    }

    fn folder(&self, place: &str) -> Result<PathBuf, Failure> {
        let folder: &Path = &self.share.join(place);
        fs::create_dir_all(folder).map_err(|error| Failure::with(folder, error))?;
        Ok(folder.to_path_buf())
    }
}
