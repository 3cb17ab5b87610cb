//! The `Date` of a request (RFC 9458 §6.5.1): ours need none, and one that is there must be near.

use bytes::Bytes;
use discreet_protocol::time::{CLOCK_TOLERANCE, Timestamp};
use discreet_serve::problem_of_type;
use http::header::{CACHE_CONTROL, DATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use std::time::{Duration, UNIX_EPOCH};

/// RFC 9458 §6.5.2, registered for RFC 9457.
const DATE_PROBLEM: &str = "https://iana.org/assignments/http-problem-types#date";
/// How far a request's `Date` may be from our time, in seconds. It is no secret. Replays are
/// remembered as long as their key lives, which is longer.
const WINDOW: u64 = CLOCK_TOLERANCE + MAX_DELAY;
/// How long a relay may hold a request back to mix it with others.
const MAX_DELAY: u64 = 300;

/// The answer to a request whose `Date` is not near `now`, or cannot be read. Ours send none: a
/// clock's error would tell one client from another.
pub(crate) fn refusal(fields: &HeaderMap, now: Timestamp) -> Option<Response<Bytes>> {
    let mut dates = fields.get_all(DATE).iter();
    let date = dates.next()?;
    let said = date.to_str().ok().and_then(|text| httpdate::parse_http_date(text).ok());
    let said = said.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map(|since| since.as_secs());
    let is_near = said.is_some_and(|said| said.abs_diff(now.unix()) <= WINDOW);
    (!is_near || dates.next().is_some()).then(|| problem(now))
}

fn problem(now: Timestamp) -> Response<Bytes> {
    let title = "the date of the request is too far from the gateway's";
    let mut response = problem_of_type(StatusCode::BAD_REQUEST, DATE_PROBLEM, title);
    let ours = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now.unix()));
    // Never: a date has no characters that a field value cannot have.
    if let Ok(ours) = HeaderValue::try_from(ours) {
        response.headers_mut().insert(DATE, ours);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT (RFC 9110 §5.6.7).
    const NOW: Timestamp = Timestamp::from_unix(784_111_777);

    fn refused(dates: &[&str]) -> bool {
        let mut fields = HeaderMap::new();
        for date in dates {
            fields.append(DATE, HeaderValue::from_str(date).unwrap());
        }
        refusal(&fields, NOW).is_some()
    }

    #[test]
    fn c36_no_date_is_needed() {
        assert!(!refused(&[]));
    }

    #[test]
    fn c37_a_date_within_ten_minutes_passes() {
        for date in ["08:49:37", "08:39:37", "08:59:37"] {
            assert!(!refused(&[&format!("Sun, 06 Nov 1994 {date} GMT")]), "{date}");
        }
    }

    #[test]
    fn c37_rejects_a_date_outside_the_window_and_says_ours() {
        for date in ["08:39:36", "08:59:38"] {
            assert!(refused(&[&format!("Sun, 06 Nov 1994 {date} GMT")]), "{date}");
        }
        let response = problem(NOW);
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()["date"], "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        assert!(body.contains("https://iana.org/assignments/http-problem-types#date"), "{body}");
    }

    #[test]
    fn c37_rejects_what_is_no_date_or_two() {
        let good = "Sun, 06 Nov 1994 08:49:37 GMT";
        for dates in [&["yesterday"][..], &[""], &[good, good]] {
            assert!(refused(dates), "{dates:?}");
        }
    }
}
