//! What the items of each statement are called, as DESIGN.md's CDDL has them.

use super::annotate::Shape::{self, List, Map, Nested, Plain, Time, Tuple};

const HEADER: Shape = Map(&[(1, "alg (-19 is Ed25519)", Plain), (3, "content type", Plain)]);
const COSE_KEY: Shape =
    Map(&[(1, "kty (1 is OKP)", Plain), (-1, "crv (6 is Ed25519)", Plain), (-2, "x", Plain)]);
const CNF: Shape = Map(&[(1, "COSE_Key", COSE_KEY)]);

macro_rules! statement {
    ($claims:expr) => {
        Tuple(&[
            ("protected", Nested(&HEADER)),
            ("unprotected", Plain),
            ("payload", Nested(&$claims)),
            ("signature", Plain),
        ])
    };
}

const CREDENTIAL_CLAIMS: Shape = Map(&[
    (1, "iss, the authority", Plain),
    (2, "sub, the CSI", Plain),
    (4, "exp", Time),
    (7, "cti", Plain),
    (8, "cnf, the holder's key", CNF),
    (-65_537, "proved_at", Time),
    (-65_538, "holder_since", Time),
]);
const STATUS_CLAIMS: Shape = Map(&[(6, "iat, when the authority said so", Time), (7, "cti", Plain)]);
const MAPPING_CLAIMS: Shape = Map(&[
    (1, "csi", Plain),
    (2, "audience", List("discovery domain", &Plain)),
    (3, "tag", Plain),
    (4, "serial", Plain),
    (5, "not-before", Time),
    (6, "not-after", Time),
    (7, "refresh-after, seconds", Plain),
    (8, "reaches", List("reach", &Tuple(&[("uri", Plain), ("thumbprint", Plain), ("endorsement", Plain)]))),
    (9, "credential, as above", Plain),
    (10, "serve-as-not-found", Plain),
]);
const POLICY_CLAIMS: Shape = Map(&[
    (1, "domain", Plain),
    (2, "serial", Plain),
    (3, "not-before", Time),
    (4, "not-after", Time),
    (5, "operator", Plain),
    (6, "keys, application/ohttp-keys", Plain),
    (
        7,
        "authorities",
        List(
            "authority",
            &Tuple(&[("name", Plain), ("key", Plain), ("namespaces", List("namespace", &Plain))]),
        ),
    ),
    (8, "sizes", Tuple(&[("request", Plain), ("response", Plain)])),
    (9, "services", List("service", &Tuple(&[("name", Plain), ("key", Plain)]))),
]);
const REVOCATION_CLAIMS: Shape = Map(&[
    (4, "exp, of the credential", Time),
    (6, "iat, when the authority said so", Time),
    (7, "cti", Plain),
]);
const WITHDRAWAL_CLAIMS: Shape = Map(&[
    (1, "csi", Plain),
    (2, "audience", List("discovery domain", &Plain)),
    (3, "tag", Plain),
    (4, "serial", Plain),
    (9, "credential, as above", Plain),
]);
const ENDORSEMENT_CLAIMS: Shape = Map(&[
    (1, "iss, the service", Plain),
    (2, "sub, the account", Plain),
    (4, "exp", Time),
    (8, "cnf, the holder's key", CNF),
]);
const HANDOVER_CLAIMS: Shape = Map(&[
    (2, "sub, the CSI", Plain),
    (3, "aud, the authority", Plain),
    (4, "exp", Time),
    (8, "cnf, the new key", CNF),
]);
const KEY_REQUEST_CLAIMS: Shape = Map(&[
    (2, "sub, the CSI", Plain),
    (3, "aud, the authority", Plain),
    (8, "cnf, the key to attest", CNF),
    (10, "nonce, the authority's challenge", Plain),
    (-65_539, "ticket", Plain),
    (-65_540, "handover, below", Plain),
]);

pub(super) const CREDENTIAL: Shape = statement!(CREDENTIAL_CLAIMS);
pub(super) const STATUS: Shape = statement!(STATUS_CLAIMS);
pub(super) const MAPPING: Shape = statement!(MAPPING_CLAIMS);
pub(super) const POLICY: Shape = statement!(POLICY_CLAIMS);
pub(super) const REVOCATION: Shape = statement!(REVOCATION_CLAIMS);
pub(super) const WITHDRAWAL: Shape = statement!(WITHDRAWAL_CLAIMS);
pub(super) const ENDORSEMENT: Shape = statement!(ENDORSEMENT_CLAIMS);
pub(super) const HANDOVER: Shape = statement!(HANDOVER_CLAIMS);
pub(super) const KEY_REQUEST: Shape = statement!(KEY_REQUEST_CLAIMS);
