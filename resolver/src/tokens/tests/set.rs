//! The set of spent tokens: it outlives the resolver, is shared, may be lost, and is not swept by a wrong clock.

use super::super::{PATIENCE, SWEEP_EVERY, Steady, sweep_some};
use super::*;
use std::time::{Duration, Instant};

#[test]
fn a_spent_token_stays_spent_when_the_resolver_comes_back() {
    let mut at = Paying::new();
    let token = at.token();
    assert_eq!(at.pay(std::slice::from_ref(&token)), 200);
    at.site = at.site.reopened();
    assert_eq!(at.pay(&[token]), 401);
    assert_eq!(at.pay(&[at.token()]), 200);
}

#[test]
fn two_resolvers_on_one_store_never_take_the_same_token() {
    let at = Paying::new();
    let other = open_again(&at.site);
    let token = at.token();
    let query = IdentifierRequest { subject: Subject::Exact(phone(NUMBER)), tag: None };
    assert_eq!(at.pay(std::slice::from_ref(&token)), 200);
    let request = http::Request::builder()
        .method("POST")
        .uri(format!("https://{DOMAIN}/v1/identifierQuery/{DOMAIN}"))
        .header("authorization", token.to_field())
        .body(Bytes::from(query.encode().unwrap()))
        .unwrap();
    assert_eq!(other.answer(request).status(), 401);
}

#[test]
fn a_lost_set_is_not_begun_anew_in_silence_and_retires_the_keys_of_its_day() {
    let mut at = Paying::new();
    let config = config(at.site.folder.path());
    let Site { resolver, folder, .. } = at.site;
    drop(resolver);
    for part in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(crate::lock::beside(&config.spent_tokens(), part));
    }
    let clock = discreet_serve::Clock::manual(NOW.unix());
    let environment = discreet_serve::Environment::new(discreet_serve::Log::off(), clock);
    let opened = crate::Resolver::open(&config, &environment, &mut Default::default());
    let Err(error) = opened else { panic!("it opened without its set of spent tokens") };
    assert!(error.to_string().contains("retire-tokens"), "{error}");
    crate::retire_tokens(&config, NOW).unwrap();
    at.site = Site::open(folder);
    assert_eq!(at.pay(&[at.token()]), 401);
    at.site.clock.set(NOW.start_of_day().unix() + 3 * DAY);
    assert_eq!(at.pay(&[signed(1, &at.input(1, ISSUER, DOMAIN))]), 200, "a key that began later");
}

/// A sweep cannot be undone: the tokens of a key that was swept are refused for the rest of its time.
#[tokio::test]
async fn a_clock_that_leaps_ahead_for_less_than_ten_minutes_sweeps_no_key() {
    let at = Paying::new();
    assert_eq!(at.pay(&[at.token()]), 200);
    let spent = at.site.resolver.in_force().spent.clone();
    let (now, begin) = (NOW.unix(), Instant::now());
    let mut steady = Steady::new(now, begin);
    for (now, seconds, again) in [
        (now, 0, PATIENCE),
        (now + 600, 600, SWEEP_EVERY),
        // By the first key's end and a day more it would be swept.
        (now + 4200 + 30 * DAY, 4200, PATIENCE),
        (now + 4799 + 30 * DAY, 4799, PATIENCE),
        (now + 4800, 4800, PATIENCE),
        (now + 5400, 5400, SWEEP_EVERY),
    ] {
        let instant = begin + Duration::from_secs(seconds);
        assert_eq!(sweep_some(spent.clone(), now, &mut steady, instant).await, again, "{seconds}");
    }
    assert_eq!(at.pay(&[at.token()]), 200, "the key is still good");
    for seconds in [6000, 6600] {
        let instant = begin + Duration::from_secs(seconds);
        sweep_some(spent.clone(), now + seconds + 30 * DAY, &mut steady, instant).await;
    }
    assert_eq!(at.pay(&[at.token()]), 401, "nobody set that clock right");
}
