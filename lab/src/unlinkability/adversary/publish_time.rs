//! Somebody who sees mappings change and clients send.

use super::Adversary;
use crate::unlinkability::referee::{Challenge, Game};
use crate::unlinkability::view::{AtGateway, FirstHop, Public, Views, first_since};
use std::collections::HashMap;

/// Sees when a mapping changed, as who asks for it all the time does, and the wires of clients: the holder sent
/// something shortly before. With several changes of one mapping it is who did so each time. The delay of a
/// publish hides when its holder acted, not that it was sent.
#[derive(Clone, Copy, Debug)]
pub struct PublishTime;

/// See [`PublishTime`].
#[derive(Clone, Debug)]
pub struct WiresAndChanges<'a> {
    changes: HashMap<u32, Vec<AtGateway>>,
    sent: HashMap<u32, Vec<FirstHop>>,
    public: &'a Public,
    span: f64,
}

/// How likely a client that sent nothing is the holder all the same.
const NOTHING_SENT: f64 = 1e-9;

impl Adversary for PublishTime {
    type View<'a> = WiresAndChanges<'a>;
    const SEES: &'static str = "the wires of clients, and when mappings change";
    const GAME: Game = Game::Changer;
    const ROUND: Option<&'static str> = Some("changes of the mapping");

    fn look(views: &Views) -> Self::View<'_> {
        let mut changes: HashMap<u32, Vec<AtGateway>> = HashMap::new();
        for row in views.gateway.iter().filter(|row| row.publish) {
            changes.entry(row.identifier).or_default().push(*row);
        }
        let mut sent: HashMap<u32, Vec<FirstHop>> = HashMap::new();
        for row in &views.first_hop {
            sent.entry(row.client).or_default().push(*row);
        }
        let span = views.first_hop.last().map_or(1, |row| row.at.max(1)) as f64;
        WiresAndChanges { changes, sent, public: &views.public, span }
    }

    fn weigh(&self, view: &Self::View<'_>, challenge: &Challenge) -> Vec<f64> {
        let changes = view.changes.get(&challenge.subject).map_or(&[][..], Vec::as_slice);
        let changes: Vec<_> = changes.iter().filter(|row| row.at < challenge.until).collect();
        let weigh = |client: &u32| {
            let sent = view.sent.get(client).map_or(&[][..], Vec::as_slice);
            let window = view.public.horizon_ms;
            // How often it sends anyway in such a window.
            let usual = sent.len() as f64 * window as f64 / view.span;
            let ratio = |change: &&AtGateway| {
                let rows =
                    first_since(sent, change.at.saturating_sub(window))..first_since(sent, change.at + 1);
                if !sent[rows].is_empty() {
                    1.0 / (1.0 - (-usual).exp()).max(NOTHING_SENT)
                } else {
                    NOTHING_SENT
                }
            };
            changes.iter().map(ratio).product::<f64>().clamp(f64::MIN_POSITIVE, 1e100)
        };
        challenge.candidates.iter().map(weigh).collect()
    }

    fn rounds(&self, view: &Self::View<'_>, challenge: &Challenge) -> Vec<u64> {
        let changes = view.changes.get(&challenge.subject).map_or(&[][..], Vec::as_slice);
        changes.iter().map(|row| row.at).collect()
    }
}
