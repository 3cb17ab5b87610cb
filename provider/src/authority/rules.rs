//! What an authority decides (design §6): who holds an identifier, and who gets a credential for it.
//!
//! Each rule is one function over plain values, with its table of cases in the tests. Nothing here
//! reads a clock, a database or a key.
//!
//! | a key asks with | rule | `proved_at` | `holder_since` |
//! |---|---|---|---|
//! | a ticket, and nobody holds the identifier | [`first_proof`] | the proof's | the proof's |
//! | a ticket, and holds it already | [`proof_again`] | the proof's | stays |
//! | a ticket, and another key holds it | [`lost_key`] | the proof's | the proof's |
//! | nothing | [`renewal`] | stays | stays |
//! | the holder's word for it | [`handover`] | now: the holder's word is the proof | stays |
//!
//! Without a ticket only the holder's key is told more than "no", or who brings the holder's word
//! ([`entitled`]): anybody may ask about any identifier, and nobody is to learn so who holds one.

use discreet_protocol::VerifyingKey;
use discreet_protocol::time::{CLOCK_TOLERANCE, Timestamp};
use std::fmt;

/// Who holds an identifier, as far as this authority knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The one key it has attested last.
    pub key: VerifyingKey,
    /// When control was last proved.
    pub proved_at: Timestamp,
    /// Since when the identifier has had this holder.
    pub holder_since: Timestamp,
    /// When the operator took the identifier away from everybody, if so.
    pub void_since: Option<Timestamp>,
}

/// Why a key gets no credential. The sentences go to whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Neither the holder's key nor one the holder's word is for. Nobody else is told more.
    NotHolder,
    /// The operator has revoked it.
    Revoked,
    /// No credential of this key stands any more.
    Lapsed,
    /// The holder's proof is as late, or later.
    NotLater,
    /// The proof claims a time to come.
    Future,
    /// A ticket is good for one key.
    Spent,
    /// The handover names something else than the request.
    HandoverMismatch,
    /// The handover is too old.
    HandoverExpired,
    /// The successor held it before and was replaced.
    FormerKey,
    /// Outside of what the authority attests.
    OutsideNamespace,
    /// Over [`MAX_CREDENTIALS`].
    TooMany,
}

impl Refused {
    /// What happened, and what to do.
    pub fn sentence(&self) -> &'static str {
        match self {
            Self::NotHolder => "this key has no credential for the identifier here; enrol",
            Self::Revoked => "the credentials of this identifier were revoked; prove the identifier anew",
            Self::Lapsed => "this key's last credential has expired; prove the identifier anew",
            Self::NotLater => "the identifier was proved as late or later before; prove it anew",
            Self::Future => "the proof is from the future; check the clock of whoever reported it",
            Self::Spent => "the ticket was redeemed before; prove the identifier anew",
            Self::HandoverMismatch => "the handover is for another identifier, authority or key",
            Self::HandoverExpired => "the handover has expired; have the old key sign another",
            Self::FormerKey => "this key held the identifier before and was replaced; use a new key",
            Self::OutsideNamespace => "this authority does not attest such identifiers",
            Self::TooMany => "this identifier has too many credentials that have not expired; use the latest",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

/// Most credentials of one identifier that have not expired. Renewals and changes of key beyond are
/// refused; proofs are not, so that nobody can lock a person out.
pub const MAX_CREDENTIALS: usize = 64;

/// What a ticket stands for: the proof of an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// When the identifier was proved.
    pub proved_at: Timestamp,
    /// The key it was redeemed by, if it was.
    pub spent: Option<VerifyingKey>,
}

/// What becomes of a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// This key holds the identifier from now on.
    Holder(Box<Holder>),
    /// The same key asks again, because the answer was lost: it gets the same credential.
    Again,
}

/// `key` presents the ticket of `proof`; `holder` is who has held the identifier so far.
pub fn redeem(
    holder: Option<&Holder>,
    proof: &Proof,
    key: VerifyingKey,
    now: Timestamp,
) -> Result<Redeemed, Refused> {
    match proof.spent {
        Some(spent) if spent == key => return Ok(Redeemed::Again),
        Some(_) => return Err(Refused::Spent),
        None => {}
    }
    not_from_the_future(proof.proved_at, now)?;
    let holder = match holder {
        None => first_proof(key, proof.proved_at),
        Some(holder) if holder.void_since.is_some() => after_revocation(holder, key, proof.proved_at)?,
        Some(holder) if holder.key == key => proof_again(holder, proof.proved_at),
        Some(holder) => lost_key(holder, key, proof.proved_at)?,
    };
    Ok(Redeemed::Holder(Box::new(holder)))
}

/// A proof may be as far ahead as a clock may be wrong.
pub fn not_from_the_future(proved_at: Timestamp, now: Timestamp) -> Result<(), Refused> {
    if proved_at > now.plus(CLOCK_TOLERANCE) { Err(Refused::Future) } else { Ok(()) }
}

/// Nobody held the identifier.
pub fn first_proof(key: VerifyingKey, proved_at: Timestamp) -> Holder {
    Holder { key, proved_at, holder_since: proved_at, void_since: None }
}

/// The holder proves again: the same holder, proved more recently. An older proof changes nothing.
pub fn proof_again(holder: &Holder, proved_at: Timestamp) -> Holder {
    Holder { proved_at: holder.proved_at.max(proved_at), ..*holder }
}

/// Another key: a new holder, or one who has lost everything. Nobody can tell, so it is a new one.
pub fn lost_key(holder: &Holder, key: VerifyingKey, proved_at: Timestamp) -> Result<Holder, Refused> {
    if proved_at <= holder.proved_at {
        return Err(Refused::NotLater);
    }
    Ok(first_proof(key, proved_at))
}

/// After a revocation only a proof made since counts, whoever's, and whoever it is begins anew.
pub fn after_revocation(holder: &Holder, key: VerifyingKey, proved_at: Timestamp) -> Result<Holder, Refused> {
    if holder.void_since.is_some_and(|since| proved_at <= since) || proved_at <= holder.proved_at {
        return Err(Refused::NotLater);
    }
    Ok(first_proof(key, proved_at))
}

/// `key` asks without a ticket: it must be the holder's, or bring a handover that the holder has signed
/// (`has_word`). One refusal for everybody else, before any other rule is asked: whether nobody holds
/// the identifier, another key does, or none any more.
pub fn entitled(holder: Option<&Holder>, key: VerifyingKey, has_word: bool) -> Result<&Holder, Refused> {
    holder.filter(|holder| holder.key == key || has_word).ok_or(Refused::NotHolder)
}

/// The holder asks again. `stands`: whether one of its credentials has not expired.
pub fn renewal(holder: &Holder, stands: bool) -> Result<Holder, Refused> {
    standing(holder, stands)?;
    Ok(*holder)
}

/// The holder's word for its successor, whose signature was checked. `stands` as above, of the
/// holder's credentials; `former`: whether the successor held the identifier before.
///
/// The proof is the old key's word, so `proved_at` is now; always later than before, so that
/// resolvers take the new key's mappings instead of the old one's.
pub fn handover(
    holder: &Holder,
    successor: VerifyingKey,
    (stands, former): (bool, bool),
    now: Timestamp,
) -> Result<Holder, Refused> {
    standing(holder, stands)?;
    if former {
        return Err(Refused::FormerKey);
    }
    let proved_at = now.max(holder.proved_at.plus(1));
    not_from_the_future(proved_at, now)?;
    Ok(Holder { key: successor, proved_at, ..*holder })
}

fn standing(holder: &Holder, stands: bool) -> Result<(), Refused> {
    match (holder.void_since, stands) {
        (Some(_), _) => Err(Refused::Revoked),
        (None, false) => Err(Refused::Lapsed),
        (None, true) => Ok(()),
    }
}

/// When a credential issued now expires: `days` from now, at the end of that day (UTC), so that it
/// does not tell when it was issued.
pub fn expiry(now: Timestamp, days: u16) -> Timestamp {
    now.start_of_day().plus((u64::from(days) + 1) * discreet_protocol::time::DAY)
}

#[cfg(test)]
mod tests;
