//! Prices that change under clients which have not heard of it.

use super::*;
use crate::Resolver;
use crate::store::Asked;
use crate::tokens::turn;
use discreet_protocol::policy::Prices;

/// Changes the price of a lookup as SIGHUP does.
fn reprice(at: &Paying, prices: (u8, u8), edition: u32) {
    write(at, prices, edition);
    at.site.resolver.take_up(at.site.resolver.next_rules().unwrap().unwrap());
}

/// Changes it in the file.
fn write(at: &Paying, (from, to): (u8, u8), edition: u32) {
    let rules = std::fs::read_to_string(at.site.path("rules.toml")).unwrap();
    let rules = rules.replace(&format!("edition = {}", edition - 1), &format!("edition = {edition}"));
    let rules = rules.replace(&format!("lookup = {from}"), &format!("lookup = {to}"));
    std::fs::write(at.site.path("rules.toml"), rules).unwrap();
}

/// A client learns of a price within two hours of the last gateway: a relay's copy lives for one, its session for
/// another; and the last gateway turns within an hour of the resolver.
#[test]
fn a_price_that_was_changed_is_taken_for_three_hours_yet_and_burns_nothing() {
    for (old, new) in [(2, 1), (1, 3)] {
        let at = Paying::with(old, 1000, 1000);
        reprice(&at, (old, new), 2);
        let pay = |count: u8| at.pay(&(0..count).map(|_| at.token()).collect::<Vec<_>>());
        // Another change of the rules does not cut it short.
        at.site.clock.advance(3600);
        reprice(&at, (new, new), 3);
        at.site.clock.advance(7199);
        assert_eq!((pay(old), pay(new), pay(4), pay(0)), (200, 200, 400, 401));
        at.site.clock.advance(1);
        assert_eq!((pay(old), pay(new)), (400, 200));
    }
}

/// The rules may have changed before it is started anew, or while it was down.
#[test]
fn a_resolver_that_is_started_anew_takes_the_old_price_for_as_long() {
    let at = Paying::with(2, 1000, 1000);
    let remember = |resolver: &Resolver| resolver.in_force().redeemer.as_ref().unwrap().remember().unwrap();
    let pay = |resolver: &Resolver, count: u8| {
        let fields: Vec<_> = (0..count).map(|_| at.token().to_field()).collect();
        post_to(resolver, "identifierQuery", query(NUMBER), &fields).status().as_u16()
    };
    remember(&at.site.resolver);
    reprice(&at, (2, 1), 2);
    remember(&at.site.resolver);
    at.site.clock.advance(3600);
    let again = open_again(&at.site);
    assert_eq!((pay(&again, 2), pay(&again, 1), pay(&again, 3)), (200, 200, 400));
    // What has not been written down is what rules that nobody took up say.
    write(&at, (1, 3), 3);
    let later = open_again(&at.site);
    assert_eq!((pay(&later, 1), pay(&later, 3), pay(&later, 2)), (200, 200, 400));
    let checked = open_again(&at.site);
    assert_eq!((pay(&checked, 1), pay(&checked, 3)), (200, 200));
    remember(&later);
    at.site.clock.advance(3 * 3600);
    let last = open_again(&at.site);
    assert_eq!((pay(&last, 1), pay(&last, 3)), (400, 200));
}

#[test]
fn an_old_price_that_a_clock_ahead_wrote_down_is_over_in_three_hours() {
    let [old, new] = [1, 2].map(|lookup| Prices::new(lookup, 0, 0).unwrap());
    let ahead = Asked { prices: new, before: Some((old, NOW.plus(365 * DAY))) };
    assert_eq!(turn(Some(ahead), new, NOW).before, Some((old, NOW.plus(3 * 3600))));
}

#[test]
fn what_was_free_costs_its_price_at_once() {
    let at = Paying::with(0, 1000, 1000);
    reprice(&at, (0, 1), 2);
    assert_eq!((at.ask(NUMBER, &[]).status().as_u16(), at.pay(&[at.token()])), (401, 200));
}
