//! Hired accounts: users of an honest issuer who take every token that they get. The issuer is the product's own, with
//! its own accounts, quota and keys, in this process and on a clock that stands still: no hour turns while they ask.

use super::enumerate::PLENTY;
use ::tests::world::{DOMAIN, domain};
use anyhow::{Context, Result, ensure};
use aws_lc_rs::rand::fill;
use blind_rsa_signatures::{BlindSignature, DefaultRng, PublicKeySha384PSSDeterministic as PublicKey};
use bytes::Bytes;
use discreet_protocol::time::Timestamp;
use discreet_protocol::token::{
    NK, TOKEN_REQUEST_TYPE, Token, TokenInput, TokenKey, TokenRequest, challenge_digest,
};
use discreet_provider::issuer::accounts::FreshToken;
use discreet_provider::issuer::quota::MIN_PER_DAY;
use discreet_provider::issuer::{IssueError, Issuer};
use discreet_provider::{Config, init};
use discreet_serve::Clock;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Accounts that ask at once.
const AT_ONCE: usize = 16;
/// What the issuer is started with, but for its quota.
const CONFIG: &str = "[listen.plaintext]\naddress = \"127.0.0.1:0\"\n[issuer]\nname = \"quota.example\"\nkeys = \"issuer.keys\"\n\
                      database = \"issuer.db\"\naccounts.bearers = \"accounts.tokens\"\n";

/// What they came away with.
pub(super) struct Hired {
    /// What the rules say of their issuer; its budgets are used up by nobody.
    pub(super) rules: String,
    /// The tokens of all of them.
    pub(super) tokens: Vec<Token>,
}

/// Has `accounts` users of a new issuer, whose quota is `tokens` at once, ask until each is refused.
pub(super) async fn hire(accounts: u64, tokens: u64) -> Result<Hired> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let (issuer, rules, bearers) = open(folder.path(), accounts, tokens)?;
    let now = Timestamp::from_unix(issuer.now);
    let keys = issuer.issuer.keys();
    let key = keys.signing(now).context("an issuer that signs with no key")?.clone();
    let mut all = Vec::new();
    for some in bearers.chunks(AT_ONCE) {
        let mut asking = JoinSet::new();
        for bearer in some {
            let (issuer, key, bearer) = (Arc::clone(&issuer.issuer), key.clone(), bearer.clone());
            asking.spawn(async move { take_all(&issuer, &key, &bearer, tokens).await });
        }
        while let Some(taken) = asking.join_next().await {
            all.extend(taken.context("an account that asks")??);
        }
    }
    Ok(Hired { rules, tokens: all })
}

/// An issuer, and the time that it believes in.
struct Standing {
    issuer: Arc<Issuer>,
    now: u64,
}

/// Makes the issuer and its accounts in `folder`; returns it, its lines for the rules, and what its users show.
fn open(folder: &Path, accounts: u64, tokens: u64) -> Result<(Standing, String, Vec<String>)> {
    let path = folder.join("config.toml");
    fs::write(&path, format!("{CONFIG}quota.burst = {tokens}\nquota.per_day = {MIN_PER_DAY}\n"))?;
    let config = Config::load(&path)?;
    let lines = init::init(&config).context("a new issuer")?;
    let (_, keys) = lines.split_once("[[issuers.keys]]").context("an issuer without keys")?;
    let rules = format!(
        "\n[[issuers]]\nname = \"quota.example\"\nredemptions_per_day = {PLENTY}\nnot_found_per_day = {PLENTY}\n\
         [[issuers.keys]]{keys}"
    );
    let fresh = (0..accounts).map(|number| FreshToken::draw(&format!("hired-{number}")));
    let fresh = fresh.collect::<Result<Vec<_>, _>>()?;
    let known: String = fresh.iter().map(|fresh| format!("{}\n", fresh.line)).collect();
    // `init` has made it, for its owner alone.
    fs::write(folder.join("accounts.tokens"), known)?;
    let now = Clock::system().now();
    let role = config.issuer.as_ref().context("a configuration with an issuer")?;
    let issuer = Arc::new(Issuer::open(role, None, Clock::manual(now))?);
    Ok((Standing { issuer, now }, rules, fresh.into_iter().map(|fresh| fresh.token).collect()))
}

/// Takes one account's tokens until it is refused, which must be after `quota` of them.
async fn take_all(issuer: &Arc<Issuer>, key: &TokenKey, bearer: &str, quota: u64) -> Result<Vec<Token>> {
    let public = PublicKey::from_der(&key.to_rsa_public_key()).context("the issuer's key")?;
    let digest = challenge_digest(issuer.name(), &domain(DOMAIN));
    let mut tokens = Vec::new();
    // Once more than it may.
    for _ in 0..=quota {
        let mut nonce = [0; 32];
        fill(&mut nonce).ok().context("no randomness")?;
        let input = TokenInput { nonce, challenge_digest: digest, key_id: *key.id() };
        let blinding = public.blind(&mut DefaultRng, input.encode()).context("a token cannot be blinded")?;
        let blinded: [u8; NK] = blinding.blind_message.0.as_slice().try_into()?;
        let wanted = TokenRequest { truncated_key_id: key.truncated_id(), blinded: blinded.into() };
        let request = Request::post("/").header(AUTHORIZATION, format!("Bearer {bearer}"));
        let request = request.header(CONTENT_TYPE, TOKEN_REQUEST_TYPE).body(Bytes::from(wanted.encode()))?;
        let signed = match issuer.issue(&request).await {
            Ok(signed) => BlindSignature(signed.to_vec()),
            Err(IssueError::OverQuota(_)) => break,
            Err(error) => return Err(error).context("an honest account is refused"),
        };
        let signature = public.finalize(&signed, &blinding, input.encode());
        let signature = signature.context("the issuer's signature")?.0;
        let authenticator: [u8; NK] = signature.as_slice().try_into()?;
        tokens.push(Token::new(&input, authenticator));
    }
    let got = tokens.len();
    ensure!(got as u64 == quota, "the issuer gave an account {got} tokens, and its quota is {quota}");
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[tokio::test]
    async fn each_account_gets_its_quota_and_not_one_token_more() {
        let hired = hire(3, 4).await.unwrap();
        let different: HashSet<_> = hired.tokens.iter().map(Token::encode).collect();
        assert_eq!((hired.tokens.len(), different.len()), (12, 12));
        assert_eq!(hired.rules.matches("[[issuers.keys]]").count(), 1);
    }
}
