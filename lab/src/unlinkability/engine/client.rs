//! One client's life: messages, the product's pacing, a stock of tokens, and when a mapping is published. It
//! knows nothing of relays, and depends on no other client.

use super::super::randomness::{Purpose, exponential, stream};
use super::super::scenario::{DAY, HOUR, Lines, Scenario};
use super::super::view::{AtIssuer, Kind, NO_ROW};
use super::wallet::Wallet;
use discreet_client::pacing::{Action, Contact, Ledger, Moment, Pacing};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt};

/// A request that a client sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sent {
    /// When.
    pub at: u64,
    /// About whom.
    pub identifier: u32,
    /// What for.
    pub kind: Kind,
    /// The client's own issuance that the token came with, or [`NO_ROW`]: before the run.
    pub issuance: u32,
}

/// All that one client did.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// In the order of time.
    pub sent: Vec<Sent>,
    /// Batches of tokens, in the order of time.
    pub issued: Vec<AtIssuer>,
    /// Messages written on a cached answer.
    pub from_cache: u64,
    /// Tokens that were used before their time, because no other was left.
    pub hurried: u64,
}

/// A message: when, and to which contact of the book.
pub type Message = (u64, u32);

/// Lives through a scenario. `real` are messages of a trace, in place of drawn ones.
pub fn live(scenario: &Scenario, client: u32, book: &[u32], real: Option<&[Message]>) -> Life {
    let mut rng = stream(scenario.seed, Purpose::Behaviour, client.into());
    let end = scenario.end_ms();
    let lines = scenario.trace.as_ref().map(|trace| trace.lines);
    let mut life = Life::default();
    match (lines, real) {
        (Some(Lines::Lookups), Some(lines)) => {
            let before_end = lines.iter().filter(|(at, _)| *at < end);
            life.sent.extend(before_end.map(|&(at, contact)| lookup(at, book, contact, Kind::Lookup)));
        }
        _ if book.is_empty() => {}
        _ => {
            let drawn = if real.is_none() { messages(scenario, book.len(), &mut rng) } else { Vec::new() };
            pace(scenario, book, real.unwrap_or(&drawn), &mut life, &mut rng);
        }
    }
    publish(scenario, client, &mut life, &mut rng);
    life.sent.sort_by_key(|sent| sent.at);
    let issuer = (client % u32::from(scenario.population.issuers)) as u16;
    let mut wallet = Wallet::new(&scenario.tokens, issuer, client, &mut rng);
    for sent in &mut life.sent {
        sent.issuance = wallet.spend(sent.at, &mut rng);
    }
    (life.issued, life.hurried) = wallet.close(end, &mut rng);
    life
}

fn lookup(at: u64, book: &[u32], contact: u32, kind: Kind) -> Sent {
    Sent { at, identifier: book[contact as usize], kind, issuance: NO_ROW }
}

/// Messages as a Poisson process that follows the day, to contacts by a Zipf law.
fn messages(scenario: &Scenario, contacts: usize, rng: &mut ChaCha8Rng) -> Vec<Message> {
    let behaviour = &scenario.behaviour;
    let most = behaviour.messages_per_day * (1.0 + behaviour.diurnal);
    let mut messages = Vec::new();
    if most <= 0.0 {
        return messages;
    }
    let whom = super::super::population::Zipf::new(contacts, behaviour.favourites);
    let mut at = 0.0;
    loop {
        at += exponential(rng, DAY as f64 / most);
        if at >= scenario.end_ms() as f64 {
            return messages;
        }
        // The fewest at four in the night, the most at four in the afternoon.
        let phase = (at / HOUR as f64 - 16.0) / 24.0 * std::f64::consts::TAU;
        let share = (1.0 + behaviour.diurnal * phase.cos()) / (1.0 + behaviour.diurnal);
        if rng.random::<f64>() < share {
            messages.push((at as u64, whom.draw(rng) as u32));
        }
    }
}

/// What is looked up because of messages, timers, and for cover.
fn pace(scenario: &Scenario, book: &[u32], messages: &[Message], life: &mut Life, rng: &mut ChaCha8Rng) {
    let refresh_after = (scenario.behaviour.refresh_after_hours * HOUR as f64) as u64;
    let contacts = (0..book.len() as u32).map(Contact);
    let mut pacing = Pacing::new(scenario.behaviour.pacing(), Ledger::default());
    // Time is counted from where every answer of before the run is stale, so that none is negative.
    let epoch = refresh_after;
    let mut asked = vec![None; book.len()];
    if rng.random::<f64>() < scenario.behaviour.new_books {
        pacing.add(Moment(epoch), contacts, rng);
    } else {
        asked.iter_mut().for_each(|at| *at = Some(rng.random_range(0..=epoch)));
        pacing.known(Moment(epoch), contacts, rng);
    }
    let mut messages = messages.iter().map(|&(at, contact)| (at + epoch, contact)).peekable();
    let end = epoch + scenario.end_ms();
    loop {
        let paced = pacing.next().map_or(u64::MAX, |at| at.0);
        let message = messages.peek().map_or(u64::MAX, |message| message.0);
        let now = paced.min(message);
        if now >= end {
            return;
        }
        if message <= paced {
            let Some((_, contact)) = messages.next() else { return };
            let last = &mut asked[contact as usize];
            if last.is_some_and(|last| now - last < refresh_after) {
                life.from_cache += 1;
            } else {
                *last = Some(now);
                life.sent.push(lookup(now - epoch, book, contact, Kind::Lookup));
            }
            continue;
        }
        let mut send = |contact: Contact, kind| {
            asked[contact.0 as usize] = Some(now);
            life.sent.push(lookup(now - epoch, book, contact.0, kind));
        };
        loop {
            match pacing.poll(Moment(now), rng) {
                Action::Lookup(contact) => send(contact, Kind::Lookup),
                Action::Cover(contact) => send(contact, Kind::Cover),
                Action::WaitUntil(_) => break,
                // Nobody counts the stock here: neither happens while there are contacts with a budget.
                Action::OutOfTokens | Action::Idle => return,
            }
        }
    }
}

fn publish(scenario: &Scenario, client: u32, life: &mut Life, rng: &mut impl Rng) {
    let rate = scenario.changes.publishes_per_day;
    if rate <= 0.0 {
        return;
    }
    let mut at = 0.0;
    loop {
        at += exponential(rng, DAY as f64 / rate);
        let sent = at as u64 + rng.random_range(0..=scenario.changes.delay_secs * 1000);
        if at >= scenario.end_ms() as f64 {
            return;
        }
        if sent < scenario.end_ms() {
            life.sent.push(Sent { at: sent, identifier: client, kind: Kind::Publish, issuance: NO_ROW });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::scenario::Scenario;
    use super::*;

    fn scenario(text: &str) -> Scenario {
        let scenario: Scenario =
            toml::from_str(&format!("seed = 1\nclients = 100\nhours = 24\n{text}")).unwrap();
        scenario.check().unwrap();
        scenario
    }

    #[test]
    fn covers_and_refreshes_keep_to_the_shares_of_the_budget() {
        let scenario = scenario("[behaviour]\nmessages_per_day = 0\n[changes]\npublishes_per_day = 0");
        let book: Vec<u32> = (0..90).collect();
        let (mut lookups, mut covers) = (0, 0);
        for client in 0..200 {
            let life = live(&scenario, client, &book, None);
            covers += life.sent.iter().filter(|sent| sent.kind == Kind::Cover).count();
            lookups += life.sent.iter().filter(|sent| sent.kind == Kind::Lookup).count();
        }
        // 600 and 100 thousandths of 150 a day, 200 clients.
        assert!((lookups as f64 - 18_000.0).abs() < 600.0, "{lookups}");
        assert!((covers as f64 - 3_000.0).abs() < 250.0, "{covers}");
    }

    #[test]
    fn without_pacing_a_message_costs_a_lookup_only_when_the_answer_is_stale() {
        let text = "[behaviour]\nmessages_per_day = 100\nrefresh_permille = 0\ncover_permille = 0\n\
                    refresh_after_hours = 6\n[changes]\npublishes_per_day = 0";
        let life = live(&scenario(text), 3, &[7], None);
        // One contact, answers for 6 of 24 hours: 4 lookups, one more or less.
        assert!((3..=5).contains(&life.sent.len()), "{}", life.sent.len());
        assert!(life.from_cache > 50);
        assert!(life.sent.windows(2).all(|pair| pair[1].at - pair[0].at >= 6 * HOUR));
    }

    #[test]
    fn a_trace_of_lookups_is_sent_as_it_stands() {
        let scenario =
            scenario("[trace]\nfile = \"x.csv\"\nlines = \"lookups\"\n[changes]\npublishes_per_day = 0");
        let life = live(&scenario, 0, &[5, 9], Some(&[(10, 1), (20, 0), (90_000_000, 0)]));
        let sent: Vec<_> = life.sent.iter().map(|sent| (sent.at, sent.identifier)).collect();
        assert_eq!(sent, [(10, 9), (20, 5)]);
    }
}
