//! Poses games and knows the answers: the only one who has both what happened and what was seen. What it
//! puts into a challenge must not depend on the answer, but for the answer being among the candidates.

use super::engine::Run;
use super::randomness::{Purpose, stream};
use super::view::{Exchange, Kind, NEVER, NO_ROW, first_since};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, seq::SliceRandom};
use std::collections::HashSet;

/// What is to be told. Numbers of rows are places in the views.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Game {
    /// Which row of the first hop is this row of the second?
    RequestOfForwarded,
    /// Which row of the first hop is this row of the gateway?
    RequestOfArrival,
    /// Which earlier row of the same client asked about the same person as this row of the relay?
    SameContact,
    /// Which other row of the gateway is of the client that this row is of?
    SameClient,
    /// Which client is this row of the gateway of?
    ClientOfArrival,
    /// To which account was the token of this row of the gateway issued?
    AccountOfToken,
    /// About whom does this client ask most?
    Favourite,
    /// Which client is the person who changed the mapping of this identifier?
    Changer,
}

/// One game: who or what, and among which.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge {
    /// A row, a client or an identifier, as the game says.
    pub subject: u32,
    /// Rows, clients, accounts or identifiers.
    pub candidates: Vec<u32>,
    /// What was seen later is not to be used: games in rounds are played at several moments.
    pub until: u64,
}

/// A challenge, and which candidates are right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Posed {
    /// What the adversary gets.
    pub challenge: Challenge,
    /// What it does not.
    pub right: Vec<bool>,
}

/// Candidates a game has at most where the adversary's uncertainty decides how many there are.
pub const MOST_CANDIDATES: usize = 4096;
/// Earlier rows of a client that are offered.
const EARLIER: usize = 32;
/// Games in rounds are played many times each.
const MOST_IN_ROUNDS: usize = 200;
/// Requests a client must have sent to have a favourite.
const FOR_A_FAVOURITE: usize = 8;
/// Subjects that are tried for each game that can be posed.
const TRIES: usize = 40;

/// See the module.
#[derive(Debug)]
pub struct Referee<'a> {
    run: &'a Run,
    /// Exchanges by row of the second hop.
    of_second: Vec<u32>,
    /// Exchanges that reached the gateway, the adversary's own apart; and those of them that publish.
    honest: Vec<u32>,
    published: Vec<u32>,
    /// Exchanges of each client, flood apart, in the order of time.
    of_client: Vec<Vec<u32>>,
}

impl<'a> Referee<'a> {
    /// For the games of one run.
    pub fn new(run: &'a Run) -> Self {
        let exchanges = &run.truth.exchanges;
        let mut of_second = vec![NO_ROW; run.views.second_hop.len()];
        for (number, exchange) in exchanges.iter().enumerate() {
            if let Some(place) = of_second.get_mut(exchange.second_hop as usize) {
                *place = number as u32;
            }
        }
        let mut of_client = vec![Vec::new(); run.views.public.clients as usize];
        for (number, exchange) in exchanges.iter().enumerate().filter(|(_, it)| it.kind != Kind::Flood) {
            of_client[exchange.client as usize].push(number as u32);
        }
        let all = 0..exchanges.len() as u32;
        let is_honest = |it: &Exchange| it.kind != Kind::Flood && it.gateway != NO_ROW;
        let honest: Vec<u32> = all.filter(|number| is_honest(&exchanges[*number as usize])).collect();
        let publishes = |number: &u32| exchanges[*number as usize].kind == Kind::Publish;
        let published = honest.iter().copied().filter(publishes).collect();
        Self { run, of_second, honest, published, of_client }
    }

    /// Up to `count` challenges, with `candidates` where the referee chooses them. Fewer, or none, where the
    /// run has too few subjects.
    pub fn pose(&self, game: Game, count: usize, candidates: usize, seed: u64) -> Vec<Posed> {
        let mut rng = stream(seed, Purpose::Referee, game as u64);
        let count = match game {
            Game::Favourite | Game::Changer => count.min(MOST_IN_ROUNDS),
            _ => count,
        };
        let mut posed: Vec<Posed> = Vec::new();
        // Each subject once: asked twice, it would make intervals narrower than the run is long.
        let mut subjects = HashSet::new();
        for _ in 0..count * TRIES {
            if posed.len() == count {
                break;
            }
            let drawn = match game {
                Game::RequestOfForwarded => self.request_of_forwarded(candidates, &mut rng),
                Game::RequestOfArrival => self.request_of_arrival(candidates, &mut rng),
                Game::SameContact => self.same_contact(&mut rng),
                Game::SameClient => self.same_client(candidates, &mut rng),
                Game::ClientOfArrival => self.client_of_arrival(&mut rng),
                Game::AccountOfToken => self.account_of_token(candidates, &mut rng),
                Game::Favourite => self.favourite(candidates, &mut rng),
                Game::Changer => self.changer(candidates, &mut rng),
            };
            posed.extend(drawn.filter(|posed| subjects.insert(posed.challenge.subject)));
        }
        posed
    }

    fn exchange(&self, number: u32) -> &'a Exchange {
        &self.run.truth.exchanges[number as usize]
    }

    /// Any exchange that reached the gateway, but the adversary's own.
    fn any(&self, rng: &mut ChaCha8Rng) -> Option<&'a Exchange> {
        self.one_of(&self.honest, rng)
    }

    fn one_of(&self, numbers: &[u32], rng: &mut ChaCha8Rng) -> Option<&'a Exchange> {
        numbers.get(rng.random_range(0..numbers.len().max(1))).map(|number| self.exchange(*number))
    }

    fn request_of_forwarded(&self, least: usize, rng: &mut ChaCha8Rng) -> Option<Posed> {
        let rows = &self.run.views.second_hop;
        let subject = rng.random_range(0..rows.len().max(1));
        let row = rows.get(subject)?;
        let right = self.exchange(self.of_second[subject]);
        if right.kind == Kind::Flood {
            return None;
        }
        let candidates = self.requests_before(row.at, row.relay, least);
        Some(posed(subject as u32, candidates, |candidate| candidate == right.first_hop))
    }

    fn request_of_arrival(&self, least: usize, rng: &mut ChaCha8Rng) -> Option<Posed> {
        let right = self.any(rng)?;
        let row = self.run.views.gateway[right.gateway as usize];
        let candidates = self.requests_before(row.at, row.relay, least);
        Some(posed(right.gateway, candidates, |candidate| candidate == right.first_hop))
    }

    /// All requests to a relay that could have left it at `at`, and before them as many as are wanted.
    fn requests_before(&self, at: u64, relay: u16, least: usize) -> Vec<u32> {
        let (rows, public) = (&self.run.views.first_hop, &self.run.views.public);
        let end = first_since(rows, at + 1);
        let earliest = at.saturating_sub(public.horizon_ms);
        let mut found = Vec::new();
        for (number, row) in rows[..end].iter().enumerate().rev() {
            if found.len() >= MOST_CANDIDATES || (row.at < earliest && found.len() >= least) {
                break;
            }
            // The adversary's own requests are no candidates, as it knows.
            if row.relay == relay && row.client < public.clients {
                found.push(number as u32);
            }
        }
        found
    }

    fn same_contact(&self, rng: &mut ChaCha8Rng) -> Option<Posed> {
        let subject = self.any(rng)?;
        let rows = &self.of_client[subject.client as usize];
        let earlier = rows.partition_point(|row| *row < subject.first_hop);
        let candidates = rows[earlier.saturating_sub(EARLIER)..earlier].to_vec();
        let is_right = |row: u32| self.exchange(row).identifier == subject.identifier;
        let found = posed(subject.first_hop, candidates, is_right);
        (found.right.contains(&true) && found.right.contains(&false)).then_some(found)
    }

    fn same_client(&self, count: usize, rng: &mut ChaCha8Rng) -> Option<Posed> {
        let subject = self.any(rng)?;
        let own = &self.of_client[subject.client as usize];
        let other = self.exchange(own[rng.random_range(0..own.len())]);
        if other.gateway == subject.gateway || other.gateway == NO_ROW {
            return None;
        }
        let mut candidates = vec![other.gateway];
        candidates.extend(self.others(count, rng, |it| it.client != subject.client, |it| it.gateway));
        candidates.shuffle(rng);
        Some(posed(subject.gateway, candidates, |row| row == other.gateway))
    }

    fn client_of_arrival(&self, rng: &mut ChaCha8Rng) -> Option<Posed> {
        let subject = self.any(rng).filter(|it| it.kind != Kind::Publish)?;
        let clients = self.run.views.public.clients;
        let mut candidates: Vec<u32> = if clients as usize <= MOST_CANDIDATES {
            (0..clients).collect()
        } else {
            let mut drawn = HashSet::from([subject.client]);
            while drawn.len() < MOST_CANDIDATES {
                drawn.insert(rng.random_range(0..clients));
            }
            drawn.into_iter().collect()
        };
        // A hash set has another order in each run.
        candidates.sort_unstable();
        Some(posed(subject.gateway, candidates, |client| client == subject.client))
    }

    fn account_of_token(&self, count: usize, rng: &mut ChaCha8Rng) -> Option<Posed> {
        let subject = self.any(rng).filter(|it| it.issuer != NO_ROW)?;
        let rows = &self.run.views.issuer;
        let spent = self.run.views.gateway[subject.gateway as usize];
        let before = first_since(rows, spent.at);
        let mut candidates = vec![subject.client];
        for _ in 0..count * TRIES {
            let row = rows[rng.random_range(0..before.max(1))];
            if row.issuer == spent.issuer && !candidates.contains(&row.account) {
                candidates.push(row.account);
            }
            if candidates.len() == count {
                break;
            }
        }
        candidates.shuffle(rng);
        let found = posed(subject.gateway, candidates, |account| account == subject.client);
        (found.right.len() > 1).then_some(found)
    }

    fn favourite(&self, count: usize, rng: &mut ChaCha8Rng) -> Option<Posed> {
        let client = rng.random_range(0..self.of_client.len()) as u32;
        let own = &self.of_client[client as usize];
        if own.len() < FOR_A_FAVOURITE {
            return None;
        }
        let mut asked: Vec<u32> = own.iter().map(|number| self.exchange(*number).identifier).collect();
        asked.sort_unstable();
        let counts = asked.chunk_by(|one, other| one == other).map(|same| (same.len(), same[0]));
        let mut counts: Vec<_> = counts.collect();
        counts.sort_unstable_by(|one, other| other.cmp(one));
        let favourite = match counts.as_slice() {
            [(first, favourite), (second, _), ..] if first > second => *favourite,
            [(_, favourite)] => *favourite,
            _ => return None,
        };
        let mut candidates = vec![favourite];
        candidates.extend(self.others(count, rng, |it| it.identifier != favourite, |it| it.identifier));
        candidates.shuffle(rng);
        Some(posed(client, candidates, |identifier| identifier == favourite))
    }

    fn changer(&self, count: usize, rng: &mut ChaCha8Rng) -> Option<Posed> {
        let subject = self.one_of(&self.published, rng)?;
        let mut candidates = vec![subject.client];
        candidates.extend(self.others(count, rng, |it| it.client != subject.client, |it| it.client));
        candidates.shuffle(rng);
        Some(posed(subject.identifier, candidates, |client| client == subject.client))
    }

    /// So many less one of what exchanges of others have, each once.
    fn others(
        &self,
        count: usize,
        rng: &mut ChaCha8Rng,
        is_other: impl Fn(&Exchange) -> bool,
        of: fn(&Exchange) -> u32,
    ) -> Vec<u32> {
        let (mut seen, mut found) = (HashSet::new(), Vec::new());
        for _ in 0..count * TRIES {
            if found.len() + 1 >= count {
                break;
            }
            if let Some(other) = self.any(rng).filter(|it| is_other(it))
                && seen.insert(of(other))
            {
                found.push(of(other));
            }
        }
        found
    }
}

fn posed(subject: u32, candidates: Vec<u32>, is_right: impl Fn(u32) -> bool) -> Posed {
    let right = candidates.iter().map(|candidate| is_right(*candidate)).collect();
    Posed { challenge: Challenge { subject, candidates, until: NEVER }, right }
}

impl Game {
    /// The question, in words.
    pub fn question(self) -> &'static str {
        match self {
            Self::RequestOfForwarded => "which request to a relay is this one that leaves it",
            Self::RequestOfArrival => "which request to a relay is this one that arrives at the gateway",
            Self::SameContact => "which earlier request of this client asked about the same person",
            Self::SameClient => "which other request is of the same client",
            Self::ClientOfArrival => "which client is this request of",
            Self::AccountOfToken => "to which account was this token issued",
            Self::Favourite => "about whom does this client ask most",
            Self::Changer => "which client changed this mapping",
        }
    }
}
