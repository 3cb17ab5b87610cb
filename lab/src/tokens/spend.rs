//! Verifying and spending in this process, through the resolver itself, and the set of spent tokens alone.

use crate::paying::{paid, request};
use crate::stress::{bar, tally::median};
use anyhow::{Context, Result, ensure};
use aws_lc_rs::rand::fill;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PSS_2048_8192_SHA384};
use bytes::Bytes;
use discreet_protocol::policy::{Epoch, Issuer};
use discreet_protocol::time::{DAY, Timestamp};
use discreet_protocol::token::{NK, Token, TokenInput};
use discreet_provider::issuer::key::PrivateKey;
use discreet_resolver::store::{Spend, Spent, SpentTokens};
use discreet_resolver::{Config, Resolver, create};
use discreet_serve::secret::create_secret;
use discreet_serve::{Clock, Environment, Log, config};
use http::Request;
use rayon::prelude::*;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tests::world::{domain, phone};
use tests::{Mint, World};

const ISSUER: &str = "issuer.example";
/// Signatures for the rate of signing.
const SIGNED: u32 = 1000;
/// The same for the issuer's, which take longer.
const ISSUED: u32 = 300;
/// Tokens of one operation while the disk is filled: the most there may be.
const TOGETHER: u32 = 4;

/// Per second.
pub(super) struct Rates {
    pub(super) verified: f64,
    /// And core: bare.
    pub(super) signed: f64,
    /// And core: as the issuer does it, on a number of its own blinding, and verified before it leaves.
    pub(super) issued: f64,
    /// Verified and spent.
    pub(super) spent: Rate,
    /// Verified, spent, and the lookup done.
    pub(super) looked_up: Rate,
}

/// Per second.
#[derive(Clone, Copy)]
pub(super) struct Rate {
    pub(super) per_second: f64,
    pub(super) syncs_per_second: f64,
}

/// What was written.
pub(super) struct Disk {
    pub(super) bytes_per_million: f64,
    pub(super) per_second: f64,
}

/// How fast tokens are taken, by so many threads.
pub(super) fn rates(tokens: u32, rounds: u8, threads: usize) -> Result<Rates> {
    let (folder, mint) = (tempfile::tempdir()?, Mint::new(ISSUER));
    let resolver = resolver(folder.path(), &mint)?;
    let absent = phone("+14155550123");
    let begun = Instant::now();
    (0..SIGNED).for_each(|_| drop(std::hint::black_box(mint.token())));
    let signed = f64::from(SIGNED) / begun.elapsed().as_secs_f64();
    let issued = issued()?;
    let shown = bar(u64::from(rounds), "rounds of spending");
    let (mut verified, mut spent, mut looked_up) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let tokens: Vec<[Token; 2]> =
            (0..tokens).into_par_iter().map(|_| [mint.token(), mint.token()]).collect();
        verified.push(verify(&mint, &tokens)?);
        // Without content it is refused once it has paid: what is measured is the paying.
        let paying = tokens.iter().map(|[one, _]| paid(std::slice::from_ref(one), Bytes::new()));
        spent.push(answer_all(&resolver, paying.collect::<Result<_>>()?, threads, 400)?);
        let asking = tokens.iter().map(|[_, one]| request(&absent, std::slice::from_ref(one)));
        looked_up.push(answer_all(&resolver, asking.collect::<Result<_>>()?, threads, 200)?);
        shown.inc(1);
    }
    shown.finish_and_clear();
    Ok(Rates {
        verified: median(verified),
        signed,
        issued,
        spent: middle(&spent),
        looked_up: middle(&looked_up),
    })
}

/// Blinded messages that one core of an issuer signs in a second.
fn issued() -> Result<f64> {
    let key = PrivateKey::draw()?;
    // Any number below the modulus is a blinded message: one that begins with a zero is.
    let mut blinded = [0; NK];
    let begun = Instant::now();
    for _ in 0..ISSUED {
        fill(blinded.split_at_mut(1).1).ok().context("no randomness")?;
        std::hint::black_box(key.sign(&blinded)?);
    }
    Ok(f64::from(ISSUED) / begun.elapsed().as_secs_f64())
}

fn middle(rates: &[Rate]) -> Rate {
    let of = |value: fn(&Rate) -> f64| median(rates.iter().map(value).collect());
    Rate { per_second: of(|rate| rate.per_second), syncs_per_second: of(|rate| rate.syncs_per_second) }
}

/// A resolver with an empty directory, whose lookups cost one token.
fn resolver(folder: &Path, mint: &Mint) -> Result<Resolver> {
    let now = Timestamp::from_unix(Clock::system().now());
    let file = folder.join("resolver.toml");
    fs::write(&file, "rules = \"rules.toml\"\ndirectory = \"directory.db\"\npepper = \"pepper.key\"\n")?;
    let mut config: Config = config::load(&file)?;
    config.resolve(folder);
    let tokens = mint.rules(u64::from(u32::MAX), u64::from(u32::MAX), now, [-1, 30]);
    fs::write(&config.rules, format!("{}\n[prices]\nlookup = 1\n{tokens}", World::new(1, now).rules()))?;
    create_secret(&config.pepper, &[7; 32])?;
    drop(create(&config)?);
    let environment = Environment::new(Log::off(), Clock::system());
    Ok(Resolver::open(&config, &environment, &mut Default::default())?)
}

/// Verifies one of each pair on all cores, and does nothing else.
fn verify(mint: &Mint, tokens: &[[Token; 2]]) -> Result<f64> {
    let key = ParsedPublicKey::new(&RSA_PSS_2048_8192_SHA384, mint.key().to_rsa_public_key());
    let key = key.ok().context("a key that cannot be used")?;
    let begun = Instant::now();
    let good = tokens
        .par_iter()
        .all(|[token, _]| key.verify_sig(&token.input().encode(), token.authenticator()).is_ok());
    ensure!(good, "a token that was just signed does not verify");
    Ok(tokens.len() as f64 / begun.elapsed().as_secs_f64())
}

/// Has so many threads answer all requests, each with this status.
fn answer_all(
    resolver: &Resolver,
    requests: Vec<Request<Bytes>>,
    threads: usize,
    status: u16,
) -> Result<Rate> {
    let (next, right) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (syncs, begun) = (resolver.token_syncs(), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = resolver.answer(request.clone());
                    right.fetch_add(usize::from(answer.status() == status), Ordering::Relaxed);
                }
            });
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    let right = right.into_inner();
    ensure!(right == requests.len(), "{right} of {} had the status {status}", requests.len());
    let syncs = resolver.token_syncs() - syncs;
    Ok(Rate { per_second: right as f64 / seconds, syncs_per_second: syncs as f64 / seconds })
}

/// What so many spent tokens take on the disk. Their signatures are not looked at here.
pub(super) fn disk(tokens: u32, threads: usize) -> Result<Disk> {
    let (folder, mint) = (tempfile::tempdir()?, Mint::new(ISSUER));
    let path = folder.path().join("directory.db.spent");
    let now = Timestamp::from_unix(Clock::system().now());
    let epoch = Epoch { key: mint.key().clone(), from: now.minus(DAY), until: now.plus(30 * DAY) };
    let plenty = u64::from(u32::MAX);
    let issuer = Issuer {
        name: domain(ISSUER),
        redemptions_per_day: plenty,
        not_found_per_day: plenty,
        keys: vec![epoch.clone()],
    };
    let set = SpentTokens::open(&path)?;
    let empty = fs::metadata(&path)?.len();
    let input = TokenInput { nonce: [0; 32], challenge_digest: [1; 32], key_id: *epoch.key.id() };
    let operations = tokens.div_ceil(TOGETHER) as usize;
    let (next, accepted) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let shown = bar(operations as u64, "operations of four tokens");
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (set, issuer, epoch, next, accepted, shown) =
                (&set, &issuer, &epoch, &next, &accepted, &shown);
            scope.spawn(move || {
                while next.fetch_add(1, Ordering::Relaxed) < operations {
                    let mut inputs = [input; TOGETHER as usize];
                    // Never: the operating system has randomness.
                    inputs.iter_mut().for_each(|one| fill(&mut one.nonce).unwrap_or_default());
                    let spent = set.spend(Spend::new(issuer, epoch, &inputs, now));
                    accepted.fetch_add(usize::from(matches!(spent, Ok(Spent::Accepted))), Ordering::Relaxed);
                    shown.inc(1);
                }
            });
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    shown.finish_and_clear();
    ensure!(accepted.into_inner() == operations, "an honest token was refused");
    // Closing it brings the log into the file.
    drop(set);
    let count = operations as f64 * f64::from(TOGETHER);
    let bytes = fs::metadata(&path)?.len() - empty;
    Ok(Disk { bytes_per_million: bytes as f64 / count * 1e6, per_second: count / seconds })
}
