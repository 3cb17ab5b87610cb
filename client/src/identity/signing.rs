//! What an identity signs for a directory: mappings and withdrawals, each under a serial of its own.

use super::{CredentialError, CredentialState, Identity, IdentityError, Published, Record};
use crate::answer::FoundMapping;
use crate::publishing::Withdrawal;
use crate::random;
use discreet_protocol::credential::Credential;
use discreet_protocol::identifier::Domain;
use discreet_protocol::mapping::{DEFAULT_REFRESH_AFTER, MAX_REACHES, Mapping, Reach, Tag};
use discreet_protocol::policy::Policy;
use discreet_protocol::query::VerifiableMapping;
use discreet_protocol::statement::sign;
use discreet_protocol::time::{DAY, Timestamp};
use discreet_protocol::verify::VerifyError;
use discreet_protocol::withdrawal;

/// A mapping is valid for at most so many days; publishing again renews it.
const MAX_DAYS: u64 = 90;
/// Serials jump by up to this much where the jump must not tell how many tags there are.
const JUMP: usize = 1 << 20;
/// A tag's first serial is below this.
const FIRST_SERIALS: u64 = 1 << 31;
/// How far a restored identity jumps: past what was used since its backup, withdrawals included.
const RESTORED_JUMP: u64 = 1 << 22;
/// Attempts of unknown outcome that are remembered per tag and domain.
const MAX_ATTEMPTS: usize = 8;

/// What a recipient wants to publish.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The purpose.
    pub tag: Tag,
    /// Where, most preferred first. Empty: "I exist, and list nobody".
    pub reaches: Vec<Reach>,
    /// For how many seconds an answer may be used.
    pub refresh_after: u64,
    /// Look absent to those who ask for this tag.
    pub serve_as_not_found: bool,
}

/// What became of something that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The directory has taken it in.
    Yes,
    /// It has refused it.
    No,
    /// Nobody knows: the answer was lost.
    Unknown,
}

impl Draft {
    /// A draft for `Default` with the usual lifetime.
    pub fn new(reaches: Vec<Reach>) -> Self {
        let refresh_after = DEFAULT_REFRESH_AFTER;
        Self { tag: Tag::default_tag(), reaches, refresh_after, serve_as_not_found: false }
    }
}

impl Identity {
    /// Signs a mapping for the domain of `policy`, after checking it as the directory will. The
    /// identity must be stored before the mapping is sent.
    ///
    /// # Errors
    ///
    /// When the mapping would be refused, or breaks a rule; no serial is used up then.
    pub fn mapping(
        &mut self,
        draft: &Draft,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<VerifiableMapping, IdentityError> {
        let (credential, bytes) = self.attested(policy)?;
        match self.credential_state(now) {
            CredentialState::Expired => return Err(CredentialError::Expired.into()),
            CredentialState::Revoked => return Err(CredentialError::Revoked.into()),
            CredentialState::None | CredentialState::Stands => {}
        }
        self.check(draft, policy, now)?;
        let today = now.start_of_day();
        let not_after = credential.expires.start_of_day().min(today.plus(MAX_DAYS * DAY));
        if not_after <= today {
            return Err(IdentityError::ExpiresToday);
        }
        let serial = self.next_serial(&draft.tag)?;
        let mapping = Mapping {
            csi: self.csi.clone(),
            audience: vec![policy.domain.clone()],
            tag: draft.tag.clone(),
            serial,
            not_before: today,
            not_after,
            refresh_after: draft.refresh_after,
            reaches: draft.reaches.clone(),
            credential: bytes,
            serve_as_not_found: draft.serve_as_not_found,
        };
        let mapping = sign(&mapping, &self.key);
        let status = self.status.clone().unwrap_or_default();
        match policy.verifier(now).verify(&mapping, &status, Some(&self.csi)) {
            // The directory may have a later status; this identity need not ask for one, which would
            // tell the authority that it is about to publish.
            Ok(_) | Err(VerifyError::StatusStale) => {}
            Err(error) => return Err(error.into()),
        }
        self.attempt(&draft.tag, &policy.domain, serial, Some(&mapping), now);
        Ok(VerifiableMapping::new(mapping, status))
    }

    /// Signs a withdrawal of `tag`, or of all tags, for the domain of `policy`. The identity must be
    /// stored before the withdrawal is sent.
    ///
    /// # Errors
    ///
    /// When there is nothing to withdraw, or `Default` would leave other tags behind.
    pub fn withdrawal(
        &mut self,
        tag: Option<&Tag>,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Withdrawal, IdentityError> {
        let (_, credential) = self.attested(policy)?;
        let domain = &policy.domain;
        let serial = match tag {
            Some(tag) => {
                self.published(tag, domain).ok_or(IdentityError::NothingPublished)?;
                let others = |other: &&Tag| !other.is_default() && self.is_published(other, domain);
                if tag.is_default() && self.tags.keys().any(|other| others(&other)) {
                    return Err(IdentityError::TagsLeft);
                }
                self.next_serial(tag)?
            }
            None if self.tags.is_empty() && self.floor == 0 => return Err(IdentityError::NothingPublished),
            // The jump hides whether there was another tag, with a higher serial.
            None => self.highest().saturating_add(1 + random::below(JUMP)? as u64),
        };
        let (csi, audience) = (self.csi.clone(), vec![domain.clone()]);
        let claims = withdrawal::Withdrawal { csi, audience, tag: tag.cloned(), serial, credential };
        match tag {
            Some(tag) => self.attempt(tag, domain, serial, None, now),
            None => {
                self.floor = serial;
                let here = |tag: &&Tag| self.record(tag, domain).is_some();
                let here: Vec<_> = self.tags.keys().filter(here).cloned().collect();
                for tag in &here {
                    self.attempt(tag, domain, serial, None, now);
                }
            }
        }
        Ok(Withdrawal(sign(&claims, &self.key)))
    }

    /// Notes what became of the last attempt for `tag` (`None`: of all tags) in `domain`.
    pub fn conclude(&mut self, tag: Option<&Tag>, domain: &Domain, relay: &str, taken: Taken) {
        let concerned = self.tags.iter_mut().filter(|(known, _)| tag.is_none_or(|tag| tag == *known));
        for record in concerned.filter_map(|(_, tagged)| tagged.domains.get_mut(domain)) {
            record.conclude(relay, taken);
        }
    }

    /// Takes over a mapping of this key that a directory serves and that is later than what this
    /// identity knows, as after the restoration of an older backup. Whether it was.
    pub fn catch_up(&mut self, domain: &Domain, found: &FoundMapping, now: Timestamp) -> bool {
        let known = self.published(&found.tag, domain).map_or(0, |published| published.serial);
        if found.holder != self.holder() || found.serial <= known {
            return false;
        }
        let tagged = self.tags.entry(found.tag.clone()).or_default();
        tagged.serial = tagged.serial.max(found.serial);
        let (serial, mapping) = (found.serial, Some(found.statement.clone()));
        let published = Some(Published { serial, mapping, at: now, relay: None });
        tagged.domains.insert(domain.clone(), Record { published, attempts: Vec::new() });
        true
    }

    /// To be called on a copy that is put to use again: what was used since it was made is unknown,
    /// so its serials begin beyond.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn restored(&mut self) -> Result<(), crate::Error> {
        let highest = self.highest().max(FIRST_SERIALS);
        self.floor = highest.saturating_add(RESTORED_JUMP + random::below(JUMP)? as u64);
        Ok(())
    }

    /// The credential and its bytes, if `policy` names their authority.
    fn attested(&self, policy: &Policy) -> Result<(Credential, Vec<u8>), CredentialError> {
        let authority = self.authority.as_ref().ok_or(CredentialError::NoAuthority)?;
        let bytes = self.credential.clone().ok_or(CredentialError::NoCredential)?;
        let credential = self.credential().ok_or(CredentialError::NoCredential)?;
        authority.check_policy(policy)?;
        Ok((credential, bytes))
    }

    fn check(&self, draft: &Draft, policy: &Policy, now: Timestamp) -> Result<(), IdentityError> {
        let reaches = &draft.reaches;
        if reaches.len() > MAX_REACHES {
            return Err(IdentityError::TooManyReaches { count: reaches.len(), most: MAX_REACHES });
        }
        for (at, reach) in reaches.iter().enumerate() {
            let position = at + 1;
            if reaches.iter().take(at).any(|other| other.uri == reach.uri) {
                return Err(IdentityError::Repeated { position });
            }
            let provider = reach.uri.provider();
            let known = policy.services.iter().any(|service| service.name.as_str() == provider);
            let confirmed = policy.services.confirm(reach, &self.holder(), now);
            if reach.endorsement.is_some() && known && !confirmed {
                return Err(IdentityError::Endorsement { position });
            }
        }
        let default = Tag::default_tag();
        if !draft.tag.is_default() && !self.is_published(&default, &policy.domain) {
            return Err(IdentityError::NoDefault);
        }
        Ok(())
    }

    /// Whether a mapping for `tag` is in the directory, as far as this identity knows.
    fn is_published(&self, tag: &Tag, domain: &Domain) -> bool {
        self.published(tag, domain).is_some_and(|published| published.mapping.is_some())
    }

    fn highest(&self) -> u64 {
        self.tags.values().map(|tagged| tagged.serial).max().unwrap_or(0).max(self.floor)
    }

    fn next_serial(&self, tag: &Tag) -> Result<u64, crate::Error> {
        match self.tags.get(tag) {
            Some(tagged) => Ok(tagged.serial.max(self.floor).saturating_add(1)),
            None => {
                // At random, so that a first serial does not tell that it is one.
                let first = random::bits()? % FIRST_SERIALS;
                let beyond = self.floor.saturating_add(1 + random::below(JUMP)? as u64);
                Ok(if first > self.floor { first } else { beyond })
            }
        }
    }

    fn attempt(&mut self, tag: &Tag, domain: &Domain, serial: u64, mapping: Option<&[u8]>, at: Timestamp) {
        let tagged = self.tags.entry(tag.clone()).or_default();
        tagged.serial = serial;
        let attempts = &mut tagged.domains.entry(domain.clone()).or_default().attempts;
        attempts.truncate(MAX_ATTEMPTS - 1);
        let mapping = mapping.map(<[u8]>::to_vec);
        attempts.insert(0, Published { serial, mapping, at, relay: None });
    }
}

impl Record {
    fn conclude(&mut self, relay: &str, taken: Taken) {
        let Some(last) = self.attempts.first_mut() else { return };
        last.relay = Some(relay.to_owned());
        match taken {
            Taken::Yes => {
                self.published = Some(last.clone());
                self.attempts.clear();
            }
            Taken::No => drop(self.attempts.remove(0)),
            Taken::Unknown => {}
        }
    }
}

impl super::Authority {
    /// Whether `policy` names this authority, under the same key.
    ///
    /// # Errors
    ///
    /// When it does not, or names another key.
    pub fn check_policy(&self, policy: &Policy) -> Result<(), CredentialError> {
        let named = policy.authorities.iter().find(|authority| authority.name == self.name);
        match named {
            None => Err(CredentialError::NotInPolicy),
            Some(named) if named.key != self.key => Err(CredentialError::PolicyKey),
            Some(_) => Ok(()),
        }
    }
}
