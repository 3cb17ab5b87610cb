//! CBOR as hex for people: one item per line, indented by depth, with a comment on what it is.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

/// What the items of a statement mean.
pub(super) enum Shape {
    /// The value says it all.
    Plain,
    /// Seconds since 1970.
    Time,
    /// A map from integers to named values.
    Map(&'static [(i64, &'static str, Shape)]),
    /// An array whose places have names.
    Tuple(&'static [(&'static str, Shape)]),
    /// An array of items of one kind.
    List(&'static str, &'static Shape),
    /// A byte string that holds CBOR.
    Nested(&'static Shape),
}

/// Bytes on a line, at most.
const WIDTH: usize = 24;

/// The lines of an item and all that is inside.
pub(super) fn annotate(bytes: &[u8], shape: &Shape) -> String {
    let mut lines = String::new();
    let rest = item(bytes, 0, "", shape, &mut lines);
    assert!(rest.is_empty());
    lines
}

/// What is left of annotated hex without comments and white space.
pub(super) fn strip(text: &str) -> Vec<u8> {
    let digits: String = text.lines().map(|line| line.split('#').next().unwrap()).collect();
    let digits: String = digits.split_whitespace().collect();
    hex::decode(digits).unwrap_or_else(|error| panic!("not hex: {error}"))
}

fn item<'a>(bytes: &'a [u8], depth: usize, name: &str, shape: &Shape, lines: &mut String) -> &'a [u8] {
    let (major, value, head) = head(bytes);
    let rest = &bytes[head..];
    let count = usize::try_from(value).unwrap();
    let named = |text: &str| if name.is_empty() { text.to_owned() } else { format!("{name}: {text}") };
    match (major, shape) {
        (0 | 1, _) => {
            let number =
                if major == 0 { i64::try_from(value).unwrap() } else { -1 - i64::try_from(value).unwrap() };
            let text = if matches!(shape, Shape::Time) { date(value) } else { number.to_string() };
            line(&bytes[..head], depth, &named(&text), lines);
            rest
        }
        (2, Shape::Nested(inner)) => {
            line(&bytes[..head], depth, &named(&format!("{count} bytes of CBOR")), lines);
            assert!(item(&rest[..count], depth + 1, "", inner, lines).is_empty());
            &rest[count..]
        }
        (2, _) => {
            line(&bytes[..head], depth, &named(&format!("{count} bytes")), lines);
            rest[..count].chunks(WIDTH).for_each(|chunk| line(chunk, depth + 1, "", lines));
            &rest[count..]
        }
        (3, _) => {
            let text = std::str::from_utf8(&rest[..count]).unwrap();
            line(&bytes[..head], depth, &named(&format!("\"{text}\"")), lines);
            rest[..count].chunks(WIDTH).for_each(|chunk| line(chunk, depth + 1, "", lines));
            &rest[count..]
        }
        (4, _) => {
            line(&bytes[..head], depth, &named(&format!("array of {count}")), lines);
            (0..count).fold(rest, |rest, at| match shape {
                Shape::Tuple(places) => item(rest, depth + 1, places[at].0, &places[at].1, lines),
                Shape::List(name, inner) => item(rest, depth + 1, name, inner, lines),
                _ => item(rest, depth + 1, "", &Shape::Plain, lines),
            })
        }
        (5, Shape::Map(keys)) => {
            line(&bytes[..head], depth, &named(&format!("map of {count}")), lines);
            (0..count).fold(rest, |rest, _| entry(rest, depth + 1, keys, lines))
        }
        (5, _) if count == 0 => {
            line(&bytes[..head], depth, &named("empty map"), lines);
            rest
        }
        (7, _) => {
            line(&bytes[..head], depth, &named(if value == 21 { "true" } else { "false" }), lines);
            rest
        }
        _ => panic!("no shape for major type {major}"),
    }
}

/// A key on its own line, with its value's name, and the value below.
fn entry<'a>(
    bytes: &'a [u8],
    depth: usize,
    keys: &[(i64, &'static str, Shape)],
    lines: &mut String,
) -> &'a [u8] {
    let (major, value, length) = head(bytes);
    let number = i64::try_from(value).unwrap();
    let number = if major == 0 { number } else { -1 - number };
    let (_, name, shape) =
        keys.iter().find(|(key, ..)| *key == number).unwrap_or_else(|| panic!("key {number}"));
    line(&bytes[..length], depth, &format!("{number}: {name}"), lines);
    item(&bytes[length..], depth + 1, "", shape, lines)
}

/// Major type, argument, and length of an item's head (RFC 8949 §3).
pub(super) fn head(bytes: &[u8]) -> (u8, u64, usize) {
    let argument = |length: usize| bytes[1..=length].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let (value, length) = match bytes[0] & 31 {
        small @ 0..=23 => (u64::from(small), 1),
        wide @ 24..=27 => {
            let length = 1 << (wide - 24);
            (argument(length), 1 + length)
        }
        other => panic!("no definite length: {other}"),
    };
    (bytes[0] >> 5, value, length)
}

fn line(bytes: &[u8], depth: usize, comment: &str, lines: &mut String) {
    let hex = format!("{}{}", "  ".repeat(depth), hex::encode(bytes));
    let comment = if comment.is_empty() { String::new() } else { format!("# {comment}") };
    *lines += format!("{hex:<28} {comment}").trim_end();
    lines.push('\n');
}

/// Midnight as a date (proleptic Gregorian calendar); other times as their seconds.
fn date(seconds: u64) -> String {
    if !seconds.is_multiple_of(86_400) {
        return seconds.to_string();
    }
    let (mut day, mut year) = (seconds / 86_400, 1970);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    format!("{year}-{:02}-{:02}", month + 1, day + 1)
}
