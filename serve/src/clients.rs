//! Whom a server that clients come to lets in, and how often: the one place that reads addresses.
//!
//! Only a role that is given [`Clients`] has this (the relay, the provider); others drop the address where
//! it is accepted. A handler sees no address in either case, nor does a log, a metric or an error.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
};

use http::{HeaderMap, HeaderName, header::FORWARDED};
use prometheus_client::encoding::EncodeLabelValue;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{
    addresses::{Addresses, Empty, Origin, Rate},
    proxy_protocol::{MAX_HEADER_BYTES, PREFIX_BYTES, Source, decode, header_length},
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Bounds on each client's address.
///
/// ```toml
/// [clients]
/// behind = "nobody"
/// rate = { per_minute = 120, burst = 240 }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clients {
    /// What stands between the clients and this listener.
    pub behind: Behind,
    /// How often one address may connect or ask. Default: as often as it likes.
    pub rate: Option<Rate>,
}

/// What stands between the clients and a listener, and so where a client's address is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Behind {
    /// Nothing: the address is the connection's.
    #[default]
    Nobody,
    /// A balancer that passes connections on, each with a PROXY header of version 2 ahead; without one a
    /// connection is closed. Only where nobody but the balancer can reach the listener: whoever else can
    /// claims to be anybody.
    ProxyProtocol,
    /// Proxies that terminate HTTP and add the address they were asked from to `X-Forwarded-For`. The
    /// same condition holds. A request that lacks the address is refused with 400. Connections are the
    /// proxies' own and cost no client anything.
    ForwardedFor {
        /// How many proxies of yours a request passes: the address is that many entries from the right.
        /// With too high a number clients choose their address themselves.
        proxies: NonZeroUsize,
    },
}

/// [`Clients`] at work.
#[derive(Debug)]
pub(crate) struct Admission {
    behind: Behind,
    addresses: Option<Addresses>,
}

/// Why a connection is closed before anything is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Unwelcome {
    /// Its address has come too often.
    Rate,
    /// It has no usable PROXY header.
    ProxyHeader,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its address has asked too often.
    Rate(Empty),
    /// The proxies do not say for whom they ask.
    ForwardedFor,
}

impl Admission {
    /// Lets everybody in and looks at nothing.
    pub(crate) fn of_everybody() -> Self {
        Self::new(&Clients::default())
    }

    pub(crate) fn new(clients: &Clients) -> Self {
        Self { behind: clients.behind, addresses: clients.rate.as_ref().map(Addresses::new) }
    }

    /// Whether the address of a connection is its client's, and counts.
    pub(crate) fn counts_peers(&self) -> bool {
        self.behind == Behind::Nobody && self.addresses.is_some()
    }

    /// A connection has been accepted: what is kept of its address, if that is the client's.
    pub(crate) fn accepted(&self, peer: Option<SocketAddr>) -> Result<Option<Origin>, Unwelcome> {
        match (self.behind, &self.addresses) {
            (Behind::Nobody, Some(addresses)) => enter(addresses, peer.map(|peer| peer.ip())).map(Some),
            _ => Ok(None),
        }
    }

    /// Reads what a balancer sends ahead, if there is one.
    pub(crate) async fn greeted<IO: AsyncRead + Unpin>(
        &self,
        io: &mut IO,
        origin: Option<Origin>,
    ) -> Result<Option<Origin>, Unwelcome> {
        if self.behind != Behind::ProxyProtocol {
            return Ok(origin);
        }
        let source = proxy_header(io).await.ok_or(Unwelcome::ProxyHeader)?;
        let address = match source {
            Source::Client(address) => Some(address),
            Source::Unnamed => None,
        };
        self.addresses.as_ref().map(|addresses| enter(addresses, address)).transpose()
    }

    /// A request has arrived, of which only the head is there.
    pub(crate) fn asked(&self, headers: &mut HeaderMap, origin: Option<Origin>) -> Result<(), Refused> {
        let forwarded = match self.behind {
            Behind::ForwardedFor { proxies } => {
                Some(forwarded_for(headers, proxies).ok_or(Refused::ForwardedFor)?)
            }
            Behind::Nobody | Behind::ProxyProtocol => None,
        };
        // Whoever wrote them, a handler shall not see them.
        headers.remove(FORWARDED_FOR);
        headers.remove(FORWARDED);
        let Some(addresses) = &self.addresses else { return Ok(()) };
        let forwarded = forwarded.map(|address| addresses.origin(address));
        let origin = forwarded.or(origin).unwrap_or(Origin::Unnamed);
        addresses.take(origin).map_err(Refused::Rate)
    }
}

fn enter(addresses: &Addresses, address: Option<IpAddr>) -> Result<Origin, Unwelcome> {
    let origin = address.map_or(Origin::Unnamed, |address| addresses.origin(address));
    addresses.take(origin).map(|()| origin).map_err(|_| Unwelcome::Rate)
}

/// Reads exactly the header, so that the first byte of TLS stays in the socket. `None`: there is none, or
/// not a good one; why is nobody's business but the balancer's, and it does not listen.
async fn proxy_header<IO: AsyncRead + Unpin>(io: &mut IO) -> Option<Source> {
    let mut header = [0; MAX_HEADER_BYTES];
    let (prefix, rest) = header.split_first_chunk_mut::<PREFIX_BYTES>()?;
    io.read_exact(prefix).await.ok()?;
    let length = header_length(prefix).ok()?;
    io.read_exact(rest.get_mut(..length - PREFIX_BYTES)?).await.ok()?;
    decode(&header).map(|(source, _)| source).ok()
}

/// The entry that the outermost of our proxies has added: counted from the right over all fields of the
/// name, which are one list (RFC 9110 §5.3). `None`: too few, or not an address.
fn forwarded_for(headers: &HeaderMap, proxies: NonZeroUsize) -> Option<IpAddr> {
    let fields = headers.get_all(FORWARDED_FOR).iter().map(|value| value.to_str().unwrap_or_default());
    let entries: Vec<_> = fields.flat_map(|field| field.split(',')).collect();
    let entry = entries.len().checked_sub(proxies.get()).and_then(|at| entries.get(at))?.trim();
    // Some proxies add the port, and then brackets.
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    bare.parse().ok().or_else(|| entry.parse().ok().map(|address: SocketAddr| address.ip()))
}

#[cfg(test)]
mod tests;
