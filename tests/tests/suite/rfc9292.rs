//! RFC 9292, Binary HTTP: lines 40 to 50 of the conformance list, and what else messages may be.
//!
//! Messages here are framed by hand, so that neither our writer nor crate `bhttp` says what is right.

mod fields;
mod messages;
mod properties;
mod rejects;
mod rejects_target;
mod rejects_writing;
mod vectors;

use discreet_envelope::message::*;

type Lines<'a> = &'a [(&'a str, &'a [u8])];

/// Length-prefixes `bytes`; two-byte lengths beyond 63.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap();
    let mut out = if len < 64 { vec![len as u8] } else { (len | 0x4000).to_be_bytes().to_vec() };
    out.extend_from_slice(bytes);
    out
}

fn lines(fields: Lines<'_>) -> Vec<u8> {
    let line = |(name, value): &(&str, &[u8])| [prefixed(name.as_bytes()), prefixed(value)].concat();
    fields.iter().flat_map(line).collect()
}

/// Framing indicator and control data of a request to `https://a.example/`.
fn request_start(framing: u8) -> Vec<u8> {
    control(framing, "GET", "https", "a.example", "/")
}

fn control(framing: u8, method: &str, scheme: &str, authority: &str, path: &str) -> Vec<u8> {
    let parts = [method, scheme, authority, path].map(|part| prefixed(part.as_bytes()));
    [vec![framing], parts.concat()].concat()
}

/// A whole known-length request with these fields.
fn request_with(fields: Lines<'_>) -> Vec<u8> {
    [request_start(0), prefixed(&lines(fields))].concat()
}

/// A whole known-length 200 response.
fn response_with(fields: Lines<'_>, content: &[u8]) -> Vec<u8> {
    [vec![1, 0x40, 200], prefixed(&lines(fields)), prefixed(content)].concat()
}
