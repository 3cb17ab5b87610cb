//! From an identifier to the answer.
//!
//! The rows that a lookup reads and opens, and the statements that it copies and parses, depend on how many
//! authorities the answer is from and on nothing else: not on whether there is a record, nor on how many
//! mappings it holds. In place of a row that is not there, its neighbour is read, which is as cold or warm. What
//! is left is that it steps over the mappings it does not return, in place: six heads of CBOR each, a few dozen
//! bytes.

use crate::InForce;
use crate::admission::choices;
use crate::directory::DirectoryError;
use crate::record::{Entry, Listed};
use discreet_protocol::identifier::Csi;
use discreet_protocol::mapping::{Mapping, Tag};
use discreet_protocol::query::{IdentifierResponse, ResponseCode, VerifiableMapping};
use discreet_protocol::statement::Unverified;
use discreet_protocol::time::Timestamp;

/// What becomes of a mapping that was looked at.
#[derive(PartialEq, Eq)]
enum Verdict {
    Served,
    /// The recipient wants to look absent.
    Hidden,
    /// Its authority has revoked the credential.
    Revoked,
}

/// An answer being put together.
struct Gathered {
    answer: IdentifierResponse,
    /// What is not served, written down and thrown away: that takes as long as what is.
    shadow: IdentifierResponse,
    /// Whether there was a mapping to look at.
    looked: bool,
    /// Whether each had a status.
    whole: bool,
}

impl Gathered {
    /// Parses a mapping and writes it down with its status: into the answer, or the shadow.
    fn add(&mut self, entry: &Entry, status: Vec<u8>, served: bool) -> Result<(), DirectoryError> {
        let mapping = Unverified::<Mapping>::read(&entry.statement);
        let mapping = mapping.map_err(|_| DirectoryError::Content)?.into_claims();
        let answer = if served { &mut self.answer } else { &mut self.shadow };
        answer.uris.extend(mapping.reaches.into_iter().map(|reach| reach.uri));
        answer.mappings.push(VerifiableMapping::new(entry.statement.clone(), status));
        Ok(())
    }
}

impl InForce {
    /// The answer to a sender who asks about `csi` for the purpose `tag`.
    pub(crate) fn look_up(
        &self,
        csi: &Csi,
        tag: Option<&Tag>,
        now: Timestamp,
    ) -> Result<IdentifierResponse, DirectoryError> {
        let mut gathered = self.gather(csi, tag, now)?;
        if !gathered.whole {
            // A status went because its mapping was just being replaced: look again, once.
            gathered = self.gather(csi, tag, now)?;
        }
        let Gathered { mut answer, shadow, .. } = gathered;
        if answer.mappings.is_empty() {
            answer.code = ResponseCode::NotFound;
        }
        std::hint::black_box(shadow.encode());
        Ok(answer)
    }

    fn gather(&self, csi: &Csi, tag: Option<&Tag>, now: Timestamp) -> Result<Gathered, DirectoryError> {
        let default = Tag::default_tag();
        let mut gathered = Gathered {
            answer: IdentifierResponse::empty(ResponseCode::Success),
            shadow: IdentifierResponse::empty(ResponseCode::Success),
            looked: false,
            whole: true,
        };
        if let Some(record) = self.directory.find(csi)? {
            let listed = record.listed().ok_or(DirectoryError::Content)?;
            for choice in choices(listed.into_iter(), tag.unwrap_or(&default)) {
                self.take_one(choice, csi, now, &mut gathered)?;
            }
        }
        if !gathered.looked {
            let decoy = self.directory.decoy().listed().ok_or(DirectoryError::Content)?;
            for listed in choices(decoy.into_iter(), tag.unwrap_or(&default)).into_iter().flatten().flatten()
            {
                let entry = listed.entry().ok_or(DirectoryError::Content)?;
                std::hint::black_box(self.may_speak(&entry, csi));
                gathered.add(&entry, self.directory.any_status(csi)?, false)?;
            }
        }
        Ok(gathered)
    }

    /// Adds the first of an authority's mappings that stands.
    fn take_one(
        &self,
        choice: [Option<Listed<'_>>; 2],
        csi: &Csi,
        now: Timestamp,
        gathered: &mut Gathered,
    ) -> Result<(), DirectoryError> {
        for listed in choice.into_iter().flatten().filter(|listed| now < listed.void_from) {
            let entry = listed.entry().ok_or(DirectoryError::Content)?;
            // One that was revoked gives way to `Default`.
            if self.may_speak(&entry, csi) && self.look_at(&entry, gathered)? != Verdict::Revoked {
                break;
            }
        }
        Ok(())
    }

    /// Reads status and statement of a mapping and adds them to the answer, if they are served.
    fn look_at(&self, entry: &Entry, gathered: &mut Gathered) -> Result<Verdict, DirectoryError> {
        let standing = self.directory.status(&entry.authority, &entry.id)?.value;
        let verdict = match &standing {
            Some(standing) if standing.revoked => Verdict::Revoked,
            _ if entry.hidden => Verdict::Hidden,
            _ => Verdict::Served,
        };
        gathered.looked = true;
        gathered.whole &= standing.is_some();
        let status = standing.map_or_else(Vec::new, |standing| standing.statement);
        gathered.add(entry, status, verdict == Verdict::Served)?;
        Ok(verdict)
    }

    /// Whether its authority may still speak. Whether its status is fresh, the client judges and says.
    fn may_speak(&self, entry: &Entry, csi: &Csi) -> bool {
        self.rules.authorities.speaking(&entry.authority, csi).is_ok()
    }
}

#[cfg(test)]
mod tests;
