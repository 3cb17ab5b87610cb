//! The lines of the conformance checklist, by number, in a few words.

use Document::{Chunked, Incremental, PostQuantum, Privacy, Rfc9292, Rfc9458, Rfc9540};

/// A line of the checklist.
pub(super) struct Line {
    pub(super) number: u8,
    pub(super) document: Document,
    pub(super) what: &'static str,
    /// Why it does not apply, or what the tests do not say; empty if they say it all.
    pub(super) note: &'static str,
    /// Whether it says anything about us, so that a test shows it.
    pub(super) applies: bool,
}

/// Where a line comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    Rfc9458,
    Rfc9292,
    Rfc9540,
    Chunked,
    Incremental,
    Privacy,
    PostQuantum,
}

impl Document {
    pub(super) const ALL: [Self; 7] = [
        Self::Rfc9458,
        Self::Rfc9292,
        Self::Rfc9540,
        Self::Chunked,
        Self::Incremental,
        Self::Privacy,
        Self::PostQuantum,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Rfc9458 => "RFC 9458, Oblivious HTTP",
            Self::Rfc9292 => "RFC 9292, Binary HTTP",
            Self::Rfc9540 => "RFC 9540, discovery of gateways",
            Self::Chunked => "draft-ietf-ohai-chunked-ohttp-08",
            Self::Incremental => "RFC 10036, Incremental",
            Self::Privacy => "Traffic analysis and privacy",
            Self::PostQuantum => "Post-quantum keys",
        }
    }

    /// The folder of the suite that shows its lines. A relay's forwarding and the keys of a collection
    /// are RFC 9458's, whatever other documents say about them.
    pub(super) fn folder(self) -> Option<&'static str> {
        match self {
            Self::Rfc9458 | Self::Incremental | Self::PostQuantum => Some("rfc9458"),
            Self::Rfc9292 => Some("rfc9292"),
            Self::Rfc9540 => Some("rfc9540"),
            Self::Privacy => Some("privacy"),
            Self::Chunked => None,
        }
    }
}

const fn line(number: u8, document: Document, what: &'static str) -> Line {
    Line { number, document, what, note: "", applies: true }
}

/// A line whose tests do not tell all.
const fn noted(number: u8, document: Document, what: &'static str, note: &'static str) -> Line {
    Line { number, document, what, note, applies: true }
}

/// A line about what we do not do.
const fn not_ours(number: u8, document: Document, what: &'static str, note: &'static str) -> Line {
    Line { number, document, what, note, applies: false }
}

const CHUNKED: &str = "waits: a lookup fits one small message (section 7)";

pub(super) const LINES: &[Line] = &[
    line(1, Rfc9458, "keys authenticated"),
    line(2, Rfc9458, "form of a key configuration"),
    line(3, Rfc9458, "a collection whole or not at all"),
    line(4, Rfc9458, "unknown algorithms skipped, order kept"),
    line(5, Rfc9458, "nothing supported: a clean error"),
    line(6, Rfc9458, "current, next and draining keys"),
    line(7, Rfc9458, "keys for one use only"),
    line(8, Rfc9458, "the same bytes for everybody"),
    line(9, Rfc9458, "Appendix A vectors"),
    line(10, Rfc9458, "key id, KEM and suite must fit; no trial decryption"),
    line(11, Rfc9458, "truncated requests are 4xx"),
    line(12, Rfc9458, "response nonce: length, freshness"),
    line(13, Rfc9458, "a fresh context for each send"),
    line(14, Rfc9458, "a damaged response gives no data"),
    line(15, Rfc9458, "content type of the response"),
    line(16, Rfc9458, "client sends no field that identifies"),
    line(17, Rfc9458, "relay changes no byte"),
    line(18, Rfc9458, "relay passes on an allow-list only"),
    line(19, Rfc9458, "and back likewise"),
    line(20, Rfc9458, "one pool for all clients"),
    line(21, Rfc9458, "no trailers, query or path pass the relay"),
    line(22, Rfc9458, "405, 415, 413; weird paths"),
    line(23, Rfc9458, "one outer 200"),
    line(24, Rfc9458, "errors after opening are inside"),
    line(25, Rfc9458, "invalid messages are 4xx"),
    line(26, Rfc9458, "one answer to all key trouble"),
    line(27, Rfc9458, "a forged key problem: one fetch, no loop"),
    line(28, Rfc9458, "`Expect` is refused inside"),
    line(29, Rfc9458, "HTTPS on both hops"),
    line(30, Rfc9458, "the client authorises the gateway"),
    line(31, Rfc9458, "one target, nothing else in any spelling"),
    line(32, Rfc9458, "configured gateways only"),
    line(33, Rfc9458, "nothing is sent twice without proof"),
    line(34, Rfc9458, "replay cache"),
    line(35, Rfc9458, "no early data"),
    line(36, Rfc9458, "`Date` in requests"),
    line(37, Rfc9458, "`#date` problem"),
    line(38, Rfc9458, "retry after `#date`"),
    line(39, Rfc9458, "replay entries die with their key"),
    line(40, Rfc9292, "framings"),
    line(41, Rfc9292, "truncation as §3.8 allows"),
    line(42, Rfc9292, "padding, zero or not"),
    line(43, Rfc9292, "names and values of fields"),
    line(44, Rfc9292, "connection fields"),
    line(45, Rfc9292, "several cookies"),
    line(46, Rfc9292, "control data, `host`"),
    line(47, Rfc9292, "informational and final status"),
    line(48, Rfc9292, "lengths"),
    line(49, Rfc9292, "invalid messages are not processed"),
    line(50, Rfc9292, "multi-valued fields"),
    line(51, Rfc9540, "the well-known resource"),
    noted(52, Rfc9540, "discovered gateways, redirects", "gateways are configured, not discovered"),
    not_ours(
        53,
        Rfc9540,
        "no redirected URI to the relay",
        "does not apply: the client names a gateway by the path of the relay resource only",
    ),
    not_ours(54, Rfc9540, "SVCB", "does not apply: no discovery by DNS"),
    line(55, Rfc9540, "key targeting"),
    not_ours(56, Chunked, "media types and labels", CHUNKED),
    not_ours(57, Chunked, "chunks of 16,384 bytes", CHUNKED),
    not_ours(58, Chunked, "no empty chunk but the last", CHUNKED),
    not_ours(59, Chunked, "complete with the final chunk only", CHUNKED),
    not_ours(60, Chunked, "chunks swapped, dropped, spliced", CHUNKED),
    not_ours(61, Chunked, "nonces and bounds", CHUNKED),
    not_ours(62, Chunked, "no fall-back to unchunked", CHUNKED),
    not_ours(63, Chunked, "no interactivity", CHUNKED),
    not_ours(64, Chunked, "vectors of the draft", CHUNKED),
    noted(
        65,
        Incremental,
        "`Incremental`: no buffering",
        "a relay that does not know the field may ignore it: every body is read whole, 4096 bytes at most, before it goes on",
    ),
    line(66, Incremental, "`Incremental`: parameters, dribbling"),
    line(67, Privacy, "one size on each hop, errors too"),
    noted(68, Privacy, "relay delay", "off by default; who turns it on tells the providers of its clients"),
    line(69, Privacy, "what a relay adds"),
    line(70, Privacy, "logs and metrics name nobody"),
    line(71, Privacy, "feedback applies to all clients"),
    line(72, Privacy, "two paths must agree"),
    line(73, Privacy, "clock of the client"),
    line(74, PostQuantum, "algorithm ids"),
    line(75, PostQuantum, "X-Wing first; sizes do not tell the KEM"),
    line(76, PostQuantum, "a wrong X-Wing key is key trouble"),
];
