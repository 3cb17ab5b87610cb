//! The decoy: a record about nobody, made with the directory, that lookups read when they miss.
//!
//! It also tells whether the pepper belongs to the directory.

use super::DirectoryError;
use super::rows::Rows;
use crate::record::{Entry, Opened, RECORD_SIZE, Record, STATUS_SIZE, Signed, Standing};
use crate::store::{Table, Write};
use discreet_protocol::SigningKey;
use discreet_protocol::credential::{Credential, Status};
use discreet_protocol::identifier::{Csi, Domain, MimiUri};
use discreet_protocol::mapping::{DEFAULT_REFRESH_AFTER, Mapping, Reach, Tag};
use discreet_protocol::statement::sign;
use discreet_protocol::time::Timestamp;

/// The writes that make a decoy and its status.
pub(super) fn writes(rows: &Rows) -> Result<[Write; 2], DirectoryError> {
    let (record, entry, status) = decoy().ok_or(DirectoryError::Content)?;
    let standing = Standing { authority: entry.authority.clone(), revoked: false, statement: status };
    let label = rows.pepper.status_label(&entry.authority, &entry.id);
    Ok([
        rows.write(Table::Statuses, label, None, Some(standing.encode()), STATUS_SIZE)?,
        rows.write(Table::Records, rows.pepper.decoy_label(), None, Some(record.encode()), RECORD_SIZE)?,
    ])
}

/// A decoy's row, which holds one mapping.
pub(super) fn read(plain: Vec<u8>) -> Option<Opened> {
    (Record::decode(&plain)?.entries.len() == 1).then(|| Opened::new(plain))
}

/// A record of the common shape and its status, under keys that nobody keeps.
fn decoy() -> Option<(Record, Entry, Vec<u8>)> {
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
        csi: csi.clone(),
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
    let entry = Signed::read(sign(&mapping, &holder)).ok()?.entry();
    let status = sign(&Status { id: [0; 16], at: start }, &authority);
    Some((Record { entries: vec![entry.clone()], ..Record::new(csi) }, entry, status))
}

fn throwaway_key() -> Option<SigningKey> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).ok()?;
    Some(SigningKey::from_bytes(&seed))
}
