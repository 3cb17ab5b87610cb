//! The decoy: a record about nobody, made with the directory, that lookups read when they miss.
//!
//! It also tells whether the pepper belongs to the directory: a directory that has rows but no
//! decoy under this pepper was made with another one.

use super::{Directory, DirectoryError};
use crate::record::{Entry, RECORD_SIZE, Record, STATUS_SIZE, encode_status};
use crate::store::{Row, Table, Write};
use discreet_protocol::SigningKey;
use discreet_protocol::credential::{Credential, Status};
use discreet_protocol::identifier::{Csi, Domain, MimiUri};
use discreet_protocol::mapping::{DEFAULT_REFRESH_AFTER, Mapping, Reach, Tag};
use discreet_protocol::statement::sign;
use discreet_protocol::time::Timestamp;

pub(super) fn ensure(directory: &Directory) -> Result<(), DirectoryError> {
    let label = directory.pepper.decoy_label();
    if let Some(row) = directory.store.read(Table::Records, &label)? {
        return directory.open_record(&label, &row).map(drop);
    }
    if !directory.store.scan(Table::Records, None, 1)?.is_empty() {
        return Err(DirectoryError::WrongPepper);
    }
    let (record, status) = decoy().ok_or(DirectoryError::Content)?;
    let status_label = match record.entries.as_slice() {
        [entry] => directory.pepper.status_label(&entry.credential.authority, &entry.credential.id),
        _ => return Err(DirectoryError::Content),
    };
    let write = |table, label, plain, size| {
        let sealed = directory.pepper.seal(&label, 1, plain, size).ok_or(DirectoryError::Content)?;
        Ok::<_, DirectoryError>(Write { table, label, replaces: None, row: Row { version: 1, sealed } })
    };
    // Another process may be first; its decoy is as good.
    directory.store.write(&[
        write(Table::Statuses, status_label, encode_status(&status), STATUS_SIZE)?,
        write(Table::Records, label, record.encode(), RECORD_SIZE)?,
    ])?;
    Ok(())
}

/// A record of the common shape and its status, under keys that nobody keeps.
fn decoy() -> Option<(Record, Vec<u8>)> {
    let (authority, holder) = (throwaway_key()?, throwaway_key()?);
    let csi = Csi::handle("decoy").ok()?;
    let name = Domain::new("decoy.invalid").ok()?;
    let (start, end) = (Timestamp::from_unix(0), Timestamp::from_unix(u64::from(u32::MAX)));
    let credential = Credential {
        authority: name.clone(),
        csi: csi.clone(),
        holder: holder.verifying_key(),
        id: [0; 16],
        expires: end,
        proved_at: start,
        holder_since: start,
    };
    let uri = MimiUri::new("mimi://decoy.invalid/u/nobody").ok()?;
    let mapping = Mapping {
        csi,
        audience: vec![name],
        tag: Tag::default_tag(),
        serial: 1 << 40,
        not_before: start,
        not_after: end,
        refresh_after: DEFAULT_REFRESH_AFTER,
        reaches: vec![Reach { thumbprint: Some([0; 32]), ..Reach::to(uri) }],
        credential: sign(&credential, &authority),
        serve_as_not_found: false,
    };
    let entry = Entry::read(sign(&mapping, &holder)).ok()?;
    let status = sign(&Status { id: [0; 16], at: start }, &authority);
    Some((Record { entries: vec![entry] }, status))
}

fn throwaway_key() -> Option<SigningKey> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).ok()?;
    Some(SigningKey::from_bytes(&seed))
}
