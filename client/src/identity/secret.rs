//! Secrets of 32 bytes: keys' seeds and tickets. Erased when dropped, never printed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// 32 secret bytes.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret32([u8; 32]);

impl Secret32 {
    /// Takes over 32 secret bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A ticket as authorities hand it out: 32 bytes in base64url, perhaps with white space around.
pub fn read_ticket(text: &str) -> Option<Secret32> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('=')).ok()?);
    Some(Secret32(bytes.as_slice().try_into().ok()?))
}

/// 64 hex digits.
impl Serialize for Secret32 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(hex::encode(self.0)))
    }
}

impl<'de> Deserialize<'de> for Secret32 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Borrowed: the digits are nowhere but in the buffer that its owner erases.
        let digits = <&str>::deserialize(deserializer)?;
        let mut secret = Self([0; 32]);
        // The error of `hex` would quote a digit.
        hex::decode_to_slice(digits, &mut secret.0).map_err(|_| D::Error::custom("not 64 hex digits"))?;
        Ok(secret)
    }
}

impl fmt::Debug for Secret32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
