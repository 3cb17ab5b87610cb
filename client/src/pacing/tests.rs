//! Pacing against the distributions it is to have, in virtual time.

use super::*;
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

mod budget;

/// The Kolmogorov-Smirnov statistic, times the root of the number of samples, that a true hypothesis
/// exceeds once in a thousand times.
const KS_0_001: f64 = 1.95;

fn seeded(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

fn contacts(range: std::ops::Range<u32>) -> impl Iterator<Item = Contact> {
    range.map(Contact)
}

/// What is sent from `from` to `until` when every poll is in time.
fn run(pacing: &mut Pacing, from: u64, until: u64, rng: &mut ChaCha12Rng) -> Vec<(u64, Action)> {
    let (mut now, mut sent) = (Moment(from), Vec::new());
    loop {
        match pacing.poll(now, rng) {
            action @ (Action::Lookup(_) | Action::Cover(_)) => sent.push((now.0, action)),
            Action::WaitUntil(at) if at.0 < until => now = at.max(now),
            _ => return sent,
        }
    }
}

/// A book that has been asked about, with nothing that could get in the way.
fn steady(count: u32, settings: Settings, rng: &mut ChaCha12Rng) -> Pacing {
    let mut pacing = Pacing::new(settings, Ledger::default());
    pacing.known(Moment(0), contacts(0..count), rng);
    pacing
}

/// The largest distance between a distribution and that of the samples, times the root of their number.
fn kolmogorov_smirnov(mut samples: Vec<f64>, cumulative: impl Fn(f64) -> f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let count = samples.len() as f64;
    let distance = |(at, sample): (usize, &f64)| {
        let expected = cumulative(*sample);
        (expected - at as f64 / count).abs().max((expected - (at + 1) as f64 / count).abs())
    };
    samples.iter().enumerate().map(distance).fold(0.0, f64::max) * count.sqrt()
}

fn gaps(times: &[u64]) -> Vec<f64> {
    times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect()
}

fn times(sent: &[(u64, Action)], wanted: impl Fn(Action) -> bool) -> Vec<u64> {
    sent.iter().filter(|(_, action)| wanted(*action)).map(|(at, _)| *at).collect()
}

/// 90 refreshes a day among 30 contacts: every third of a day, −ln-distributed.
#[test]
fn each_contact_has_an_exponential_timer_of_the_mean_the_budget_gives() {
    let rng = &mut seeded(1);
    let settings = Settings { cover_permille: 0, refresh_no_faster: Duration::ZERO, ..Settings::default() };
    let mut pacing = steady(30, settings, rng);
    let mean = DAY as f64 / 3.0;
    assert_eq!(pacing.mean_refresh(), Some(Duration::from_millis(DAY / 3)));

    let sent = run(&mut pacing, 0, 400 * DAY, rng);
    for contact in [Contact(0), Contact(17)] {
        let gaps = gaps(&times(&sent, |action| action == Action::Lookup(contact)));
        assert!((1_000..1_400).contains(&gaps.len()), "{}", gaps.len());
        let statistic = kolmogorov_smirnov(gaps, |gap| 1.0 - (-gap / mean).exp());
        assert!(statistic < KS_0_001, "{contact:?}: {statistic}");
    }
}

/// P(X > s + t | X > s) = P(X > t).
#[test]
fn having_waited_tells_nothing() {
    let rng = &mut seeded(2);
    let settings = Settings { cover_permille: 0, refresh_no_faster: Duration::ZERO, ..Settings::default() };
    let sent = run(&mut steady(10, settings, rng), 0, 1_000 * DAY, rng);
    let gaps = gaps(&times(&sent, |action| action == Action::Lookup(Contact(3))));
    let longer = |than: f64| gaps.iter().filter(|gap| **gap > than).count() as f64;
    let mean = DAY as f64 / 9.0;
    for waited in [0.5 * mean, mean, 2.0 * mean] {
        let (after, before) = (longer(waited + mean) / longer(waited), longer(mean) / longer(0.0));
        assert!((after - before).abs() < 0.04, "{after} against {before}");
        // e⁻¹
        assert!((after - 0.367_879).abs() < 0.04, "{after}");
    }
}

#[test]
fn covers_and_refreshes_are_together_a_poisson_process() {
    let rng = &mut seeded(3);
    let settings = Settings { cover_permille: 200, ..Settings::default() };
    let sent = run(&mut steady(500, settings, rng), 0, 200 * DAY, rng);

    // 90 refreshes and 30 covers a day.
    for (wanted, per_day) in [(None, 120.0), (Some(true), 30.0), (Some(false), 90.0)] {
        let is = |action| wanted.is_none_or(|cover| cover == matches!(action, Action::Cover(_)));
        let times = times(&sent, is);
        let rate = per_day / DAY as f64;
        let statistic = kolmogorov_smirnov(gaps(&times), |gap| 1.0 - (-gap * rate).exp());
        assert!(statistic < KS_0_001, "{wanted:?}: {statistic}");

        // Counts of an hour: variance and mean are the same.
        let mut counts = vec![0.0_f64; 200 * 24];
        times.iter().for_each(|at| counts[(at / HOUR) as usize] += 1.0);
        let mean = counts.iter().sum::<f64>() / counts.len() as f64;
        let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / counts.len() as f64;
        assert!((mean * 24.0 - per_day).abs() < 0.03 * per_day, "{mean}");
        assert!((variance / mean - 1.0).abs() < 0.08, "{}", variance / mean);
    }
}

#[test]
fn covers_ask_about_all_own_contacts_alike() {
    let rng = &mut seeded(4);
    let settings = Settings { cover_permille: 500, refresh_permille: 0, ..Settings::default() };
    let sent = run(&mut steady(10, settings, rng), 0, 100 * DAY, rng);
    for contact in contacts(0..10) {
        let share = times(&sent, |action| action == Action::Cover(contact)).len() as f64 / sent.len() as f64;
        assert!((share - 0.1).abs() < 0.015, "{contact:?}: {share}");
    }
}

#[test]
fn the_rate_does_not_tell_the_number_of_contacts_where_that_is_wanted() {
    let settings = Settings { refresh_no_faster: Duration::ZERO, ..Settings::default() };
    let rate = |count| {
        let rng = &mut seeded(5);
        times(&run(&mut steady(count, settings, rng), 0, 50 * DAY, rng), |_| true)
    };
    assert_eq!(rate(3), rate(800));
}

#[test]
fn few_contacts_are_not_refreshed_more_often_than_is_useful() {
    let rng = &mut seeded(6);
    let pacing = steady(5, Settings::default(), rng);
    assert_eq!(pacing.mean_refresh(), Some(Duration::from_millis(DAY)));
    assert_eq!(Pacing::new(Settings::default(), Ledger::default()).mean_refresh(), None);
}

#[test]
fn a_new_book_is_spread_evenly_over_its_day_and_asked_once() {
    let rng = &mut seeded(7);
    let settings = Settings { refresh_permille: 0, cover_permille: 0, ..Settings::default() };
    let mut pacing = Pacing::new(settings, Ledger::default());
    pacing.add(Moment(5 * DAY), contacts(0..500), rng);
    assert_eq!(pacing.first_until(), Moment(6 * DAY));

    let sent = run(&mut pacing, 5 * DAY, 100 * DAY, rng);
    let times: Vec<_> = sent.iter().map(|(at, _)| (at - 5 * DAY) as f64).collect();
    assert!(times.iter().all(|at| *at <= DAY as f64));
    let statistic = kolmogorov_smirnov(times, |at| at / DAY as f64);
    assert!(statistic < KS_0_001, "{statistic}");

    let mut asked: Vec<_> = sent.iter().map(|(_, action)| *action).collect();
    assert_ne!(asked, contacts(0..500).map(Action::Lookup).collect::<Vec<_>>());
    asked.sort_by_key(|action| if let Action::Lookup(contact) = action { contact.0 } else { u32::MAX });
    assert_eq!(asked, contacts(0..500).map(Action::Lookup).collect::<Vec<_>>());
    assert_eq!(pacing.unasked(), 0);
}

#[test]
fn a_book_beyond_the_burst_takes_more_days() {
    let rng = &mut seeded(8);
    let mut pacing = Pacing::new(Settings::default(), Ledger::default());
    pacing.add(Moment(0), contacts(0..5_000), rng);
    assert_eq!(pacing.first_until(), Moment(5 * DAY / 2));
    // One within it takes the time it is given, however short.
    let mut small = Pacing::new(
        Settings { first_within: Duration::from_millis(HOUR), ..Settings::default() },
        Ledger::default(),
    );
    small.add(Moment(0), contacts(0..2_000), rng);
    assert_eq!(small.first_until(), Moment(HOUR));
    run(&mut pacing, 0, 4 * DAY, rng);
    assert_eq!(pacing.unasked(), 0);
}

#[test]
fn what_a_sleep_missed_is_not_caught_up_in_a_sweep() {
    let rng = &mut seeded(9);
    let mut pacing = Pacing::new(Settings::default(), Ledger::default());
    pacing.add(Moment(0), contacts(0..500), rng);
    run(&mut pacing, 0, DAY / 2, rng);
    let unasked = pacing.unasked();
    assert!((200..300).contains(&unasked), "{unasked}");

    // It wakes up three days later. What is left takes the half day it would have taken.
    let woken = DAY / 2 + 3 * DAY;
    let sent = run(&mut pacing, woken, woken + HOUR, rng);
    assert!(sent.len() < 60, "{}", sent.len());
    let until = pacing.first_until().0 - woken;
    assert_eq!(until, unasked as u64 * (DAY / 500));
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let rng = &mut seeded(10);
    let settings = Settings { refresh_permille: 0, cover_permille: 0, ..Settings::default() };
    let mut before = Pacing::new(settings, Ledger::default());
    before.add(Moment(0), contacts(0..1_000), rng);
    let sent = run(&mut before, 0, 8 * HOUR, rng);
    let text = serde_json::to_string(before.ledger()).unwrap();
    let ledger: Ledger = serde_json::from_str(&text).unwrap();
    let mut after = Pacing::new(Settings { burst: sent.len() as u32, ..settings }, ledger);
    after.add(Moment(8 * HOUR), contacts(1_000..1_100), rng);
    // The burst is used up: nobody new for the rest of the day.
    assert_eq!(run(&mut after, 8 * HOUR, DAY, rng), []);
}

#[test]
fn without_tokens_nothing_is_sent_and_with_new_ones_no_sweep_follows() {
    let rng = &mut seeded(11);
    let mut pacing = Pacing::new(Settings::default(), Ledger::default());
    pacing.stock(Moment(0), 20, rng);
    pacing.add(Moment(0), contacts(0..100), rng);
    let sent = run(&mut pacing, 0, 10 * DAY, rng);
    assert_eq!(sent.len(), 20);
    let now = sent.last().unwrap().0 + DAY;
    assert_eq!(pacing.poll(Moment(now), rng), Action::OutOfTokens);

    pacing.stock(Moment(now), 1_000, rng);
    let sent = run(&mut pacing, now, now + HOUR, rng);
    assert!(sent.len() < 15, "{}", sent.len());
}

#[test]
fn refreshes_leave_the_reserve() {
    let rng = &mut seeded(12);
    let mut pacing = steady(500, Settings { price: 2, reserve: 15, ..Settings::default() }, rng);
    pacing.stock(Moment(0), 40, rng);
    // 40, 38, … 18, 16: that is less than 15 and a price of 2.
    assert_eq!(run(&mut pacing, 0, 10 * DAY, rng).len(), 12);
}

#[test]
fn a_price_that_changes_counts_at_once() {
    let rng = &mut seeded(15);
    let mut pacing = steady(500, Settings { price: 0, reserve: 15, ..Settings::default() }, rng);
    pacing.stock(Moment(0), 40, rng);
    assert!(run(&mut pacing, 0, DAY, rng).len() > 60, "free lookups take nothing from the stock");
    pacing.means(Moment(DAY), 2, 40, rng);
    assert_eq!(run(&mut pacing, DAY, 10 * DAY, rng).len(), 12, "40, 38, … 16");
    pacing.means(Moment(10 * DAY), 0, 0, rng);
    assert!(run(&mut pacing, 10 * DAY, 11 * DAY, rng).len() > 60);
}

#[test]
fn an_unanswered_contact_is_asked_again_and_one_removed_is_not() {
    let rng = &mut seeded(13);
    let settings = Settings { refresh_permille: 0, cover_permille: 0, ..Settings::default() };
    let mut pacing = Pacing::new(settings, Ledger::default());
    pacing.add(Moment(0), contacts(0..10), rng);
    let first = run(&mut pacing, 0, 2 * DAY, rng);
    assert_eq!(first.len(), 10);
    pacing.failed(Moment(2 * DAY), Contact(4), rng);
    pacing.failed(Moment(2 * DAY), Contact(6), rng);
    pacing.remove(Moment(2 * DAY), Contact(6), rng);
    let again = run(&mut pacing, 2 * DAY, 4 * DAY, rng);
    assert_eq!(again.iter().map(|(_, action)| *action).collect::<Vec<_>>(), [Action::Lookup(Contact(4))]);
}

#[test]
fn a_book_wanted_at_once_is_asked_at_once() {
    let rng = &mut seeded(14);
    let settings = Settings { first_within: Duration::ZERO, ..Settings::default() };
    let mut pacing = Pacing::new(settings, Ledger::default());
    pacing.add(Moment(7), contacts(0..100), rng);
    let sent = run(&mut pacing, 7, 8, rng);
    assert_eq!(sent.len(), 100);
}

#[test]
fn the_same_seed_gives_the_same_times() {
    let run_once = |seed| {
        let rng = &mut seeded(seed);
        let mut pacing = Pacing::new(Settings::default(), Ledger::default());
        pacing.add(Moment(0), contacts(0..50), rng);
        run(&mut pacing, 0, 30 * DAY, rng)
    };
    assert_eq!(run_once(15), run_once(15));
    assert_ne!(run_once(15), run_once(16));
}

#[test]
fn a_clock_that_ran_ahead_does_not_stop_it_for_ever() {
    let rng = &mut seeded(17);
    let mut ahead = steady(500, Settings { per_day: 50, ..Settings::default() }, rng);
    run(&mut ahead, 1_000 * DAY, 1_001 * DAY, rng);
    let mut pacing = Pacing::new(Settings::default(), ahead.ledger().clone());
    pacing.known(Moment(0), contacts(0..500), rng);
    assert!(run(&mut pacing, 0, DAY, rng).len() > 50);
}
