//! One line of the import format: `{"mapping":"…","status":"…"}`, both statements whole, in
//! base64url without padding (RFC 4648 §5). One line holds one mapping, so a file can be split,
//! joined and read without being held in memory.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// A mapping with its status, as a file carries them.
pub(crate) struct Line {
    pub(crate) mapping: Vec<u8>,
    pub(crate) status: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    mapping: String,
    status: String,
}

impl Line {
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let json: Json = serde_json::from_slice(text).ok()?;
        Some(Self {
            mapping: URL_SAFE_NO_PAD.decode(json.mapping).ok()?,
            status: URL_SAFE_NO_PAD.decode(json.status).ok()?,
        })
    }

    pub(crate) fn write(&self) -> String {
        let json = Json {
            mapping: URL_SAFE_NO_PAD.encode(&self.mapping),
            status: URL_SAFE_NO_PAD.encode(&self.status),
        };
        // Never: two strings have a JSON form.
        serde_json::to_string(&json).unwrap_or_default()
    }
}
