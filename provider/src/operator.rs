//! Who may use the operator's endpoints: whoever knows the token (RFC 6750 §2.1).

use discreet_serve::secret::{Secret32, SecretError, read_secret};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::Sha256;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// The operator's token, as its file has it.
pub(crate) struct Token {
    file: PathBuf,
    secret: RwLock<Secret32>,
}

impl Token {
    /// Reads the token's file.
    pub(crate) fn read(path: &Path) -> Result<Self, SecretError> {
        Ok(Self { file: path.to_owned(), secret: RwLock::new(read_secret(path)?) })
    }

    /// Reads the file again: from then on the old token opens nothing.
    pub(crate) fn reload(&self) -> Result<(), SecretError> {
        let new = read_secret(&self.file)?;
        *self.secret.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Whether the request carries the token, once: `authorization: Bearer <64 hex digits>`.
    pub(crate) fn opens(&self, headers: &HeaderMap) -> bool {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return false };
        let mut given = zeroize::Zeroizing::new([0; 32]);
        let Some((scheme, digits)) = field.as_bytes().split_at_checked("Bearer ".len()) else {
            return false;
        };
        // RFC 9110 §11.1: schemes have no case.
        scheme.eq_ignore_ascii_case(b"Bearer ")
            && hex::decode_to_slice(digits, given.as_mut_slice()).is_ok()
            && self.is(&given)
    }

    /// Compares two tags under the secret instead of the secret itself, in constant time.
    fn is(&self, given: &[u8; 32]) -> bool {
        let secret = self.secret.read().unwrap_or_else(PoisonError::into_inner);
        let tag = |message: &[u8]| {
            Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map(|mac| mac.chain_update(message))
        };
        match (tag(given), tag(secret.as_bytes())) {
            (Ok(given), Ok(ours)) => given.verify(&ours.finalize().into_bytes()).is_ok(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens(fields: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(AUTHORIZATION, field.parse().unwrap());
        }
        let secret = RwLock::new(Secret32::new([0xab; 32]));
        Token { file: PathBuf::new(), secret }.opens(&headers)
    }

    #[test]
    fn the_token_opens() {
        assert!(opens(&[&format!("Bearer {}", "ab".repeat(32))]));
        assert!(opens(&[&format!("bearer {}", "AB".repeat(32))]));
    }

    #[test]
    fn rejects_anything_else() {
        let good = "ab".repeat(32);
        for field in ["", "Bearer", "Bearer ", &good, &format!("Basic {good}"), &format!("Bearer {good}00")] {
            assert!(!opens(&[field]), "{field}");
        }
        assert!(!opens(&[&format!("Bearer {}", "ac".repeat(32))]));
        assert!(!opens(&[&format!("Bearer {}cb", "ab".repeat(31))]));
        assert!(!opens(&[]));
        assert!(!opens(&[&format!("Bearer {good}"), "Bearer 00"]));
    }
}
