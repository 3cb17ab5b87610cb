//! Writing: known-length framing, by crate `bhttp`. What we would not read, we do not write.

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Request, Response};

use super::error::EncodeError;
use super::{MAX_FIELDS, MAX_MESSAGE, fields, target};

/// Writes a request. Its URI must be absolute; a `host` field must agree with it and is left out.
pub fn encode_request(request: &Request<Bytes>) -> Result<Vec<u8>, EncodeError> {
    let uri = request.uri();
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(EncodeError::RelativeUri);
    };
    let method = target::method(request.method().as_str().as_bytes())?;
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    // RFC 9113 §8.3.1: the path is never empty.
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let headers = request.headers();
    let authority = authority.as_str().as_bytes();
    let uri = target::uri(scheme.as_bytes(), authority, path.as_bytes(), headers)?;
    let mut message = bhttp::Message::request(
        method.as_str().into(),
        uri.scheme_str().unwrap_or_default().into(),
        authority.into(),
        path.into(),
    );
    fill(&mut message, headers, &[HOST], request.body(), false)?;
    write(&message)
}

/// Writes a final response.
pub fn encode_response(response: &Response<Bytes>) -> Result<Vec<u8>, EncodeError> {
    let status = response.status().as_u16();
    if !(200..600).contains(&status) {
        return Err(EncodeError::Status);
    }
    let status = bhttp::StatusCode::try_from(status).map_err(|_| EncodeError::Status)?;
    let mut message = bhttp::Message::response(status);
    let content = response.body();
    fill(&mut message, response.headers(), &[], content, content.is_empty())?;
    write(&message)
}

fn fill(
    message: &mut bhttp::Message,
    headers: &HeaderMap,
    omitted: &[http::HeaderName],
    content: &Bytes,
    elided: bool,
) -> Result<(), EncodeError> {
    if content.len() > MAX_MESSAGE {
        return Err(EncodeError::TooLarge);
    }
    if !fields::length_agrees(headers, content.len(), elided) {
        return Err(EncodeError::ContentLength);
    }
    let mut lines = fields::to_write(headers);
    lines.retain(|(name, _)| !omitted.contains(name));
    if lines.len() > MAX_FIELDS {
        return Err(EncodeError::TooManyFields);
    }
    for (name, value) in lines {
        message.put_header(name.as_str(), value);
    }
    message.write_content(content);
    Ok(())
}

fn write(message: &bhttp::Message) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    let written = message.write_bhttp(bhttp::Mode::KnownLength, &mut bytes);
    // Never: a Vec takes every write.
    written.map_err(|_| EncodeError::Unwritable)?;
    if bytes.len() > MAX_MESSAGE {
        return Err(EncodeError::TooLarge);
    }
    Ok(bytes)
}
