//! The folder that rings lie in: the user's own, of mode 0700, and never behind a link.

use std::{
    env,
    ffi::OsString,
    fmt, fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::sys::{effective_uid, random_id};

/// Why a folder will not do.
#[derive(Debug)]
pub enum FolderError {
    /// It could not be made or opened.
    Io(io::Error),
    /// The name is a link or not a folder.
    NotAFolder,
    /// It belongs to somebody else.
    Owner(u32),
    /// Others may write into it; its mode.
    Writable(u32),
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::NotAFolder => write!(f, "it is a link or not a folder"),
            Self::Owner(uid) => write!(f, "it belongs to user {uid}, not to you"),
            Self::Writable(mode) => write!(f, "others may write into it (mode {:o}; 700 is wanted)", mode & 0o7777),
        }
    }
}

impl std::error::Error for FolderError {}

impl From<io::Error> for FolderError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ELOOP | libc::ENOTDIR) => Self::NotAFolder,
            _ => Self::Io(error),
        }
    }
}

/// Where rings go: `$TTMEM_DIR`, else `$XDG_RUNTIME_DIR/ttmem`, else `/dev/shm/ttmem-<uid>`.
pub fn default_dir() -> PathBuf {
    folder_for(env::var_os("TTMEM_DIR"), env::var_os("XDG_RUNTIME_DIR"))
}

/// [`default_dir`], for values of `TTMEM_DIR` and `XDG_RUNTIME_DIR` that were read elsewhere.
pub fn folder_for(chosen: Option<OsString>, runtime: Option<OsString>) -> PathBuf {
    let given = |value: Option<OsString>| value.filter(|value| !value.is_empty()).map(PathBuf::from);
    given(chosen)
        .or_else(|| Some(given(runtime)?.join("ttmem")))
        .unwrap_or_else(|| PathBuf::from(format!("/dev/shm/ttmem-{}", effective_uid())))
}

/// Makes the folder if it is missing (its parent must exist) and checks that it is the user's own. Returns it opened, so
/// that what is checked is what is used.
///
/// # Errors
/// [`FolderError`] says what is wrong with it.
pub fn ensure_folder(path: &Path) -> Result<fs::File, FolderError> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let folder = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = folder.metadata()?;
    if metadata.uid() != effective_uid() {
        return Err(FolderError::Owner(metadata.uid()));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(FolderError::Writable(metadata.mode()));
    }
    Ok(folder)
}

/// Makes a new, empty folder of the user's own in `parent`, for one run.
///
/// # Errors
/// [`FolderError`] says why not.
pub fn create_private_dir(parent: &Path) -> Result<PathBuf, FolderError> {
    ensure_folder(parent)?;
    let path = parent.join(format!("run-{}-{:08x}", std::process::id(), random_id() as u32));
    fs::DirBuilder::new().mode(0o700).create(&path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_choice_comes_first_and_empty_is_no_choice() {
        let os = |text: &str| Some(OsString::from(text));
        assert_eq!(folder_for(os("/a"), os("/b")), Path::new("/a"));
        assert_eq!(folder_for(os(""), os("/b")), Path::new("/b/ttmem"));
        assert!(folder_for(None, None).to_str().unwrap().starts_with("/dev/shm/ttmem-"));
    }

    #[test]
    fn links_files_and_folders_open_to_others_are_refused() {
        use std::os::unix::fs::PermissionsExt;
        let base = env::temp_dir().join(format!("ttmem-folder-test-{}", std::process::id()));
        fs::create_dir(&base).unwrap();
        let own = base.join("own");
        assert!(ensure_folder(&own).is_ok());
        assert_eq!(fs::metadata(&own).unwrap().mode() & 0o777, 0o700);
        std::os::unix::fs::symlink(&own, base.join("link")).unwrap();
        assert!(matches!(ensure_folder(&base.join("link")), Err(FolderError::NotAFolder)));
        fs::write(base.join("file"), "").unwrap();
        assert!(matches!(ensure_folder(&base.join("file")), Err(FolderError::NotAFolder)));
        fs::set_permissions(&own, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(ensure_folder(&own), Err(FolderError::Writable(_))));
        assert!(matches!(ensure_folder(&base.join("no/such")), Err(FolderError::Io(_))));
        fs::remove_dir_all(&base).unwrap();
    }
}
