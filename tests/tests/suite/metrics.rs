//! Every label of every metric is from a closed set, and the operator's guide lists it: what a server
//! shows is in the list, and what is in the list is in the code.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use crate::operators::guide;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;
use tests::leaks::{self, Kind};

/// What ends a scrape of a server that is being stopped.
const PATIENCE: Duration = Duration::from_secs(10);
const ROLES: [&str; 4] = ["relay", "gateway", "resolver", "provider"];

type Labels = BTreeMap<String, BTreeSet<String>>;

/// By role and name without the role's prefix, the labels and their values: the guide's table.
static LISTED: LazyLock<BTreeMap<(String, String), Labels>> = LazyLock::new(|| {
    let mut listed = BTreeMap::new();
    for [roles, name, labels, _] in guide::table("| at | metric |") {
        let roles = if roles == "all" { ROLES.to_vec() } else { roles.split(", ").collect() };
        for role in roles {
            let metric = (role.to_owned(), unquoted(&name));
            assert!(ROLES.contains(&role), "{role}");
            assert!(listed.insert(metric, values(&labels)).is_none(), "{name} stands twice");
        }
    }
    listed
});

/// `` `outcome`: Done, Refused; `operation`: Issue ``; or nothing.
fn values(text: &str) -> Labels {
    let label = |text: &str| {
        let (name, values) = text.split_once(": ").unwrap();
        (unquoted(name), values.split(", ").map(str::to_owned).collect())
    };
    text.split("; ").filter(|text| !text.is_empty()).map(label).collect()
}

fn unquoted(text: &str) -> String {
    text.trim_matches('`').to_owned()
}

/// The metrics of the server whose admin listener is at `admin`; `None` if it is gone.
pub(crate) fn scrape(admin: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(admin).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}

/// Fails if `text`, the metrics of the command `name`, holds what is not listed, or what none may hold.
#[track_caller]
pub(crate) fn refuse(name: &str, text: &str) {
    let role = name.strip_prefix("discreet-").unwrap();
    let found = unlisted(role, text);
    assert_eq!(found, [] as [String; 0], "the metrics of {name}:\n{text}");
}

/// Everything wrong with the metrics of `role`.
fn unlisted(role: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for line in text.lines() {
        // Behind the last blank stands the number.
        let (said, _) = if line.starts_with('#') { (line, "") } else { line.rsplit_once(' ').unwrap() };
        // Panics are counted; that one is told is no leak.
        let leaks = leaks::in_text(said).into_iter().filter(|leak| leak.kind != Kind::Trace);
        wrong.extend(leaks.map(|leak| leak.to_string()));
        if line.starts_with('#') {
            continue;
        }
        let (name, labels) = said.split_once('{').unwrap_or((said, "}"));
        let short = name.strip_prefix(&format!("discreet_{role}_")).unwrap_or(name);
        let Some(listed) = LISTED.get(&(role.to_owned(), short.to_owned())) else {
            wrong.push(format!("the metric {name} of {role}"));
            continue;
        };
        let labels: Vec<_> =
            labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).collect();
        for label in &labels {
            let (label, value) = label.split_once('=').unwrap();
            if !listed.get(label).is_some_and(|values| values.contains(value.trim_matches('"'))) {
                wrong.push(format!("{label}={value} of {name}"));
            }
        }
        if labels.len() != listed.len() {
            wrong.push(format!("not all labels of {name}"));
        }
    }
    wrong
}

/// What the source of a crate says: names that are registered, and the values of each label.
#[derive(Default)]
struct Declared {
    names: BTreeSet<String>,
    labels: BTreeSet<(String, BTreeSet<String>)>,
}

fn declared(package: &str) -> Declared {
    let mut declared = Declared::default();
    let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(package).join("src"));
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    // What tests register is nobody's.
    let texts: Vec<_> = texts.map(|text| text.split("#[cfg(test)]").next().unwrap().to_owned()).collect();
    let enums = |text| items(text, "EncodeLabelValue", "enum ");
    for text in &texts {
        for (_, fields) in items(text, "EncodeLabelSet", "struct ") {
            for field in fields {
                let (label, kind) = field.split_once(": ").unwrap();
                // In its own file, or another of the crate.
                let mut known = enums(text).chain(texts.iter().flat_map(|text| enums(text)));
                let values = known.find(|(name, _)| *name == kind);
                let (_, values) = values.unwrap_or_else(|| {
                    panic!("{package}: the label {label} is no enum of the crate, so it is open")
                });
                declared.labels.insert((label.to_owned(), values.into_iter().collect()));
            }
        }
        for call in ["register(", "encode_descriptor("] {
            let calls = text.split(call).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
            declared.names.extend(calls.map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
    declared
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// Name and members of each item of `kind` that derives `derives`.
fn items<'a>(text: &'a str, derives: &'a str, kind: &'a str) -> impl Iterator<Item = (&'a str, Vec<String>)> {
    text.split("#[derive(")
        .skip(1)
        .filter(move |item| item.split(')').next().unwrap().contains(derives))
        .filter_map(move |item| {
            let (_, item) = item.split_once(kind)?;
            let (name, body) = item.split_once(" {")?;
            let members = body.split('}').next()?.lines().map(str::trim);
            let members =
                members.filter(|line| !line.is_empty() && !line.starts_with('/') && !line.starts_with('#'));
            let member = |line: &str| {
                let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
                line.trim_end_matches(',').to_owned()
            };
            Some((name, members.map(member).collect()))
        })
}

/// Which crates' metrics a role shows.
fn parts(role: &str) -> Vec<&'static str> {
    match role {
        "relay" => vec!["serve", "relay"],
        "gateway" => vec!["serve", "gateway", "resolver"],
        "resolver" => vec!["serve", "resolver"],
        _ => vec!["serve", "provider"],
    }
}

#[test]
fn the_guide_lists_the_metrics_and_labels_of_the_code_and_no_others() {
    for role in ROLES {
        let (mut names, mut labels) = (BTreeSet::new(), BTreeSet::new());
        for part in parts(role) {
            let declared = declared(part);
            names.extend(declared.names);
            labels.extend(declared.labels);
        }
        assert!(
            names.len() > 7 && labels.len() > 2,
            "{role}: the search finds nothing: {names:?} {labels:?}"
        );
        let listed = || LISTED.iter().filter(|((at, _), _)| at == role);
        let without_unit = |name: &str| name.strip_suffix("_total").unwrap_or(name).to_owned();
        let listed_names: BTreeSet<_> = listed().map(|((_, name), _)| without_unit(name)).collect();
        let listed_labels: BTreeSet<_> =
            listed().flat_map(|(_, labels)| labels.clone().into_iter()).collect();
        assert_eq!(listed_names, names, "the metrics of {role}: left the guide's, right the code's");
        assert_eq!(listed_labels, labels, "the labels of {role}: left the guide's, right the code's");
    }
}

#[test]
fn what_is_not_listed_is_found() {
    let fine = "# HELP discreet_relay_forwarded Encapsulated requests, by outcome.\n\
                discreet_relay_forwarded_total{outcome=\"Relayed\"} 14155550123\n\
                discreet_relay_connections_open 3\n# EOF\n";
    assert_eq!(unlisted("relay", fine), [] as [String; 0]);
    for (from, to) in [
        ("forwarded_total", "forwarded_by_client_total"),
        ("outcome=", "client="),
        ("\"Relayed\"", "\"192.0.2.7\""),
        ("\"Relayed\"", "\"Other\""),
        ("{outcome=\"Relayed\"}", ""),
        ("{outcome=\"Relayed\"}", "{outcome=\"Relayed\",peer=\"one\"}"),
        ("connections_open 3", "connections_open{outcome=\"Relayed\"} 3"),
        ("by outcome", "by 192.0.2.7"),
    ] {
        assert!(fine.contains(from) && !unlisted("relay", &fine.replace(from, to)).is_empty(), "{to}");
    }
    // Each role by itself.
    assert!(!unlisted("gateway", fine).is_empty());
}
