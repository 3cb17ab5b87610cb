//! The table "line → test" in DESIGN.md, section 9, is what the tests' names say.
//!
//! A test that shows line 34 is named `c34_…`, one that shows lines 12 and 34 `c12_c34_…`, wherever in
//! the repository it lies. Each line that applies has one, at least, in this suite's folder of its
//! document: through public interfaces, or against a system that runs.
//! `BLESS=1 cargo test -p tests conformance` writes the table anew.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod list;

use list::{Document, LINES};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- conformance -->\n";
const END: &str = "<!-- /conformance -->\n";
/// In two parts, so that nobody who searches for ignored tests finds these lines.
const IGNORED: &str = concat!("#[", "ignore");

/// For each line, the file and name of every test that shows it.
type Found = BTreeMap<u8, Vec<(String, String)>>;

#[test]
fn the_table_in_design_md_is_fresh() {
    let path = root().join("DESIGN.md");
    let design = fs::read_to_string(&path).unwrap();
    let (before, rest) = design.split_once(BEGIN).expect("DESIGN.md has a conformance block");
    let (table, after) = rest.split_once(END).expect("the conformance block has an end");
    let expected = render(&found());
    if table == expected {
        return;
    }
    if std::env::var_os("BLESS").is_none() {
        panic!("the table in DESIGN.md, section 9, is stale: run `BLESS=1 cargo test -p tests conformance`");
    }
    fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
}

#[test]
fn every_line_that_applies_has_a_test_in_the_folder_of_its_document() {
    let found = found();
    let is_shown = |line: &&list::Line| {
        let tests = found.get(&line.number).into_iter().flatten();
        tests
            .into_iter()
            .any(|(file, _)| line.document.folder().is_some_and(|folder| is_within(file, folder)))
    };
    let open = LINES.iter().filter(|line| line.applies && !is_shown(line));
    let open: Vec<_> = open.map(|line| line.number).collect();
    assert!(open.is_empty(), "not shown: {open:?}");
}

#[test]
fn every_line_that_does_not_apply_says_why_and_has_no_test() {
    let found = found();
    let odd = LINES.iter().filter(|line| !line.applies);
    let odd = odd.filter(|line| line.note.is_empty() || found.contains_key(&line.number));
    let odd: Vec<_> = odd.map(|line| line.number).collect();
    assert!(odd.is_empty(), "{odd:?}");
}

#[test]
fn every_test_is_named_after_a_line_that_exists() {
    let strays: Vec<_> =
        found().into_iter().filter(|(number, _)| LINES.iter().all(|line| line.number != *number)).collect();
    assert!(strays.is_empty(), "{strays:?}");
}

#[test]
fn lines_1_to_76_are_listed_once_in_order() {
    let numbers: Vec<_> = LINES.iter().map(|line| line.number).collect();
    assert_eq!(numbers, (1..=76).collect::<Vec<u8>>());
}

#[test]
fn names_are_read_as_they_are_meant() {
    let text = format!(
        "\
        #[test]\nfn c01_one() {{}}\n\
        #[tokio::test(flavor = \"multi_thread\")]\nasync fn c12_c34_two() {{}}\n\
        proptest! {{\n    /// Says.\n    #[test]\n    fn c03_three(x in any::<u8>()) {{}}\n}}\n\
        table! {{\n    c04_four: 1,\n    c05_five => 2,\n}}\n\
        fn c06_no_test() {{}}\n\
        #[test]\n{IGNORED}]\nfn c07_never_run() {{}}\n\
        #[test]\nfn other_c08() {{}}\n\
        // fn c09_comment() {{}}\n\
        let c10_variable = \"#[test]\";\n\
        #[test]\nfn cargo_c11_() {{}}\n"
    );
    let expected: Vec<(Vec<u8>, &str)> = vec![
        (vec![1], "c01_one"),
        (vec![12, 34], "c12_c34_two"),
        (vec![3], "c03_three"),
        (vec![4], "c04_four"),
        (vec![5], "c05_five"),
    ];
    assert_eq!(names(&text), expected);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Whether `file` is the module `folder` of this suite, or within it.
fn is_within(file: &str, folder: &str) -> bool {
    let rest = file.strip_prefix("suite/").and_then(|file| file.strip_prefix(folder));
    rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn found() -> Found {
    let mut found = Found::new();
    for path in sources(&root()) {
        let text = fs::read_to_string(&path).unwrap();
        let file = path.strip_prefix(root()).unwrap().to_str().unwrap();
        let file = file.strip_prefix("tests/tests/").unwrap_or(file);
        // The names in this file are examples.
        if file == "suite/conformance.rs" {
            continue;
        }
        for (numbers, name) in names(&text) {
            for number in numbers {
                found.entry(number).or_default().push((file.to_owned(), name.to_owned()));
            }
        }
    }
    found
}

/// All `.rs` files below `folder`, sorted; no build products, nothing hidden.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries
        .retain(|path| !name(path).starts_with('.') && !["target", "node_modules"].contains(&&*name(path)));
    let below = |path: PathBuf| match path.is_dir() {
        true => sources(&path),
        false if path.extension().is_some_and(|extension| extension == "rs") => vec![path],
        false => Vec::new(),
    };
    entries.into_iter().flat_map(below).collect()
}

/// Names of tests that are named after lines: functions marked as tests, and names that a macro is
/// given at the beginning of a line.
fn names(text: &str) -> Vec<(Vec<u8>, &str)> {
    let mut names = Vec::new();
    let (mut is_test, mut is_ignored) = (false, false);
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        if line.starts_with("#[") {
            is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
            is_ignored |= line.starts_with(IGNORED);
            continue;
        }
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        let name = match function {
            Some(function) if is_test && !is_ignored => identifier(function),
            Some(_) => "",
            None => macro_argument(line),
        };
        let numbers = numbers(name);
        if !numbers.is_empty() {
            names.push((numbers, name));
        }
        (is_test, is_ignored) = (false, false);
    }
    names
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// `c04_four: …` or `c04_four => …`.
fn macro_argument(line: &str) -> &str {
    let name = identifier(line);
    let after = line[name.len()..].trim_start();
    if after.starts_with(": ") || after.starts_with("=> ") { name } else { "" }
}

/// The lines that a name begins with.
fn numbers(mut name: &str) -> Vec<u8> {
    let mut numbers = Vec::new();
    while let Some((prefix, rest)) = name.split_once('_') {
        match prefix.strip_prefix('c').filter(|digits| digits.len() == 2).map(str::parse) {
            Some(Ok(number)) => numbers.push(number),
            _ => break,
        }
        name = rest;
    }
    numbers
}

fn render(found: &Found) -> String {
    let mut text = String::new();
    for document in Document::ALL {
        write!(text, "\n**{}**\n\n| line | what | test |\n|---|---|---|\n", document.title()).unwrap();
        for line in LINES.iter().filter(|line| line.document == document) {
            let tests = found.get(&line.number).map(|tests| cell(tests));
            let note = Some(line.note.to_owned()).filter(|note| !note.is_empty());
            let shown: Vec<_> = note.into_iter().chain(tests).collect();
            writeln!(text, "| {} | {} | {} |", line.number, line.what, shown.join("<br>")).unwrap();
        }
    }
    text.push('\n');
    text
}

/// Tests by file.
fn cell(tests: &[(String, String)]) -> String {
    let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (file, name) in tests {
        files.entry(file).or_default().push(format!("`{name}`"));
    }
    let files: Vec<_> = files.iter().map(|(file, names)| format!("`{file}`: {}", names.join(", "))).collect();
    files.join("<br>")
}
