//! The algorithms of HPKE (RFC 9180 §7) that this system knows, and their sizes.

/// Key encapsulation mechanisms.
///
/// Kyber768Draft00 (0x0030) was superseded by ML-KEM and is unknown on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Kem {
    /// DHKEM(X25519, HKDF-SHA256)
    X25519 = 0x0020,
    /// X-Wing: ML-KEM-768 and X25519, post-quantum hybrid
    XWing = 0x647a,
}

impl Kem {
    /// The identifier on the wire.
    #[must_use]
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// The KEM of an identifier, if we know it.
    #[must_use]
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            0x0020 => Some(Self::X25519),
            0x647a => Some(Self::XWing),
            _ => None,
        }
    }

    /// Npk: bytes of a public key.
    #[must_use]
    pub const fn public_key_len(self) -> usize {
        match self {
            Self::X25519 => 32,
            Self::XWing => 1216,
        }
    }

    /// Nenc: bytes of an encapsulated key.
    #[must_use]
    pub const fn enc_len(self) -> usize {
        match self {
            Self::X25519 => 32,
            Self::XWing => 1120,
        }
    }
}

/// Key derivation functions.
///
/// One-stage KDFs (SHAKE, TurboSHAKE) are unknown: OHTTP derives the response key with Extract and
/// Expand, which they lack (RFC 9458 §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Kdf {
    /// HKDF-SHA256
    HkdfSha256 = 0x0001,
}

impl Kdf {
    /// The identifier on the wire.
    #[must_use]
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// The KDF of an identifier, if we know it.
    #[must_use]
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            0x0001 => Some(Self::HkdfSha256),
            _ => None,
        }
    }
}

/// Authenticated encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Aead {
    /// AES-128-GCM
    Aes128Gcm = 0x0001,
    /// ChaCha20-Poly1305
    ChaCha20Poly1305 = 0x0003,
}

impl Aead {
    /// Nt: bytes of a tag, the same for both.
    pub const TAG_LEN: usize = 16;

    /// The identifier on the wire.
    #[must_use]
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// The AEAD of an identifier, if we know it.
    #[must_use]
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            0x0001 => Some(Self::Aes128Gcm),
            0x0003 => Some(Self::ChaCha20Poly1305),
            _ => None,
        }
    }

    /// Nk: bytes of a key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::ChaCha20Poly1305 => 32,
        }
    }

    /// Nn: bytes of a nonce, the same for both.
    #[must_use]
    pub const fn nonce_len(self) -> usize {
        12
    }

    /// Bytes of the response nonce: max(Nn, Nk). RFC 9458 §4.4
    #[must_use]
    pub const fn response_nonce_len(self) -> usize {
        if self.key_len() > self.nonce_len() { self.key_len() } else { self.nonce_len() }
    }
}

/// A KDF and an AEAD offered together with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Suite {
    /// Key derivation.
    pub kdf: Kdf,
    /// Encryption.
    pub aead: Aead,
}

impl Suite {
    /// The suite of two identifiers, if we know both.
    #[must_use]
    pub fn from_ids(kdf: u16, aead: u16) -> Option<Self> {
        Some(Self { kdf: Kdf::from_id(kdf)?, aead: Aead::from_id(aead)? })
    }
}
