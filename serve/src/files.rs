//! Files that only their owner may read, and that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What is left of a file whose writing was interrupted ends in this, behind a dot.
pub const PARTIAL: &str = "partial";

/// Writes a new file of mode 0600, and returns once it is on the disk. Whenever that is interrupted, the file is there
/// with all of `bytes` or not at all.
///
/// # Errors
///
/// `AlreadyExists` when there is a file of that name, which is left alone; others when it cannot be written.
pub fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = partial(path);
    // Of a process that was killed and had the same number, as in a container.
    let _ = fs::remove_file(&partial);
    // Unlike a rename, a link takes nobody's place.
    let linked = write_private(&partial, bytes).and_then(|()| fs::hard_link(&partial, path));
    let removed = fs::remove_file(&partial);
    linked.and(removed).and_then(|()| sync_folder(path))
}

/// Writes `bytes` to the disk, under a name that has to be new and is not yet durable: see [`sync_folder`].
///
/// # Errors
///
/// `AlreadyExists`, or when it cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the name `path` durable.
///
/// # Errors
///
/// What the operating system says of its folder.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Another process that writes the same file writes another one first.
fn partial(path: &Path) -> PathBuf {
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.{PARTIAL}", std::process::id()));
    partial.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn files(folder: &Path) -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn nothing_but_the_file_is_left_and_it_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        create_private(&path, b"all of it").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"all of it");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(files(folder.path()), [path]);
    }

    #[test]
    fn never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        fs::write(&path, "precious").unwrap();
        assert_eq!(create_private(&path, b"other").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        assert_eq!(files(folder.path()), [path]);
    }

    #[test]
    fn what_a_killed_process_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        fs::write(partial(&path), "half").unwrap();
        create_private(&path, b"all of it").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"all of it");
        assert_eq!(files(folder.path()), [path]);
    }
}
