//! What a provider does by itself: it signs statuses anew before they are a day old, forgets what is over, and
//! says when the issuer needs a key. In small steps, so that it can be stopped between any two and goes on where it was.

use crate::authority::{Authority, DatabaseError, statuses::SIGN_AFTER};
use crate::issuer::Issuer;
use crate::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait between two rounds.
const INTERVAL: Duration = Duration::from_secs(15 * 60);

/// The same for the issuer, whose time is hours.
const ISSUER_INTERVAL: Duration = Duration::from_secs(3600);

/// Rounds without end, the first at once.
pub(crate) async fn keep_up(authority: Arc<Authority>, metrics: Metrics) {
    loop {
        if let Err(error) = round(&authority, &metrics).await {
            metrics.failures.inc();
            tracing::error!(%error, "statuses could not be signed; they are void after 72 hours");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Rounds without end: forgets accounts that have their whole quota again.
pub(crate) async fn keep_counters(issuer: Arc<Issuer>, metrics: Metrics) {
    loop {
        if issuer.needs_key() {
            tracing::warn!(
                "the issuer's last key has less than 14 days to sign; run `discreet-provider issuer keys rotate`"
            );
        }
        loop {
            let issuer = Arc::clone(&issuer);
            match blocking(move || issuer.forget_some()).await {
                Ok(0) => break,
                Ok(more) => {
                    metrics.accounts_forgotten.inc_by(more as u64);
                }
                Err(error) => {
                    metrics.failures.inc();
                    tracing::error!(%error, "accounts with their whole quota are not forgotten");
                    break;
                }
            }
        }
        tokio::time::sleep(ISSUER_INTERVAL).await;
    }
}

async fn round(authority: &Arc<Authority>, metrics: &Metrics) -> Result<(), DatabaseError> {
    let mut forgotten = 0;
    let mut signed = 0;
    loop {
        let more = step(authority, Authority::forget_some).await?;
        forgotten += more;
        metrics.forgotten.inc_by(more as u64);
        if more == 0 {
            break;
        }
    }
    loop {
        let more = step(authority, |authority| authority.sign_some(SIGN_AFTER)).await?;
        signed += more;
        metrics.signed.inc_by(more as u64);
        if more == 0 {
            break;
        }
    }
    if signed + forgotten > 0 {
        tracing::info!(signed, forgotten, "statuses are up to date");
    }
    Ok(())
}

async fn step(
    authority: &Arc<Authority>,
    work: impl FnOnce(&Authority) -> Result<usize, DatabaseError> + Send + 'static,
) -> Result<usize, DatabaseError> {
    let authority = Arc::clone(authority);
    blocking(move || work(&authority)).await
}

async fn blocking(
    work: impl FnOnce() -> Result<usize, DatabaseError> + Send + 'static,
) -> Result<usize, DatabaseError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is shutting down.
        Err(_) => Ok(0),
    }
}
