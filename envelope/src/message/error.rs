//! The ways a binary message can be wrong. No variant carries input: errors are safe to log and count.

use thiserror::Error;

/// A request aims at something we neither write nor accept. RFC 9292 §3.4, RFC 9113 §8.3.1
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TargetError {
    /// The method is not a token.
    #[error("the method is not a token")]
    Method,
    /// CONNECT changes the protocol, which a message cannot do.
    #[error("the method is CONNECT")]
    Connect,
    /// The scheme is neither `http` nor `https`.
    #[error("the scheme is neither http nor https")]
    Scheme,
    /// Neither an authority nor a `host` field.
    #[error("there is no authority")]
    NoAuthority,
    /// The authority (or the `host` field) is not a host with an optional port.
    #[error("the authority is malformed")]
    Authority,
    /// The authority carries userinfo.
    #[error("the authority carries userinfo")]
    UserInfo,
    /// Two `host` fields, or one that differs from the authority.
    #[error("the host field and the authority conflict")]
    HostConflict,
    /// The path does not begin with `/`, has a fragment, or bytes no URI has.
    #[error("the path is malformed")]
    Path,
}

/// The sender's bytes are not a message we accept; nothing of it may be processed. RFC 9292 §4
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Longer than [`super::MAX_MESSAGE`].
    #[error("the message is too large")]
    TooLarge,
    /// The message ends where it may not be truncated.
    #[error("the message is truncated")]
    Truncated,
    /// A length prefix claims more bytes than there are.
    #[error("a length exceeds the message")]
    LengthBeyondEnd,
    /// The framing indicator is not 0 to 3.
    #[error("the framing indicator is unknown")]
    Framing,
    /// A response where a request belongs.
    #[error("the message is a response, not a request")]
    ExpectedRequest,
    /// A request where a response belongs.
    #[error("the message is a request, not a response")]
    ExpectedResponse,
    /// The request's method, scheme, authority or path is refused.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The status is not 100 to 599.
    #[error("the status is out of range")]
    Status,
    /// 101 changes the protocol, which a message cannot do.
    #[error("the response switches protocols")]
    SwitchingProtocols,
    /// Informational responses, and no final one after them.
    #[error("there is no final response")]
    NoFinalResponse,
    /// More than [`super::MAX_INFORMATIONAL`] informational responses.
    #[error("there are too many informational responses")]
    TooManyInformational,
    /// More than [`super::MAX_FIELDS`] field lines.
    #[error("there are too many fields")]
    TooManyFields,
    /// A field name of no bytes.
    #[error("a field name is empty")]
    EmptyFieldName,
    /// A field name beginning with `:`.
    #[error("a pseudo-field is among the fields")]
    PseudoField,
    /// A field name that is not a token.
    #[error("a field name is not a token")]
    FieldName,
    /// NUL, CR, LF or another control character in a field value.
    #[error("a field value has a forbidden byte")]
    FieldValue,
    /// A field value beginning or ending with a space or tab.
    #[error("a field value has surrounding whitespace")]
    FieldWhitespace,
    /// `content-length` is repeated, not a number, or not the length of the content.
    #[error("content-length does not fit the content")]
    ContentLength,
}

/// Our own message cannot be written; the peer is not to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// Longer than [`super::MAX_MESSAGE`].
    #[error("the message is too large")]
    TooLarge,
    /// The URI lacks scheme or authority.
    #[error("the URI is not absolute")]
    RelativeUri,
    /// The request's method or URI is refused.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The status is not final: not 200 to 599.
    #[error("the status is not that of a final response")]
    Status,
    /// More than [`super::MAX_FIELDS`] field lines.
    #[error("there are too many fields")]
    TooManyFields,
    /// `content-length` is repeated, not a number, or not the length of the content.
    #[error("content-length does not fit the content")]
    ContentLength,
    /// Crate `bhttp` failed to write to memory.
    #[error("the message could not be written")]
    Unwritable,
}
