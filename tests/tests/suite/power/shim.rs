//! Runs processes under `tests/power/shim.c`, which records what they do to one folder.

#![allow(clippy::unwrap_used)]

use super::disk::{Operation, read_log};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// A record under way: of any number of processes, one after the other.
pub(crate) struct Recorder {
    folder: PathBuf,
    log: TempDir,
}

impl Recorder {
    /// Records what is done to the files of `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.canonicalize().unwrap(), log: tempfile::tempdir().unwrap() }
    }

    /// Has `command` recorded.
    pub(crate) fn record<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let log = self.log.path().join("log");
        command.env("LD_PRELOAD", library()).env("POWER_FOLDER", &self.folder).env("POWER_LOG", log)
    }

    /// The length of the record until now. What happened before is in front of it.
    pub(crate) fn length(&self) -> usize {
        fs::metadata(self.log.path().join("log")).map_or(0, |log| log.len() as usize)
    }

    /// What happened, each operation with the length of the record behind it.
    pub(crate) fn operations(&self) -> Vec<(usize, Operation)> {
        read_log(&fs::read(self.log.path().join("log")).unwrap())
    }
}

/// The library, compiled once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let compile = || {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("shim.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("power/shim.c");
        let mut cc = Command::new("cc");
        cc.args(["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source);
        let compiled = cc.args(["-ldl", "-lpthread"]).output().unwrap();
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        (folder, library)
    };
    &LIBRARY.get_or_init(compile).1
}
