//! The AEADs of RFC 9180 §7.3 for crate `hpke`, over aws-lc. What travels has always full size, where they
//! count: DESIGN.md, "Why a KEM of our own?", has the figures.

use aead::array::ArraySize;
use aead::consts::{U12, U16, U32};
use aead::inout::InOutBuf;
use aead::{AeadCore, AeadInOut, Error, KeyInit, KeySizeUser, Nonce, Tag, TagPosition};
use aws_lc_rs::aead::{AES_128_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, UnboundKey};
use std::marker::PhantomData;
use std::sync::Arc;

/// AES-128-GCM.
#[derive(Clone)]
pub(crate) struct Aes128Gcm;

/// ChaCha20-Poly1305.
#[derive(Clone)]
pub(crate) struct ChaCha20Poly1305;

/// A key of `C`. aws-lc erases it when the last clone goes.
#[derive(Clone)]
pub(crate) struct Key<C>(Option<Arc<LessSafeKey>>, PhantomData<C>);

/// What tells one from the other.
pub(crate) trait Cipher {
    /// Bytes of a key.
    type KeySize: ArraySize;

    /// What aws-lc calls it.
    const ALGORITHM: &'static Algorithm;
}

impl Cipher for Aes128Gcm {
    type KeySize = U16;
    const ALGORITHM: &'static Algorithm = &AES_128_GCM;
}

impl Cipher for ChaCha20Poly1305 {
    type KeySize = U32;
    const ALGORITHM: &'static Algorithm = &CHACHA20_POLY1305;
}

impl hpke::aead::Aead for Aes128Gcm {
    type AeadImpl = Key<Self>;
    const AEAD_ID: u16 = 0x0001;
}

impl hpke::aead::Aead for ChaCha20Poly1305 {
    type AeadImpl = Key<Self>;
    const AEAD_ID: u16 = 0x0003;
}

impl<C: Cipher> KeySizeUser for Key<C> {
    type KeySize = C::KeySize;
}

impl<C: Cipher> KeyInit for Key<C> {
    fn new(key: &aead::Key<Self>) -> Self {
        // Never `None`: the type gives the key its length. If it were, nothing would open.
        let key = UnboundKey::new(C::ALGORITHM, key).ok();
        Self(key.map(|key| Arc::new(LessSafeKey::new(key))), PhantomData)
    }
}

impl<C: Cipher> AeadCore for Key<C> {
    type NonceSize = U12;
    type TagSize = U16;
    const TAG_POSITION: TagPosition = TagPosition::Postfix;
}

impl<C: Cipher> AeadInOut for Key<C> {
    fn encrypt_inout_detached(
        &self,
        nonce: &Nonce<Self>,
        aad: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> aead::Result<Tag<Self>> {
        let (key, nonce) = (self.0.as_ref().ok_or(Error)?, unique(nonce));
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), buffer.into_out_with_copied_in());
        Tag::<Self>::try_from(tag.map_err(|_| Error)?.as_ref()).map_err(|_| Error)
    }

    fn decrypt_inout_detached(
        &self,
        nonce: &Nonce<Self>,
        aad: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
        tag: &Tag<Self>,
    ) -> aead::Result<()> {
        let (key, nonce) = (self.0.as_ref().ok_or(Error)?, unique(nonce));
        let text = buffer.into_out_with_copied_in();
        let opened = key.open_in_place_separate_tag(nonce, Aad::from(aad), tag, text);
        opened.map(drop).map_err(|_| Error)
    }
}

/// `hpke` counts its nonces: none comes twice with one key.
fn unique(nonce: &aead::array::Array<u8, U12>) -> aws_lc_rs::aead::Nonce {
    aws_lc_rs::aead::Nonce::assume_unique_for_key((*nonce).into())
}
