//! Tokens by the thousand, signed without blinding: what is measured is who takes them.

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA384};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use discreet_protocol::identifier::Domain;
use discreet_protocol::token::{NK, Token, TokenInput, TokenKey, challenge_digest};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use tests::world;

/// The issuer's name.
const NAME: &str = "issuer.example";

/// An issuer that signs whatever it is asked.
pub(crate) struct Mint {
    pair: KeyPair,
    key: TokenKey,
    challenge_digest: [u8; 32],
    next: AtomicU64,
}

impl Mint {
    /// An issuer with a key of its own.
    pub(crate) fn new() -> Result<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| anyhow!("no RSA key could be made"))?;
        // RSAPublicKey (RFC 8017 §A.1.1): two heads of four bytes, a zero, the modulus, the exponent.
        let modulus = pair.public_key().as_ref().get(9..9 + NK).and_then(|it| it.try_into().ok());
        let key = TokenKey::from_modulus(modulus.context("a key of another size")?)?;
        let challenge_digest = challenge_digest(&Domain::new(NAME)?, &Domain::new(world::DOMAIN)?);
        Ok(Self { pair, key, challenge_digest, next: AtomicU64::new(0) })
    }

    /// What the rules say of it: a lookup costs one token, and there is no end of them.
    pub(crate) fn rules(&self) -> String {
        let key = URL_SAFE_NO_PAD.encode(self.key.to_spki());
        format!(
            "\n[prices]\nlookup = 1\n\n[[issuers]]\nname = \"{NAME}\"\nredemptions_per_day = 1000000000\n\
             not_found_per_day = 1000000000\n\n[[issuers.keys]]\nkey = \"{key}\"\nfrom = 2020-01-01\nuntil = 2100-01-01\n"
        )
    }

    /// So many new tokens, as `authorization` fields.
    pub(crate) fn tokens(&self, count: usize) -> Result<Vec<String>> {
        (0..count).into_par_iter().map(|_| self.token()).collect()
    }

    fn token(&self) -> Result<String> {
        let mut nonce = [0; 32];
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // Random by the key, and never twice: the order in which the set of spent tokens grows is that of
        // real ones.
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &number.to_be_bytes());
        nonce.copy_from_slice(digest.as_ref());
        let input = TokenInput { nonce, challenge_digest: self.challenge_digest, key_id: *self.key.id() };
        let mut signature = [0; NK];
        let random = SystemRandom::new();
        let signed = self.pair.sign(&RSA_PSS_SHA384, &random, &input.encode(), &mut signature);
        signed.map_err(|_| anyhow!("a token cannot be signed"))?;
        Ok(Token::new(&input, signature).to_field())
    }
}
