//! An address book's numbers and addresses: vCards (RFC 6350, RFC 2426) or a table (CSV).
//!
//! Names are skipped, not read: nothing but identifiers leaves this module. An entry that is no
//! identifier is listed by its line and does not stop the rest.

use super::{table, vcard};
use discreet_client::{Csi, InputError, normalise};
use std::collections::BTreeSet;

/// Most bytes of an address book: photographs are in it, too.
pub(crate) const MAX_BOOK: u64 = 64 << 20;
/// Most different identifiers of an address book.
pub(crate) const MAX_CONTACTS: usize = 10_000;

/// Whom an address book holds.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Each once, in the book's order.
    pub(crate) contacts: Vec<Csi>,
    /// Entries that are not asked about.
    pub(crate) problems: Vec<Problem>,
    /// Lines with numbers that do not look like any of their country. They are asked about.
    pub(crate) doubtful: Vec<u64>,
}

/// An entry that is no identifier.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The line it begins in, from 1.
    pub(crate) line: u64,
    pub(crate) reason: InputError,
}

/// Why a file is no address book.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BookError {
    #[error(
        "no column holds numbers or addresses: the first line must name one, such as phone, mobile, tel or \
         email"
    )]
    NoColumn,
    #[error("line {0} cannot be read as a line of the table")]
    Row(u64),
    #[error("there are more than {MAX_CONTACTS} numbers and addresses in it; split it")]
    TooMany,
    #[error("there is no number or address in it that can be looked up")]
    Nobody,
}

/// A number or an address as it stands in the book.
pub(crate) struct Entry {
    pub(crate) line: u64,
    pub(crate) text: String,
}

/// Reads a book. `region` completes national numbers.
pub(crate) fn read(bytes: &[u8], region: Option<&str>) -> Result<Book, BookError> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    let is_vcard = text.trim_start().get(..11).is_some_and(|start| start.eq_ignore_ascii_case("BEGIN:VCARD"));
    let entries = if is_vcard { vcard::entries(text) } else { table::entries(text)? };
    let (mut book, mut seen) = (Book::default(), BTreeSet::new());
    for Entry { line, text } in entries {
        match normalise(&text, region) {
            Err(InputError::Empty) => {}
            Err(reason) => book.problems.push(Problem { line, reason }),
            Ok(normalised) => {
                if !seen.insert(normalised.csi.uri()) {
                    continue;
                }
                if normalised.implausible {
                    book.doubtful.push(line);
                }
                book.contacts.push(normalised.csi);
            }
        }
        if book.contacts.len() > MAX_CONTACTS {
            return Err(BookError::TooMany);
        }
    }
    Ok(book)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uris(book: &Book) -> Vec<String> {
        book.contacts.iter().map(Csi::uri).collect()
    }

    #[test]
    fn a_vcard_of_either_version_is_read() {
        let text = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ann Example\r\n\
            TEL;VALUE=uri;PREF=1;TYPE=\"voice,home\":tel:+49-30-901820\r\n\
            TEL;VALUE=uri:tel:+49-30-901821;ext=5\r\n\
            EMAIL;TYPE=work:ann@a.example\r\nEND:VCARD\r\n\
            BEGIN:VCARD\r\nVERSION:3.0\r\nN:Example;Bob;;;\r\n\
            PHOTO;ENCODING=b:TEL;QUFB\r\n QUFB\r\n\
            item1.TEL;type=CELL:(030) 90\r\n 1822\r\nitem1.X-ABLabel:TEL\r\n\
            tel;home:+49 30 90 18 20\r\nEMAIL:BOB@A.Example\r\nNOTE:call TEL:+491\r\n\
            TEL:ask Bob\r\nTEL:\r\nEND:VCARD\r\n";
        let book = read(text.as_bytes(), Some("DE")).unwrap();
        assert_eq!(
            uris(&book),
            ["tel:+4930901820", "mailto:ann@a.example", "tel:+4930901822", "mailto:BOB@a.example"]
        );
        assert_eq!(
            book.problems,
            [
                Problem { line: 5, reason: InputError::Extension },
                Problem { line: 19, reason: InputError::Letter }
            ]
        );
    }

    /// The columns of two common exports.
    #[test]
    fn a_table_of_common_programs_is_read() {
        let google = "First Name,Phonetic Last Name,E-mail 1 - Label,E-mail 1 - Value,Phone 1 - Label,Phone 1 - Value\n\
            Ann,Ex,* Work,ann@a.example,Mobile,+1 415 555 0100 ::: +1 415 555 0101\n\
            \"Bob\nExample\",,,,Home,4155550102\n\
            Eve,,,eve@@,,\n";
        let book = read(google.as_bytes(), Some("US")).unwrap();
        assert_eq!(
            uris(&book),
            ["mailto:ann@a.example", "tel:+14155550100", "tel:+14155550101", "tel:+14155550102"]
        );
        assert_eq!(book.problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [5]);

        let outlook = "\u{feff}\"Name\";\"Mobile Phone\";\"Business Fax\";\"E-mail Display Name\";\"E-mail Address\"\r\n\
            \"Ann\";\"+4930901820\";\"+4930901829\";\"Ann (ann@b.example)\";\"ann@a.example\"\r\n";
        let book = read(outlook.as_bytes(), None).unwrap();
        assert_eq!(uris(&book), ["tel:+4930901820", "mailto:ann@a.example"]);
    }

    #[test]
    fn a_number_unlike_any_of_its_country_is_doubtful_and_kept() {
        let book = read(b"tel\n+1 415 555 01000\n", None).unwrap();
        assert_eq!((book.contacts.len(), book.doubtful), (1, vec![2]));
    }

    #[test]
    fn rejects_a_table_without_a_column() {
        assert_eq!(read(b"name,city\nAnn,Berlin\n", None).unwrap_err(), BookError::NoColumn);
        assert_eq!(read(b"", None).unwrap_err(), BookError::NoColumn);
    }

    #[test]
    fn rejects_more_than_it_may_hold() {
        let rows: String = (0..=10_000).map(|at| format!("+1415{at:07}\n")).collect();
        assert_eq!(read(format!("phone\n{rows}").as_bytes(), None).unwrap_err(), BookError::TooMany);
    }

    proptest::proptest! {
        /// Whatever a file holds, it is read or refused, with every line it names in it.
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), vcard: bool,
        ) {
            let start: &[u8] = if vcard { b"BEGIN:VCARD\nTEL;" } else { b"tel,email\n" };
            let bytes = [start, &bytes].concat();
            let lines = bytes.split(|byte| *byte == b'\n').count() as u64;
            if let Ok(book) = read(&bytes, Some("DE")) {
                proptest::prop_assert!(book.problems.iter().all(|problem| (1..=lines + 1).contains(&problem.line)));
            }
        }
    }
}
