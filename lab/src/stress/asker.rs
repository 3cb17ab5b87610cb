//! Lookups as a client does them, over connections that the caller holds: sealed for the first relay,
//! the answer opened, verified whole, and compared with what is in the directory.

use super::link::{Connector, Link};
use super::network::Network;
use super::people::People;
use anyhow::{Context, Result, bail, ensure};
use discreet_client::{Core, Finished, MemoryStorage, Prepared, Timestamp};
use discreet_serve::Clock;
use std::net::{Ipv4Addr, SocketAddr};

/// A client's core, shared by any number of connections.
pub(crate) struct Asker {
    core: Core,
    people: People,
    /// The relay resource that is not to be used.
    other: String,
}

impl Asker {
    /// A client with a policy that two relays agree on.
    pub(crate) async fn new(network: &Network, connector: &Connector, mappings: u64) -> Result<Self> {
        let core = Core::new(network.profile.clone(), Box::new(MemoryStorage::default()));
        let mut fetched = Vec::new();
        for request in core.policy_requests(now())? {
            let mut link = connector.link(address(&request.url)?, Ipv4Addr::LOCALHOST).await?;
            let policy = link.get(&request.url).await.context("the policy")?;
            fetched.push((request, policy));
        }
        core.accept_policies(&fetched, now())?;
        let [_, other] = &network.urls;
        Ok(Self { core, people: People::new(mappings)?, other: other.clone() })
    }

    /// One lookup through the first relay; fails unless the answer is the right one.
    pub(crate) async fn ask(&self, link: &mut Link) -> Result<()> {
        let (query, expected) = self.people.next()?;
        let Prepared { url, content_type, body, pending } =
            self.core.prepare_avoiding(query, Some(&self.other), now())?;
        let response = link.post(&url, content_type, body).await?;
        let Finished::Answer(answer) = self.core.finish(pending, &response, now())? else {
            bail!("the gateway asks for a date");
        };
        ensure!(answer.outcome() == expected, "a wrong answer");
        Ok(())
    }
}

/// Where a URL of ours leads: its host is an address.
fn address(url: &str) -> Result<SocketAddr> {
    let uri: hyper::Uri = url.parse()?;
    uri.authority().context("a URL without a host")?.as_str().parse().context("a host without an address")
}

fn now() -> Timestamp {
    Timestamp::from_unix(Clock::system().now())
}
