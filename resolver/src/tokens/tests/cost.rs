//! What a refusal costs: as much as what is paid for, so that the time tells nothing.

use super::*;
use crate::store::Table;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

#[test]
fn a_refused_lookup_reads_what_one_that_is_paid_for_does() {
    let mut at = Paying::with(1, 2, 1000);
    let reads = Arc::new(Mutex::new(Vec::new()));
    at.site.rewire(|store| Counting(store, Arc::clone(&reads)));
    let [one, two, three] = [at.token(), at.token(), at.token()];
    let mut paid: Option<Vec<Table>> = None;
    for (status, tokens) in [
        (200, vec![one.clone()]),
        (401, vec![one]),
        (401, vec![]),
        (200, vec![two.clone()]),
        (429, vec![three.clone()]),
        (400, vec![two, three]),
    ] {
        reads.lock().unwrap().clear();
        assert_eq!(at.pay(&tokens), status);
        let read = reads.lock().unwrap().clone();
        assert!(read.contains(&Table::Records) && read.contains(&Table::Statuses), "{read:?}");
        // Row by row, and in the same order.
        assert_eq!(&read, paid.get_or_insert_with(|| read.clone()), "{status}");
    }
}

#[test]
fn whoever_is_refused_has_cost_as_many_verifications_as_whoever_pays() {
    let at = Paying::with(2, 5, 1000);
    let tokens: Vec<_> = (0..6).map(|_| at.token()).collect();
    let forged = signed(2, &at.input(0, ISSUER, DOMAIN));
    let elsewhere = signed(0, &at.input(0, ISSUER, "other-dp.example"));
    let early = || signed(1, &at.input(1, ISSUER, DOMAIN));
    let fields = |tokens: &[Token]| tokens.iter().map(Token::to_field).collect::<Vec<_>>();
    let redeemer = at.site.resolver.in_force().redeemer.clone().unwrap();
    for (what, fields, status) in [
        ("paid", fields(&tokens[..2]), 200),
        ("spent before", fields(&tokens[..2]), 401),
        ("one spent before", fields(&[tokens[2].clone(), tokens[0].clone()]), 401),
        ("nothing", vec![], 401),
        ("too few", fields(&tokens[2..3]), 400),
        ("too many", fields(&tokens[2..5]), 400),
        ("no token", vec!["Bearer abc".to_owned(), tokens[2].to_field()], 400),
        ("under two keys", fields(&[tokens[2].clone(), early()]), 400),
        ("before its time", fields(&[early(), early()]), 401),
        ("the first forged", fields(&[forged.clone(), tokens[2].clone()]), 401),
        ("the second forged", fields(&[tokens[2].clone(), forged]), 401),
        ("the first for elsewhere", fields(&[elsewhere.clone(), tokens[2].clone()]), 401),
        ("the second for elsewhere", fields(&[tokens[2].clone(), elsewhere]), 401),
        ("paid again", fields(&tokens[2..4]), 200),
        ("over the budget", fields(&tokens[4..]), 429),
    ] {
        let before = redeemer.verified.load(Ordering::Relaxed);
        assert_eq!(at.ask(NUMBER, &fields).status(), status, "{what}");
        assert_eq!(redeemer.verified.load(Ordering::Relaxed) - before, 2, "{what}");
    }
}
