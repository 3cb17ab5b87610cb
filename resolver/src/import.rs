//! Reading lines of mappings and withdrawals into a directory: every chain verified, on all cores,
//! batch by batch.
//!
//! A batch is one durable write, and each line in it is wholly there or not at all. An
//! interrupted import is finished by running it again: what is there already is unchanged. Lookups
//! go on meanwhile.

use crate::admission::{Admitted, Refused};
use crate::batch::{self, Batch};
use crate::directory::{Directory, DirectoryError};
use crate::line::Line;
use crate::record::{Signed, Tombstone};
use crate::rules::Rules;
use discreet_protocol::credential::{Credential, CredentialId, Revocation};
use discreet_protocol::identifier::{Csi, Domain};
use discreet_protocol::statement::open;
use discreet_protocol::time::{CLOCK_TOLERANCE, DAY, Timestamp};
use discreet_protocol::verify::{Verifier, VerifyError};
use discreet_protocol::withdrawal::Withdrawal;
use rayon::prelude::*;
use std::io::{self, BufRead};
use std::sync::mpsc::sync_channel;

mod lines;

use lines::Lines;

/// The longest line that can hold a mapping; longer ones are refused without being kept.
pub const MAX_LINE: usize = 16 * 1024;
/// The longest an imported erasure lasts, in seconds: two years, longer than credentials are issued for.
const LONGEST_ERASURE: u64 = 731 * DAY;
/// Lines verified and written together.
const BATCH: usize = 4096;
/// Verified batches that may wait for the disk.
const WAITING: usize = 2;

/// Why a line was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is longer than any mapping.
    #[error("the line is longer than {MAX_LINE} bytes")]
    TooLong,
    /// It is not the expected JSON.
    #[error(
        "the line is none of {{\"mapping\":…,\"status\":…}}, {{\"withdrawal\":…}}, {{\"authority\":…,\"revocation\":…}}, {{\"erasure\":…}} in base64url"
    )]
    Format,
    /// The rules do not name the authority, or it did not sign the revocation.
    #[error("the revocation is not by an authority that the rules name")]
    Revocation,
    /// It has no signature.
    #[error("an erasure counts in the directory's own export only; import that with --own-export")]
    Unsigned,
    /// An erasure of a key that proved the identifier in the future.
    #[error("the erasure's times lie in the future")]
    ErasureTimes,
    /// The chain does not hold.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The directory holds something that takes precedence.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// What became of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Mappings that were new.
    pub added: u64,
    /// Mappings that took the place of earlier ones.
    pub replaced: u64,
    /// Lines that were there already (the status of a mapping may have been renewed).
    pub unchanged: u64,
    /// Withdrawals, erasures and revocations that were new.
    pub withdrawn: u64,
    /// Lines refused.
    pub refused: u64,
}

/// Why an import stopped. What was reported until then is in the directory.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The input could not be read.
    #[error("the input cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The directory could not be read or written.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Who is told how an import goes on.
pub trait Observer {
    /// `bytes` of the input, which are `lines` lines, are read, verified and written.
    fn progress(&mut self, bytes: u64, lines: u64);
    /// Line `number` (from 1) was refused.
    fn refused(&mut self, number: u64, error: LineError);
}

/// What a line says, verified.
enum Said {
    Mapping {
        signed: Box<Signed>,
        status: Vec<u8>,
        at: Timestamp,
    },
    Withdrawal {
        withdrawal: Withdrawal,
        credential: Box<Credential>,
        statement: Vec<u8>,
    },
    Revocation {
        authority: Domain,
        id: CredentialId,
        statement: Vec<u8>,
    },
    Erasure(Csi, Tombstone),
    /// It is void by now, and there is nothing to keep.
    Nothing,
}

/// A line that was verified, or why not.
struct Checked {
    number: u64,
    outcome: Result<Said, LineError>,
}

/// Whose word an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It may come from anybody: what nobody signed, an erasure, is refused.
    Anybody,
    /// This operator exported it: erasures in it count.
    Own,
}

/// Imports all lines of `input`, as of `now`.
///
/// # Errors
///
/// When the input cannot be read or the directory not written. Refused lines are no errors.
pub fn import(
    source: Source,
    directory: &Directory,
    rules: &Rules,
    now: Timestamp,
    input: impl BufRead + Send,
    observer: &mut (impl Observer + Send),
) -> Result<Summary, ImportError> {
    let verifier = rules.verifier(now);
    let mut lines = Lines::new(input);
    std::thread::scope(|scope| {
        let (verified, to_write) = sync_channel::<(Vec<Checked>, u64)>(WAITING);
        // Beside the pool: while it waits for the disk, all cores verify.
        let writing = scope.spawn(move || {
            let (mut summary, mut done) = (Summary::default(), 0);
            for (checked, position) in to_write {
                write(directory, &checked, now, &mut summary, observer)?;
                done += checked.len() as u64;
                observer.progress(position, done);
            }
            Ok::<_, ImportError>(summary)
        });
        let read = loop {
            match lines.take(BATCH) {
                Ok(batch) if batch.is_empty() => break Ok(()),
                // Whoever does not take it any more has failed, and says why below.
                Ok(batch) => match verified.send((check(source, &verifier, batch), lines.position())) {
                    Ok(()) => {}
                    Err(_) => break Ok(()),
                },
                Err(error) => break Err(error),
            }
        };
        drop(verified);
        let written = writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        read?;
        Ok(written)
    })
}

fn check(source: Source, verifier: &Verifier<'_>, batch: Vec<lines::Numbered>) -> Vec<Checked> {
    let check = |(number, text): lines::Numbered| {
        let outcome = text.ok_or(LineError::TooLong).and_then(|text| check_line(source, verifier, &text));
        Checked { number, outcome }
    };
    batch.into_par_iter().map(check).collect()
}

fn check_line(source: Source, verifier: &Verifier<'_>, text: &[u8]) -> Result<Said, LineError> {
    match Line::read(text).ok_or(LineError::Format)? {
        Line::Mapping { mapping, status } => {
            let verified = verifier.verify(&mapping, &status, None)?;
            let (statement, at) = (mapping, verified.status_at);
            let signed = Signed { statement, mapping: verified.mapping, credential: verified.credential };
            Ok(Said::Mapping { signed: Box::new(signed), status, at })
        }
        Line::Withdrawal(statement) => {
            let (withdrawal, credential) = verifier.withdrawal(&statement)?;
            Ok(Said::Withdrawal { withdrawal, credential: Box::new(credential), statement })
        }
        Line::Revocation { authority, revocation } => check_revocation(verifier, authority, revocation),
        Line::Erasure(_) if source == Source::Anybody => Err(LineError::Unsigned),
        Line::Erasure(bytes) => check_erasure(verifier.now, &bytes),
    }
}

fn check_erasure(now: Timestamp, bytes: &[u8]) -> Result<Said, LineError> {
    let (csi, mut tombstone) = Tombstone::decode_about(bytes).ok_or(LineError::Format)?;
    if tombstone.proved_at > now.plus(CLOCK_TOLERANCE) {
        return Err(LineError::ErasureTimes);
    }
    tombstone.until = tombstone.until.min(now.plus(LONGEST_ERASURE));
    Ok(if now < tombstone.until { Said::Erasure(csi, tombstone) } else { Said::Nothing })
}

fn check_revocation(
    verifier: &Verifier<'_>,
    authority: Domain,
    statement: Vec<u8>,
) -> Result<Said, LineError> {
    let named = verifier.authorities.iter().find(|named| named.name == authority);
    let said = named.and_then(|named| open::<Revocation>(&statement, &named.key).ok());
    let said = said.ok_or(LineError::Revocation)?;
    let counts = verifier.now < said.expires;
    Ok(if counts { Said::Revocation { authority, id: said.id, statement } } else { Said::Nothing })
}

fn write(
    directory: &Directory,
    checked: &[Checked],
    now: Timestamp,
    summary: &mut Summary,
    observer: &mut impl Observer,
) -> Result<(), ImportError> {
    let mappings = || {
        checked.iter().filter_map(|line| match &line.outcome {
            Ok(Said::Mapping { signed, .. }) => Some(signed),
            _ => None,
        })
    };
    let csis: Vec<_> = mappings().map(|signed| signed.mapping.csi.clone()).collect();
    let keys: Vec<_> = mappings().map(|signed| batch::key_of(&signed.credential)).collect();
    let outcomes = batch::attempt(directory, |batch| {
        batch.prefetch(&csis, &keys)?;
        checked.iter().map(|line| put(batch, line, now)).collect::<Result<Vec<_>, _>>()
    })?;
    for (line, outcome) in checked.iter().zip(outcomes) {
        match outcome {
            Ok(Admitted::Added) => summary.added += 1,
            Ok(Admitted::Replaced) => summary.replaced += 1,
            Ok(Admitted::Unchanged) => summary.unchanged += 1,
            Ok(Admitted::Withdrawn | Admitted::Noted) => summary.withdrawn += 1,
            Err(error) => {
                summary.refused += 1;
                observer.refused(line.number, error);
            }
        }
    }
    Ok(())
}

fn put(
    batch: &mut Batch<'_>,
    line: &Checked,
    now: Timestamp,
) -> Result<Result<Admitted, LineError>, DirectoryError> {
    let said = match &line.outcome {
        Ok(said) => said,
        Err(error) => return Ok(Err(*error)),
    };
    let withdrawn = |new| if new { Admitted::Withdrawn } else { Admitted::Unchanged };
    Ok(match said {
        Said::Mapping { signed, status, at } => {
            batch.publish(signed, status, *at, now)?.map_err(LineError::from)
        }
        Said::Withdrawal { withdrawal, credential, statement } => {
            batch.withdraw(withdrawal, credential, statement, now)?.map_err(LineError::from)
        }
        Said::Revocation { authority, id, statement } => {
            Ok(withdrawn(batch.revoke(authority, *id, statement)?))
        }
        Said::Erasure(csi, tombstone) => Ok(withdrawn(batch.bury(csi, tombstone)?)),
        Said::Nothing => Ok(Admitted::Unchanged),
    })
}
