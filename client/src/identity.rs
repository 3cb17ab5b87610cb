//! The recipient's side: one key for one identifier, what an authority has attested about it, and
//! what has been published under it.
//!
//! [`Identity`] does no I/O. Whoever keeps it must have it stored **before** a statement it signed is
//! sent, because a serial must never be used twice; [`IdentityFile`] does so. The secret key never
//! leaves but into that file: not into `Debug`, errors or output.

use crate::error::Error;
use discreet_protocol::credential::{Credential, Standing};
use discreet_protocol::enrolment::{Handover, KeyRequest};
use discreet_protocol::identifier::{Csi, Domain};
use discreet_protocol::mapping::{Mapping, Tag};
use discreet_protocol::statement::{Unverified, open, sign};
use discreet_protocol::time::{DAY, Timestamp};
use discreet_protocol::{SigningKey, VerifyingKey};
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

mod error;
mod file;
mod form;
mod secret;
mod signing;

pub use error::{CredentialError, IdentityError, IdentityFileError};
pub use file::IdentityFile;
pub use secret::{Secret32, read_ticket};
pub use signing::{Draft, Taken};

/// How long an old key's word for its successor counts.
const HANDOVER_LIFETIME: u64 = DAY;

/// One key for one identifier. A person has one for each, so that number and address are not linked.
#[derive(Clone)]
pub struct Identity {
    csi: Csi,
    /// Erased when dropped.
    key: SigningKey,
    /// The one that has attested the key; the one turned to first, while none has.
    authority: Option<Authority>,
    credential: Option<Vec<u8>>,
    status: Option<Vec<u8>>,
    /// The one turned to instead, until it has attested the key.
    next: Option<Authority>,
    pending: Option<PendingEnrolment>,
    /// All serials to come are higher.
    floor: u64,
    tags: BTreeMap<Tag, Tagged>,
}

/// An authority this identity has turned to; its key is what was seen at the first contact.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    /// Where it is reached: `https://authority.example`.
    pub url: String,
    /// Its name, as policies carry it.
    pub name: Domain,
    /// The key it signs with.
    pub key: VerifyingKey,
    /// A PEM file of the only certificates trusted for it.
    pub ca: Option<std::path::PathBuf>,
}

/// An enrolment that waits for its proof.
#[derive(Clone)]
pub struct PendingEnrolment {
    /// What stands for the proof.
    pub ticket: Secret32,
    /// What the person tells the authority's operator, if that is how it proves.
    pub code: String,
    /// What the authority says is to be done.
    pub say: String,
}

/// What was published for one tag.
#[derive(Clone, Default)]
struct Tagged {
    /// The highest serial ever used for it, anywhere.
    serial: u64,
    domains: BTreeMap<Domain, Record>,
}

/// What was published in one discovery domain.
#[derive(Clone, Default)]
struct Record {
    published: Option<Published>,
    /// What was signed, and may or may not have been taken in.
    attempts: Vec<Published>,
}

/// What was sent to a directory.
#[derive(Clone, PartialEq, Eq)]
pub struct Published {
    /// Its serial.
    pub serial: u64,
    /// The mapping; `None` after a withdrawal.
    pub mapping: Option<Vec<u8>>,
    /// When it was signed.
    pub at: Timestamp,
    /// The relay resource it went through.
    pub relay: Option<String>,
}

/// How an identity's credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialState {
    /// There is none.
    None,
    /// It stands, as far as this identity knows.
    Stands,
    /// Its time is over.
    Expired,
    /// Its authority has revoked it.
    Revoked,
}

impl Identity {
    /// A new key for `csi`.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn generate(csi: Csi) -> Result<Self, Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|_| Error::Prepare("the system gives no randomness"))?;
        let key = SigningKey::from_bytes(&seed);
        Ok(Self::with_key(csi, key))
    }

    fn with_key(csi: Csi, key: SigningKey) -> Self {
        let tags = BTreeMap::new();
        let (authority, next) = (None, None);
        Self { csi, key, authority, credential: None, status: None, next, pending: None, floor: 0, tags }
    }

    /// Whose it is.
    pub fn csi(&self) -> &Csi {
        &self.csi
    }

    /// The public key.
    pub fn holder(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// The authority of its credential; without one, the authority it has turned to.
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// The authority it has turned to last: the one it enrols at. Another than [`Identity::authority`]
    /// while that one's credential is there and this one has attested nothing yet.
    pub fn turned_to(&self) -> Option<&Authority> {
        self.next.as_ref().or(self.authority.as_ref())
    }

    /// The enrolment that waits for its proof, at [`Identity::turned_to`].
    pub fn pending(&self) -> Option<&PendingEnrolment> {
        self.pending.as_ref()
    }

    /// Keeps an enrolment, so that it can be resumed, or forgets it.
    pub fn set_pending(&mut self, pending: Option<PendingEnrolment>) {
        self.pending = pending;
    }

    /// The tags that were ever published.
    pub fn tags(&self) -> impl Iterator<Item = &Tag> {
        self.tags.keys()
    }

    /// The discovery domains where `tag` was published.
    pub fn domains(&self, tag: &Tag) -> impl Iterator<Item = &Domain> {
        self.tags.get(tag).into_iter().flat_map(|tagged| tagged.domains.keys())
    }

    /// What the directory of `domain` has taken in for `tag`, last.
    pub fn published(&self, tag: &Tag, domain: &Domain) -> Option<&Published> {
        self.record(tag, domain)?.published.as_ref()
    }

    /// What was signed after that, and may or may not have been taken in.
    pub fn attempts(&self, tag: &Tag, domain: &Domain) -> &[Published] {
        self.record(tag, domain).map_or(&[], |record| &record.attempts)
    }

    fn record(&self, tag: &Tag, domain: &Domain) -> Option<&Record> {
        self.tags.get(tag)?.domains.get(domain)
    }

    /// The credential, if there is one.
    pub fn credential(&self) -> Option<Credential> {
        let credential = Unverified::read(self.credential.as_deref()?).ok()?;
        Some(credential.into_claims())
    }

    /// The authority's latest word about the credential.
    pub fn standing(&self) -> Option<Standing> {
        Standing::open(self.status.as_deref()?, &self.authority.as_ref()?.key).ok()
    }

    /// How the credential is at `now`.
    pub fn credential_state(&self, now: Timestamp) -> CredentialState {
        match (self.credential(), self.standing()) {
            (None, _) => CredentialState::None,
            (_, Some(Standing::Revoked(_))) => CredentialState::Revoked,
            (Some(credential), _) if now >= credential.expires => CredentialState::Expired,
            _ => CredentialState::Stands,
        }
    }

    /// Turns to an authority, to enrol there. A credential that another has given stays, and counts,
    /// until this one has attested the key ([`Identity::accept`]); an enrolment at another is forgotten.
    ///
    /// # Errors
    ///
    /// When it shows another key than before under the same name.
    pub fn set_authority(&mut self, authority: Authority) -> Result<(), CredentialError> {
        let is_other_key = |known: &Authority| known.name == authority.name && known.key != authority.key;
        if self.authority.as_ref().is_some_and(is_other_key) || self.next.as_ref().is_some_and(is_other_key) {
            return Err(CredentialError::AuthorityKey);
        }
        if self.turned_to().is_some_and(|known| known.name != authority.name) {
            self.pending = None;
        }
        let is_new = self.authority.as_ref().is_some_and(|known| known.name != authority.name);
        if is_new && self.credential.is_some() {
            self.next = Some(authority);
        } else {
            (self.authority, self.next) = (Some(authority), None);
        }
        Ok(())
    }

    /// "Attest my key". With a ticket or a handover for the authority it has turned to; without, a
    /// renewal, for the one that has attested it.
    ///
    /// # Errors
    ///
    /// When it has turned to none.
    pub fn key_request(
        &self,
        challenge: Vec<u8>,
        ticket: Option<&Secret32>,
        handover: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, CredentialError> {
        let is_renewal = ticket.is_none() && handover.is_none();
        let authority = if is_renewal { self.authority() } else { self.turned_to() };
        let request = KeyRequest {
            csi: self.csi.clone(),
            authority: authority.ok_or(CredentialError::NoAuthority)?.name.clone(),
            holder: self.holder(),
            challenge,
            ticket: ticket.map(|ticket| *ticket.as_bytes()),
            handover,
        };
        Ok(sign(&request, &self.key))
    }

    /// "My successor is this key": this identity's word for the new one of the same person.
    ///
    /// # Errors
    ///
    /// When `successor` is for another identifier, or this identity has no authority.
    pub fn handover(&self, successor: &Self, now: Timestamp) -> Result<Vec<u8>, CredentialError> {
        if successor.csi != self.csi {
            return Err(CredentialError::OtherIdentifier);
        }
        let handover = Handover {
            csi: self.csi.clone(),
            authority: self.authority.as_ref().ok_or(CredentialError::NoAuthority)?.name.clone(),
            expires: now.plus(HANDOVER_LIFETIME),
            successor: successor.holder(),
        };
        Ok(sign(&handover, &self.key))
    }

    /// Takes in what an authority attests: the one it has turned to, whose enrolment is over then and
    /// whose credential takes the place of any other's; or, a renewal, the one whose it has.
    ///
    /// # Errors
    ///
    /// When it is not the authority's, not about this key and identifier, or does not stand. Nothing
    /// has changed then.
    pub fn accept(
        &mut self,
        credential: Vec<u8>,
        status: Vec<u8>,
        now: Timestamp,
    ) -> Result<(), CredentialError> {
        let turned_to = self.turned_to().ok_or(CredentialError::NoAuthority)?;
        let read = Unverified::<Credential>::read(&credential).map_err(CredentialError::Credential)?;
        let named = read.into_claims().authority;
        let known = [Some(turned_to), self.authority()].into_iter().flatten();
        let by =
            known.into_iter().find(|known| known.name == named).ok_or(CredentialError::OtherAuthority)?;
        let claims = open::<Credential>(&credential, &by.key).map_err(CredentialError::Credential)?;
        if claims.holder != self.holder() {
            return Err(CredentialError::OtherKey);
        }
        if claims.csi != self.csi {
            return Err(CredentialError::OtherIdentifier);
        }
        if now >= claims.expires {
            return Err(CredentialError::Expired);
        }
        let standing = Standing::open(&status, &by.key).map_err(CredentialError::Status)?;
        match standing {
            Standing::Stands(status) if status.id == claims.id => {}
            Standing::Revoked(revocation) if revocation.id == claims.id => {
                return Err(CredentialError::Revoked);
            }
            _ => return Err(CredentialError::OtherStatus),
        }
        if by == turned_to {
            (self.authority, self.next, self.pending) = (Some(by.clone()), None, None);
        }
        (self.credential, self.status) = (Some(credential), Some(status));
        Ok(())
    }

    /// Takes in a later word of the authority about the credential; a revocation is for good.
    ///
    /// # Errors
    ///
    /// When it is not the authority's, or about another credential.
    pub fn accept_status(&mut self, status: Vec<u8>) -> Result<(), CredentialError> {
        let authority = self.authority.as_ref().ok_or(CredentialError::NoAuthority)?;
        let credential = self.credential().ok_or(CredentialError::NoCredential)?;
        let later = Standing::open(&status, &authority.key).map_err(CredentialError::Status)?;
        if *later.id() != credential.id {
            return Err(CredentialError::OtherStatus);
        }
        let keep = match (self.standing(), &later) {
            (Some(Standing::Revoked(_)), _) => true,
            (Some(Standing::Stands(known)), Standing::Stands(said)) => known.at >= said.at,
            _ => false,
        };
        if !keep {
            self.status = Some(status);
        }
        Ok(())
    }
}

impl Published {
    /// What the mapping says; `None` after a withdrawal.
    pub fn claims(&self) -> Option<Mapping> {
        Some(Unverified::<Mapping>::read(self.mapping.as_deref()?).ok()?.into_claims())
    }

    /// Whether senders are to see it at `now`: not withdrawn, not expired, not to look absent.
    pub fn is_visible(&self, now: Timestamp) -> bool {
        self.claims().is_some_and(|mapping| !mapping.serve_as_not_found && now < mapping.not_after)
    }
}

macro_rules! silent_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}

silent_debug!(Identity, Authority, PendingEnrolment, Published);

#[cfg(test)]
mod tests;
