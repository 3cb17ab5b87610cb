//! When a client asks about its contacts by itself, so that times tell less: a pure state machine.
//!
//! No clock, no I/O, no identifiers: the caller says what time it is, which contacts there are (by a
//! number of its own) and how many tokens are left; [`Pacing::poll`] says what to send now or until when
//! to wait. The same seed gives the same times. The product and the laboratory run this code.
//!
//! Three processes run side by side, each without a memory, so that having waited tells nothing about
//! what comes next, and a restart that draws anew changes nothing:
//!
//! - **First lookups.** Every new contact is asked once, at a moment of its own, evenly drawn from the
//!   next [`Settings::first_within`]: a book that is asked in one sweep would name its owner.
//! - **Refreshes.** Every contact that was asked has an exponential timer. The mean is what the budget
//!   allows ([`Pacing::mean_refresh`]). It does not look at when an answer goes stale: a lookup at that
//!   moment would tie it to the one before. What is stale by then is asked when it is needed.
//! - **Covers.** A Poisson process. A cover asks about one of the own contacts, evenly drawn: on the wire
//!   and in its outcome it is a refresh, and nobody else is asked about.
//!
//! A lookup that the user wants replaces nothing and moves nothing here: a gap after it would betray it.
//!
//! The timers of n contacts with one mean are together one Poisson process, each event of which belongs
//! to one of the n, evenly drawn; evenly drawn moments that have not come yet are evenly spread over what
//! is left. So one moment is held for the first lookups and one for the rest, instead of one for each
//! contact: a poll takes constant time, and a contact four bytes.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Milliseconds in an hour.
const HOUR: u64 = 3_600_000;
/// Milliseconds in a day.
const DAY: u64 = 24 * HOUR;
/// Milliseconds by which a lookup may come late. After a longer sleep it is drawn anew instead: what
/// was missed is not caught up in a sweep when the device wakes up.
const LATE: u64 = 60_000;
/// Hours that any 24 hours ending now touch: the one that has begun, and 24 before it.
const HOURS: usize = 25;

/// A point in time: milliseconds since an epoch that all calls to one [`Pacing`] share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// This much later, or the last point there is.
    #[must_use]
    pub const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// A contact, by a number that the caller chose. Each is to be added once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact(pub u32);

/// What pacing may spend, and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Tokens that first lookups may cost in any 24 hours: what the issuer gives for a new address book.
    pub burst: u32,
    /// Tokens that refreshes and covers together may cost in any 24 hours: what the issuer adds daily.
    pub per_day: u32,
    /// Tokens that a lookup costs. Where it costs none, it is paced as if it cost one.
    pub price: u32,
    /// Thousandths of `per_day` for refreshes, on average; no more than covers leave.
    pub refresh_permille: u32,
    /// Thousandths of `per_day` for covers, on average; at most 1000. What both leave is the user's.
    pub cover_permille: u32,
    /// Tokens of the stock that refreshes and covers leave to the user.
    pub reserve: u32,
    /// Within which time a new contact is asked; for more than `burst` pays, at least so many days as bursts
    /// are needed. Zero is at once.
    pub first_within: Duration,
    /// No contact's mean is shorter, however few there are. With zero the rate at which the client sends
    /// does not depend on how many contacts it has.
    pub refresh_no_faster: Duration,
}

/// As issuers give by default; a day for a new book, so that it is spread over other people's night and
/// day; a refresh a day at most, since answers last for days; a tenth for covers, three tenths and at
/// least 15 tokens for the user.
impl Default for Settings {
    fn default() -> Self {
        Self {
            burst: 2000,
            per_day: 150,
            price: 1,
            refresh_permille: 600,
            cover_permille: 100,
            reserve: 15,
            first_within: Duration::from_millis(DAY),
            refresh_no_faster: Duration::from_millis(DAY),
        }
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask about this contact, in a request of its own, and poll again.
    Lookup(Contact),
    /// The same for cover. The answer is as good as any other.
    Cover(Contact),
    /// Nothing before then.
    WaitUntil(Moment),
    /// A contact is due, and there is no token: poll after [`Pacing::stock`] has told of some.
    OutOfTokens,
    /// Nothing, until there are contacts.
    Idle,
}

/// What was spent, by the hour: it outlives a restart, so that restarts cannot overspend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The hour that the first column of both rows stands for; the columns after it are the hours before.
    hour: u64,
    first: [u32; HOURS],
    steady: [u32; HOURS],
}

/// One client's timers. See the module.
#[derive(Clone, Debug)]
pub struct Pacing {
    settings: Settings,
    /// Never asked.
    new: Vec<Contact>,
    /// Asked at least once.
    asked: Vec<Contact>,
    next_first: Option<Moment>,
    /// Of refreshes and covers together.
    next_steady: Option<Moment>,
    /// By when every new contact has been asked.
    first_until: Moment,
    /// Milliseconds that one new contact adds to the time they take.
    spacing: u64,
    /// Tokens left; nothing while nobody counts them.
    stock: Option<u64>,
    ledger: Ledger,
}

impl Pacing {
    /// Timers of nobody yet. `ledger` is that of the run before, or the default one.
    pub fn new(settings: Settings, ledger: Ledger) -> Self {
        Self {
            settings,
            new: Vec::new(),
            asked: Vec::new(),
            next_first: None,
            next_steady: None,
            first_until: Moment::default(),
            spacing: 0,
            stock: None,
            ledger,
        }
    }

    /// Contacts nobody has asked about yet: each gets a moment of its own.
    pub fn add(&mut self, now: Moment, contacts: impl IntoIterator<Item = Contact>, rng: &mut impl Rng) {
        self.new.extend(contacts);
        let count = self.new.len() as u64;
        let (tokens, burst) = (count.saturating_mul(self.price()), u64::from(self.settings.burst.max(1)));
        // What goes beyond a burst is asked for no faster than a burst a day.
        let least = if tokens > burst { tokens.saturating_mul(DAY) / burst } else { 0 };
        let within = match millis(self.settings.first_within) {
            0 => 0,
            within => within.max(least),
        };
        self.first_until = self.first_until.max(now.plus(within));
        self.spacing = (self.first_until.0 - now.0) / count.max(1);
        self.draw_first(now, rng);
    }

    /// Contacts that were asked about before this started: they only have timers.
    pub fn known(&mut self, now: Moment, contacts: impl IntoIterator<Item = Contact>, rng: &mut impl Rng) {
        self.asked.extend(contacts);
        self.draw_steady(now, rng);
    }

    /// A contact that is none any more.
    pub fn remove(&mut self, now: Moment, contact: Contact, rng: &mut impl Rng) {
        self.new.retain(|other| *other != contact);
        self.asked.retain(|other| *other != contact);
        self.draw_first(now, rng);
        self.draw_steady(now, rng);
    }

    /// A lookup of `contact` was not answered: it counts as new again and gets another moment. What was
    /// spent stays spent.
    pub fn failed(&mut self, now: Moment, contact: Contact, rng: &mut impl Rng) {
        self.asked.retain(|other| *other != contact);
        if !self.new.contains(&contact) {
            self.new.push(contact);
        }
        self.stretch(now);
        self.draw_first(now, rng);
        self.draw_steady(now, rng);
    }

    /// How many tokens can be used now. Until this is called nobody counts them.
    pub fn stock(&mut self, now: Moment, tokens: u64, rng: &mut impl Rng) {
        self.means(now, self.settings.price, tokens, rng);
    }

    /// The same, and what a lookup costs from now on ([`Settings::price`]).
    pub fn means(&mut self, now: Moment, price: u32, tokens: u64, rng: &mut impl Rng) {
        let dry = !self.affords(0);
        self.settings.price = price;
        self.stock = Some(tokens);
        if dry && self.affords(0) {
            // What had to wait is not caught up in a sweep.
            self.stretch(now);
            self.draw_first(now, rng);
        }
    }

    /// What to do at `now`. To be called again at once, until it is not a lookup.
    pub fn poll(&mut self, now: Moment, rng: &mut impl Rng) -> Action {
        self.skip_missed(now, rng);
        if self.next_first.is_some_and(|at| at <= now) {
            if !self.affords(0) {
                return Action::OutOfTokens;
            }
            if let Some(contact) = self.first(now, rng) {
                return Action::Lookup(contact);
            }
        }
        if self.next_steady.is_some_and(|at| at <= now)
            && let Some(action) = self.steady(now, rng)
        {
            return action;
        }
        self.next().map_or(Action::Idle, Action::WaitUntil)
    }

    /// When [`Pacing::poll`] has something to do next, if there is nothing to do now.
    pub fn next(&self) -> Option<Moment> {
        self.next_first.into_iter().chain(self.next_steady).min()
    }

    /// How many contacts have not been asked about.
    pub fn unasked(&self) -> usize {
        self.new.len()
    }

    /// By when the last new contact is asked about, as far as tokens allow.
    pub fn first_until(&self) -> Moment {
        self.first_until
    }

    /// The mean of each contact's timer, covers apart; nothing while there is no such contact, or no budget.
    pub fn mean_refresh(&self) -> Option<Duration> {
        let rate = self.refreshes_per_day();
        (rate > 0.0).then(|| Duration::from_millis(DAY).mul_f64(self.asked.len() as f64 / rate))
    }

    /// What was spent, to be given to [`Pacing::new`] after a restart.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// A moment long past is drawn anew.
    fn skip_missed(&mut self, now: Moment, rng: &mut impl Rng) {
        let missed = |next: Option<Moment>| next.is_some_and(|at| at.plus(LATE) < now);
        if missed(self.next_first) && self.spacing > 0 && self.affords(0) {
            self.stretch(now);
            self.draw_first(now, rng);
        }
        if missed(self.next_steady) {
            self.draw_steady(now, rng);
        }
    }

    /// A new contact is due: which, unless the day's burst is used up.
    fn first(&mut self, now: Moment, rng: &mut impl Rng) -> Option<Contact> {
        let price = self.price();
        if !Ledger::has_room(self.ledger.first(now), price, self.settings.burst) {
            self.stretch(now);
            // Some moment of the hours to come, when an hour of spending is a day ago.
            self.next_first = Some(now.plus(HOUR + rng.random_range(0..HOUR)));
            return None;
        }
        let drawn = rng.random_range(0..self.new.len().max(1));
        let contact = *self.new.get(drawn)?;
        self.new.swap_remove(drawn);
        self.ledger.first(now)[0] += self.settings.price.max(1);
        self.spend();
        self.asked.push(contact);
        self.draw_first(now, rng);
        self.draw_steady(now, rng);
        Some(contact)
    }

    /// A timer has run out: whose, unless it cannot be paid. Then it is skipped, and runs on.
    fn steady(&mut self, now: Moment, rng: &mut impl Rng) -> Option<Action> {
        self.draw_steady(now, rng);
        let price = self.price();
        let contact = *self.asked.get(rng.random_range(0..self.asked.len().max(1)))?;
        let covers = self.covers_per_day();
        let is_cover = rng.random::<f64>() * (covers + self.refreshes_per_day()) < covers;
        let has_room = Ledger::has_room(self.ledger.steady(now), price, self.settings.per_day);
        if !has_room || !self.affords(self.settings.reserve.into()) {
            return None;
        }
        self.ledger.steady(now)[0] += self.settings.price.max(1);
        self.spend();
        Some(if is_cover { Action::Cover(contact) } else { Action::Lookup(contact) })
    }

    /// The first of the moments that are evenly drawn from now to `first_until`.
    fn draw_first(&mut self, now: Moment, rng: &mut impl Rng) {
        self.next_first = (!self.new.is_empty()).then(|| {
            let left = self.first_until.0.saturating_sub(now.0) as f64;
            let share = 1.0 - unit(rng).powf(1.0 / self.new.len() as f64);
            now.plus((left * share) as u64)
        });
    }

    fn draw_steady(&mut self, now: Moment, rng: &mut impl Rng) {
        let per_day = self.refreshes_per_day() + self.covers_per_day();
        self.next_steady =
            (per_day > 0.0).then(|| now.plus((-unit(rng).ln() * DAY as f64 / per_day).ceil() as u64));
    }

    /// New contacts never come faster than they would have, had nothing gone wrong.
    fn stretch(&mut self, now: Moment) {
        self.first_until = self.first_until.max(now.plus(self.spacing * self.new.len() as u64));
    }

    fn refreshes_per_day(&self) -> f64 {
        let permille = self.settings.refresh_permille.min(1000 - self.settings.cover_permille.min(1000));
        let slowest = millis(self.settings.refresh_no_faster).max(1) as f64;
        let wanted = self.asked.len() as f64 * DAY as f64 / slowest;
        self.lookups(permille).min(wanted)
    }

    fn covers_per_day(&self) -> f64 {
        if self.asked.is_empty() { 0.0 } else { self.lookups(self.settings.cover_permille.min(1000)) }
    }

    /// How many lookups so many thousandths of a day's tokens pay.
    fn lookups(&self, permille: u32) -> f64 {
        f64::from(self.settings.per_day) * f64::from(permille) / 1000.0 / self.price() as f64
    }

    fn price(&self) -> u64 {
        self.settings.price.max(1).into()
    }

    /// Whether the stock has a lookup's price beside the reserve, or none is needed.
    fn affords(&self, reserve: u64) -> bool {
        let price = self.settings.price.into();
        price == 0 || self.stock.is_none_or(|stock| stock >= reserve.saturating_add(price))
    }

    fn spend(&mut self) {
        self.stock = self.stock.map(|stock| stock.saturating_sub(self.settings.price.into()));
    }
}

impl Ledger {
    /// What first lookups cost in the 24 hours before `now` and a bit more, this hour's in front.
    fn first(&mut self, now: Moment) -> &mut [u32; HOURS] {
        self.turn(now);
        &mut self.first
    }

    fn steady(&mut self, now: Moment) -> &mut [u32; HOURS] {
        self.turn(now);
        &mut self.steady
    }

    /// Forgets hours more than a day ago. A clock that was set back makes it remember longer; one that
    /// had been more than a day ahead is not believed.
    fn turn(&mut self, now: Moment) {
        let hour = now.0 / HOUR;
        if self.hour > hour + HOURS as u64 {
            *self = Self { hour, ..Self::default() };
        }
        let passed = usize::try_from(hour.saturating_sub(self.hour)).unwrap_or(HOURS).min(HOURS);
        for row in [&mut self.first, &mut self.steady] {
            row.rotate_right(passed % HOURS);
            row.iter_mut().take(passed).for_each(|spent| *spent = 0);
        }
        self.hour = self.hour.max(hour);
    }

    fn has_room(spent: &[u32; HOURS], price: u64, limit: u32) -> bool {
        spent.iter().map(|one| u64::from(*one)).sum::<u64>() + price <= limit.into()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Evenly drawn between 0 and 1; never 0, whose logarithm is infinite.
fn unit(rng: &mut impl Rng) -> f64 {
    1.0 - rng.random::<f64>()
}

#[cfg(test)]
mod tests;
