//! The lines of a vCard that hold numbers and addresses (RFC 6350 §3.2 and §3.3; RFC 2426 is read alike).

use super::book::Entry;

/// Bytes of an unfolded line that are looked at: far more than a number or an address has.
const MAX_LINE: usize = 4096;

/// The values of all `TEL` and `EMAIL` lines.
pub(super) fn entries(text: &str) -> Vec<Entry> {
    let mut lines: Vec<Entry> = Vec::new();
    for (at, line) in (1..).zip(text.lines()) {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(more), Some(folded)) if folded.text.len() < MAX_LINE => folded.text.push_str(more),
            (Some(_), _) => {}
            (None, _) => {
                // What has been unfolded is looked at once, so that photographs are not held.
                let _ = lines.pop_if(|line| property(&line.text).is_none());
                lines.push(Entry { line: at, text: line.to_owned() });
            }
        }
    }
    let value = |line: Entry| property(&line.text).map(|text| Entry { line: line.line, text });
    lines.into_iter().filter_map(value).collect()
}

/// The value of `[group.]TEL|EMAIL[;parameters]:value`; nothing of other lines.
fn property(line: &str) -> Option<String> {
    let mut quoted = false;
    let colon = line.find(|character| {
        quoted ^= character == '"';
        character == ':' && !quoted
    })?;
    let (head, value) = line.split_at_checked(colon)?;
    let name = head.split(';').next()?;
    let name = name.rsplit('.').next()?;
    let value = value.strip_prefix(':')?.trim();
    if name.eq_ignore_ascii_case("EMAIL") {
        return Some(unescaped(value));
    }
    name.eq_ignore_ascii_case("TEL").then(|| number(value))
}

/// A number as text, or as a URI (RFC 3966) whose extension is written as in a text.
fn number(value: &str) -> String {
    let is_uri = value.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("tel:"));
    let Some((number, parameters)) = value.split_once(';').filter(|_| is_uri) else {
        return unescaped(value);
    };
    let mut extensions = parameters.split(';').filter_map(|one| one.split_once('='));
    match extensions.find(|(name, _)| name.eq_ignore_ascii_case("ext")) {
        Some((_, extension)) => format!("{number} #{extension}"),
        None => number.to_owned(),
    }
}

fn unescaped(value: &str) -> String {
    value.replace("\\,", ",").replace("\\;", ";").replace("\\\\", "\\")
}
