//! One size up, one size down: the sizes of every client operation (RFC 9458 §6.2.3).
//!
//! Padding is zeros after the binary message (RFC 9292 §3.8). It cannot split a message in two frames, nor
//! truncate one: what does not fit is refused. Equal sizes do not hide the KEM, whose id travels in clear.

use thiserror::Error;

use crate::keys::{Aead, Kem};

/// Bytes of HTTP content up: the whole Encapsulated Request.
pub const REQUEST_CONTENT: usize = 4096;

/// Bytes of HTTP content down: the whole Encapsulated Response.
pub const RESPONSE_CONTENT: usize = 8192;

/// Key id, KEM, KDF and AEAD ids in front of an Encapsulated Request. RFC 9458 §4.1
pub const REQUEST_HEADER: usize = 1 + 2 + 2 + 2;

/// Bytes a padded request message must have: header, `enc`, message and tag then fill [`REQUEST_CONTENT`].
#[must_use]
pub const fn request_room(kem: Kem) -> usize {
    REQUEST_CONTENT - REQUEST_HEADER - kem.enc_len() - Aead::TAG_LEN
}

/// Bytes a padded response message must have: nonce, message and tag then fill [`RESPONSE_CONTENT`].
#[must_use]
pub const fn response_room(aead: Aead) -> usize {
    RESPONSE_CONTENT - aead.response_nonce_len() - Aead::TAG_LEN
}

/// The message is longer than its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the message does not fit its frame")]
pub struct TooLarge {
    /// Bytes of the message.
    pub message: usize,
    /// Bytes of room.
    pub room: usize,
}

/// Appends zeros until the message fills `room`.
pub fn pad(mut message: Vec<u8>, room: usize) -> Result<Vec<u8>, TooLarge> {
    if message.len() > room {
        return Err(TooLarge { message: message.len(), room });
    }
    message.resize(room, 0);
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Kdf, KeyConfig, Suite};

    const VECTOR: &str = include_str!("../../tests/vectors/rfc9458-appendix-a.json");

    #[test]
    fn c67_padding_fills_the_room_with_zeros() {
        assert_eq!(pad(vec![1, 2], 5), Ok(vec![1, 2, 0, 0, 0]));
        assert_eq!(pad(vec![1, 2], 2), Ok(vec![1, 2]));
    }

    #[test]
    fn rejects_message_larger_than_its_room() {
        assert_eq!(pad(vec![1, 2, 3], 2), Err(TooLarge { message: 3, room: 2 }));
    }

    #[test]
    fn rooms_are_what_the_frames_leave() {
        assert_eq!(request_room(Kem::X25519), 4041);
        assert_eq!(request_room(Kem::XWing), 2953);
        assert_eq!(response_room(Aead::Aes128Gcm), 8160);
        assert_eq!(response_room(Aead::ChaCha20Poly1305), 8144);
    }

    #[test]
    fn overheads_are_those_of_rfc9458_appendix_a() {
        let vector: serde_json::Value = serde_json::from_str(VECTOR).unwrap();
        let len = |name: &str| vector[name].as_str().unwrap().len() / 2;
        let up = len("encapsulated_request") - len("request_bhttp");
        let down = len("encapsulated_response") - len("response_bhttp");
        assert_eq!(request_room(Kem::X25519) + up, 4096);
        assert_eq!(response_room(Aead::Aes128Gcm) + down, 8192);
    }

    /// X25519 base point; for X-Wing an all-zero ML-KEM key and the base point: keys enough to seal to.
    fn public_key(kem: Kem) -> Vec<u8> {
        let mut key = vec![0; kem.public_key_len()];
        let at = key.len() - 32;
        key[at] = 9;
        key
    }

    #[test]
    fn c75_sealed_requests_have_one_size_for_every_kem_and_aead() {
        for kem in [Kem::X25519, Kem::XWing] {
            for aead in [Aead::Aes128Gcm, Aead::ChaCha20Poly1305] {
                let suite = Suite { kdf: Kdf::HkdfSha256, aead };
                let config = KeyConfig::new(7, kem, public_key(kem), [suite]).unwrap();
                let client = ohttp::ClientRequest::from_encoded_config(&config.to_single(suite)).unwrap();
                let message = pad(vec![1; 100], request_room(kem)).unwrap();
                let (sealed, _) = client.encapsulate(&message).unwrap();
                assert_eq!(sealed.len(), 4096);
            }
        }
    }
}
