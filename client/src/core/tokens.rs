//! Tokens: what an operation is paid with, and how more are had.
//!
//! Paying and getting have nothing to do with each other: no lookup makes the client ask its issuer for
//! anything, and no answer says what is to be paid. That the policy says alone.

use super::Core;
use crate::error::{Error, TokensError};
use crate::exchange::Route;
use crate::issuance::{Issuance, IssuerResponse};
use crate::wallet::{Ageing, MAX_AGEING, Stock, Wallet};
use discreet_protocol::policy::Policy;
use discreet_protocol::time::Timestamp;
use discreet_protocol::token::{ISSUER_DIRECTORY_PATH, Token};
use std::sync::PoisonError;

/// A batch of tokens that is being got from the issuer.
pub struct Batch {
    issuance: Issuance,
    ageing: Ageing,
}

impl Batch {
    /// What requests are made from.
    pub fn issuance(&self) -> &Issuance {
        &self.issuance
    }
}

impl Core {
    /// Lets tokens be used before their time. Then issuance and use may be matched by the clock: who
    /// gets tokens and uses one at once may be the only one who did.
    pub fn use_fresh_tokens(&mut self) {
        self.fresh_tokens = true;
    }

    /// The tokens in stock.
    ///
    /// # Errors
    ///
    /// When there is no policy that stands at `now`, or the storage cannot be read.
    pub fn tokens(&self, now: Timestamp) -> Result<Stock, Error> {
        let policy = self.standing(now)?.policy;
        self.wallet(&policy, now).stock()
    }

    /// Where the issuer's directory is to be fetched: at its own URL, never through a relay, for the
    /// issuer knows its users.
    ///
    /// # Errors
    ///
    /// [`TokensError::NoIssuer`].
    pub fn issuer_directory_url(&self) -> Result<String, Error> {
        let issuer = self.profile.issuer.as_ref().ok_or(TokensError::NoIssuer)?;
        Ok(format!("{}{ISSUER_DIRECTORY_PATH}", issuer.url))
    }

    /// Begins a batch of tokens, if the issuer's directory and the policy say the same. Whether the wallet has
    /// room for it is not asked: what is requested must not tell how many were used.
    ///
    /// # Errors
    ///
    /// [`TokensError`]; then nothing is to be requested.
    pub fn begin_batch(&self, response: &IssuerResponse, now: Timestamp) -> Result<Batch, Error> {
        let issuer = self.profile.issuer.as_ref().ok_or(TokensError::NoIssuer)?;
        let policy = self.standing(now)?.policy;
        let alive = now.plus(MAX_AGEING);
        let issuance = Issuance::new(&policy, &issuer.name, &issuer.url, response, (now, alive))?;
        Ok(Batch { issuance, ageing: Ageing::draw()? })
    }

    /// Keeps tokens of `batch`; where there is no room, in the place of others drawn at random.
    ///
    /// # Errors
    ///
    /// When the storage cannot be written.
    pub fn keep_tokens(&self, batch: &Batch, tokens: Vec<Token>, now: Timestamp) -> Result<(), Error> {
        let policy = self.standing(now)?.policy;
        let _one_at_a_time = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        self.wallet(&policy, now).put(tokens, &batch.ageing)
    }

    /// `route` with what `price` asks for. From then on these tokens are used, whatever happens.
    pub(crate) fn pay(&self, route: Route, price: u8, now: Timestamp) -> Result<Route, Error> {
        if price == 0 {
            return Ok(route);
        }
        let policy = &route.session.policy;
        let _one_at_a_time = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens = match self.unsent_tokens(policy, price, now) {
            Some(tokens) => tokens,
            None => self.wallet(policy, now).take(price, self.fresh_tokens)?,
        };
        Ok(Route { tokens, ..route })
    }

    /// What was taken for an operation none of whose bytes left this machine. It stays used as far as
    /// the storage knows, and pays for the next operation of this client.
    fn unsent_tokens(&self, policy: &Policy, price: u8, now: Timestamp) -> Option<Vec<Token>> {
        let mut unsent = self.unsent.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = |token: &Token| {
            policy.issuers.of_key(&token.input().key_id).is_some_and(|(_, epoch)| epoch.is_current(now))
        };
        unsent.retain(|tokens| tokens.iter().all(counts));
        let at = unsent.iter().position(|tokens| tokens.len() == usize::from(price))?;
        Some(unsent.swap_remove(at))
    }

    /// Nothing of `route` was sent, and nothing will be.
    pub(super) fn give_up(&self, route: &Route) {
        // A gateway that asked for a date has seen them: with another question they would link the two.
        if !route.tokens.is_empty() && route.date.is_none() {
            let mut unsent = self.unsent.lock().unwrap_or_else(PoisonError::into_inner);
            unsent.push(route.tokens.clone());
        }
    }

    fn wallet<'a>(&'a self, policy: &'a Policy, now: Timestamp) -> Wallet<'a> {
        Wallet::new(self.storage.as_ref(), policy, now)
    }
}

#[cfg(test)]
mod tests;
