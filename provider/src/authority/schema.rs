//! What the authority's database holds: the provider's users in clear, since who holds which identifier is what
//! an authority attests.

use crate::database::Schema;

/// The authority's database.
pub(crate) const SCHEMA: Schema = Schema {
    // "dsca".
    application_id: 0x6473_6361,
    format: 1,
    tables: TABLES,
};

/// Who holds what, which credentials stand, what was proved, and who waits for a proof.
///
/// `number` and `seq` differ: the first is the order of issue, the second the order of the feed,
/// where each new status or revocation goes to the end.
const TABLES: &str = "
CREATE TABLE holders (
    csi TEXT PRIMARY KEY, key BLOB NOT NULL, proved_at INTEGER NOT NULL,
    holder_since INTEGER NOT NULL, void_since INTEGER
) WITHOUT ROWID;
CREATE TABLE credentials (
    number INTEGER PRIMARY KEY, cti BLOB NOT NULL UNIQUE, csi TEXT NOT NULL, key BLOB NOT NULL,
    expires INTEGER NOT NULL, revoked INTEGER NOT NULL, statement BLOB NOT NULL,
    standing BLOB NOT NULL, at INTEGER NOT NULL, seq INTEGER NOT NULL UNIQUE
);
CREATE INDEX credentials_csi ON credentials (csi);
CREATE INDEX credentials_at ON credentials (revoked, at);
CREATE INDEX credentials_expires ON credentials (expires);
CREATE TABLE proofs (
    ticket BLOB PRIMARY KEY, csi TEXT NOT NULL, account TEXT NOT NULL, proved_at INTEGER NOT NULL,
    made INTEGER NOT NULL, spent BLOB
) WITHOUT ROWID;
CREATE TABLE enrolments (
    ticket BLOB PRIMARY KEY, code TEXT NOT NULL UNIQUE, csi TEXT NOT NULL, since INTEGER NOT NULL,
    answers INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE feed (last INTEGER NOT NULL);
INSERT INTO feed VALUES (0);
";
