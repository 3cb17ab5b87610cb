//! Two clients, two identifiers, two relays and a gateway in this process, each role behind a recorder.

use crate::generate;
use crate::view::{Connection, Recorder};
use anyhow::{Context, Result};
use discreet_client::{Client, Csi, Query, Tag};
use discreet_protocol::time::Timestamp;
use discreet_serve::Clock;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::time::Duration;
use tests::{Net, World};
use tokio::time::sleep;

/// The moment at which all worlds stand still.
const NOW: u64 = 1_795_421_565;
/// Where the clients connect from.
const CLIENTS: [IpAddr; 2] = [loopback(50), loopback(51)];
/// How long nothing passes when all is said, and how often that is waited for.
const QUIET: Duration = Duration::from_millis(200);
const MOST_PAUSES: usize = 50;
/// The parties with a door.
pub(super) const PARTIES: [&str; 3] = ["gateway", "relay-1", "relay-2"];

/// Who asks about whom: both are 0 or 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    pub(super) client: usize,
    pub(super) csi: usize,
}

/// Doors that stay open from one world to the next, at the same ports.
pub(super) struct Doors(BTreeMap<&'static str, TcpListener>);

impl Doors {
    /// Opens one for each party.
    pub(super) fn open() -> Result<Self> {
        let open = |party| Ok((party, TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?));
        Ok(Self(PARTIES.into_iter().map(open).collect::<Result<_>>()?))
    }
}

/// A running world.
pub(super) struct System {
    net: Net,
    recorder: Recorder,
    clients: Vec<Client>,
    pub(super) asked: [Csi; 2],
}

impl System {
    /// Starts it: the first identifier is in the directory, and so is the second.
    pub(super) async fn start(seed: u64, doors: Option<&Doors>) -> Result<Self> {
        let clock = if doors.is_some() { Clock::manual(NOW) } else { Clock::system() };
        let world = World::new(seed, Timestamp::from_unix(clock.now()));
        let lines = generate::lines(&world, seed, 20)?;
        let mut numbers = generate::numbers(seed, 2).into_iter();
        let mut number = || numbers.next().context("no telephone number left");
        let asked = [number()?, number()?];
        let recorder = Recorder::default();
        let guard = recorder.clone();
        let mut shared = BTreeMap::new();
        for (party, listener) in doors.iter().flat_map(|doors| &doors.0) {
            shared.insert(*party, listener.try_clone()?);
        }
        let builder = Net::builder().clock(clock).lines(lines);
        let builder = builder.front(move |party, addr, certificate, key| {
            let door = shared.get(party).and_then(|listener| listener.try_clone().ok());
            // Without a recorder there is nothing to compare, which is said at the end.
            guard.guard_at(door, party, addr, certificate, key).unwrap_or(addr)
        });
        let net = builder.start(world).await?;
        let client = |address| net.client().local_address(address).build();
        let clients = CLIENTS.into_iter().map(client).collect::<Result<_, _>>()?;
        Ok(Self { net, recorder, clients, asked })
    }

    fn client(&self, index: usize) -> Result<&Client> {
        self.clients.get(index).context("there are two clients")
    }

    /// Has a client fetch the policy.
    pub(super) async fn policy(&self, client: usize) -> Result<()> {
        self.client(client)?.policy().await.context("the policy")?;
        Ok(())
    }

    /// Has a client ask; the answer must verify.
    pub(super) async fn ask(&self, asking: Asking, tag: Option<Tag>) -> Result<()> {
        let csi = self.asked.get(asking.csi).context("there are two identifiers")?.clone();
        self.client(asking.client)?.lookup(Query { csi, tag }).await.context("a lookup")?;
        Ok(())
    }

    /// The network, with the gateway's keys in its folder.
    pub(super) fn net(&self) -> &Net {
        &self.net
    }

    /// Where the client of this index connects from.
    pub(super) fn address(client: usize) -> Option<IpAddr> {
        CLIENTS.get(client).copied()
    }

    /// Stops everything once it is quiet, and returns what was recorded until then.
    pub(super) async fn end(self) -> Vec<Connection> {
        // What acknowledges the last answer is still on its way.
        let mut passed = usize::MAX;
        for _ in 0..MOST_PAUSES {
            let now = self.recorder.connections().iter().map(|connection| connection.chunks.len()).sum();
            if passed == now {
                break;
            }
            passed = now;
            sleep(QUIET).await;
        }
        let connections = self.recorder.connections();
        self.recorder.stop().await;
        connections
    }

    /// What was recorded so far.
    pub(super) fn connections(&self) -> Vec<Connection> {
        self.recorder.connections()
    }
}

const fn loopback(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}
