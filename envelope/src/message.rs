//! Binary HTTP messages (RFC 9292) from and to `http::Request` and `http::Response`.
//!
//! Crate `bhttp` writes; reading is done here, because its reader checks neither names, values nor
//! pseudo-fields, counts nothing, and refuses indeterminate-length messages truncated as §3.8 allows.
//!
//! Both framings are read, the known-length one is written. Decisions where the RFCs leave room:
//!
//! * **Padding** after the message is not looked at, zero or not (§3.8 permits that).
//! * **Truncation** is accepted at the start of the header section, the content or the trailers. The header
//!   section is ours to add: RFC 9458 Appendix A omits it.
//! * **Trailers and informational responses** are validated, then dropped. 101 is refused.
//! * **Connection fields** (RFC 9110 §7.6.1) are removed on writing with everything `Connection` nominates; on
//!   reading they are dropped without a look at what they say, so nobody downstream acts on them.
//! * **The target is said once**, in the URI: `host` is compared with the authority, or takes its place when
//!   that is empty, and is then dropped. `a.example` and `a.example:443` count as a conflict.
//! * **Targets** are `http` or `https` with an authority free of userinfo and a path beginning with `/`. CONNECT
//!   and `OPTIONS *` are refused.
//! * **`content-length`**, when present, must be the length of the content; a response with empty content may
//!   announce any length (HEAD, 304).
//! * **Names** may come in upper case (§3.6 asks for HTTP tokens) and leave in lower case.
//! * **No pseudo-field** is defined for us, so any name beginning with `:` is refused.

mod decode;
mod encode;
mod error;
mod fields;
mod reader;
mod target;

pub use decode::{decode_request, decode_response};
pub use encode::{encode_request, encode_response};
pub use error::{DecodeError, EncodeError, TargetError};

/// Bytes of one binary message, padding included; well above both frames of [`crate::padding`].
pub const MAX_MESSAGE: usize = 64 * 1024;

/// Field lines of one message, over its header section, trailers and informational responses together.
pub const MAX_FIELDS: usize = 64;

/// Informational responses before the final one.
pub const MAX_INFORMATIONAL: usize = 8;
