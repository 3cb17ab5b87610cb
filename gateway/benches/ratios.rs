//! What opening and answering costs against the bare agreement, in one run: everything in turns, so that a
//! busy machine disturbs all alike; the median of the rounds, as a table.
//!
//! Run it with `cargo bench -p discreet-gateway --bench ratios`.

use contenders::Contender;
use std::time::{Duration, Instant};

mod contenders;

/// Turns of each contender.
const ROUNDS: usize = 101;
/// Runs before each turn that do not count.
const AGAIN: usize = 10;
/// How long one turn lasts, about.
const TURN: Duration = Duration::from_millis(2);

fn main() {
    let mut all = contenders::all();
    let times: Vec<u32> = all.iter_mut().map(times_in_a_turn).collect();
    let mut measured = vec![Vec::with_capacity(ROUNDS); all.len()];
    for _ in 0..ROUNDS {
        for ((contender, times), measured) in all.iter_mut().zip(&times).zip(&mut measured) {
            measured.push(turn(contender, *times));
        }
    }
    // A turn against the floor's turn in the same round: what disturbs both cancels out.
    let floor = measured.first().cloned().unwrap_or_default();
    println!("| | µs | × agreement |\n|---|---:|---:|");
    for (contender, measured) in all.iter().zip(measured) {
        let ratios = measured.iter().zip(&floor).map(|(one, floor)| one / floor).collect();
        println!("| {} | {:.1} | {:.2} |", contender.name, median(measured), median(ratios));
    }
}

fn times_in_a_turn(contender: &mut Contender) -> u32 {
    // The first time of all, memory and code are touched that stay from then on.
    let [_, warm] = [500, 200].map(|times| turn(contender, times));
    (TURN.as_secs_f64() * 1e6 / warm).ceil() as u32
}

/// Microseconds that one run takes, of `times` runs, after some that bring it back into the caches.
fn turn(contender: &mut Contender, times: u32) -> f64 {
    for _ in 0..AGAIN {
        (contender.run)();
    }
    let start = Instant::now();
    for _ in 0..times {
        (contender.run)();
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(times)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
