//! Statistical disclosure (Danezis, "Statistical Disclosure Attacks", 2003): what one mixed request does not
//! tell, many do.

use super::Adversary;
use crate::unlinkability::referee::{Challenge, Game};
use crate::unlinkability::view::{AtGateway, FirstHop, Public, Views, first_since};
use std::collections::HashMap;

/// Watches the wires of clients and the gateway. After each request of a client, the person it is about is
/// asked about a bit more than usual; over many requests that adds up.
#[derive(Clone, Copy, Debug)]
pub struct StatisticalDisclosure;

/// See [`StatisticalDisclosure`].
#[derive(Clone, Debug)]
pub struct WiresAndGateway<'a> {
    gateway: &'a [AtGateway],
    public: &'a Public,
    /// When and by which relay each client sent.
    sent: HashMap<u32, Vec<(u64, u16)>>,
    /// How often each person was asked about by each relay.
    asked: HashMap<(u32, u16), f64>,
    span: f64,
}

/// What keeps a few coincidences from seeming sure.
const DOUBT: f64 = 0.5;

impl Adversary for StatisticalDisclosure {
    type View<'a> = WiresAndGateway<'a>;
    const SEES: &'static str = "the wires of clients and the gateway, for as long as the run lasts";
    const GAME: Game = Game::Favourite;
    const ROUND: Option<&'static str> = Some("requests of the client");

    fn look(views: &Views) -> Self::View<'_> {
        let mut sent: HashMap<u32, Vec<(u64, u16)>> = HashMap::new();
        for FirstHop { at, client, relay, .. } in &views.first_hop {
            sent.entry(*client).or_default().push((*at, *relay));
        }
        let mut asked = HashMap::new();
        for row in &views.gateway {
            *asked.entry((row.identifier, row.relay)).or_insert(0.0) += 1.0;
        }
        let span = views.gateway.last().map_or(1, |row| row.at.max(1)) as f64;
        WiresAndGateway { gateway: &views.gateway, public: &views.public, sent, asked, span }
    }

    fn weigh(&self, view: &Self::View<'_>, challenge: &Challenge) -> Vec<f64> {
        let sent = view.sent.get(&challenge.subject).map_or(&[][..], Vec::as_slice);
        let sent = &sent[..sent.partition_point(|(at, _)| *at < challenge.until)];
        let places: HashMap<u32, usize> =
            challenge.candidates.iter().enumerate().map(|(place, person)| (*person, place)).collect();
        let mut seen = vec![0.0; challenge.candidates.len()];
        for &(at, relay) in sent {
            let window = first_since(view.gateway, at)..first_since(view.gateway, at + view.window());
            let rows = view.gateway[window].iter().filter(|row| row.relay == relay);
            for place in rows.filter_map(|row| places.get(&row.identifier)) {
                seen[*place] += 1.0;
            }
        }
        let weigh = |(person, seen): (&u32, f64)| {
            let by = |relay: u16| view.asked.get(&(*person, relay)).copied().unwrap_or(0.0);
            let usual: f64 =
                sent.iter().map(|(_, relay)| by(*relay)).sum::<f64>() * view.window() as f64 / view.span;
            // By how many standard deviations it is more than usual, as the log of a likelihood.
            let more = (seen - usual) / (usual + DOUBT).sqrt();
            more.clamp(-50.0, 50.0).exp()
        };
        challenge.candidates.iter().zip(seen).map(weigh).collect()
    }

    fn rounds(&self, view: &Self::View<'_>, challenge: &Challenge) -> Vec<u64> {
        let sent = view.sent.get(&challenge.subject).map_or(&[][..], Vec::as_slice);
        sent.iter().map(|(at, _)| *at).collect()
    }
}

impl WiresAndGateway<'_> {
    /// How long after a request came to a relay it arrives at the gateway at most.
    fn window(&self) -> u64 {
        self.public.horizon_ms
    }
}
