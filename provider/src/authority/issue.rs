//! From a key's request to a credential; and revocation.

use super::rows::{self, NewCredential};
use super::rules::{self, Holder, MAX_CREDENTIALS, Redeemed, Refused};
use super::{Authority, AuthorityError, TICKET_LIFETIME, secrets};
use discreet_protocol::VerifyingKey;
use discreet_protocol::credential::{Credential, Revocation, Status};
use discreet_protocol::enrolment::{Handover, KeyRequest, Ticket};
use discreet_protocol::identifier::Csi;
use discreet_protocol::statement::{StatementError, open, sign};
use discreet_protocol::time::Timestamp;
use rusqlite::Connection;

/// What a request for a credential leads to.
#[derive(Clone, PartialEq, Eq)]
pub enum Issued {
    /// A credential and its status, both whole statements.
    Credential(Vec<u8>, Vec<u8>),
    /// The ticket's proof is not there yet.
    Pending,
}

/// A decision inside a transaction: of the database, and of the rules.
type Decided<T> = rusqlite::Result<Result<T, AuthorityError>>;

impl Authority {
    /// Answers a [`KeyRequest`] statement.
    ///
    /// # Errors
    ///
    /// When the request is not one, is not fresh, or a rule refuses it.
    pub fn issue(&self, request: &[u8]) -> Result<Issued, AuthorityError> {
        let request = KeyRequest::open(request).map_err(|error| match error {
            StatementError::Signature => AuthorityError::Signature,
            _ => AuthorityError::Statement,
        })?;
        let now = self.now();
        if request.authority != self.name {
            return Err(AuthorityError::OtherAuthority);
        }
        if !self.challenges.accepts(&request.challenge, now) {
            return Err(AuthorityError::Challenge);
        }
        self.attests(&request.csi)?;
        self.database.write(|rows| match (&request.ticket, &request.handover) {
            (Some(_), Some(_)) => Ok(Err(AuthorityError::TwoWays)),
            (Some(ticket), None) => self.redeem(rows, &request, ticket, now),
            (None, handover) => self.without_proof(rows, &request, handover.as_deref(), now),
        })?
    }

    fn redeem(
        &self,
        rows: &Connection,
        request: &KeyRequest,
        ticket: &Ticket,
        now: Timestamp,
    ) -> Decided<Issued> {
        let KeyRequest { csi, holder: key, .. } = request;
        let ticket = secrets::hash(ticket);
        let Some(proof) = rows::proof(rows, &ticket, csi, now.minus(TICKET_LIFETIME))? else {
            return self.waits(rows, &ticket, csi, now);
        };
        let before = rows::holder(rows, csi)?;
        match rules::redeem(before.as_ref(), &proof, *key, now) {
            Err(reason) => Ok(Err(reason.into())),
            Ok(Redeemed::Again) => Ok(rows::latest(rows, csi, key, now)?
                .map(|(credential, status)| Issued::Credential(credential, status))
                .ok_or(Refused::Spent.into())),
            Ok(Redeemed::Holder(holder)) => {
                rows::spend(rows, &ticket, key)?;
                self.attest(rows, csi, &holder, now)
            }
        }
    }

    /// Whether somebody still waits for the ticket's proof.
    fn waits(&self, rows: &Connection, ticket: &[u8; 32], csi: &Csi, now: Timestamp) -> Decided<Issued> {
        let waits = rows::enrolment(rows, ticket)?
            .is_some_and(|enrolment| enrolment.csi == csi.uri() && !super::enrol::is_over(&enrolment, now));
        Ok(if waits { Ok(Issued::Pending) } else { Err(AuthorityError::NoTicket) })
    }

    /// A request without a ticket. Who is neither the holder nor brings the holder's word learns nothing:
    /// neither by the answer nor by obviously other work.
    fn without_proof(
        &self,
        rows: &Connection,
        request: &KeyRequest,
        handover: Option<&[u8]>,
        now: Timestamp,
    ) -> Decided<Issued> {
        let KeyRequest { csi, holder: key, .. } = request;
        let before = rows::holder(rows, csi)?;
        let recorded = before.map_or_else(|| self.nobodys_key(), |holder| holder.key);
        // Of the key that holds it already, a handover asks again because the answer was lost.
        let word = match handover {
            Some(handover) if recorded != *key => open::<Handover>(handover, &recorded).ok(),
            _ => None,
        };
        let before = match rules::entitled(before.as_ref(), *key, word.is_some()) {
            Ok(before) => before,
            Err(reason) => return Ok(Err(reason.into())),
        };
        if rows::count(rows, csi, now)? >= MAX_CREDENTIALS {
            return Ok(Err(Refused::TooMany.into()));
        }
        let stands = rows::latest(rows, csi, &before.key, now)?.is_some();
        let holder = match word {
            None => rules::renewal(before, stands),
            Some(word) => {
                let former = rows::was_revoked(rows, csi, key)?;
                self.fits(&word, request, now)
                    .and_then(|()| rules::handover(before, *key, (stands, former), now))
            }
        };
        match holder {
            Ok(holder) => self.attest(rows, csi, &holder, now),
            Err(reason) => Ok(Err(reason.into())),
        }
    }

    /// What handovers are verified under where nobody holds the identifier: a key that signs none, read
    /// like a holder's, so that as much is done as where somebody does.
    fn nobodys_key(&self) -> VerifyingKey {
        let key = self.key();
        VerifyingKey::from_bytes(&key.to_bytes()).unwrap_or(key)
    }

    /// Whether the holder's `word` is for the key of this request.
    fn fits(&self, word: &Handover, request: &KeyRequest, now: Timestamp) -> Result<(), Refused> {
        let fits = word.csi == request.csi && word.authority == self.name && word.successor == request.holder;
        match (fits, now < word.expires) {
            (false, _) => Err(Refused::HandoverMismatch),
            (true, false) => Err(Refused::HandoverExpired),
            (true, true) => Ok(()),
        }
    }

    /// Attests `holder`, and revokes what other keys were given for the same identifier.
    fn attest(&self, rows: &Connection, csi: &Csi, holder: &Holder, now: Timestamp) -> Decided<Issued> {
        let id = match secrets::credential_id() {
            Ok(id) => id,
            Err(error) => return Ok(Err(error.into())),
        };
        let expires = rules::expiry(now, self.days);
        let credential = Credential {
            authority: self.name.clone(),
            csi: csi.clone(),
            holder: holder.key,
            id,
            expires,
            proved_at: holder.proved_at,
            holder_since: holder.holder_since,
        };
        let statement = sign(&credential, &self.key);
        let status = sign(&Status { id, at: now }, &self.key);
        if rows::holder(rows, csi)?.is_some_and(|before| before.key != holder.key) {
            self.revoke_all(rows, csi, now)?;
        }
        rows::put_holder(rows, csi, holder)?;
        let (statement_bytes, standing) = (statement.as_slice(), status.as_slice());
        let key = &holder.key;
        let new = NewCredential { id, csi, key, expires, statement: statement_bytes, standing, at: now };
        rows::add_credential(rows, &new)?;
        Ok(Ok(Issued::Credential(statement, status)))
    }

    /// The operator takes an identifier away from everybody: its credentials are revoked, its tickets
    /// void. Only what is proved from now on counts.
    ///
    /// # Errors
    ///
    /// When nobody holds it.
    pub fn revoke(&self, identifier: &str) -> Result<(), AuthorityError> {
        let csi = self.identifier(identifier)?;
        let now = self.now();
        self.database.write(|rows| {
            let Some(holder) = rows::holder(rows, &csi)? else {
                return Ok(Err(AuthorityError::NoHolder));
            };
            rows::put_holder(rows, &csi, &Holder { void_since: Some(now), ..holder })?;
            rows::forget_proofs(rows, &csi)?;
            self.revoke_all(rows, &csi, now)?;
            Ok(Ok(()))
        })?
    }

    fn revoke_all(&self, rows: &Connection, csi: &Csi, now: Timestamp) -> rusqlite::Result<()> {
        for old in rows::standing(rows, csi)? {
            let revocation = Revocation { id: old.id, at: now, expires: old.expires };
            rows::restate(rows, &old, &sign(&revocation, &self.key), now, true)?;
        }
        Ok(())
    }
}
