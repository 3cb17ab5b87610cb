//! One line of the import format: a JSON object whose values are statements, whole, in base64url
//! without padding (RFC 4648 §5). Lines stand by themselves, so a file can be split, joined and read
//! without being held in memory.
//!
//! | line | what it is |
//! |---|---|
//! | `{"mapping":…,"status":…}` | a mapping, and its authority's latest status |
//! | `{"withdrawal":…}` | a holder's withdrawal |
//! | `{"authority":"one.example","revocation":…}` | an authority's revocation |
//! | `{"erasure":…}` | a tombstone that stands without a withdrawal: CBOR `[csi, tombstone]` |

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use discreet_protocol::identifier::Domain;
use serde::{Deserialize, Serialize};

/// What a line carries; the statements are not verified.
pub(crate) enum Line {
    Mapping { mapping: Vec<u8>, status: Vec<u8> },
    Withdrawal(Vec<u8>),
    Revocation { authority: Domain, revocation: Vec<u8> },
    Erasure(Vec<u8>),
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Json {
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authority: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    erasure: Option<String>,
}

impl Line {
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let json: Json = serde_json::from_slice(text).ok()?;
        let bytes = |text: &String| URL_SAFE_NO_PAD.decode(text).ok();
        let Json { mapping, status, withdrawal, authority, revocation, erasure } = &json;
        Some(match (mapping, status, withdrawal, authority, revocation, erasure) {
            (Some(mapping), Some(status), None, None, None, None) => {
                Self::Mapping { mapping: bytes(mapping)?, status: bytes(status)? }
            }
            (None, None, Some(withdrawal), None, None, None) => Self::Withdrawal(bytes(withdrawal)?),
            (None, None, None, Some(authority), Some(revocation), None) => {
                Self::Revocation { authority: Domain::new(authority).ok()?, revocation: bytes(revocation)? }
            }
            (None, None, None, None, None, Some(erasure)) => Self::Erasure(bytes(erasure)?),
            _ => return None,
        })
    }

    pub(crate) fn write(&self) -> String {
        let text = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
        let json = match self {
            Self::Mapping { mapping, status } => {
                Json { mapping: text(mapping), status: text(status), ..Json::default() }
            }
            Self::Withdrawal(withdrawal) => Json { withdrawal: text(withdrawal), ..Json::default() },
            Self::Revocation { authority, revocation } => Json {
                authority: Some(authority.to_string()),
                revocation: text(revocation),
                ..Json::default()
            },
            Self::Erasure(tombstone) => Json { erasure: text(tombstone), ..Json::default() },
        };
        // Never: texts have a JSON form.
        serde_json::to_string(&json).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_the_table_says() {
        for text in [
            r#"{"mapping":"AQ","status":""}"#,
            r#"{"withdrawal":"AQI"}"#,
            r#"{"authority":"one.example","revocation":"AQ"}"#,
            r#"{"erasure":"AQ"}"#,
        ] {
            assert_eq!(Line::read(text.as_bytes()).unwrap().write(), text);
        }
    }

    #[test]
    fn rejects_mixed_and_unknown_lines() {
        for text in [
            "",
            "{}",
            r#"{"mapping":"AQ"}"#,
            r#"{"status":"AQ"}"#,
            r#"{"withdrawal":"AQ","status":"AQ"}"#,
            r#"{"revocation":"AQ"}"#,
            r#"{"authority":"ONE","revocation":"AQ"}"#,
            r#"{"erasure":"AQ=="}"#,
            r#"{"erasure":"AQ","other":1}"#,
        ] {
            assert!(Line::read(text.as_bytes()).is_none(), "{text}");
        }
    }
}
