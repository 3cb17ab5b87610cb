//! A lookup without I/O: a query becomes a sealed request, its answer a verified [`Answer`].

use crate::answer::{Answer, FoundMapping, Notice};
use crate::cache::{self, ABSENT_FRESH};
use crate::error::{DirectoryError, Error};
use crate::exchange::{self, Opened, RelayResponse, Route, SealError, Sealed};
use crate::storage::Storage;
use crate::trust::{self, Judged};
use discreet_protocol::identifier::{Csi, MimiUri};
use discreet_protocol::mapping::Tag;
use discreet_protocol::policy::Policy;
use discreet_protocol::query::{
    IdentifierRequest, IdentifierResponse, ResponseCode, Subject, VerifiableMapping, lookup_path,
};
use discreet_protocol::time::Timestamp;
use discreet_protocol::verify::Verified;
use std::collections::BTreeSet;

/// Whom to look up, and for which purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The identifier.
    pub csi: Csi,
    /// The purpose; `None` is the same as `Default`.
    pub tag: Option<Tag>,
}

/// A lookup on its way: what opens and judges its answer. Consumed by that.
pub struct Pending {
    query: Query,
    sealed: Sealed,
}

/// What became of a lookup.
pub(crate) enum Looked {
    Answer(Answer),
    /// The query is to be sealed anew, for this route.
    Again(Query, Box<Route>),
}

/// An answer that nothing was sent for.
#[derive(Clone, Debug)]
pub struct Recalled {
    /// The answer, verified as of now. Its notices were given when it came.
    pub answer: Answer,
    /// When it came.
    pub asked_at: Timestamp,
}

/// What was asked, and by whose rules the answer is judged.
struct Question {
    query: Query,
    policy: Policy,
}

/// Whether `query` fits beside `price` tokens.
pub(crate) fn check(query: &Query, route: &Route, price: u8) -> Result<(), Error> {
    let path = lookup_path(&route.session.policy.domain);
    exchange::check(route, &path, encode(query)?, price).map_err(refuse)
}

/// Seals `query`: the content of the POST, and what its answer is opened with.
pub(crate) fn seal(query: Query, route: Route) -> Result<(Vec<u8>, Pending), Error> {
    let path = lookup_path(&route.session.policy.domain);
    let (body, sealed) = exchange::seal(route, &path, encode(&query)?).map_err(refuse)?;
    Ok((body, Pending { query, sealed }))
}

fn encode(query: &Query) -> Result<Vec<u8>, Error> {
    let request = IdentifierRequest { subject: Subject::Exact(query.csi.clone()), tag: query.tag.clone() };
    request.encode().ok_or(Error::Prepare("the query cannot be encoded"))
}

fn refuse(error: SealError) -> Error {
    match error {
        SealError::TooLarge { .. } => Error::Prepare("the query does not fit"),
        SealError::Prepare(why) => Error::Prepare(why),
    }
}

/// The answer that was kept, if it may still be used: verified whole as of `now`, by the rules of
/// `policy`, and not beyond the moment that each holder set. So what expired or lost its status meanwhile
/// does not pass, nor what is older than what was seen since.
pub(crate) fn recall(
    query: &Query,
    policy: Policy,
    storage: &dyn Storage,
    now: Timestamp,
) -> Result<Option<Recalled>, Error> {
    let Some(kept) = cache::find(storage, &policy.domain, query)? else { return Ok(None) };
    let Ok(answer) = IdentifierResponse::decode(&kept.response) else { return Ok(None) };
    let question = Question { query: query.clone(), policy };
    let found = match question.judge(&answer, storage, now) {
        Ok(found) if found.refused.is_empty() => found,
        Ok(_) | Err(Error::Directory(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let answer = found.answer(question.query.csi, kept.asked_at);
    let until = answer.mappings.iter().map(|found| found.fresh_until).min();
    let until = until.unwrap_or(kept.asked_at.plus(ABSENT_FRESH));
    let is_fresh = (kept.asked_at..until).contains(&now);
    Ok(is_fresh.then_some(Recalled { answer, asked_at: kept.asked_at }))
}

impl Pending {
    /// Opens the relay's response and verifies everything in it, as of `now`.
    pub(crate) fn finish(
        self,
        response: &RelayResponse,
        storage: &dyn Storage,
        now: Timestamp,
    ) -> Result<Looked, Error> {
        let policy = self.sealed.route.session.policy.clone();
        let inner = match self.sealed.open(response)? {
            Opened::Answer(inner) => inner,
            Opened::Again(route) => return Ok(Looked::Again(self.query, route)),
        };
        // Whatever else an answer says of tokens, such as `www-authenticate`, nobody reads it.
        match inner.status().as_u16() {
            200 => {}
            401 => return Err(DirectoryError::Unpaid.into()),
            429 => return Err(DirectoryError::OverBudget.into()),
            status => return Err(DirectoryError::Status(status).into()),
        }
        let answer = IdentifierResponse::decode(inner.body()).map_err(DirectoryError::from)?;
        let question = Question { query: self.query, policy };
        let found = question.judge(&answer, storage, now)?;
        for standing in &found.standing {
            trust::remember(storage, &standing.judged)?;
        }
        if found.refused.is_empty() {
            // The answer is good without; what is not kept is asked for again.
            let _ = cache::keep(storage, &question.policy.domain, &question.query, inner.body(), now);
        }
        Ok(Looked::Answer(found.answer(question.query.csi, now)))
    }

    /// What was to be asked, and which way: for another relay, where this one was not reached.
    pub(crate) fn unsent(self) -> (Query, Route) {
        (self.query, self.sealed.route)
    }
}

impl Question {
    /// Everything the directory says, held against the policy, the question, and what was seen
    /// before. A mapping that is refused does not hide another authority's that stands; if none
    /// stands, the refusal is the answer.
    fn judge(
        &self,
        answer: &IdentifierResponse,
        storage: &dyn Storage,
        now: Timestamp,
    ) -> Result<Found, Error> {
        match answer.code {
            ResponseCode::Success if !answer.mappings.is_empty() => {}
            ResponseCode::NotFound if answer.mappings.is_empty() && answer.uris.is_empty() => {}
            ResponseCode::Success | ResponseCode::NotFound => {
                return Err(DirectoryError::Contradiction.into());
            }
            _ => return Err(DirectoryError::Unsupported.into()),
        }
        let mut found = Found { standing: Vec::new(), refused: Vec::new() };
        for one in &answer.mappings {
            let judged = self.verify(one, now).map_err(Error::from).and_then(|verified| {
                let judged = trust::judge(storage, &self.policy.domain, &verified)?;
                Ok(Standing { verified, judged, statement: one.mapping().to_vec() })
            });
            match judged {
                Ok(standing) => found.standing.push(standing),
                Err(Error::Directory(reason)) => found.refused.push(reason),
                Err(error) => return Err(error),
            }
        }
        match found.refused.first() {
            Some(reason) if found.standing.is_empty() => Err((*reason).into()),
            Some(_) => found.without_repeats(),
            None => found.says(&answer.uris).and_then(Found::without_repeats),
        }
    }

    fn verify(&self, one: &VerifiableMapping, now: Timestamp) -> Result<Verified, DirectoryError> {
        let verifier = self.policy.verifier(now);
        let found = verifier.verify(one.mapping(), one.status(), Some(&self.query.csi))?;
        if found.mapping.serve_as_not_found {
            return Err(DirectoryError::Hidden);
        }
        let asked = self.query.tag.as_ref().is_some_and(|tag| *tag == found.mapping.tag);
        if asked || found.mapping.tag.is_default() { Ok(found) } else { Err(DirectoryError::Tag) }
    }
}

/// What stands of an answer, and why the rest does not.
struct Found {
    standing: Vec<Standing>,
    refused: Vec<DirectoryError>,
}

/// A mapping that stands, and the bytes that say so.
struct Standing {
    verified: Verified,
    judged: Judged,
    statement: Vec<u8>,
}

impl Found {
    /// What the sender learns, of an answer that came at `asked_at`.
    fn answer(self, csi: Csi, asked_at: Timestamp) -> Answer {
        let mut notices: Vec<_> =
            self.refused.iter().map(|reason| Notice::Refused { reason: *reason }).collect();
        let mut mappings = Vec::new();
        for Standing { verified, judged, statement } in self.standing {
            notices.extend(judged.notice);
            mappings.push(FoundMapping::new(verified, statement, asked_at));
        }
        Answer { csi, mappings, notices }
    }

    /// The URIs beside the mappings must be those of the mappings.
    fn says(self, uris: &[MimiUri]) -> Result<Self, Error> {
        let reaches = self.standing.iter().flat_map(|standing| &standing.verified.mapping.reaches);
        if reaches.map(|reach| &reach.uri).eq(uris) {
            Ok(self)
        } else {
            Err(DirectoryError::Contradiction.into())
        }
    }

    /// An identifier has one holder per authority.
    fn without_repeats(self) -> Result<Self, Error> {
        let authority = |standing: &Standing| standing.verified.credential.authority.clone();
        let authorities: BTreeSet<_> = self.standing.iter().map(authority).collect();
        if authorities.len() == self.standing.len() {
            Ok(self)
        } else {
            Err(DirectoryError::Contradiction.into())
        }
    }
}

#[cfg(test)]
mod tests;
