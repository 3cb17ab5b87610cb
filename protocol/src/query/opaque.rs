//! `opaque value<V>`: a byte string with an RFC 9420 §2.1.2 length before it.
//!
//! `tls_codec::VLBytes` panics on a truncated value in debug builds (an assertion in 0.5) and
//! prints its bytes in `Debug`; this one does neither.

use tls_codec::{DeserializeBytes, Error, SerializeBytes, Size, TlsVarInt, VLByteSlice};

/// RFC 9420 §2.1.2: lengths have at most 30 bits.
const MAX_LENGTH: u64 = (1 << 30) - 1;

#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Opaque(Vec<u8>);

impl Opaque {
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<Vec<u8>> for Opaque {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&str> for Opaque {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl Size for Opaque {
    fn tls_serialized_len(&self) -> usize {
        VLByteSlice(&self.0).tls_serialized_len()
    }
}

impl SerializeBytes for Opaque {
    fn tls_serialize_bytes(&self) -> Result<Vec<u8>, Error> {
        VLByteSlice(&self.0).tls_serialize_bytes()
    }
}

impl DeserializeBytes for Opaque {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let (length, rest) = TlsVarInt::tls_deserialize_bytes(bytes)?;
        if length.value() > MAX_LENGTH {
            return Err(Error::InvalidVectorLength);
        }
        let length = usize::try_from(length.value()).map_err(|_| Error::InvalidVectorLength)?;
        let (value, rest) = rest.split_at_checked(length).ok_or(Error::EndOfStream)?;
        Ok((Self(value.to_vec()), rest))
    }
}
