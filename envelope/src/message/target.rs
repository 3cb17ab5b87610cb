//! Method and target of a request, checked the same way in both directions.
//! RFC 9292 §3.4, RFC 9113 §8.3.1, RFC 3986 §3.2. Whether a target is *allowed* is the gateway's decision.

use std::net::Ipv6Addr;

use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, Method};

use super::error::TargetError;

pub(super) fn method(method: &[u8]) -> Result<Method, TargetError> {
    match Method::from_bytes(method).map_err(|_| TargetError::Method)? {
        Method::CONNECT => Err(TargetError::Connect),
        method => Ok(method),
    }
}

/// The absolute URI of a request whose authority may be said in a `host` field instead, or as well.
pub(super) fn uri(
    scheme: &[u8],
    authority: &[u8],
    path: &[u8],
    headers: &HeaderMap,
) -> Result<Uri, TargetError> {
    Uri::builder()
        .scheme(parse_scheme(scheme)?)
        .authority(choose_authority(authority, headers)?)
        .path_and_query(parse_path(path)?)
        .build()
        // Never: all three parts are there.
        .map_err(|_| TargetError::Path)
}

fn parse_scheme(scheme: &[u8]) -> Result<Scheme, TargetError> {
    if scheme.eq_ignore_ascii_case(b"https") {
        Ok(Scheme::HTTPS)
    } else if scheme.eq_ignore_ascii_case(b"http") {
        Ok(Scheme::HTTP)
    } else {
        Err(TargetError::Scheme)
    }
}

fn choose_authority(stated: &[u8], headers: &HeaderMap) -> Result<Authority, TargetError> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().map(|host| parse_authority(host.as_bytes()));
    if hosts.next().is_some() {
        return Err(TargetError::HostConflict);
    }
    match host {
        None if stated.is_empty() => Err(TargetError::NoAuthority),
        None => parse_authority(stated),
        Some(host) if stated.is_empty() => host,
        Some(host) => {
            let stated = parse_authority(stated)?;
            if host? == stated { Ok(stated) } else { Err(TargetError::HostConflict) }
        }
    }
}

fn parse_authority(authority: &[u8]) -> Result<Authority, TargetError> {
    if authority.contains(&b'@') {
        return Err(TargetError::UserInfo);
    }
    let authority = Authority::try_from(authority).map_err(|_| TargetError::Authority)?;
    let host = authority.host();
    let port = authority.as_str().strip_prefix(host).unwrap_or_default();
    if is_host(host) && (port.is_empty() || is_port(port)) {
        Ok(authority)
    } else {
        Err(TargetError::Authority)
    }
}

/// Crate `http` lets through what is between brackets, and brackets in the middle of a name.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(literal) => literal.strip_suffix(']').is_some_and(|literal| literal.parse::<Ipv6Addr>().is_ok()),
        None => !host.is_empty() && !host.contains(['[', ']']),
    }
}

fn is_port(port: &str) -> bool {
    let digits = port.strip_prefix(':').unwrap_or_default();
    digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
}

fn parse_path(path: &[u8]) -> Result<PathAndQuery, TargetError> {
    // Crate `http` would cut a fragment off in silence, and lets through bytes beyond ASCII.
    let clean = path.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#');
    if !path.starts_with(b"/") || !clean {
        return Err(TargetError::Path);
    }
    PathAndQuery::try_from(path).map_err(|_| TargetError::Path)
}
