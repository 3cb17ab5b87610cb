//! A gateway that asks for patience is heard for all clients or for none.
//!
//! `Retry-After` (RFC 9110 §10.2.3) on a 429 or 503 counts for the gateway as a whole: a limit that it
//! could aim at one client would tell it which requests are that client's. The `RateLimit` fields are
//! ignored: they would limit without a refusal that everybody sees.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::UNIX_EPOCH,
};

use http::{HeaderMap, Response, StatusCode, header::RETRY_AFTER};

/// The longest pause, in seconds, whatever the gateway asks for: it can say so again.
pub(crate) const MAX_PAUSE_SECS: u64 = 60;

/// Until when a gateway is left alone.
#[derive(Debug, Default)]
pub(crate) struct Pause(AtomicU64);

impl Pause {
    /// The seconds left at `now`, 1 to [`MAX_PAUSE_SECS`].
    pub(crate) fn left(&self, now: u64) -> Option<u64> {
        is_running(self.0.load(Ordering::Relaxed), now)
    }

    /// Begins, or prolongs, a pause if `answer` asks for one. The seconds left then.
    pub(crate) fn heed<T>(&self, answer: &Response<T>, now: u64) -> Option<u64> {
        let secs = asked_secs(answer, now)?;
        let until = now.saturating_add(secs);
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |earlier| {
            Some(if is_running(earlier, now).is_some() { until.max(earlier) } else { until })
        });
        self.left(now)
    }
}

/// What is left at `now` of a pause until `until`.
fn is_running(until: u64, now: u64) -> Option<u64> {
    let left = until.saturating_sub(now);
    // More is left only of a clock that was set back.
    (1..=MAX_PAUSE_SECS).contains(&left).then_some(left)
}

/// The pause that an answer asks for, in seconds, 1 to [`MAX_PAUSE_SECS`].
pub(crate) fn asked_secs<T>(answer: &Response<T>, now: u64) -> Option<u64> {
    let refused = matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let secs = if refused { retry_after_secs(answer.headers(), now)? } else { 0 };
    (secs > 0).then_some(secs.min(MAX_PAUSE_SECS))
}

/// The one `Retry-After` there is: seconds, or a date.
fn retry_after_secs(headers: &HeaderMap, now: u64) -> Option<u64> {
    let mut values = headers.get_all(RETRY_AFTER).iter();
    let (Some(only), None) = (values.next(), values.next()) else { return None };
    let text = only.to_str().ok()?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().unwrap_or(u64::MAX));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs().saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1994-11-06 08:49:37 UTC, the date of RFC 9110 §5.6.7.
    const NOW: u64 = 784_111_777;

    fn asked(status: u16, values: &[&str]) -> Option<u64> {
        let mut answer = Response::builder().status(status);
        for value in values {
            answer = answer.header("retry-after", *value);
        }
        asked_secs(&answer.body(()).unwrap(), NOW)
    }

    #[test]
    fn seconds_are_read_and_capped_at_a_minute() {
        assert_eq!(asked(503, &["7"]), Some(7));
        assert_eq!(asked(429, &["60"]), Some(60));
        for long in ["61", "3600", "99999999999999999999999"] {
            assert_eq!(asked(429, &[long]), Some(60), "{long}");
        }
    }

    #[test]
    fn a_date_is_read_in_each_of_its_three_forms() {
        for date in
            ["Sun, 06 Nov 1994 08:50:07 GMT", "Sunday, 06-Nov-94 08:50:07 GMT", "Sun Nov  6 08:50:07 1994"]
        {
            assert_eq!(asked(503, &[date]), Some(30), "{date}");
        }
        assert_eq!(asked(503, &["Mon, 07 Nov 1994 08:49:37 GMT"]), Some(60));
        assert_eq!(asked(503, &["Sun, 06 Nov 1994 08:49:37 GMT"]), None, "now");
        assert_eq!(asked(503, &["Sat, 05 Nov 1994 08:49:37 GMT"]), None, "over");
    }

    #[test]
    fn a_malformed_value_asks_for_nothing() {
        for value in ["", "0", "-1", "+5", "5.5", "5 s", "soon", "0x5", "5, 6", "Sun, 06 Nov 1994"] {
            assert_eq!(asked(503, &[value]), None, "{value}");
        }
        assert_eq!(asked(503, &["5", "6"]), None, "which one?");
        assert_eq!(asked(503, &[]), None);
    }

    #[test]
    fn other_answers_ask_for_nothing() {
        for status in [200, 301, 400, 413, 500, 502, 504] {
            assert_eq!(asked(status, &["5"]), None, "{status}");
        }
    }

    #[test]
    fn a_pause_is_prolonged_and_never_shortened() {
        let (pause, answer) = (Pause::default(), |secs: &str| {
            Response::builder().status(503).header("retry-after", secs).body(()).unwrap()
        });
        assert_eq!(pause.left(NOW), None);
        assert_eq!(pause.heed(&answer("20"), NOW), Some(20));
        assert_eq!(pause.heed(&answer("5"), NOW + 1), Some(19));
        assert_eq!(pause.heed(&answer("30"), NOW + 2), Some(30));
        assert_eq!((pause.left(NOW + 31), pause.left(NOW + 32)), (Some(1), None));
    }

    #[test]
    fn a_clock_set_back_ends_a_pause() {
        let pause = Pause::default();
        pause.heed(&Response::builder().status(503).header("retry-after", "20").body(()).unwrap(), NOW);
        assert_eq!(pause.left(NOW - 3600), None);
    }
}
