//! Real time over loopback against virtual time.

use super::{command, result, room, scenario};
use lab::unlinkability::adversary::Name;
use lab::unlinkability::command::{measure, population};
use lab::unlinkability::engine::{self, Interference, Silent};
use lab::unlinkability::results::{Mode, Results};
use lab::unlinkability::view::{AtRelay, NEVER};
use std::path::Path;

/// Runs in virtual time that the real one is compared with, and the first of their seeds.
const VIRTUAL_RUNS: u64 = 20;
const FIRST_SEED: u64 = 100;
/// A normal variable is so many standard deviations off less than once in a million times, on either side.
const NORMAL: f64 = 4.9;

/// What relays held back on the way up, and on the way down, in milliseconds.
#[derive(Default)]
struct Held([Vec<u64>; 2]);

impl Held {
    fn extend(&mut self, rows: &[AtRelay]) {
        let [up, down] = &mut self.0;
        for row in rows.iter().filter(|row| row.answered != NEVER) {
            up.push(row.forwarded - row.at);
            down.push(row.answered - row.back);
        }
    }
}

/// Where two samples' distributions are farthest apart (Smirnov 1939).
fn farthest(one: &[u64], other: &[u64]) -> f64 {
    let share = |of: &[u64], most: u64| of.iter().filter(|it| **it <= most).count() as f64 / of.len() as f64;
    one.iter().chain(other).map(|at| (share(one, *at) - share(other, *at)).abs()).fold(0.0, f64::max)
}

/// What [`farthest`] exceeds less than once in a million times if both are of one distribution: 2 exp(−2 d² nm/(n + m)).
fn by_chance(one: &[u64], other: &[u64]) -> f64 {
    let each = 1.0 / one.len() as f64 + 1.0 / other.len() as f64;
    ((2.0f64 / 1e-6).ln() / 2.0 * each).sqrt()
}

/// Real time is not seeded: each comparison fails by chance less than once in a million times, beside what a busy machine
/// adds. That is measured: a gateway's time has no mixing in it. So many milliseconds later, at most their share of the
/// mean delay of 500 ms have changed their place in a distribution, or the best guess. Games of one run depend on each other
/// hardly: between 20 seeds the share of right ones deviates by 0.0233, and would by 0.0245 if they did not.
#[test]
fn real_time_over_loopback_agrees_with_virtual_time() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/loopback.toml"))
        .unwrap();
    let (mut held, mut right, mut games) = (Held::default(), 0.0, 0.0);
    for seed in FIRST_SEED..FIRST_SEED + VIRTUAL_RUNS {
        let mut scenario = scenario(&text.replace("seed = 7", &format!("seed = {seed}")));
        scenario.adversaries.run = vec![Name::BothHops];
        let (contacts, real) = population(&mut scenario).unwrap();
        let run = engine::run(&scenario, &contacts, real.as_ref(), Interference::None, &Silent);
        held.extend(&run.views.relay);
        let results = measure(&scenario, &contacts, real.as_ref(), &run, Mode::VirtualTime, &Silent);
        let found = result(&results, "both_hops");
        right += found.success.value * found.challenges as f64;
        games += found.challenges as f64;
    }
    let room = room(&text);
    let run = |more: &[&str]| {
        let output = command(room.path()).arg("--json").args(more).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice::<Results>(&output.stdout).unwrap()
    };
    let simulated = run(&["--out", "virtual", "--figures-only"]);
    let observed = run(&["--out", "real", "--real"]);
    assert_eq!((simulated.mode, observed.mode), (Mode::VirtualTime, Mode::RealTime));
    // What is sent is the same.
    assert_eq!(simulated.summary.lookups, observed.summary.lookups);
    let rows: Vec<AtRelay> = csv::Reader::from_path(room.path().join("real/relay.csv"))
        .unwrap()
        .deserialize()
        .map(Result::unwrap)
        .collect();
    let mut gateway: Vec<_> =
        rows.iter().filter(|row| row.back != NEVER).map(|row| row.back - row.forwarded).collect();
    gateway.sort_unstable();
    let slack = gateway[gateway.len() * 9 / 10] as f64 / 500.0;
    let mut real = Held::default();
    real.extend(&rows);
    for (real, held) in real.0.iter().zip(&held.0) {
        let (apart, chance) = (farthest(real, held), by_chance(real, held));
        println!("held: {apart} apart, {chance} by chance, {slack} by the machine");
        assert!(apart <= chance + slack, "{apart} apart, {chance} by chance, {slack} by the machine");
    }
    let found = result(&observed, "both_hops");
    let (share, played) = (right / games, found.challenges as f64);
    let chance = NORMAL * (share * (1.0 - share) * (1.0 / games + 1.0 / played)).sqrt();
    println!("right: {share} and {:?}, {chance} by chance", found.success);
    assert!((found.success.value - share).abs() <= chance + slack, "{share} and {:?}", found.success);
    // One size each way, in the product as in the simulation.
    let distinct = |results: &Results| results.sizes.iter().map(|size| size.distinct).collect::<Vec<_>>();
    assert_eq!(distinct(&simulated), distinct(&observed));
}
