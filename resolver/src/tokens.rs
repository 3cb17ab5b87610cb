//! What an operation is paid with: anonymous tokens of the issuers that the rules name (RFC 9576 §3.2, the
//! part of the origin).
//!
//! A token counts if an issuer's key of today signed it (RFC 9578 §6), for the one challenge that the
//! policy fixes, and if it was not spent before. It is spent before the operation is done, durably, and
//! whatever becomes of the operation. No answer hands out a challenge: clients pay what the policy says or
//! do not ask at all, so that nobody can single one out by what it is asked for.
//!
//! Whoever is refused has cost as many verifications and as many waits for the disk as whoever pays.

use crate::InForce;
use crate::metrics::{Operation, Redeemed};
use crate::rules::Rules;
use crate::store::{Asked, Spend, Spent, SpentTokens, StoreError};
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PSS_2048_8192_SHA384, RsaParameters};
use discreet_protocol::identifier::Domain;
use discreet_protocol::policy::{Epoch, Issuer, Prices};
use discreet_protocol::time::{CLOCK_TOLERANCE, Timestamp};
use discreet_protocol::token::{KeyId, Token, challenge_digest};
use discreet_serve::clock::{PATIENCE, Steady};
use http::{HeaderMap, StatusCode, header};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// RSASSA-PSS, SHA-384, MGF1 with SHA-384, a salt of 48 bytes: what a finished token is (RFC 9578 §6.3).
const ALGORITHM: &RsaParameters = &RSA_PSS_2048_8192_SHA384;

/// For how long a price that was changed is still taken, in seconds: a relay's copy of the policy lives for an
/// hour, what a client has taken from it for another, and gateways turn after resolvers, within a third.
const OLD_PRICE: u64 = 3 * 3600;

/// Takes tokens.
pub(crate) struct Redeemer {
    asked: Asked,
    keys: HashMap<KeyId, Accepted>,
    spent: Arc<SpentTokens>,
    /// How many signatures it has verified.
    #[cfg(test)]
    verified: std::sync::atomic::AtomicU64,
}

/// A key whose tokens are taken.
struct Accepted {
    issuer: Issuer,
    epoch: Epoch,
    challenge_digest: [u8; 32],
    public: ParsedPublicKey,
}

/// Who paid.
pub(crate) enum Paid<'a> {
    /// Nobody: it is free.
    Free,
    /// A user of this issuer.
    By(&'a Domain),
}

/// Why tokens were not taken. The sentences are for whoever writes a client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedeemError {
    #[error("this operation costs tokens, and none came with it; the policy says how many and whose")]
    Missing,
    #[error("an `authorization` field holds no token of type 0x0002")]
    Malformed,
    #[error("the number of tokens is not the price that the policy names")]
    Price,
    #[error("the tokens are not all under one key")]
    Mixed,
    #[error("a token is under a key that the policy does not name, or not for today")]
    Key,
    #[error("a token was made for another challenge: another issuer's, or another origin's")]
    Challenge,
    #[error("a token's authenticator does not verify")]
    Forged,
    #[error("a token has been spent before")]
    Spent,
    #[error("tokens under this key are no longer taken; get some under the issuer's next key")]
    Retired,
    #[error("the issuer's budget for today is used up; try again tomorrow")]
    OverBudget,
    #[error("what was paid cannot be written down now; try again later")]
    Store(#[source] StoreError),
}

impl RedeemError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Malformed | Self::Price | Self::Mixed => StatusCode::BAD_REQUEST,
            Self::Missing | Self::Key | Self::Challenge | Self::Forged | Self::Spent | Self::Retired => {
                StatusCode::UNAUTHORIZED
            }
            Self::OverBudget => StatusCode::TOO_MANY_REQUESTS,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(crate) fn label(&self) -> Redeemed {
        match self {
            Self::Missing => Redeemed::Missing,
            Self::Malformed | Self::Price | Self::Mixed => Redeemed::Malformed,
            Self::Key | Self::Retired => Redeemed::UnknownKey,
            Self::Challenge => Redeemed::OtherChallenge,
            Self::Forged => Redeemed::Forged,
            Self::Spent => Redeemed::SpentBefore,
            Self::OverBudget => Redeemed::OverBudget,
            Self::Store(_) => Redeemed::Failed,
        }
    }
}

impl Redeemer {
    /// A redeemer by `rules`, whose prices are those that are `asked`.
    pub(crate) fn new(rules: &Rules, asked: Asked, spent: Arc<SpentTokens>) -> Self {
        let mut keys = HashMap::new();
        for issuer in rules.issuers.iter() {
            let challenge_digest = challenge_digest(&issuer.name, &rules.domain);
            for epoch in &issuer.keys {
                let der = epoch.key.to_rsa_public_key();
                // A key that the library cannot use can have signed nothing.
                if let Ok(public) = ParsedPublicKey::new(ALGORITHM, der) {
                    let (issuer, epoch) = (issuer.clone(), epoch.clone());
                    keys.insert(*epoch.key.id(), Accepted { issuer, epoch, challenge_digest, public });
                }
            }
        }
        Self {
            asked,
            keys,
            spent,
            #[cfg(test)]
            verified: Default::default(),
        }
    }

    pub(crate) fn asked(&self) -> Asked {
        self.asked
    }

    /// Writes down what is asked, so that a resolver that is started anew takes the old price for as long.
    fn remember(&self) -> Result<(), StoreError> {
        self.spent.set_asked(&self.asked)
    }

    /// Whether `operation` costs nothing.
    pub(crate) fn is_free(&self, operation: Operation) -> bool {
        price(&self.asked.prices, operation) == 0
    }

    /// Takes the price of `operation` out of `headers`.
    ///
    /// # Errors
    ///
    /// When it is not paid; then no token is spent, but for [`RedeemError::Store`], where it is not known.
    pub(crate) fn redeem(
        &self,
        operation: Operation,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Paid<'_>, RedeemError> {
        let price = price(&self.asked.prices, operation);
        if price == 0 {
            return Ok(Paid::Free);
        }
        let before = self.asked.before.filter(|(_, until)| now < *until);
        let before = before.map_or(0, |(prices, _)| self::price(&prices, operation));
        let mut verifications = 0;
        match self.verify([price, before], headers, now, &mut verifications) {
            Ok((accepted, tokens)) => self.spend(operation, accepted, &tokens, now),
            Err(refused) => {
                for _ in verifications..price.max(before) {
                    self.verify_nothing();
                }
                self.spent.refuse(now).map_err(RedeemError::Store)?;
                Err(refused)
            }
        }
    }

    /// Gives back what whoever paid for a lookup at `now` was charged with in advance: the answer was not `notFound`.
    pub(crate) fn count_found(&self, paid: &Paid<'_>, now: Timestamp) {
        if let Paid::By(issuer) = paid {
            self.spent.count_found(issuer, now);
        }
    }

    fn verify(
        &self,
        prices: [u8; 2],
        headers: &HeaderMap,
        now: Timestamp,
        verifications: &mut u8,
    ) -> Result<(&Accepted, Vec<Token>), RedeemError> {
        let fields = headers.get_all(header::AUTHORIZATION).iter();
        // One more than needed shows that there are too many.
        let most = prices.iter().map(|price| usize::from(*price)).max().unwrap_or(0);
        let tokens = fields.take(most + 1).map(|field| Token::from_field(field.as_bytes()));
        let tokens = tokens.collect::<Result<Vec<_>, _>>().map_err(|_| RedeemError::Malformed)?;
        let first = tokens.first().ok_or(RedeemError::Missing)?.input().key_id;
        if !prices.iter().any(|price| usize::from(*price) == tokens.len()) {
            return Err(RedeemError::Price);
        }
        if tokens.iter().any(|token| token.input().key_id != first) {
            return Err(RedeemError::Mixed);
        }
        let accepted = self.keys.get(&first).ok_or(RedeemError::Key)?;
        let Epoch { from, until, .. } = accepted.epoch;
        if now.plus(CLOCK_TOLERANCE) < from || until <= now {
            return Err(RedeemError::Key);
        }
        for token in &tokens {
            if token.input().challenge_digest != accepted.challenge_digest {
                return Err(RedeemError::Challenge);
            }
            *verifications += 1;
            if !self.is_signed(accepted, &token.input().encode(), token.authenticator()) {
                return Err(RedeemError::Forged);
            }
        }
        Ok((accepted, tokens))
    }

    fn spend<'a>(
        &'a self,
        operation: Operation,
        accepted: &'a Accepted,
        tokens: &[Token],
        now: Timestamp,
    ) -> Result<Paid<'a>, RedeemError> {
        let inputs: Vec<_> = tokens.iter().map(Token::input).collect();
        let spend = Spend::new(&accepted.issuer, &accepted.epoch, &inputs, now);
        let spend = if operation == Operation::Lookup { spend } else { spend.of_a_change() };
        match self.spent.spend(spend).map_err(RedeemError::Store)? {
            Spent::Accepted => Ok(Paid::By(&accepted.issuer.name)),
            Spent::Before => Err(RedeemError::Spent),
            Spent::OverBudget => Err(RedeemError::OverBudget),
            Spent::Retired => Err(RedeemError::Retired),
        }
    }

    /// Takes as long as verifying a token.
    fn verify_nothing(&self) {
        if let Some(accepted) = self.keys.values().next() {
            std::hint::black_box(self.is_signed(accepted, &[0; 98], &[1; 256]));
        }
    }

    fn is_signed(&self, accepted: &Accepted, input: &[u8], authenticator: &[u8]) -> bool {
        #[cfg(test)]
        self.verified.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        accepted.public.verify_sig(input, authenticator).is_ok()
    }
}

/// What is asked from `now` on, after what was asked `last`: that is taken for a while yet. A price for what was free
/// counts at once, for whoever is refused has not paid.
pub(crate) fn turn(last: Option<Asked>, prices: Prices, now: Timestamp) -> Asked {
    let before = match last {
        Some(last) if last.prices != prices => Some((last.prices, now.plus(OLD_PRICE))),
        // A clock that was ahead when it was written must not make it last.
        last => {
            last.and_then(|last| last.before).map(|(prices, until)| (prices, until.min(now.plus(OLD_PRICE))))
        }
    };
    Asked { prices, before }
}

fn price(prices: &Prices, operation: Operation) -> u8 {
    match operation {
        Operation::Lookup => prices.lookup,
        Operation::Publish => prices.publish,
        Operation::Withdraw => prices.withdraw,
        Operation::None => 0,
    }
}

/// When to try again what could not be written.
const REMEMBER_AGAIN: Duration = Duration::from_secs(60);

/// Writes down what is asked, at the beginning and whenever it changes.
pub(crate) async fn remember(mut in_force: watch::Receiver<Arc<InForce>>) {
    loop {
        let redeemer = in_force.borrow_and_update().redeemer.clone();
        let written = tokio::task::spawn_blocking(move || redeemer.map_or(Ok(()), |it| it.remember())).await;
        let wait = match written {
            Ok(Err(error)) => {
                tracing::warn!(%error, "the prices are not written down yet: if it is started anew now, it takes other old ones");
                REMEMBER_AGAIN
            }
            _ => Duration::MAX,
        };
        if let Ok(Err(_)) = tokio::time::timeout(wait, in_force.changed()).await {
            // Nobody answers any more.
            return;
        }
    }
}

/// How often to look for tokens of keys that are over.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Forgets tokens of keys that are over, a few at a time, without end.
pub(crate) async fn sweep(in_force: watch::Receiver<Arc<InForce>>) {
    let clock = in_force.borrow().clock.clone();
    let mut steady = Steady::new(clock.now(), Instant::now());
    loop {
        let spent = in_force.borrow().spent.clone();
        tokio::time::sleep(sweep_some(spent, clock.now(), &mut steady, Instant::now()).await).await;
    }
}

/// Forgets some, unless the clock has leapt, and says when to look again. The keys that a clock far ahead takes
/// for over would be refused for the rest of their time: nobody knows any more what was spent under them.
async fn sweep_some(
    spent: Option<Arc<SpentTokens>>,
    now: u64,
    steady: &mut Steady,
    instant: Instant,
) -> Duration {
    if !steady.is(now, instant) {
        return PATIENCE;
    }
    let Some(spent) = spent else { return SWEEP_EVERY };
    match tokio::task::spawn_blocking(move || spent.sweep(Timestamp::from_unix(now))).await {
        Ok(Ok(true)) => return Duration::ZERO,
        Ok(Err(error)) => tracing::warn!(%error, "spent tokens are not forgotten"),
        Ok(Ok(false)) | Err(_) => {}
    }
    SWEEP_EVERY
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
