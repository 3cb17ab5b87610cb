//! Pulling what authorities sign: statuses and revocations, from their feeds.
//!
//! A resolver reads each feed as a whole, whoever is in its directory, so an authority learns neither
//! who is looked up nor who has published. Nothing an authority sends is trusted: statements are
//! verified under the key of the rules, pages and their number are bounded, and an authority that is
//! silent, slow or lying costs a pull and nothing else.

use crate::InForce;
use crate::directory::{Directory, DirectoryError};
use crate::rules::{Feed, Rules};
use crate::statuses::{self, Applied};
use bytes::Bytes;
use discreet_protocol::feed::{FEED_PATH, FEED_TYPE, MAX_PAGE_BYTES, Page};
use discreet_protocol::identifier::Domain;
use discreet_protocol::time::Timestamp;
use discreet_serve::tls::TlsError;
use discreet_serve::{Upstream, UpstreamError};
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

mod metrics;

pub use metrics::Metrics;

/// How long to wait between two pulls, on average.
const INTERVAL: Duration = Duration::from_secs(15 * 60);
/// By how much a wait is longer or shorter, at random, so that resolvers do not come all at once.
const JITTER: Duration = Duration::from_secs(3 * 60);
/// Most pages of one pull: eight million statements. What is left comes with the next one.
pub const MAX_PAGES: usize = 4096;
/// How long one pull of one feed may take. What is left comes with the next one.
const PULL_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Why a pull ended early. What was read before is kept.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The trusted certificates cannot be used.
    #[error(transparent)]
    Trust(#[from] TlsError),
    /// The authority does not answer.
    #[error("the authority does not answer: {0}")]
    Upstream(#[from] UpstreamError),
    /// The authority answers something else than a page.
    #[error("the authority does not answer with a page of its feed")]
    NoPage,
    /// The authority says that there is more, and does not give it.
    #[error("the authority's feed makes no progress")]
    NoProgress,
    /// The feed is longer than one pull.
    #[error("the authority's feed is longer than one pull; the rest comes with the next")]
    Unfinished,
    /// The directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A bug: the work on a page panicked.
    #[error("the work on a page ended unexpectedly")]
    Work(#[from] JoinError),
}

/// What came of one pull of one feed.
#[derive(Debug)]
pub struct Pulled {
    /// The authority.
    pub authority: Domain,
    /// What became of its statements.
    pub applied: Applied,
    /// Pages read.
    pub pages: usize,
    /// Whether it was read to its end.
    pub ended: Result<(), PullError>,
}

/// Pulls all feeds of the rules, each by itself, and waits for all of them.
pub async fn pull_all(rules: &Rules, directory: &Arc<Directory>, now: Timestamp) -> Vec<Pulled> {
    let mut pulls = JoinSet::new();
    for feed in rules.feeds.clone() {
        let directory = Arc::clone(directory);
        pulls.spawn(async move { pull(&directory, &feed, now).await });
    }
    let mut pulled = pulls.join_all().await;
    pulled.sort_by(|one, next| one.authority.cmp(&next.authority));
    pulled
}

/// As [`pull_all`], for a command that has no runtime.
///
/// # Errors
///
/// When the system gives no threads.
pub fn pull_once(rules: &Rules, directory: &Arc<Directory>, now: Timestamp) -> io::Result<Vec<Pulled>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(runtime.block_on(pull_all(rules, directory, now)))
}

/// Pulls all feeds of the rules without end: at once, at once again when the rules change, and every
/// quarter of an hour or so.
pub(crate) async fn run(mut in_force: watch::Receiver<Arc<InForce>>, metrics: Metrics) {
    loop {
        let InForce { directory, rules, clock, .. } = InForce::clone(&in_force.borrow_and_update());
        for pulled in pull_all(&rules, &directory, Timestamp::from_unix(clock.now())).await {
            metrics.count(&pulled);
            report(&pulled);
        }
        // An error says that there will be no other rules: the pause alone counts.
        if let Ok(Err(_)) = timeout(pause(), in_force.changed()).await {
            sleep(pause()).await;
        }
    }
}

/// Pulls one feed, from where the last pull ended.
pub async fn pull(directory: &Arc<Directory>, feed: &Feed, now: Timestamp) -> Pulled {
    let mut pulled =
        Pulled { authority: feed.authority.clone(), applied: Applied::default(), pages: 0, ended: Ok(()) };
    let ended = timeout(PULL_TIMEOUT, pull_pages(directory, feed, now, &mut pulled)).await;
    pulled.ended = ended.unwrap_or(Err(PullError::Unfinished));
    pulled
}

async fn pull_pages(
    directory: &Arc<Directory>,
    feed: &Feed,
    now: Timestamp,
    pulled: &mut Pulled,
) -> Result<(), PullError> {
    let upstream = Upstream::new(&feed.upstream)?;
    let known = Arc::clone(directory);
    let name = feed.authority.clone();
    let mut after = tokio::task::spawn_blocking(move || statuses::cursor(&known, &name)).await??;
    while pulled.pages < MAX_PAGES {
        let page = fetch(&upstream, after).await?;
        // An authority restored from a backup begins anew; nobody goes back twice.
        let back = page.next < after && pulled.pages == 0;
        if page.statements.is_empty() && !page.more && !back {
            return Ok(());
        }
        if page.statements.is_empty() && page.more || page.next <= after && !back {
            return Err(PullError::NoProgress);
        }
        pulled.pages += 1;
        after = page.next;
        let more = page.more;
        // A statement that is refused is passed over, but asked for again the next time: it may be a
        // revocation, and the fault ours.
        let keep = pulled.applied.refused == 0;
        add(&mut pulled.applied, keep_page(directory, feed, now, page, keep).await?);
        if !more {
            return Ok(());
        }
    }
    Err(PullError::Unfinished)
}

async fn fetch(upstream: &Upstream, after: u64) -> Result<Page, PullError> {
    let request = Request::get(format!("{FEED_PATH}?after={after}")).body(Bytes::new());
    let request = request.map_err(|_| PullError::NoPage)?;
    let answer = upstream.send(request, MAX_PAGE_BYTES).await?;
    let is_page = answer.status() == StatusCode::OK
        && answer.headers().get(CONTENT_TYPE).is_some_and(|given| given == FEED_TYPE);
    is_page.then(|| Page::decode(answer.body())).flatten().ok_or(PullError::NoPage)
}

/// Takes a page in and, if nothing of the pull was refused, remembers how far it went. In this order:
/// after an interruption a page is read twice rather than never.
async fn keep_page(
    directory: &Arc<Directory>,
    feed: &Feed,
    now: Timestamp,
    page: Page,
    remember: bool,
) -> Result<Applied, PullError> {
    let (directory, name, key) = (Arc::clone(directory), feed.authority.clone(), feed.key);
    let work = move || {
        let applied = statuses::apply(&directory, &name, &key, now, &page.statements)?;
        if remember && applied.refused == 0 {
            statuses::set_cursor(&directory, &name, page.next)?;
        }
        Ok(applied)
    };
    tokio::task::spawn_blocking(work).await?
}

fn add(sum: &mut Applied, more: Applied) {
    let Applied { renewed, revoked, ignored, refused } = more;
    sum.renewed += renewed;
    sum.revoked += revoked;
    sum.ignored += ignored;
    sum.refused += refused;
}

/// Authorities are named in the published policy; nobody else is named here.
fn report(pulled: &Pulled) {
    let (authority, Applied { renewed, revoked, refused, .. }) = (&pulled.authority, pulled.applied);
    match &pulled.ended {
        Err(error) => {
            tracing::warn!(%authority, %error, renewed, revoked, refused, "feed not read to its end")
        }
        Ok(()) if refused > 0 => {
            tracing::warn!(%authority, renewed, revoked, refused, "the feed holds statements that do not verify");
        }
        Ok(()) => tracing::info!(%authority, renewed, revoked, "feed read"),
    }
}

fn pause() -> Duration {
    let mut random = [0; 4];
    // Without randomness every wait is the shortest.
    let _ = getrandom::fill(&mut random);
    let part = f64::from(u32::from_be_bytes(random)) / f64::from(u32::MAX);
    INTERVAL - JITTER + (2 * JITTER).mul_f64(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_a_quarter_of_an_hour_or_so() {
        for _ in 0..100 {
            let pause = pause().as_secs();
            assert!((720..=1080).contains(&pause), "{pause}");
        }
    }
}
