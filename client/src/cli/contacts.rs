//! `discreet contacts sync`: ask about everybody in an address book, each by himself and at a time of his
//! own.
//!
//! When to ask is [`discreet_client::pacing`]'s business; this is the clock, the wallet and the memory
//! around it. Only identifiers are read of a book; they go nowhere but into sealed requests, the state
//! folder and standard output.

use super::common::{self, Directory};
use super::failure::{Failure, UNAVAILABLE};
use super::stop::{self, Stop};
use clap::{Args, Subcommand};
use discreet_client::pacing::{Action, Contact, Moment, Pacing, Settings};
use discreet_client::{
    Answer, Client, Csi, DirectoryError, Error, Fault, Outcome, Query, RelayError, TokensError,
};
use progress::Progress;
use rand::SeedableRng;
use rand::rngs::{ChaCha12Rng, SysRng};
use screen::Screen;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::sleep;

mod book;
mod progress;
mod screen;
mod table;
mod vcard;

pub(crate) use book::BookError;

/// Answers to wait for from one contact in one run.
const MAX_ATTEMPTS: u8 = 3;
/// The longest sleep at a time: a machine that was asleep is noticed afterwards.
const NAP: Duration = Duration::from_secs(5);
/// How often the stock is looked at while there is no token: they become usable one by one over hours.
const RESTOCK: u64 = 10 * 60 * 1000;
/// Tokens of a day without `--budget`, as issuers give by default.
const BUDGET: u32 = 150;

#[derive(Subcommand)]
pub(crate) enum Contacts {
    /// Ask about everybody in an address book (vCard or CSV), each in a request and at a time of his own
    ///
    /// A book that is asked about in one sweep would name its owner, so the requests are spread evenly over a
    /// day (--within). Where tokens run out it ends and says when there are some; with --watch it waits for
    /// them. Each answer is remembered at once: stopped in whatever way and started again, it goes
    /// on where it was. Answers are kept for `discreet lookup`.
    ///
    /// Of a vCard the lines TEL and EMAIL are read; of a table (CSV) the columns whose names in the first
    /// line speak of phone, tel, mobile or mail. Names are not read. What is no number or address is listed by
    /// its line, and the rest goes on.
    Sync(SyncBook),
}

#[derive(Args)]
pub(crate) struct SyncBook {
    /// The address book
    book: PathBuf,
    #[command(flatten)]
    directory: Directory,
    /// Two-letter region that completes national numbers, such as DE
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The time over which new contacts are spread: 90s, 30m, 6h, 3d. Contacts worth more than 2000 tokens
    /// take a day for each 2000
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = duration)]
    within: Duration,
    /// Ask about all new contacts at once. It costs privacy: whoever sees so many questions in one sweep
    /// knows that they are one person's contacts, and may know which person's
    #[arg(long, conflicts_with = "within")]
    now: bool,
    /// Go on when everybody has been asked: refresh answers at random times, until it is stopped
    #[arg(long)]
    watch: bool,
    /// Tokens a day for that. Six tenths of what covers leave refresh
    /// answers; the rest is for questions of yours
    #[arg(long, value_name = "TOKENS", default_value_t = BUDGET, requires = "watch")]
    budget: u32,
    /// How many of these pay for cover: questions about contacts drawn at random, so that fewer of those
    /// that are sent tell something
    #[arg(long, value_name = "TOKENS", default_value = "15", requires = "watch")]
    covers: u32,
}

/// One run of `sync`.
struct Run<'a> {
    client: Client,
    contacts: &'a [Csi],
    pacing: Pacing,
    rng: ChaCha12Rng,
    progress: Progress,
    screen: Screen,
    /// Answers that did not come, by contact.
    attempts: Vec<u8>,
    tally: Tally,
    sweep: bool,
    watch: bool,
    /// Tokens that a lookup costs.
    price: u8,
    /// Tokens need not have reached their time.
    fresh: bool,
    stop: Pin<Box<dyn Future<Output = std::io::Result<Stop>>>>,
}

/// What became of the contacts, in this run.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) reachable: u64,
    pub(crate) absent: u64,
    pub(crate) refused: u64,
    pub(crate) unanswered: u64,
    /// In earlier runs.
    pub(crate) before: u64,
}

impl Contacts {
    pub(crate) async fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let Self::Sync(sync) = self;
        sync.run(json).await
    }
}

impl SyncBook {
    async fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let fail = |error| Failure::Book { path: self.book.clone(), error };
        let bytes = common::read_up_to(&self.book, book::MAX_BOOK)?;
        let book = book::read(&bytes, self.region.as_deref()).map_err(fail)?;
        drop(bytes);
        let screen = Screen::new(json, book.contacts.len());
        book.problems.iter().for_each(|problem| screen.problem(problem.line, &problem.reason.to_string()));
        book.doubtful.iter().for_each(|line| screen.doubtful(*line));
        if book.contacts.is_empty() {
            return Err(fail(BookError::Nobody));
        }
        let client = self.directory.client()?;
        let policy = client.policy().await?;
        let progress = Progress::open(&self.directory.folder()?, &policy.domain, &book.contacts)?;
        let mut run = Run {
            client,
            contacts: &book.contacts,
            pacing: Pacing::new(self.settings(&progress, policy.prices.lookup.into()), progress.ledger()),
            rng: ChaCha12Rng::try_from_rng(&mut SysRng).map_err(|_| Failure::NoRandomness)?,
            screen,
            attempts: vec![0; book.contacts.len()],
            tally: Tally { before: progress.asked().len() as u64, ..Tally::default() },
            progress,
            sweep: self.now,
            watch: self.watch,
            price: policy.prices.lookup,
            fresh: self.directory.fresh_tokens,
            stop: Box::pin(stop::asked()),
        };
        let ended = run.start().await;
        run.screen.end(&run.tally, run.progress.unasked().len() as u64);
        ended?;
        Ok(if run.tally.unanswered > 0 { ExitCode::from(UNAVAILABLE) } else { ExitCode::SUCCESS })
    }

    fn settings(&self, progress: &Progress, price: u32) -> Settings {
        let cover_permille = permille(self.covers, self.budget);
        let first_within = if self.now { Duration::ZERO } else { progress.left(self.within, now()) };
        let usual = Settings { per_day: self.budget, price, first_within, ..Settings::default() };
        if self.watch {
            Settings { cover_permille, refresh_permille: (1000 - cover_permille) * 6 / 10, ..usual }
        } else {
            Settings { cover_permille: 0, refresh_permille: 0, ..usual }
        }
    }
}

impl Run<'_> {
    /// Begins or goes on, to the end.
    async fn start(&mut self) -> Result<(), Failure> {
        let started = now();
        self.pacing.known(started, self.progress.asked(), &mut self.rng);
        self.pacing.add(started, self.progress.unasked(), &mut self.rng);
        self.progress.plan(self.pacing.first_until())?;
        // From here on Ctrl-C and SIGTERM are heard of, also while an answer is waited for.
        self.go_on().await?;
        self.screen.begin(self.pacing.unasked(), self.pacing.first_until(), started);
        loop {
            self.go_on().await?;
            self.restock().await?;
            match self.pacing.poll(now(), &mut self.rng) {
                Action::Lookup(contact) | Action::Cover(contact) => self.ask(contact).await?,
                Action::WaitUntil(at) => self.wait(at).await?,
                Action::OutOfTokens if self.watch => self.wait(now().plus(RESTOCK)).await?,
                Action::OutOfTokens => return Err(self.out_of_tokens().await),
                Action::Idle => return Ok(()),
            }
        }
    }

    /// Whether nobody has asked it to stop.
    async fn go_on(&mut self) -> Result<(), Failure> {
        tokio::select! {
            biased;
            stop = &mut self.stop => Err(Failure::stopped(stop)),
            () = std::future::ready(()) => Ok(()),
        }
    }

    /// Tells pacing what a lookup costs and what the wallet has, where something is due.
    async fn restock(&mut self) -> Result<(), Failure> {
        if self.pacing.next().is_none_or(|at| at > now()) {
            return Ok(());
        }
        match self.means().await {
            Ok((price, payable)) => {
                self.price = price;
                self.pacing.means(now(), price.into(), payable, &mut self.rng);
            }
            Err(error) if matches!(error.fault(), Fault::Local | Fault::Input) => return Err(error.into()),
            // Who has no policy sends nothing either, and the lookup says why.
            Err(_) => {}
        }
        Ok(())
    }

    /// The price of a lookup, and how many tokens could pay for some.
    async fn means(&self) -> Result<(u8, u64), Error> {
        let price = self.client.policy().await?.prices.lookup;
        let payable =
            if price == 0 { 0 } else { self.client.tokens().await?.payable(price, self.fresh) as u64 };
        Ok((price, payable))
    }

    /// When there are tokens again: as many under one key as a lookup costs. Who need not wait for them has none.
    async fn out_of_tokens(&self) -> Failure {
        let stock = if self.fresh { None } else { self.client.tokens().await.ok() };
        let next = stock.and_then(|stock| stock.enough_at(self.price));
        Error::from(TokensError::NoneUsable { price: self.price, next }).into()
    }

    /// Asks about one, and remembers that at once.
    async fn ask(&mut self, contact: Contact) -> Result<(), Failure> {
        let at = contact.0 as usize;
        let Some(csi) = self.contacts.get(at) else { return Ok(()) };
        let answer = match self.client.lookup(Query { csi: csi.clone(), tag: None }).await {
            Err(error) if matches!(error.fault(), Fault::Local | Fault::Input) => return Err(error.into()),
            answer => answer,
        };
        let is_new = !self.progress.is_asked(contact);
        let answered = match &answer {
            Ok(answer) => Some(is_reachable(answer)),
            Err(Error::Directory(DirectoryError::Unpaid)) => None,
            Err(error @ Error::Directory(_)) if error.is_refusal() => Some(false),
            Err(_) => None,
        };
        if answered.is_some() {
            self.progress.set_asked(contact);
        }
        self.progress.save(self.pacing.ledger())?;
        match (&answer, answered) {
            (Ok(_), Some(true)) if is_new => self.tally.reachable += 1,
            (Ok(_), _) if is_new => self.tally.absent += 1,
            (Err(_), Some(_)) if is_new => self.tally.refused += 1,
            (Err(error), None) => self.unanswered(contact, error, is_new)?,
            _ => {}
        }
        self.screen.answer(csi, &answer, is_new && answered.is_some());
        Ok(())
    }

    /// It gets another moment, a few times; as often as is needed where nothing was sent.
    fn unanswered(&mut self, contact: Contact, error: &Error, is_new: bool) -> Result<(), Failure> {
        let was_sent = !matches!(
            error,
            Error::Unconfirmed { .. }
                | Error::RelaysDisagree
                | Error::Relay { error: RelayError::Unreachable, .. }
        );
        if self.sweep && !was_sent {
            return Err(Failure::NobodyThere);
        }
        if !is_new {
            return Ok(());
        }
        let Some(attempts) = self.attempts.get_mut(contact.0 as usize) else { return Ok(()) };
        *attempts += u8::from(was_sent);
        if *attempts < MAX_ATTEMPTS {
            self.pacing.failed(now(), contact, &mut self.rng);
            self.progress.plan(self.pacing.first_until())?;
        } else {
            self.tally.unanswered += 1;
        }
        Ok(())
    }

    /// Until then, or until the user wants to stop.
    async fn wait(&mut self, until: Moment) -> Result<(), Failure> {
        loop {
            let left = Duration::from_millis(until.0.saturating_sub(now().0));
            if left.is_zero() {
                return Ok(());
            }
            self.screen.waiting(self.pacing.unasked(), self.pacing.first_until(), now());
            tokio::select! {
                biased;
                stop = &mut self.stop => return Err(Failure::stopped(stop)),
                () = sleep(left.min(NAP)) => {}
            }
        }
    }
}

fn is_reachable(answer: &Answer) -> bool {
    match answer.outcome() {
        Outcome::NoMapping | Outcome::NoService => false,
        _ => answer.mappings.iter().any(|found| !found.services.is_empty()),
    }
}

fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn permille(part: u32, whole: u32) -> u32 {
    let permille = u64::from(part) * 1000 / u64::from(whole.max(1));
    u32::try_from(permille).unwrap_or(1000).min(1000)
}

/// A number and its unit: at most a year.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.trim_end_matches(char::is_alphabetic).len());
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("give a number and its unit: s, m, h or d, such as 6h".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "the number must be whole, such as 6h".to_owned())?;
    match number.checked_mul(seconds).filter(|seconds| (1..=365 * 86_400).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err("at least a second, and at most a year".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, seconds) in [("90s", 90), ("30m", 1_800), ("6h", 21_600), ("3d", 259_200)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn rejects_times_that_are_none() {
        for text in ["", "3", "d", "0s", "1.5h", "-1h", "366d", "99999999999999999999d", "3 d", "3w", "3ü"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
