//! One durable write: the verified lines of a batch, admitted into the records they concern.

use super::{Checked, LineError};
use crate::admission::{Admitted, admit};
use crate::directory::{Change, Directory, DirectoryError, Versioned};
use crate::record::{Entry, Record};
use crate::store::Written;
use discreet_protocol::credential::{CredentialId, Status};
use discreet_protocol::identifier::{Csi, Domain};
use discreet_protocol::statement::Unverified;
use discreet_protocol::time::Timestamp;
use std::collections::BTreeMap;

/// How often a batch is begun anew because another process wrote one of its rows meanwhile.
const ATTEMPTS: usize = 8;

type Outcome = Result<Admitted, LineError>;
type Slot<T> = (Versioned<T>, bool);

/// What a batch touches, read once, and whether it changed.
pub(super) struct Batch<'a> {
    directory: &'a Directory,
    records: BTreeMap<Csi, Slot<Record>>,
    statuses: BTreeMap<(Domain, CredentialId), Slot<Vec<u8>>>,
}

impl<'a> Batch<'a> {
    /// Admits `lines` and writes what changed; returns what became of each.
    pub(super) fn apply(directory: &'a Directory, lines: &[Checked]) -> Result<Vec<Outcome>, DirectoryError> {
        for _ in 0..ATTEMPTS {
            let mut batch = Self { directory, records: BTreeMap::new(), statuses: BTreeMap::new() };
            let outcomes = lines.iter().map(|line| batch.line(line)).collect::<Result<_, _>>()?;
            if batch.write()? {
                return Ok(outcomes);
            }
        }
        Err(DirectoryError::Contended)
    }

    fn line(&mut self, line: &Checked) -> Result<Outcome, DirectoryError> {
        let (entry, status, at) = match &line.outcome {
            Ok(verified) => verified,
            Err(error) => return Ok(Err(*error)),
        };
        let (record, changed) = self.record(&entry.mapping.csi)?;
        let outcome = admit(&mut record.value, entry.clone());
        *changed |= matches!(outcome, Ok(Admitted::Added | Admitted::Replaced));
        if outcome.is_ok() {
            self.renew(entry, status, *at)?;
        }
        Ok(outcome.map_err(LineError::from))
    }

    fn record(&mut self, csi: &Csi) -> Result<&mut Slot<Record>, DirectoryError> {
        if !self.records.contains_key(csi) {
            let record = self.directory.record(csi)?;
            self.records.insert(csi.clone(), (record, false));
        }
        // Never: it was inserted just above.
        self.records.get_mut(csi).ok_or(DirectoryError::Content)
    }

    /// Keeps `status` if it is later than the one there is.
    fn renew(&mut self, entry: &Entry, status: &[u8], at: Timestamp) -> Result<(), DirectoryError> {
        let key = (entry.credential.authority.clone(), entry.credential.id);
        if !self.statuses.contains_key(&key) {
            let held = self.directory.status(&key.0, &key.1)?;
            let held = held.unwrap_or(Versioned { value: Vec::new(), version: None });
            self.statuses.insert(key.clone(), (held, false));
        }
        if let Some((held, changed)) = self.statuses.get_mut(&key)
            && said_at(&held.value).is_none_or(|held| held < at)
        {
            held.value = status.to_vec();
            *changed = true;
        }
        Ok(())
    }

    /// Writes what changed, statuses first: a record never shows before the status it needs.
    /// `false` if another process changed a row since it was read.
    fn write(self) -> Result<bool, DirectoryError> {
        let statuses = self.statuses.into_iter().filter(|(_, (_, changed))| *changed);
        let statuses = statuses.map(|((authority, id), (status, _))| Change::Status(authority, id, status));
        let records = self.records.into_iter().filter(|(_, (_, changed))| *changed);
        let records = records.map(|(csi, (record, _))| Change::Record(csi, record));
        let changes: Vec<_> = statuses.chain(records).collect();
        let written = self.directory.apply(&changes)?;
        Ok(written.iter().all(|written| *written == Written::Applied))
    }
}

fn said_at(status: &[u8]) -> Option<Timestamp> {
    Unverified::<Status>::read(status).ok().map(|status| status.claims().at)
}
