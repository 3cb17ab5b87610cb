//! The header a balancer sends ahead of a connection it passes on (HAProxy's PROXY protocol, version 2).
//!
//! It says for whom the connection is. Whoever can reach the listener can claim to be anybody, so it is
//! read only where the configuration says that nobody but the balancer can. Version 1, a line of text,
//! is refused: it has no length to read it by.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// Bytes of the part that every header has: signature, version and command, family, length (section 2.2).
pub const PREFIX_BYTES: usize = 16;
/// Most bytes of a whole header: what the specification takes to fit the first segment of any TCP
/// connection (section 2). Addresses take 36 of them at most on TCP, the rest are extensions.
pub const MAX_HEADER_BYTES: usize = 536;

/// What every header of version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// What a header of version 1 begins with.
const VERSION_1: &[u8] = b"PROXY ";

/// For whom a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// For the client at this address.
    Client(IpAddr),
    /// For the balancer itself (command LOCAL, its health checks), or for somebody it cannot name.
    Unnamed,
}

/// Why a header is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProxyError {
    /// It is cut off.
    #[error("the PROXY header is cut off")]
    Truncated,
    /// It is version 1.
    #[error("the PROXY header is of version 1; have the balancer send version 2")]
    Version1,
    /// It begins otherwise than version 2 does.
    #[error("there is no PROXY header")]
    Signature,
    /// Version or command is unknown.
    #[error("the PROXY header has an unknown version or command")]
    Command,
    /// Family or transport is unknown, or none that a TCP connection has.
    #[error("the PROXY header has an address of another kind than TCP's")]
    Family,
    /// It is longer than [`MAX_HEADER_BYTES`].
    #[error("the PROXY header is longer than {MAX_HEADER_BYTES} bytes")]
    TooLong,
}

/// The length of the whole header that begins with `prefix`.
///
/// # Errors
///
/// [`ProxyError`], for what the prefix already shows.
pub fn header_length(prefix: &[u8; PREFIX_BYTES]) -> Result<usize, ProxyError> {
    if prefix.starts_with(VERSION_1) {
        return Err(ProxyError::Version1);
    }
    let [signature @ .., _, _, high, low] = prefix;
    if signature != &SIGNATURE {
        return Err(ProxyError::Signature);
    }
    let length = PREFIX_BYTES + usize::from(u16::from_be_bytes([*high, *low]));
    if length > MAX_HEADER_BYTES { Err(ProxyError::TooLong) } else { Ok(length) }
}

/// Reads the header that `bytes` begin with: for whom the connection is, and the header's length.
///
/// # Errors
///
/// [`ProxyError`].
pub fn decode(bytes: &[u8]) -> Result<(Source, usize), ProxyError> {
    let (prefix, rest) = bytes.split_first_chunk().ok_or(ProxyError::Truncated)?;
    let length = header_length(prefix)?;
    let block = rest.get(..length - PREFIX_BYTES).ok_or(ProxyError::Truncated)?;
    let [.., command, family, _, _] = *prefix;
    let source = match command {
        // The block is to be skipped, whatever it says (section 2.2).
        0x20 => Source::Unnamed,
        0x21 => client(family, block)?,
        _ => return Err(ProxyError::Command),
    };
    Ok((source, length))
}

/// The source address is the first of the block; what follows the addresses are extensions.
fn client(family: u8, block: &[u8]) -> Result<Source, ProxyError> {
    match family {
        // Source, destination, two ports.
        0x11 => {
            let (addresses, _) = block.split_first_chunk::<12>().ok_or(ProxyError::Truncated)?;
            let [a, b, c, d, ..] = *addresses;
            Ok(Source::Client(Ipv4Addr::new(a, b, c, d).into()))
        }
        0x21 => {
            let (addresses, _) = block.split_first_chunk::<36>().ok_or(ProxyError::Truncated)?;
            let (source, _) = addresses.split_first_chunk::<16>().ok_or(ProxyError::Truncated)?;
            Ok(Source::Client(Ipv6Addr::from(*source).into()))
        }
        // Unspecified, and a Unix socket of the balancer's: somebody without an address.
        0x00 | 0x31 => Ok(Source::Unnamed),
        _ => Err(ProxyError::Family),
    }
}

#[cfg(test)]
mod tests;
