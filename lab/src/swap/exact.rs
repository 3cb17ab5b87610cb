//! The definition of unlinkability, played out: two clients, two identifiers, the same randomness, and who asks
//! which exchanged.
//!
//! Three worlds. In the first, client A asks about X and then client B about Y. In the second, B asks about X and
//! then A about Y: for the gateway, who asks first about X and then about Y, all must be the same to the byte. In the
//! third, A asks about Y and then B about X: for the relays, who are asked by A and then by B, all must be the
//! same but for ciphertext. No single exchange could show both: whoever keeps the order of the questions
//! changes the order of those who ask.
//!
//! The product's code runs unchanged. Its randomness all comes from getrandom(2), which `entropy.c` makes
//! repeatable; its time is a manual clock; the recorders' ports stay the same, because requests name them.

use super::Leak;
use super::system::{Asking, PARTIES, System};
use crate::view::{Connection, exchanges};
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use discreet_client::Tag;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const SHIM: &str = include_str!("entropy.c");
/// Where the child finds its seed; `entropy.c` reads the same.
pub(super) const SEED_FILE: &str = "ENTROPY_SEED";
/// HTTP/2 frames of content (RFC 9113 §6.1) of keeping alive (§6.7) and of flow control (§6.9), and the length of a frame's header.
const DATA: u8 = 0;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const FRAME_HEADER: usize = 9;
/// What a client sends first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Exact {
    /// Bytes of the gateway's transcript, both directions, inside TLS.
    pub(crate) gateway_bytes: usize,
    /// Whether the gateway's transcript is the same to the byte when those who ask change places.
    pub(crate) gateway_identical: bool,
    /// Bytes of the relays' transcripts, on both sides of them.
    pub(crate) relay_bytes: usize,
    /// Whether sizes, header fields, order and addresses are the same when the questions change places.
    pub(crate) relay_same_outside: bool,
    /// Whether the ciphertext is not.
    pub(crate) relay_ciphertext_differs: bool,
}

/// Has a child play the three worlds under repeatable randomness.
pub(super) fn run(seed: u64, plant: Option<Leak>) -> Result<Exact> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let shim = compile(folder.path())?;
    let file = folder.path().join("seed");
    fs::write(&file, 0u64.to_ne_bytes())?;
    let mut child = Command::new(std::env::current_exe().context("where is this program?")?);
    child.args(["swap", "--inside", "--seed", &seed.to_string()]).env("LD_PRELOAD", shim);
    if let Some(plant) = plant.and_then(|plant| plant.to_possible_value()) {
        child.args(["--plant", plant.get_name()]);
    }
    child.env(SEED_FILE, file).stdin(Stdio::null());
    let output = child.output().context("cannot start the child")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the child failed: {}", complaint.trim());
    serde_json::from_slice(&output.stdout).context("the child's answer")
}

fn compile(folder: &Path) -> Result<std::path::PathBuf> {
    let (source, library) = (folder.join("entropy.c"), folder.join("entropy.so"));
    fs::write(&source, SHIM)?;
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).args(["-ldl", "-lpthread"]);
    let output =
        compiler.output().context("cannot start the C compiler `cc`, which makes randomness repeatable")?;
    ensure!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(library)
}

/// In the child: plays the three worlds and compares.
pub(super) async fn inside(seed: u64, plant: Option<Leak>) -> Result<Exact> {
    let file = std::env::var_os(SEED_FILE).context("this is for `lab swap` itself")?;
    let reseed = |seed: u64| fs::write(&file, seed.to_ne_bytes()).context("cannot write the seed");
    let doors = super::system::Doors::open()?;
    let first = [Asking { client: 0, csi: 0 }, Asking { client: 1, csi: 1 }];
    let askers = [Asking { client: 1, csi: 0 }, Asking { client: 0, csi: 1 }];
    let questions = [Asking { client: 0, csi: 1 }, Asking { client: 1, csi: 0 }];
    let mut worlds = Vec::new();
    for order in [first, askers, questions] {
        reseed(seed.wrapping_mul(1000) | 1)?;
        let system = System::start(seed, Some(&doors)).await?;
        // What both know before they ask: the policy.
        for client in 0..2 {
            reseed(seed.wrapping_mul(1000) + 10)?;
            system.policy(client).await?;
        }
        for (turn, asking) in order.into_iter().enumerate() {
            reseed(seed.wrapping_mul(1000) + 100 + turn as u64)?;
            let tag =
                (plant == Some(Leak::Tag) && asking.client == 1).then(|| Tag::new("work")).transpose()?;
            let times = if plant == Some(Leak::Twice) && asking.csi == 0 { 2 } else { 1 };
            for _ in 0..times {
                system.ask(asking, tag.clone()).await?;
            }
        }
        worlds.push(system.end().await);
    }
    let [one, askers, questions] = worlds.as_slice() else { anyhow::bail!("three worlds") };
    let gateway = |world: &[Connection]| transcript(world, "gateway", Content::Kept);
    // A relay sees its clients and its gateway, each relay for itself: it asks in no order with the other.
    let relays = |world: &[Connection], content| {
        PARTIES.iter().map(|party| transcript(world, party, content)).collect::<Result<Vec<_>>>()
    };
    let outside = relays(one, Content::Masked)?;
    Ok(Exact {
        gateway_bytes: gateway(one)?.bytes(),
        gateway_identical: gateway(one)? == gateway(askers)?,
        relay_bytes: outside.iter().map(Transcript::bytes).sum(),
        relay_same_outside: outside == relays(questions, Content::Masked)?,
        relay_ciphertext_differs: relays(one, Content::Kept)? != relays(questions, Content::Kept)?,
    })
}

/// Whether content of requests and responses is part of a transcript, or only its size.
#[derive(Clone, Copy, PartialEq)]
enum Content {
    Kept,
    Masked,
}

/// Everything that `party` received and sent inside TLS: the bytes of each
/// connection with its peer's address, in the order of their first requests, and the order of all requests.
///
/// No byte is left out but PING frames, which a slow machine's timers send. Frames that concern a connection or its flow control (SETTINGS and their
/// acknowledgement, WINDOW_UPDATE) stand behind the others, each kind in its own order: which of two tasks of one process the machine ran
/// first decides where they are, and that differs when nothing is exchanged, too.
#[derive(Debug, PartialEq)]
struct Transcript {
    connections: Vec<(String, IpAddr, Vec<u8>, Vec<u8>)>,
    order: Vec<(usize, String)>,
}

fn transcript(world: &[Connection], party: &str, content: Content) -> Result<Transcript> {
    let of_party = world.iter().filter(|connection| connection.party == party);
    let mut of_party =
        of_party.map(|connection| Ok((exchanges(connection)?, connection))).collect::<Result<Vec<_>>>()?;
    // By their first requests: two connections that are made at once may send their prefaces in either order.
    of_party.sort_by_key(|(exchanges, _)| {
        exchanges.iter().map(|exchange| exchange.request.first).min().unwrap_or(Duration::MAX)
    });
    let mut connections = Vec::new();
    let mut order = Vec::new();
    for (index, (exchanges, connection)) in of_party.into_iter().enumerate() {
        let show = |bytes: &[u8]| in_order(bytes, content);
        connections.push((
            connection.party.clone(),
            connection.peer.ip(),
            show(&connection.received),
            show(&connection.sent),
        ));
        order.extend(exchanges.iter().map(|exchange| (exchange.request.first, index, exchange.line())));
    }
    order.sort();
    let order = order.into_iter().map(|(_, index, line)| (index, line)).collect();
    Ok(Transcript { connections, order })
}

impl Transcript {
    fn bytes(&self) -> usize {
        self.connections.iter().map(|(_, _, received, sent)| received.len() + sent.len()).sum()
    }
}

/// The same bytes of HTTP/2, frames of control last, with zeros for content that is masked.
fn in_order(bytes: &[u8], content: Content) -> Vec<u8> {
    let preface = if bytes.starts_with(PREFACE) { PREFACE.len() } else { 0 };
    let (first, mut rest) = bytes.split_at(preface);
    let (mut streams, mut control) = (first.to_vec(), BTreeMap::<_, Vec<u8>>::new());
    while let Some([l1, l2, l3, kind, flags, ..]) = rest.first_chunk::<FRAME_HEADER>() {
        let length = u32::from_be_bytes([0, *l1, *l2, *l3]) as usize;
        let (frame, behind) = rest.split_at(rest.len().min(FRAME_HEADER + length));
        rest = behind;
        if *kind == PING {
            continue;
        }
        let is_control = *kind == WINDOW_UPDATE || frame.get(5..FRAME_HEADER) == Some(&[0; 4]);
        let kept = if is_control { control.entry((*kind, *flags)).or_default() } else { &mut streams };
        kept.extend(frame);
        if *kind == DATA && content == Content::Masked {
            let from = kept.len() + FRAME_HEADER - frame.len();
            kept.get_mut(from..).unwrap_or_default().fill(0);
        }
    }
    streams.extend(control.into_values().flatten());
    streams.extend(rest);
    streams
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: [u8; 11] = [0, 0, 2, 1, 4, 0, 0, 0, 1, 0x82, 0x86];
    const SETTINGS_ACK: [u8; 9] = [0, 0, 0, 4, 1, 0, 0, 0, 0];
    const BODY: [u8; 12] = [0, 0, 3, 0, 1, 0, 0, 0, 1, 7, 8, 9];

    #[test]
    fn only_the_content_of_data_frames_is_masked() {
        let bytes = [PREFACE, &HEADERS, &BODY].concat();
        assert_eq!(in_order(&bytes, Content::Kept), bytes);
        let masked = in_order(&bytes, Content::Masked);
        assert_eq!(masked, [PREFACE, &HEADERS, &BODY[..9], &[0; 3]].concat());
    }

    #[test]
    fn it_does_not_matter_when_settings_were_acknowledged() {
        let early = [PREFACE, &SETTINGS_ACK, &HEADERS, &BODY].concat();
        let late = [PREFACE, &HEADERS, &SETTINGS_ACK, &BODY].concat();
        assert_ne!(early, late);
        assert_eq!(in_order(&early, Content::Kept), in_order(&late, Content::Kept));
        let pinged = [PREFACE, &HEADERS, &SETTINGS_ACK, &[0, 0, 0, 6, 0, 0, 0, 0, 0], &BODY].concat();
        assert_eq!(in_order(&pinged, Content::Kept), in_order(&late, Content::Kept));
        let other = [PREFACE, &HEADERS, &SETTINGS_ACK, &HEADERS].concat();
        assert_ne!(in_order(&other, Content::Kept), in_order(&late, Content::Kept));
    }
}
