//! One durable write: what is published, withdrawn, renewed and revoked together, put into the rows it
//! concerns. Other processes may write the same rows: then the batch is begun anew on what they wrote.
//!
//! What must not be forgotten goes into the journal first.

use crate::admission::{self, Admitted, Refused};
use crate::directory::{Change, Directory, DirectoryError, Versioned};
use crate::journal::Entry;
use crate::record::{Holdings, Signed, Standing, Tombstone};
use crate::store::Written;
use discreet_protocol::credential::{Credential, CredentialId};
use discreet_protocol::identifier::{Csi, Domain};
use discreet_protocol::time::Timestamp;
use discreet_protocol::withdrawal::Withdrawal;
use std::collections::BTreeMap;

/// How often a batch is begun anew because another writer changed one of its rows meanwhile.
const ATTEMPTS: usize = 32;

type CredentialKey = (Domain, CredentialId);

/// A row, parsed, and whether it changed.
struct Slot<T> {
    held: Versioned<T>,
    changed: bool,
}

/// What a batch touches, read once.
pub(crate) struct Batch<'a> {
    directory: &'a Directory,
    records: BTreeMap<Csi, Slot<Holdings>>,
    statuses: BTreeMap<CredentialKey, Slot<Option<Standing>>>,
    /// Credentials that a record named before it changed, and perhaps names no more.
    orphans: Vec<(Csi, CredentialKey)>,
    journal: Vec<Entry>,
}

/// Has `work` done in one durable write; what it returns tells what became of its parts.
pub(crate) fn attempt<T>(
    directory: &Directory,
    mut work: impl FnMut(&mut Batch<'_>) -> Result<T, DirectoryError>,
) -> Result<T, DirectoryError> {
    let mut journalled: Vec<Entry> = Vec::new();
    for _ in 0..ATTEMPTS {
        let mut batch = Batch::new(directory);
        let done = work(&mut batch)?;
        let undone = batch.undone(&journalled)?;
        if batch.write(&mut journalled)? {
            directory.journal(&undone)?;
            return Ok(done);
        }
    }
    Err(DirectoryError::Contended)
}

impl<'a> Batch<'a> {
    fn new(directory: &'a Directory) -> Self {
        Self {
            directory,
            records: BTreeMap::new(),
            statuses: BTreeMap::new(),
            orphans: Vec::new(),
            journal: Vec::new(),
        }
    }

    /// Reads at once what will be touched: for many rows that is faster than one by one.
    pub(crate) fn prefetch(&mut self, csis: &[Csi], keys: &[CredentialKey]) -> Result<(), DirectoryError> {
        let records = self.directory.records(csis)?;
        for (csi, Versioned { value, version }) in csis.iter().zip(records) {
            let value = value.parse().ok_or(DirectoryError::Content)?;
            self.records.insert(csi.clone(), Slot { held: Versioned { value, version }, changed: false });
        }
        let statuses = self.directory.statuses(keys)?;
        for (key, held) in keys.iter().zip(statuses) {
            self.statuses.insert(key.clone(), Slot { held, changed: false });
        }
        Ok(())
    }

    /// Admits a mapping; keeps its status, if it is later than the one there is.
    pub(crate) fn publish(
        &mut self,
        new: &Signed,
        status: &[u8],
        at: Timestamp,
        now: Timestamp,
    ) -> Result<Result<Admitted, Refused>, DirectoryError> {
        let key = key_of(&new.credential);
        let standing = self.status(&key)?.held.value.clone();
        let slot = self.record(&new.mapping.csi)?;
        let before = named(&slot.held.value);
        let admitted = admission::admit(&mut slot.held.value, new, standing.as_ref(), now);
        if let Ok(admitted) = admitted {
            slot.changed |= admitted != Admitted::Unchanged;
            self.orphan(&new.mapping.csi, before);
            self.keep_later(key, status, at)?;
        }
        Ok(admitted)
    }

    /// Puts a withdrawal into effect.
    pub(crate) fn withdraw(
        &mut self,
        withdrawal: &Withdrawal,
        credential: &Credential,
        statement: &[u8],
        now: Timestamp,
    ) -> Result<Result<Admitted, Refused>, DirectoryError> {
        let csi = &withdrawal.csi;
        let standing = self.status(&key_of(credential))?.held.value.clone();
        let slot = self.record(csi)?;
        let before = named(&slot.held.value);
        let held = &mut slot.held.value;
        let admitted = admission::withdraw(held, withdrawal, credential, statement, standing.as_ref(), now);
        if !matches!(admitted, Ok(Admitted::Withdrawn | Admitted::Noted)) {
            return Ok(admitted);
        }
        slot.changed = true;
        let stone = slot.held.value.tombstones.iter().rfind(|stone| stone.is_of(credential)).cloned();
        self.orphan(csi, before);
        // The journal grows with what is taken away, not with how often somebody says so.
        if admitted == Ok(Admitted::Noted) {
            return Ok(admitted);
        }
        // The record may have had no room for the evidence.
        let stone = stone.map(|stone| Tombstone { evidence: statement.to_vec(), ..stone });
        self.journal.extend(stone.map(|stone| Entry::Tombstone(csi.clone(), stone)));
        Ok(admitted)
    }

    /// Whether a withdrawal that somebody sent may leave a tombstone.
    pub(crate) fn few_tags(
        &mut self,
        withdrawal: &Withdrawal,
        credential: &Credential,
    ) -> Result<Result<(), Refused>, DirectoryError> {
        Ok(admission::few_tags(&self.record(&withdrawal.csi)?.held.value, withdrawal, credential))
    }

    /// Takes everything away about `csi` but what keeps it away; returns how many mappings.
    pub(crate) fn erase(&mut self, csi: &Csi, now: Timestamp) -> Result<u64, DirectoryError> {
        let slot = self.record(csi)?;
        slot.changed = !slot.held.value.entries.is_empty() || !slot.held.value.tombstones.is_empty();
        let before = named(&slot.held.value);
        let stones = admission::erase(&mut slot.held.value, now);
        let erased = before.len() as u64;
        self.orphan(csi, before);
        self.journal.extend(stones.into_iter().map(|stone| Entry::Tombstone(csi.clone(), stone)));
        Ok(erased)
    }

    /// Keeps a tombstone that was made elsewhere, and has it journalled.
    pub(crate) fn bury(&mut self, csi: &Csi, tombstone: &Tombstone) -> Result<bool, DirectoryError> {
        let buried = self.put(csi, tombstone.clone())?;
        if buried {
            self.journal.push(Entry::Tombstone(csi.clone(), tombstone.clone()));
        }
        Ok(buried)
    }

    /// Keeps a tombstone that the journal has.
    pub(crate) fn rebury(&mut self, csi: &Csi, tombstone: &Tombstone) -> Result<(), DirectoryError> {
        self.put(csi, tombstone.clone()).map(drop)
    }

    fn put(&mut self, csi: &Csi, tombstone: Tombstone) -> Result<bool, DirectoryError> {
        let slot = self.record(csi)?;
        let before = named(&slot.held.value);
        let held = &mut slot.held.value;
        let forgot = tombstone.evidence.is_empty() && admission::forget(held, &tombstone);
        let buried = admission::bury(held, tombstone);
        if !buried && !forgot {
            return Ok(false);
        }
        admission::make_room(held);
        slot.changed = true;
        self.orphan(csi, before);
        Ok(true)
    }

    /// Keeps `status` if there is one about the same credential, and this is later. Who has published
    /// nothing does not exist here.
    pub(crate) fn renew(
        &mut self,
        key: CredentialKey,
        status: &[u8],
        at: Timestamp,
    ) -> Result<bool, DirectoryError> {
        if self.status(&key)?.held.value.is_none() {
            return Ok(false);
        }
        self.keep_later(key, status, at)
    }

    /// Keeps a revocation, for good, and has it journalled. `false`: it is known.
    pub(crate) fn revoke(
        &mut self,
        authority: &Domain,
        id: CredentialId,
        statement: &[u8],
    ) -> Result<bool, DirectoryError> {
        let standing =
            Standing { authority: authority.clone(), revoked: true, statement: statement.to_vec() };
        let kept = self.keep_revoked(id, &standing)?;
        if kept {
            self.journal.push(Entry::Revocation(standing));
        }
        Ok(kept)
    }

    /// Keeps a revocation that the journal has.
    pub(crate) fn revoke_again(&mut self, standing: &Standing) -> Result<(), DirectoryError> {
        let (id, _) = standing.about().ok_or(DirectoryError::Content)?;
        self.keep_revoked(id, standing).map(drop)
    }

    fn keep_revoked(&mut self, id: CredentialId, standing: &Standing) -> Result<bool, DirectoryError> {
        let slot = self.status(&(standing.authority.clone(), id))?;
        if slot.held.value.as_ref().is_some_and(|held| held.revoked) {
            return Ok(false);
        }
        slot.held.value = Some(standing.clone());
        slot.changed = true;
        Ok(true)
    }

    fn keep_later(
        &mut self,
        key: CredentialKey,
        status: &[u8],
        at: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let slot = self.status(&key)?;
        let held = slot.held.value.as_ref();
        let known = held.and_then(|held| Some((held.revoked, held.about()?.1)));
        if known.is_some_and(|(revoked, known)| revoked || at <= known) {
            return Ok(false);
        }
        slot.held.value = Some(Standing { authority: key.0, revoked: false, statement: status.to_vec() });
        slot.changed = true;
        Ok(true)
    }

    fn record(&mut self, csi: &Csi) -> Result<&mut Slot<Holdings>, DirectoryError> {
        if !self.records.contains_key(csi) {
            let Versioned { value, version } = self.directory.record(csi)?;
            let value = value.parse().ok_or(DirectoryError::Content)?;
            let slot = Slot { held: Versioned { value, version }, changed: false };
            self.records.insert(csi.clone(), slot);
        }
        // Never: it was inserted just above.
        self.records.get_mut(csi).ok_or(DirectoryError::Content)
    }

    fn status(&mut self, key: &CredentialKey) -> Result<&mut Slot<Option<Standing>>, DirectoryError> {
        if !self.statuses.contains_key(key) {
            let held = self.directory.status(&key.0, &key.1)?;
            self.statuses.insert(key.clone(), Slot { held, changed: false });
        }
        // Never: it was inserted just above.
        self.statuses.get_mut(key).ok_or(DirectoryError::Content)
    }

    fn orphan(&mut self, csi: &Csi, named_before: Vec<CredentialKey>) {
        self.orphans.extend(named_before.into_iter().map(|key| (csi.clone(), key)));
    }

    /// The status of a credential that nothing stands on goes; a revocation stays.
    fn drop_orphans(&mut self) -> Result<(), DirectoryError> {
        for (csi, key) in std::mem::take(&mut self.orphans) {
            if named(&self.record(&csi)?.held.value).contains(&key) {
                continue;
            }
            let slot = self.status(&key)?;
            if slot.held.value.as_ref().is_some_and(|held| !held.revoked) {
                slot.held.value = None;
                slot.changed = true;
            }
        }
        Ok(())
    }

    /// What takes back those of the `journalled` withdrawals that another writer was faster than: they did
    /// not come to effect, and must not when the journal is read.
    fn undone(&mut self, journalled: &[Entry]) -> Result<Vec<Entry>, DirectoryError> {
        let mut undone = Vec::new();
        for entry in
            journalled.iter().filter(|entry| !self.journal.contains(entry)).cloned().collect::<Vec<_>>()
        {
            let Entry::Tombstone(csi, stone) = entry else { continue };
            if !self.record(&csi)?.held.value.tombstones.iter().any(|known| known.covers(&stone)) {
                undone.push(Entry::Undone(csi, stone));
            }
        }
        Ok(undone)
    }

    /// Writes what changed: statuses first, so that a record never shows before the status it needs,
    /// and last those that go. `false` if another writer changed a row since it was read.
    fn write(mut self, journalled: &mut Vec<Entry>) -> Result<bool, DirectoryError> {
        self.drop_orphans()?;
        let entries = self.journal.into_iter().filter(|entry| !journalled.contains(entry));
        let entries: Vec<_> = entries.collect();
        self.directory.journal(&entries)?;
        journalled.extend(entries);
        let statuses = self.statuses.into_iter().filter(|(_, slot)| slot.changed);
        // A row that was never there need not go.
        let statuses = statuses.filter(|(_, slot)| slot.held.value.is_some() || slot.held.version.is_some());
        let statuses = statuses.map(|((authority, id), slot)| Change::Status(authority, id, slot.held));
        let (mut changes, gone): (Vec<_>, Vec<_>) =
            statuses.partition(|change| matches!(change, Change::Status(_, _, kept) if kept.value.is_some()));
        for slot in self.records.into_values().filter(|slot| slot.changed) {
            let Versioned { value, version } = slot.held;
            let value = value.record();
            if version.is_some() || !value.is_empty() {
                changes.push(Change::Record(Versioned { value, version }));
            }
        }
        changes.extend(gone);
        if changes.is_empty() {
            return Ok(true);
        }
        let written = self.directory.apply(&changes)?;
        Ok(written.iter().all(|written| *written == Written::Applied))
    }
}

pub(crate) fn key_of(credential: &Credential) -> CredentialKey {
    (credential.authority.clone(), credential.id)
}

/// The credentials that the mappings stand on.
fn named(held: &Holdings) -> Vec<CredentialKey> {
    held.entries.iter().map(|entry| key_of(&entry.credential)).collect()
}
