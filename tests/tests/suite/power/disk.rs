//! A disk that loses power: what is left of a recorded run if it ends at some operation.
//!
//! What was synchronised is there. Of what was not, any part may be: each write wholly, not at all,
//! or in some of its sectors, in any order; changes of names in their order, up to some point, and
//! for certain only once the folder was synchronised.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a disk writes at once.
const SECTOR: usize = 512;

/// One step of a recorded process. Names are relative to the folder.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Create(String),
    Write(String, usize, Vec<u8>),
    Truncate(String, usize),
    Sync(String),
    SyncFolder,
    Rename(String, String),
    Link(String, String),
    Remove(String),
}

/// Reads what `tests/power/shim.c` wrote, each operation with the length of the log behind it. An
/// entry that is cut off at the end is none.
pub(crate) fn read_log(log: &[u8]) -> Vec<(usize, Operation)> {
    let mut operations = Vec::new();
    let mut rest = log;
    while let Some((head, behind)) = rest.split_first_chunk::<21>() {
        let length = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap()) as usize;
        let offset = u64::from_le_bytes(head[13..21].try_into().unwrap()) as usize;
        let [name, second, data] = [length(1), length(5), length(9)];
        if behind.len() < name + second + data {
            break;
        }
        let (name, behind) = behind.split_at(name);
        let (second, behind) = behind.split_at(second);
        let (data, behind) = behind.split_at(data);
        let name = String::from_utf8(name.to_vec()).unwrap();
        let operation = match head[0] {
            b'C' => Operation::Create(name),
            b'W' => Operation::Write(name, offset, data.to_vec()),
            b'T' => Operation::Truncate(name, offset),
            b'S' => Operation::Sync(name),
            b'D' => Operation::SyncFolder,
            b'R' => Operation::Rename(name, String::from_utf8(second.to_vec()).unwrap()),
            b'L' => Operation::Link(name, String::from_utf8(second.to_vec()).unwrap()),
            b'U' => Operation::Remove(name),
            other => panic!("no such operation: {other}"),
        };
        rest = behind;
        operations.push((log.len() - rest.len(), operation));
    }
    operations
}

/// Names, and which file each is.
type Names = BTreeMap<String, usize>;

/// The files of one folder: what is certain, and what may be lost.
pub(crate) struct Disk {
    files: Vec<File>,
    names: Names,
    durable: Names,
    pending: Vec<Operation>,
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Operation>,
}

impl Disk {
    /// The files of `folder` as they are, all of them certain.
    pub(crate) fn of(folder: &Path) -> Self {
        let (mut files, mut names) = (Vec::new(), Names::new());
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            names.insert(entry.file_name().into_string().unwrap(), files.len());
            files.push(File { durable: fs::read(entry.path()).unwrap(), pending: Vec::new() });
        }
        Self { files, durable: names.clone(), names, pending: Vec::new() }
    }

    /// What `operation` does.
    pub(crate) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Write(name, ..) | Operation::Truncate(name, _) => {
                self.file(name).pending.push(operation.clone());
            }
            Operation::Sync(name) => {
                let file = self.file(name);
                for change in std::mem::take(&mut file.pending) {
                    change_content(&mut file.durable, &change);
                }
            }
            Operation::SyncFolder => {
                self.durable = self.names.clone();
                self.pending.clear();
            }
            Operation::Create(_) => {
                self.files.push(File::default());
                self.change_name(operation);
            }
            Operation::Rename(..) | Operation::Link(..) | Operation::Remove(_) => self.change_name(operation),
        }
    }

    /// Writes to `folder` what may be left if the power fails now.
    pub(crate) fn cut(&self, chance: &mut Chance, folder: &Path) {
        let mut names = self.durable.clone();
        // Files are numbered in the order in which they were made.
        let made = |operation: &&Operation| matches!(operation, Operation::Create(_));
        let mut next = self.files.len() - self.pending.iter().filter(made).count();
        for operation in self.pending.iter().take(chance.below(self.pending.len() + 1)) {
            change_names(&mut names, operation, next);
            next += usize::from(made(&operation));
        }
        for (name, index) in names {
            // Shared memory lies in no file: SQLite's index of the log is made anew.
            if !name.ends_with("-shm") {
                fs::write(folder.join(&name), self.files[index].left(chance)).unwrap();
                // Secrets that others may read are refused.
                fs::set_permissions(folder.join(&name), fs::Permissions::from_mode(0o600)).unwrap();
            }
        }
    }

    fn change_name(&mut self, operation: &Operation) {
        change_names(&mut self.names, operation, self.files.len() - 1);
        self.pending.push(operation.clone());
    }

    fn file(&mut self, name: &str) -> &mut File {
        &mut self.files[self.names[name]]
    }
}

impl File {
    fn left(&self, chance: &mut Chance) -> Vec<u8> {
        let mut content = self.durable.clone();
        // All, none, or a part of what was under way.
        let mood = chance.below(4);
        for change in &self.pending {
            match (mood, change) {
                (0, _) => {}
                (1, _) => change_content(&mut content, change),
                (2, _) if chance.below(2) == 0 => change_content(&mut content, change),
                (3, Operation::Write(name, offset, data)) => {
                    for (start, piece) in sectors(*offset, data) {
                        if chance.below(2) == 0 {
                            let piece = Operation::Write(name.clone(), start, piece.to_vec());
                            change_content(&mut content, &piece);
                        }
                    }
                }
                _ => {}
            }
        }
        content
    }
}

/// `data` in the pieces that a disk writes whole.
fn sectors(offset: usize, data: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let first = (SECTOR - offset % SECTOR).min(data.len());
    let (head, rest) = data.split_at(first);
    let rest = rest.chunks(SECTOR).enumerate();
    std::iter::once((offset, head)).chain(rest.map(move |(n, piece)| (offset + first + n * SECTOR, piece)))
}

fn change_content(content: &mut Vec<u8>, change: &Operation) {
    match change {
        Operation::Write(_, offset, data) => {
            let end = offset + data.len();
            content.resize(content.len().max(end), 0);
            content[*offset..end].copy_from_slice(data);
        }
        Operation::Truncate(_, size) => content.resize(*size, 0),
        other => panic!("no change of content: {other:?}"),
    }
}

fn change_names(names: &mut Names, change: &Operation, new: usize) {
    match change {
        Operation::Create(name) => drop(names.insert(name.clone(), new)),
        Operation::Rename(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        Operation::Link(from, to) => {
            if let Some(file) = names.get(from) {
                names.insert(to.clone(), *file);
            }
        }
        Operation::Remove(name) => drop(names.remove(name)),
        other => panic!("no change of names: {other:?}"),
    }
}

/// Chance that can be repeated: SplitMix64.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

#[test]
fn what_was_synchronised_is_there_and_nothing_else_is_certain() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = Disk::of(folder.path());
    let write = |offset, text: &str| Operation::Write("a".into(), offset, text.as_bytes().to_vec());
    for operation in [
        Operation::Create("a".into()),
        write(0, "kept"),
        Operation::Sync("a".into()),
        Operation::SyncFolder,
        write(0, "gone"),
        Operation::Create("b".into()),
        Operation::Remove("a".into()),
    ] {
        disk.apply(&operation);
    }
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let left = tempfile::tempdir().unwrap();
        disk.cut(&mut Chance(seed), left.path());
        let read = |name| fs::read_to_string(left.path().join(name)).ok();
        seen.insert((read("a"), read("b")));
    }
    let a = |text: &str| Some(text.to_owned());
    let new = Some(String::new());
    let all = [
        (a("kept"), None),
        (a("gone"), None),
        (a("kept"), new.clone()),
        (a("gone"), new.clone()),
        (None, new),
    ];
    assert_eq!(seen, all.into_iter().collect());
}

#[test]
fn a_write_is_torn_between_sectors_only() {
    let pieces: Vec<_> = sectors(500, &[7; 600]).map(|(offset, piece)| (offset, piece.len())).collect();
    assert_eq!(pieces, [(500, 12), (512, 512), (1024, 76)]);
}
