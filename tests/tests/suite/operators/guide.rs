//! The operator's guide as the tests read it: its tables, and the commands in its fences.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static TEXT: LazyLock<String> = LazyLock::new(|| fs::read_to_string(top().join("deploy/GUIDE.md")).unwrap());

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The rows of the table whose first line begins with `head`.
#[track_caller]
pub(crate) fn table<const N: usize>(head: &str) -> Vec<[String; N]> {
    let rows = TEXT.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|')).map(|line| {
        let line = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')).unwrap();
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        cells.try_into().unwrap_or_else(|cells| panic!("{N} columns expected: {cells:?}"))
    });
    let rows: Vec<_> = rows.collect();
    assert!(!rows.is_empty(), "the guide has no table {head}");
    rows
}

/// The commands that the guide gives, by name: what stands between ```` ```sh recover: NAME ```` or
/// ```` ```sh routine: NAME ```` and the end of the fence.
pub(crate) fn blocks() -> BTreeMap<&'static str, &'static str> {
    let mut blocks = BTreeMap::new();
    let begins = |block: &'static str| block.strip_prefix("recover: ").or(block.strip_prefix("routine: "));
    for block in TEXT.split("\n```sh ").filter_map(begins) {
        let (name, rest) = block.split_once('\n').unwrap();
        let (commands, _) = rest.split_once("\n```").unwrap();
        assert!(blocks.insert(name, commands).is_none(), "{name} stands twice");
    }
    blocks
}

/// The sample configurations of the four roles.
pub(crate) fn samples() -> Vec<String> {
    let roles = ["relay", "gateway", "resolver", "provider"];
    roles.map(|role| fs::read_to_string(top().join(format!("{role}/{role}.sample.toml"))).unwrap()).to_vec()
}
