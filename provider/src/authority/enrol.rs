//! From asking for a ticket to the proof behind it.
//!
//! A ticket is drawn when somebody enrols and is worth nothing until the proof is there. The
//! provider's own backend can skip the waiting: it says which account has proved which identifier,
//! and hands the ticket to its user.

use super::prove::{Answer, Begun};
use super::rows::{self, Enrolment};
use super::rules;
use super::{Authority, AuthorityError, ENROLMENT_LIFETIME, TICKET_LIFETIME, secrets};
use discreet_protocol::enrolment::Ticket;
use discreet_protocol::identifier::Csi;
use discreet_protocol::time::Timestamp;

/// Most enrolments that may wait for a proof at once, since anybody may ask. One more, and the oldest is
/// forgotten: nobody can close the authority to others by enrolling, though a flood that outruns the
/// people who answer still forgets theirs.
pub const MAX_WAITING: usize = 10_000;
/// Most enrolments of one identifier that may wait at once: nobody is to be showered with messages. A
/// stranger can use them up for an hour, and so sees whether others enrol the identifier in that hour;
/// whom that must not keep out gets a ticket from the backend.
pub const MAX_WAITING_OF_ONE: usize = 4;
/// Answers a person has, counted before each is looked at.
pub const MAX_ANSWERS: u32 = 5;
/// Most bytes of an answer.
const MAX_ANSWER: usize = 128;
/// Most bytes of an account's name.
const MAX_ACCOUNT: usize = 128;

/// An enrolment that has begun.
pub struct Enrolled {
    /// The ticket: good once the proof is there.
    pub ticket: Ticket,
    /// The code, if the person may see it.
    pub code: Option<String>,
    /// What the person is to do.
    pub say: String,
}

/// Somebody who waits for a proof, as the operator sees them.
pub struct Waiting {
    /// The code.
    pub code: String,
    /// The identifier, as a URI.
    pub identifier: String,
    /// Since when.
    pub since: Timestamp,
}

/// Whether an enrolment has waited too long, or has had its answers.
pub(super) fn is_over(enrolment: &Enrolment, now: Timestamp) -> bool {
    enrolment.since.plus(ENROLMENT_LIFETIME) <= now || enrolment.answers >= MAX_ANSWERS
}

impl Authority {
    /// Somebody says that an identifier is theirs.
    ///
    /// # Errors
    ///
    /// When the authority does not attest such identifiers, or this one is being enrolled too often.
    pub fn enrol(&self, identifier: &str) -> Result<Enrolled, AuthorityError> {
        let csi = self.identifier(identifier)?;
        let (ticket, code, now) = (secrets::ticket()?, secrets::code()?, self.now());
        let hash = secrets::hash(&ticket);
        self.database.write(|rows| {
            rows::forget_old(rows, (now.minus(ENROLMENT_LIFETIME), now.minus(TICKET_LIFETIME)))?;
            let (all, of_one) = rows::waiting(rows, &csi)?;
            if of_one >= MAX_WAITING_OF_ONE {
                return Ok(Err(AuthorityError::AlreadyWaiting));
            }
            if all >= MAX_WAITING {
                rows::forget_oldest(rows, MAX_WAITING - 1)?;
            }
            rows::add_enrolment(rows, &hash, &code, &csi, now).map(Ok)
        })??;
        // Outside of the transaction: a message may take its time.
        match self.prover.begin(&csi, &code) {
            Ok(Begun { say, show_code }) => Ok(Enrolled { ticket, code: show_code.then_some(code), say }),
            Err(_) => {
                self.database
                    .write(|rows| rows::take_enrolment(rows, &hash).map(Ok::<_, AuthorityError>))??;
                Err(AuthorityError::Unavailable)
            }
        }
    }

    /// The person answers what they were told to answer.
    ///
    /// # Errors
    ///
    /// When the answer is wrong, or none is expected.
    pub fn answer(&self, ticket: &Ticket, answer: &str) -> Result<(), AuthorityError> {
        let (hash, now) = (secrets::hash(ticket), self.now());
        // Counted before it is looked at, so that answers in parallel are no more than MAX_ANSWERS.
        let enrolment = self.database.write(|rows| {
            let enrolment = rows::enrolment(rows, &hash)?.filter(|enrolment| !is_over(enrolment, now));
            let Some(enrolment) = enrolment else { return Ok(Err(AuthorityError::NoTicket)) };
            rows::set_answers(rows, &hash, enrolment.answers + 1)?;
            Ok(Ok(enrolment))
        })??;
        let csi = Csi::from_uri(&enrolment.csi).map_err(|_| AuthorityError::Identifier)?;
        let judged = match answer.len() <= MAX_ANSWER {
            true => self.prover.answer(&csi, &enrolment.code, answer),
            false => Answer::Wrong,
        };
        match judged {
            Answer::Proved => self.prove_waiting(&hash, "", now),
            Answer::Wrong if enrolment.answers + 1 < MAX_ANSWERS => Err(AuthorityError::WrongAnswer),
            // It stays among the MAX_WAITING_OF_ONE until its hour is over: else wrong answers would buy
            // further messages.
            Answer::Wrong => Err(AuthorityError::NoMoreAnswers),
            Answer::NotThisWay => {
                let reset = |rows: &rusqlite::Transaction<'_>| {
                    rows::set_answers(rows, &hash, enrolment.answers).map(Ok::<_, AuthorityError>)
                };
                self.database.write(reset)??;
                Err(AuthorityError::NotThisWay)
            }
        }
    }

    fn prove_waiting(&self, hash: &[u8; 32], account: &str, now: Timestamp) -> Result<(), AuthorityError> {
        self.database.write(|rows| {
            let Some(csi) = rows::take_enrolment(rows, hash)? else {
                return Ok(Err(AuthorityError::NoTicket));
            };
            rows::add_proof(rows, hash, (&csi, account), (now, now)).map(Ok)
        })?
    }

    /// The operator has seen that the identifier behind `code` is the account's.
    ///
    /// # Errors
    ///
    /// When nobody waits with this code.
    pub fn confirm(&self, code: &str, account: &str) -> Result<(), AuthorityError> {
        let (code, now) = (secrets::typed(code).ok_or(AuthorityError::NoCode)?, self.now());
        check_account(account)?;
        self.database.write(|rows| {
            rows::forget_old(rows, (now.minus(ENROLMENT_LIFETIME), now.minus(TICKET_LIFETIME)))?;
            let Some((ticket, csi)) = rows::take_by_code(rows, &code)? else {
                return Ok(Err(AuthorityError::NoCode));
            };
            rows::add_proof(rows, &ticket, (&csi, account), (now, now)).map(Ok)
        })?
    }

    /// The provider's backend knows that `account` has proved `identifier` at `proved_at`: the ticket
    /// for its user.
    ///
    /// # Errors
    ///
    /// When the authority does not attest such identifiers, or the time lies in the future.
    pub fn prove(
        &self,
        account: &str,
        identifier: &str,
        proved_at: Timestamp,
    ) -> Result<Ticket, AuthorityError> {
        check_account(account)?;
        let (csi, now) = (self.identifier(identifier)?, self.now());
        rules::not_from_the_future(proved_at, now)?;
        let ticket = secrets::ticket()?;
        let hash = secrets::hash(&ticket);
        self.database.write(|rows| {
            rows::add_proof(rows, &hash, (&csi.uri(), account), (proved_at, now)).map(Ok::<_, AuthorityError>)
        })??;
        Ok(ticket)
    }

    /// Everybody who waits for a proof, longest first.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn waiting(&self) -> Result<Vec<Waiting>, AuthorityError> {
        let now = self.now();
        let waiting = self.database.read(rows::enrolments)?.into_iter();
        let waiting = waiting.filter(|enrolment| !is_over(enrolment, now));
        Ok(waiting
            .map(|Enrolment { code, csi, since, .. }| Waiting { code, identifier: csi, since })
            .collect())
    }

    /// Now, by the authority's clock.
    pub fn time(&self) -> Timestamp {
        self.now()
    }
}

fn check_account(account: &str) -> Result<(), AuthorityError> {
    let fits = !account.is_empty() && account.len() <= MAX_ACCOUNT && !account.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(AuthorityError::Account) }
}
