//! The seal at rest (design §6): labels and row keys from the pepper, rows of one size.
//!
//! Whoever holds the database alone can neither name an identifier nor test a guess; whoever holds
//! pepper and database holds everything. Rows are sealed with XChaCha20-Poly1305 under a key of
//! their own; label and version are authenticated, so a row can be neither moved nor rolled back
//! to another version number unnoticed.

use crate::store::Label;
use chacha20poly1305::aead::{Aead, AeadInOut, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use discreet_protocol::credential::CredentialId;
use discreet_protocol::identifier::{Csi, Domain};
use discreet_serve::secret::Secret32;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

const NONCE: usize = 24;
const TAG: usize = 16;

/// The secret that labels and keys are derived from; it lies in a file of its own.
pub struct Pepper(Secret32);

/// A row that its seal does not fit: another pepper, or a damaged or moved row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed row cannot be opened: it is damaged, or the pepper is another one")]
pub struct SealError;

impl Pepper {
    /// The pepper with these bytes.
    pub fn new(secret: Secret32) -> Self {
        Self(secret)
    }

    /// Where the record of `csi` lies.
    pub fn record_label(&self, csi: &Csi) -> Label {
        self.label(&[b"label", csi.uri().as_bytes()])
    }

    /// Where the status of an authority's credential lies.
    pub fn status_label(&self, authority: &Domain, id: &CredentialId) -> Label {
        self.label(&[b"status", authority.as_str().as_bytes(), &[0], id])
    }

    /// Where the decoy lies, which a lookup that misses reads instead.
    pub fn decoy_label(&self) -> Label {
        self.label(&[b"decoy"])
    }

    /// Where lies how far the feed of an authority has been read.
    pub fn cursor_label(&self, authority: &Domain) -> Label {
        self.label(&[b"cursor", authority.as_str().as_bytes()])
    }

    /// Where lies which tombstone journal belongs to the directory; its entries are sealed under it.
    pub fn journal_label(&self) -> Label {
        self.label(&[b"journal"])
    }

    fn label(&self, parts: &[&[u8]]) -> Label {
        // Never: HMAC takes keys of any length.
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(self.0.as_bytes()) else {
            return [0; 32];
        };
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    fn cipher(&self, label: &Label) -> XChaCha20Poly1305 {
        let mut key = Zeroizing::new([0; 32]);
        let hkdf = Hkdf::<Sha256>::new(None, self.0.as_bytes());
        // Never: 32 bytes are within HKDF's limit.
        let _ = hkdf.expand_multi_info(&[b"seal", label], key.as_mut_slice());
        XChaCha20Poly1305::new((&*key).into())
    }

    /// Seals `plain`, padded with zeros so that the row has `size` bytes. `None` if it does not fit.
    pub fn seal(&self, label: &Label, version: u64, mut plain: Vec<u8>, size: usize) -> Option<Vec<u8>> {
        let room = size.checked_sub(NONCE + TAG)?;
        if plain.len() > room {
            return None;
        }
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).ok()?;
        // One buffer, encrypted in place.
        let mut row = Vec::with_capacity(size);
        row.extend_from_slice(&nonce);
        row.append(&mut plain);
        row.resize(NONCE + room, 0);
        let (_, message) = row.split_at_mut_checked(NONCE)?;
        let aad = associated(label, version);
        let tag = self.cipher(label).encrypt_inout_detached(&XNonce::from(nonce), &aad, message.into());
        row.extend_from_slice(&tag.ok()?);
        Some(row)
    }

    /// Opens a row; the padding is still behind what was sealed.
    pub fn open(&self, label: &Label, version: u64, row: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, sealed) = row.split_first_chunk::<NONCE>().ok_or(SealError)?;
        let aad = associated(label, version);
        let payload = Payload { msg: sealed, aad: &aad };
        self.cipher(label).decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError)
    }
}

fn associated(label: &Label, version: u64) -> Vec<u8> {
    [label.as_slice(), &version.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pepper(fill: u8) -> Pepper {
        Pepper::new(Secret32::new([fill; 32]))
    }

    #[test]
    fn what_was_sealed_is_opened_padded() {
        let sealed = pepper(1).seal(&[2; 32], 3, b"abc".to_vec(), 100).unwrap();
        assert_eq!(sealed.len(), 100);
        let opened = pepper(1).open(&[2; 32], 3, &sealed).unwrap();
        assert_eq!(opened[..4], *b"abc\0");
        assert_eq!(opened.len(), 60);
    }

    #[test]
    fn rejects_another_pepper_label_or_version() {
        let sealed = pepper(1).seal(&[2; 32], 3, b"abc".to_vec(), 100).unwrap();
        assert_eq!(pepper(9).open(&[2; 32], 3, &sealed), Err(SealError));
        assert_eq!(pepper(1).open(&[9; 32], 3, &sealed), Err(SealError));
        assert_eq!(pepper(1).open(&[2; 32], 4, &sealed), Err(SealError));
        assert_eq!(pepper(1).open(&[2; 32], 3, &sealed[..20]), Err(SealError));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(pepper(1).seal(&[2; 32], 3, vec![1; 61], 100).is_none());
    }

    #[test]
    fn two_seals_of_one_row_differ() {
        let seal = || pepper(1).seal(&[2; 32], 3, b"abc".to_vec(), 100).unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn labels_are_hmac_sha256_of_kind_and_name() {
        // Computed with Python: hmac.new(b"\1"*32, b"labeltel:+14155550123", "sha256").
        let label = pepper(1).record_label(&Csi::phone("+14155550123").unwrap());
        assert_eq!(hex::encode(label), "2b4741acd4c33b8454eed84dac9359acfca81b03969221c196bdcc478e2661b6");
    }
}
