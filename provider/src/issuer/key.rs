//! An issuer's private key: whatever touches one is here (RFC 9474 §4.3, RFC 9578 §6.2).
//!
//! Each use is blinded with fresh randomness, and each signature is verified before it leaves, because one
//! that a fault has spoilt would give the key away. No private key is in any error, log or `Debug`, and all are
//! erased when dropped. How long a use takes is hidden one level up, where answers leave at whole steps of time.

use blind_rsa_signatures::{DefaultRng, Deterministic, KeyPair, PSS, SecretKey, Sha384};
use discreet_protocol::token::{NK, TokenKey};
use discreet_serve::files;
use rsa::hazmat::rsa_encrypt;
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, RsaPrivateKey};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Bits of a key: all that token type 0x0002 knows (RFC 9578 §8.2.2).
const BITS: usize = 2048;
/// Bytes of a key's file; a key of 2048 bits in PKCS#8 takes some 1220.
const MAX_FILE_BYTES: u64 = 4096;

/// RSABSSA-SHA384-PSS-Deterministic (RFC 9474 §5), which RFC 9578 §6 uses.
type Secret = SecretKey<Sha384, PSS, Deterministic>;

/// A private key, and the public one that goes with it.
pub struct PrivateKey {
    secret: Secret,
    public: TokenKey,
}

/// Why there is no private key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the issuer's key {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Others than the owner may read the file.
    #[error("the issuer's key {} has mode {mode:03o}, so others may use it; run chmod 600 on it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else.
    #[error("{} holds no RSA key of 2048 bits with exponent 65537 in DER (PKCS#8); restore it from its backup", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot create the issuer's key {}: {source}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A key could not be drawn.
    #[error("no RSA key could be drawn; try again")]
    Draw,
}

/// Nothing is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyUseError {
    /// The blinded message is no number below the key's modulus (RFC 9474 §4.3).
    #[error("the blinded message is out of the key's range")]
    OutOfRange,
    /// The signature was wrong: a fault of the machine. It is thrown away.
    #[error("a signature did not verify and was thrown away; the machine may be broken")]
    Fault,
}

impl PrivateKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// When none could be drawn.
    pub fn draw() -> Result<Self, KeyError> {
        let pair = KeyPair::generate(&mut DefaultRng, BITS).map_err(|_| KeyError::Draw)?;
        Self::of(pair.sk).ok_or(KeyError::Draw)
    }

    /// Reads a key's file: DER, as [`PrivateKey::create`] writes it.
    ///
    /// # Errors
    ///
    /// When it cannot be read, others may read it, or it holds something else.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        // The open file is asked, not the path: nobody can swap the file in between.
        let mode = file.metadata().map_err(failed)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode });
        }
        // Room for all of it: a vector that grows leaves copies behind.
        let mut der = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES as usize));
        file.take(MAX_FILE_BYTES).read_to_end(&mut der).map_err(failed)?;
        let secret = Secret::from_der(&der).ok().and_then(Self::of);
        secret.ok_or_else(|| KeyError::Malformed { path: path.to_owned() })
    }

    /// Writes the key to a new file of mode 0600, and returns once it is on the disk. Whenever it is interrupted, the
    /// file is there with all of the key or not at all; what is left then ends in `.partial`, and is not read.
    ///
    /// # Errors
    ///
    /// When there is a file already (it is left alone), or none can be written.
    pub fn create(&self, path: &Path) -> Result<(), KeyError> {
        let failed = |source| KeyError::Create { path: path.to_owned(), source };
        let der = Zeroizing::new(self.secret.to_der().map_err(|_| KeyError::Draw)?);
        files::create_private(path, &der).map_err(failed)
    }

    /// The public key.
    pub fn public(&self) -> &TokenKey {
        &self.public
    }

    /// Whether a blinded message is one that this key can sign: a number below the modulus.
    pub fn takes(&self, blinded: &[u8; NK]) -> bool {
        // Both are big-endian and of one length.
        blinded < self.public.modulus()
    }

    /// Signs a blinded message (RFC 9474 §4.3).
    ///
    /// # Errors
    ///
    /// When it is out of range, or a fault spoilt the signature.
    pub fn sign(&self, blinded: &[u8; NK]) -> Result<Box<[u8; NK]>, KeyUseError> {
        if !self.takes(blinded) {
            return Err(KeyUseError::OutOfRange);
        }
        let signature = sign(&self.secret, blinded)?;
        signature.try_into().map_err(|_| KeyUseError::Fault)
    }

    fn of(secret: Secret) -> Option<Self> {
        let spki = secret.public_key().ok()?.to_spki().ok()?;
        Some(Self { public: TokenKey::from_spki(&spki).ok()?, secret })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

/// The one use of a private key. RUSTSEC-2023-0071: the time it takes depends on the key, so it works on a
/// number that is multiplied by a random one first (RFC 9474 §8.1), which its caller can neither know nor choose.
fn sign(secret: &Secret, blinded: &[u8]) -> Result<Vec<u8>, KeyUseError> {
    let signed = secret.blind_sign_with_rng(&mut DefaultRng, blinded);
    checked(secret, blinded, signed.map_err(|_| KeyUseError::Fault)?.0)
}

/// `signature`, if it is one of `blinded`.
fn checked(secret: &Secret, blinded: &[u8], signature: Vec<u8>) -> Result<Vec<u8>, KeyUseError> {
    if opens_to(secret.as_ref(), &signature, blinded) { Ok(signature) } else { Err(KeyUseError::Fault) }
}

/// Whether the public half of `key` turns `signature` back into `blinded`.
fn opens_to(key: &RsaPrivateKey, signature: &[u8], blinded: &[u8]) -> bool {
    let bits = key.n().bits_precision();
    let number = |bytes| BoxedUint::from_be_slice(bytes, bits);
    let (Ok(signature), Ok(blinded)) = (number(signature), number(blinded)) else { return false };
    rsa_encrypt(key, &signature).is_ok_and(|opened| opened == blinded)
}

#[cfg(test)]
mod tests;
