//! The mix against closed forms, and its promises under any arrivals.

use proptest::{
    collection::vec, prop_assert, prop_assert_eq, prop_oneof, proptest, strategy::Strategy as Generator,
};
use rand::{SeedableRng, rngs::ChaCha12Rng};

use super::*;

fn settings(strategy: Strategy, max_delay_ms: u64) -> Settings {
    Settings::new(strategy, Duration::from_millis(max_delay_ms)).unwrap()
}

fn exponential(mean_ms: u64, max_delay_ms: u64) -> Settings {
    settings(Strategy::Exponential { mean: Duration::from_millis(mean_ms) }, max_delay_ms)
}

fn seeded(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

/// What left when: `(item, milliseconds)`. Items are numbered as they arrive.
type Left = Vec<(usize, u64)>;

/// Lets messages arrive at these times, expires what is due in between, and then waits for the rest.
fn run(mix: &mut Mix<usize>, arrivals: impl IntoIterator<Item = u64>, rng: &mut ChaCha12Rng) -> Left {
    let mut left = Left::new();
    for (item, at) in arrivals.into_iter().enumerate() {
        expire_until(mix, at, rng, &mut left);
        left.extend(mix.arrive(at, item, rng).into_iter().map(|item| (item, at)));
    }
    expire_until(mix, u64::MAX, rng, &mut left);
    left
}

fn expire_until(mix: &mut Mix<usize>, until: u64, rng: &mut ChaCha12Rng, left: &mut Left) {
    while let Some(due) = mix.due().filter(|due| *due <= until) {
        left.extend(mix.expire(due, rng).into_iter().map(|item| (item, due)));
    }
}

/// The times of a Poisson process, in milliseconds.
fn poisson(mean_gap_ms: f64, count: usize, seed: u64) -> Vec<u64> {
    let mut rng = seeded(seed);
    let gaps = std::iter::repeat_with(move || -mean_gap_ms * (1.0 - rng.random::<f64>()).ln());
    let times = gaps.scan(0.0, |now: &mut f64, gap| {
        *now += gap;
        Some(*now as u64)
    });
    times.take(count).collect()
}

#[test]
fn a_threshold_mix_of_n_links_one_in_n() {
    const N: usize = 8;
    const ROUNDS: usize = 8000;
    let mut rng = seeded(1);
    let mut mix = Mix::new(settings(Strategy::Batch { size: N }, 1000));
    let left = run(&mut mix, (0..(N * ROUNDS) as u64).map(|item| item / N as u64), &mut rng);
    let mut places = [[0_usize; N]; N];
    for (place, (item, _)) in left.iter().enumerate() {
        places[item % N][place % N] += 1;
    }
    // Each of 64 counts is binomial, of 8000 and 1/8: mean 1000, standard deviation 29.6.
    for count in places.as_flattened() {
        assert!((870..=1130).contains(count), "{places:?}");
    }
    assert_eq!(mix.effective_size().unwrap().round(), 8.0);
}

#[test]
fn exponential_delays_under_poisson_arrivals_hold_rate_times_mean() {
    // One each 20 ms for 400 ms each: 20 in the mean (Little's law), whatever the bound far away.
    let mut rng = seeded(2);
    let mut mix = Mix::new(exponential(400, 20_000));
    let (mut held, mut left) = (0, Left::new());
    let arrivals = poisson(20.0, 40_000, 3);
    for (item, at) in arrivals.iter().enumerate() {
        expire_until(&mut mix, *at, &mut rng, &mut left);
        // Poisson arrivals see time averages.
        held += mix.held();
        left.extend(mix.arrive(*at, item, &mut rng).into_iter().map(|item| (item, *at)));
    }
    let pool = held as f64 / arrivals.len() as f64;
    assert!((19.0..21.0).contains(&pool), "{pool}");
    let size = mix.effective_size().unwrap();
    // Delays without memory: each of the held is as likely, the leaving one included.
    assert!((15.0..27.0).contains(&size), "{size}");
    let delay = left.iter().map(|(item, at)| at - arrivals[*item]).sum::<u64>() as f64 / left.len() as f64;
    assert!((390.0..410.0).contains(&delay), "{delay}");
}

#[test]
fn a_pool_of_n_lets_each_newcomer_leave_at_once_one_time_in_n_and_one() {
    const N: usize = 4;
    let mut rng = seeded(4);
    let mut mix = Mix::new(settings(Strategy::Pool { size: N }, 1_000_000_000));
    for item in 0..N {
        assert!(mix.arrive(0, item, &mut rng).is_empty());
    }
    let at_once = (N..N + 10_000).filter(|item| mix.arrive(0, *item, &mut rng) == [*item]).count();
    // Binomial, of 10,000 and 1/5: standard deviation 40.
    assert!((1840..=2160).contains(&at_once), "{at_once}");
    assert_eq!(mix.held(), N);
    assert!((mix.effective_size().unwrap() - 5.0).abs() < 1e-9);
}

#[test]
fn at_low_load_a_bounded_delay_gives_no_anonymity() {
    for strategy in [
        Strategy::Pool { size: 16 },
        Strategy::Batch { size: 16 },
        Strategy::Exponential { mean: Duration::from_millis(500) },
    ] {
        let mut mix = Mix::new(settings(strategy, 2000));
        let left = run(&mut mix, (0..500).map(|item| item * 10_000), &mut seeded(5));
        assert!(left.is_sorted(), "each leaves before the next one comes");
        assert!((mix.effective_size().unwrap() - 1.0).abs() < 1e-9, "{strategy:?}");
    }
}

#[test]
fn the_bound_is_no_signature() {
    let delays = |settings: Settings| {
        let arrivals = (0..20_000).map(|item| item * 10_000);
        run(&mut Mix::new(settings), arrivals, &mut seeded(6))
            .into_iter()
            .map(|(item, at)| at - 10_000 * item as u64)
            .collect::<Vec<_>>()
    };
    let share = |delays: &[u64], from: u64, to: u64| {
        delays.iter().filter(|delay| (from..=to).contains(*delay)).count() as f64 / delays.len() as f64
    };
    // Uniform up to the bound: a twentieth in each twentieth, the last included.
    let lonely = delays(settings(Strategy::Pool { size: 8 }, 1000));
    for part in 0..20 {
        let share = share(&lonely, part * 50 + 1, part * 50 + 50);
        assert!((0.042..0.058).contains(&share), "{part}: {share}");
    }
    // Exponential below the bound, with as many in its last twentieth as the density says:
    // (e^-0.95 - e^-1) / (1 - e^-1) = 0.0298.
    let cut = share(&delays(exponential(1000, 1000)), 951, 1000);
    assert!((0.024..0.036).contains(&cut), "{cut}");
}

#[test]
fn over_the_bound_on_held_messages_one_leaves_early() {
    let mut rng = seeded(7);
    let mut mix = Mix::new(exponential(1_000_000, 1_000_000_000));
    let mut left = Vec::new();
    for item in 0..MAX_HELD + 100 {
        left.extend(mix.arrive(0, item, &mut rng));
        assert!(mix.held() <= MAX_HELD);
    }
    assert_eq!(left.len(), 100);
    left.extend(mix.drain(&mut rng));
    left.sort_unstable();
    assert!(left.into_iter().eq(0..MAX_HELD + 100), "nothing is lost");
}

#[test]
fn a_late_timer_does_not_tell_who_came_first() {
    let mut rng = seeded(8);
    let mut orders = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let mut mix = Mix::new(settings(Strategy::Pool { size: 8 }, 10));
        (0..3).for_each(|item| assert!(mix.arrive(0, item, &mut rng).is_empty()));
        orders.insert(mix.expire(1_000, &mut rng));
    }
    assert_eq!(orders.len(), 6, "all orders of three");
}

#[test]
fn a_batch_that_does_not_fill_leaves_together_when_its_first_has_waited_enough() {
    let mut rng = seeded(9);
    let mut mix = Mix::new(settings(Strategy::Batch { size: 5 }, 1000));
    let left = run(&mut mix, [0, 300, 999, 1500], &mut rng);
    assert_eq!(left.iter().map(|(_, at)| *at).collect::<Vec<_>>(), [1000, 1000, 1000, 2500]);
}

#[test]
fn equal_seeds_give_equal_runs() {
    let once = |seed| {
        let mut mix = Mix::new(settings(Strategy::Pool { size: 10 }, 700));
        run(&mut mix, poisson(30.0, 500, 10), &mut seeded(seed))
    };
    assert_eq!(once(11), once(11));
    assert_ne!(once(11), once(12));
}

#[test]
fn refuses_settings_that_mix_nothing_or_cannot_be_kept() {
    let new = |strategy, ms| Settings::new(strategy, Duration::from_millis(ms)).unwrap_err().to_string();
    assert_eq!(new(Strategy::Pool { size: 0 }, 1), "size must be 1 to 4096");
    assert_eq!(new(Strategy::Pool { size: 4097 }, 1), "size must be 1 to 4096");
    assert_eq!(new(Strategy::Batch { size: 1 }, 1), "size must be 2 to 4096");
    assert_eq!(new(Strategy::Pool { size: 1 }, 0), "max_delay_ms must be at least 1");
    for mean in [0, 1001] {
        let strategy = Strategy::Exponential { mean: Duration::from_millis(mean) };
        assert_eq!(new(strategy, 1000), "mean_ms must be at least 1, and max_delay_ms or less");
    }
}

#[test]
fn settings_are_read_from_a_file() {
    let read = |text: &str| toml::from_str::<Settings>(text).map_err(|error| error.message().to_owned());
    let pool = read("strategy = \"pool\"\nsize = 16\nmax_delay_ms = 2000").unwrap();
    assert_eq!((pool.strategy(), pool.max_delay()), (Strategy::Pool { size: 16 }, Duration::from_secs(2)));
    assert_eq!(
        read("strategy = \"exponential\"\nmean_ms = 400\nmax_delay_ms = 2000"),
        Ok(exponential(400, 2000))
    );
    assert_eq!(
        read("strategy = \"batch\"\nsize = 1\nmax_delay_ms = 2000"),
        Err("size must be 2 to 4096".to_owned())
    );
    assert!(read("strategy = \"pool\"\nsize = 16\nmean_ms = 1\nmax_delay_ms = 2").is_err(), "unknown field");
    assert!(read("strategy = \"cascade\"\nmax_delay_ms = 2").is_err());
}

fn any_settings() -> impl Generator<Value = Settings> {
    let strategy = prop_oneof![
        (1..20_usize).prop_map(|size| Strategy::Pool { size }),
        (2..20_usize).prop_map(|size| Strategy::Batch { size }),
        (1..=50_u64).prop_map(|mean| Strategy::Exponential { mean: Duration::from_millis(mean) }),
    ];
    (strategy, 50..2000_u64).prop_map(|(strategy, max_delay_ms)| settings(strategy, max_delay_ms))
}

proptest! {
    #[test]
    fn each_leaves_exactly_once_and_never_late(
        settings in any_settings(),
        gaps in vec(0..500_u64, 0..200),
        seed: u64,
    ) {
        let arrivals: Vec<_> = gaps.iter().scan(0, |now, gap| { *now += gap; Some(*now) }).collect();
        let mut mix = Mix::new(settings);
        let mut left = run(&mut mix, arrivals.iter().copied(), &mut seeded(seed));
        prop_assert_eq!((mix.held(), mix.due()), (0, None));
        for (item, at) in &left {
            let longest = millis(settings.max_delay());
            prop_assert!((arrivals[*item]..=arrivals[*item] + longest).contains(at));
        }
        left.sort_unstable();
        prop_assert!(left.iter().map(|(item, _)| *item).eq(0..arrivals.len()));
        let size = mix.effective_size();
        let most = arrivals.len() as f64 + 1e-9;
        prop_assert!(size.is_none_or(|size| (1.0..=most).contains(&size)));
    }

    #[test]
    fn a_drain_gives_each_held_one_once(
        settings in any_settings(),
        count in 0..100_usize,
        seed: u64,
    ) {
        let mut rng = seeded(seed);
        let mut mix = Mix::new(settings);
        let mut left: Vec<_> = (0..count).flat_map(|item| mix.arrive(0, item, &mut rng)).collect();
        prop_assert_eq!(left.len() + mix.held(), count);
        left.extend(mix.drain(&mut rng));
        left.sort_unstable();
        prop_assert!(left.into_iter().eq(0..count));
        prop_assert_eq!((mix.held(), mix.due(), mix.drain(&mut rng)), (0, None, Vec::new()));
    }
}
