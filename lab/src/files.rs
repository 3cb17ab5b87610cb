//! Result files: whole, or not there at all.

use anyhow::{Context, Result};
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Results are for everybody, as far as the umask lets them.
const MODE: u32 = 0o666;

/// Writes `bytes` to `path`: beside it at first, so that an interrupted run leaves what was there before.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let said = || format!("cannot write {}", path.display());
    let mut builder = tempfile::Builder::new();
    let mut file =
        builder.permissions(Permissions::from_mode(MODE)).tempfile_in(folder(path)).with_context(said)?;
    file.write_all(bytes).with_context(said)?;
    file.as_file().sync_all().with_context(said)?;
    file.persist(path).map(drop).map_err(|error| error.error).with_context(said)
}

/// Whether a file can be made beside `path`; for who would find out late.
pub(crate) fn try_folder(path: &Path) -> Result<()> {
    tempfile::tempfile_in(folder(path)).map(drop).with_context(|| format!("cannot write {}", path.display()))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn rejects_folder_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/a.json");
        for error in [write(&path, b"").unwrap_err(), try_folder(&path).unwrap_err()] {
            assert!(error.to_string().contains("cannot write"), "{error}");
        }
    }
}
