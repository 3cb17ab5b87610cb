//! The media types a relay passes on, and no others.

use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

/// An encapsulated request (RFC 9458 §4).
pub(crate) const OHTTP_REQ: &str = "message/ohttp-req";
/// An encapsulated response (RFC 9458 §4).
pub(crate) const OHTTP_RES: &str = "message/ohttp-res";
/// A collection of key configurations (RFC 9458 §3.2).
pub(crate) const OHTTP_KEYS: &str = "application/ohttp-keys";
/// A signed policy (RFC 9052 §2).
pub(crate) const COSE_SIGN1: &str = "application/cose; cose-type=\"cose-sign1\"";

/// Whether a message's content is of the type `expected`, said once, and not encoded further.
pub(crate) fn is(headers: &HeaderMap, expected: &str) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else {
        return false;
    };
    !headers.contains_key(CONTENT_ENCODING) && same(only.as_bytes(), expected.as_bytes())
}

/// RFC 9110 §8.3.1: case and optional white space do not matter in the types above.
fn same<'a>(one: &'a [u8], other: &'a [u8]) -> bool {
    let plain =
        |text: &'a [u8]| text.iter().filter(|byte| !b" \t".contains(byte)).map(u8::to_ascii_lowercase);
    one == other || plain(one).eq(plain(other))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_type_is_recognised_in_any_case_and_spacing() {
        assert!(is(&with(&[("content-type", "message/ohttp-req")]), OHTTP_REQ));
        assert!(is(&with(&[("content-type", "Message/OHTTP-Req")]), OHTTP_REQ));
        assert!(is(&with(&[("content-type", "application/cose;cose-type=\"cose-sign1\"")]), COSE_SIGN1));
    }

    #[test]
    fn another_missing_or_parametrised_type_is_not() {
        for value in ["message/ohttp-res", "message/ohttp-req; a=b", "text/html", ""] {
            assert!(!is(&with(&[("content-type", value)]), OHTTP_REQ), "{value}");
        }
        assert!(!is(&with(&[]), OHTTP_REQ));
        assert!(!is(&with(&[("content-type", "application/cose")]), COSE_SIGN1));
    }

    #[test]
    fn two_types_or_an_encoding_are_refused() {
        let mut twice = with(&[("content-type", "message/ohttp-req")]);
        twice.append(CONTENT_TYPE, HeaderValue::from_static("message/ohttp-req"));
        assert!(!is(&twice, OHTTP_REQ));
        assert!(!is(
            &with(&[("content-type", "message/ohttp-req"), ("content-encoding", "gzip")]),
            OHTTP_REQ
        ));
    }
}
