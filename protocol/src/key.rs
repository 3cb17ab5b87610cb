//! Keys as statements carry them: COSE_Key in `cnf` (RFC 8747 §3.1), and the thumbprint by which a
//! reach names the key its service should present (RFC 9679).

use crate::statement::{Fields, cbor};
use ciborium::Value;
use ed25519_dalek::VerifyingKey;
use sha2::{Digest, Sha256};

const CNF_COSE_KEY: i64 = 1;
// RFC 9052 §7, RFC 9053 §7.
const KTY: i64 = 1;
const KTY_OKP: u64 = 1;
const KTY_EC2: u64 = 2;
const CRV: i64 = -1;
const CRV_ED25519: u64 = 6;
const X: i64 = -2;
const Y: i64 = -3;

/// SHA-256 over a key's required parameters (RFC 9679 §4).
pub type Thumbprint = [u8; 32];

/// Why bytes have no thumbprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key is not a COSE_Key of type OKP or EC2 with an uncompressed point")]
pub struct KeyError;

/// The `cnf` claim that names `key`.
pub(crate) fn cnf(key: &VerifyingKey) -> Value {
    cbor::map(vec![(CNF_COSE_KEY, ed25519(key))])
}

/// The Ed25519 key that a `cnf` claim names, if it names nothing else.
pub(crate) fn read_cnf(value: Value) -> Option<VerifyingKey> {
    let mut cnf = Fields::of(value)?;
    let mut key = Fields::of(cnf.take(CNF_COSE_KEY)?)?;
    let is_ed25519 = key.unsigned(KTY)? == KTY_OKP && key.unsigned(CRV)? == CRV_ED25519;
    let holder = VerifyingKey::from_bytes(&key.array_of(X)?).ok()?;
    (is_ed25519 && key.is_empty() && cnf.is_empty()).then_some(holder)
}

fn ed25519(key: &VerifyingKey) -> Value {
    let x = Value::Bytes(key.to_bytes().to_vec());
    cbor::map(vec![(KTY, KTY_OKP.into()), (CRV, CRV_ED25519.into()), (X, x)])
}

/// The thumbprint of an Ed25519 key.
pub fn thumbprint_of(key: &VerifyingKey) -> Thumbprint {
    digest(&ed25519(key))
}

/// The thumbprint of an encoded COSE_Key. Parameters that RFC 9679 §4 does not count, such as `kid`,
/// make no difference.
///
/// # Errors
///
/// When the bytes are no COSE_Key of type OKP or EC2, or the point is compressed (RFC 9679 §4.2
/// counts both coordinates).
pub fn thumbprint(cose_key: &[u8]) -> Result<Thumbprint, KeyError> {
    required(cose_key).map(|key| digest(&key)).ok_or(KeyError)
}

fn required(cose_key: &[u8]) -> Option<Value> {
    let mut key = Fields::read(cose_key)?;
    let kty = key.unsigned(KTY)?;
    let mut kept = vec![(KTY, kty.into()), (CRV, key.take(CRV).filter(names_curve)?)];
    kept.push((X, Value::Bytes(key.bytes(X)?)));
    match kty {
        KTY_OKP => {}
        KTY_EC2 => kept.push((Y, Value::Bytes(key.bytes(Y)?))),
        _ => return None,
    }
    Some(cbor::map(kept))
}

fn names_curve(value: &Value) -> bool {
    value.is_integer() || value.is_text()
}

fn digest(key: &Value) -> Thumbprint {
    Sha256::digest(cbor::encode(key)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9679 §6: an EC2 key on P-256 with a `kid`, and its thumbprint.
    const EXAMPLE: &str = "a501020258246d65726961646f632e6272616e64796275636b406275636b6c616e642e6578616d706c652001215820\
        65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d2258201e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c";

    #[test]
    fn rfc9679_example() {
        let key: String = EXAMPLE.split_whitespace().collect();
        let expected = "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec";
        assert_eq!(hex::encode(thumbprint(&hex::decode(key).unwrap()).unwrap()), expected);
    }

    #[test]
    fn an_ed25519_key_has_the_thumbprint_of_its_cose_key() {
        let key = crate::SigningKey::from_bytes(&[7; 32]).verifying_key();
        let encoded = cbor::encode(&ed25519(&key));
        assert_eq!(thumbprint(&encoded), Ok(thumbprint_of(&key)));
    }

    #[test]
    fn rejects_a_compressed_point() {
        // y: true, which RFC 9053 §7.1.1 allows for the sign bit.
        let key = hex::decode(format!("a40102200121582{}22f5", "0".to_owned() + &"ab".repeat(32))).unwrap();
        assert_eq!(thumbprint(&key), Err(KeyError));
    }

    #[test]
    fn rejects_what_is_no_key() {
        for bytes in ["", "a0", "a10101", "01", "a3010120062158", "a301042006214100"] {
            assert_eq!(thumbprint(&hex::decode(bytes).unwrap()), Err(KeyError), "{bytes}");
        }
    }
}
