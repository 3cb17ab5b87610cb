//! Tickets, codes and credential numbers: what an authority draws at random.

use discreet_protocol::credential::CredentialId;
use discreet_protocol::enrolment::Ticket;
use sha2::{Digest, Sha256};

/// No I, L, O, U, 0 or 1: they are taken for each other when read aloud or off a screen.
const ALPHABET: &[u8; 30] = b"ABCDEFGHJKMNPQRSTVWXYZ23456789";
/// Letters of a code, without the hyphen: 39 bits, for at most five answers within an hour.
const CODE_LENGTH: usize = 8;

/// The system has no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRandomness;

/// What of a ticket is kept: whoever reads the database cannot redeem it.
pub(crate) fn hash(ticket: &Ticket) -> [u8; 32] {
    Sha256::new_with_prefix(b"discreet ticket").chain_update(ticket).finalize().into()
}

/// A new ticket.
pub(crate) fn ticket() -> Result<Ticket, NoRandomness> {
    bytes()
}

/// A new credential's number.
pub(crate) fn credential_id() -> Result<CredentialId, NoRandomness> {
    bytes()
}

/// A code as people read it: `K7QF-2M9X`.
pub(crate) fn code() -> Result<String, NoRandomness> {
    let mut code = String::with_capacity(CODE_LENGTH + 1);
    while code.len() <= CODE_LENGTH {
        let [byte] = bytes::<1>()?;
        // 240 is the largest multiple of 30 in a byte: above it some letters would be likelier.
        let letter = ALPHABET.get(usize::from(byte % 30)).filter(|_| byte < 240);
        code.extend(letter.map(|letter| char::from(*letter)));
        if code.len() == CODE_LENGTH / 2 {
            code.push('-');
        }
    }
    Ok(code)
}

/// A code as people type it, brought into the form in which it was drawn; `None`: no code at all.
pub(crate) fn typed(text: &str) -> Option<String> {
    let letters = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-');
    let letters: String = letters.take(CODE_LENGTH + 1).map(|letter| letter.to_ascii_uppercase()).collect();
    let (first, last) = letters.split_at_checked(CODE_LENGTH / 2)?;
    (letters.len() == CODE_LENGTH).then(|| format!("{first}-{last}"))
}

pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_two_groups_of_four_letters_that_cannot_be_confused() {
        for _ in 0..100 {
            let code = code().unwrap();
            let (first, last) = code.split_once('-').unwrap();
            assert_eq!((first.len(), last.len()), (4, 4), "{code}");
            let plain = |letter: char| "ABCDEFGHJKMNPQRSTVWXYZ23456789".contains(letter);
            assert!(first.chars().chain(last.chars()).all(plain), "{code}");
            assert_eq!(typed(&code.to_lowercase().replace('-', " ")), Some(code));
        }
    }

    #[test]
    fn rejects_what_is_no_code() {
        for text in ["", "K7QF", "K7QF-2M9X7", "K7QF-2M9é", "ééééé"] {
            assert_eq!(typed(text), None, "{text}");
        }
    }
}
