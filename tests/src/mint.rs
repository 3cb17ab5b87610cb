//! An issuer that signs what it likes: finished tokens, as a wallet has them after unblinding. A finished token is
//! a plain RSASSA-PSS signature (RFC 9578 §6.3); that blinding leads to the same is the issuer's own to show.

use crate::world::{DOMAIN, domain};
use aws_lc_rs::rand::{SystemRandom, fill};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA384};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use discreet_protocol::time::{DAY, Timestamp};
use discreet_protocol::token::{Token, TokenInput, TokenKey, challenge_digest};

/// `SubjectPublicKeyInfo` up to the modulus, as in RFC 9578 §6.5 and its Appendix B.2.
const SPKI_HEAD: &str = "30820152303d06092a864886f70d01010a3030a00d300b0609608648016503040202a11a301806092a864886f70d010108300b0609608648016503040202a2030201300382010f003082010a0282010100";
/// The exponent, 65537.
const SPKI_TAIL: &str = "0203010001";

/// An issuer with one key.
pub struct Mint {
    name: String,
    key: KeyPair,
    public: TokenKey,
}

impl Mint {
    /// An issuer of this name with a new key.
    ///
    /// # Panics
    ///
    /// When there is no randomness.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        // `RSAPublicKey` (RFC 8017 §A.1.1): nine bytes, the modulus, five bytes.
        let modulus = hex::encode(&key.public_key().as_ref()[9..9 + 256]);
        let spki = hex::decode(format!("{SPKI_HEAD}{modulus}{SPKI_TAIL}")).expect("hex");
        let public = TokenKey::from_spki(&spki).expect("a key of this form");
        Self { name: name.to_owned(), key, public }
    }

    /// The public half.
    pub fn key(&self) -> &TokenKey {
        &self.public
    }

    /// What the rules file says of it: budgets for a day, and a key that counts from `from` to `until`, whole
    /// days before or after `now`.
    pub fn rules(&self, redemptions: u64, not_found: u64, now: Timestamp, [from, until]: [i64; 2]) -> String {
        let key = URL_SAFE_NO_PAD.encode(self.public.to_spki());
        format!(
            "\n[[issuers]]\nname = \"{}\"\nredemptions_per_day = {redemptions}\nnot_found_per_day = {not_found}\n\
             [[issuers.keys]]\nkey = \"{key}\"\nfrom = {}\nuntil = {}\n",
            self.name,
            day(now, from),
            day(now, until)
        )
    }

    /// A new token for the world's discovery domain.
    ///
    /// # Panics
    ///
    /// When there is no randomness.
    pub fn token(&self) -> Token {
        self.token_for(DOMAIN)
    }

    /// A new token for the discovery domain `origin`.
    ///
    /// # Panics
    ///
    /// When there is no randomness.
    pub fn token_for(&self, origin: &str) -> Token {
        let mut nonce = [0; 32];
        fill(&mut nonce).expect("randomness");
        let challenge_digest = challenge_digest(&domain(&self.name), &domain(origin));
        self.sign(&TokenInput { nonce, challenge_digest, key_id: *self.public.id() })
    }

    /// Signs whatever it is.
    ///
    /// # Panics
    ///
    /// When there is no randomness.
    pub fn sign(&self, input: &TokenInput) -> Token {
        let mut authenticator = [0; 256];
        let random = SystemRandom::new();
        self.key.sign(&RSA_PSS_SHA384, &random, &input.encode(), &mut authenticator).expect("a signature");
        Token::new(input, authenticator)
    }
}

/// The day so many days after that of `now`, as TOML has it.
fn day(now: Timestamp, offset: i64) -> String {
    let days = i64::try_from(now.unix() / DAY).expect("a day") + offset;
    let date = time::OffsetDateTime::from_unix_timestamp(days * 86_400).expect("a day").date();
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}
