//! Files that only their owner may read, and that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
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

/// A name that nobody else has, and nobody has left. In containers, processes often have the same number.
fn partial(path: &Path) -> PathBuf {
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{:016x}.{PARTIAL}", RandomState::new().hash_one(path)));
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

    /// As two that start on one volume at once.
    #[test]
    fn of_many_that_write_it_at_once_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        let create = |fill: u8| create_private(&path, &[fill; 4096]).is_ok().then_some(fill);
        let wrote: Vec<u8> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..16).map(|fill| scope.spawn(move || create(fill))).collect();
            writers.into_iter().filter_map(|writer| writer.join().unwrap()).collect()
        });
        assert_eq!(wrote.len(), 1);
        assert_eq!(fs::read(&path).unwrap(), [wrote[0]; 4096]);
        assert_eq!(files(folder.path()), [path]);
    }
}
