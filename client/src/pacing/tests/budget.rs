//! Whatever happens to a client, no day costs it more than its budget.

use super::*;
use proptest::prelude::*;

/// What may happen to a client.
#[derive(Clone, Debug)]
enum Step {
    /// So many milliseconds pass, with a poll in time for everything.
    Run(u64),
    /// So many pass in sleep.
    Sleep(u64),
    Add(u8),
    Fail,
    Means(u32, u8),
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..18 * HOUR).prop_map(Step::Run),
        1 => (1..18 * HOUR).prop_map(Step::Sleep),
        2 => any::<u8>().prop_map(Step::Add),
        1 => Just(Step::Fail),
        1 => (0..4_u32, any::<u8>()).prop_map(|(price, tokens)| Step::Means(price, tokens)),
        1 => Just(Step::Restart),
    ]
}

/// A client, and when it spent how much: on first lookups, and on the rest.
struct Spender {
    pacing: Pacing,
    now: u64,
    added: u32,
    stock: Option<u64>,
    first: Vec<(u64, u64)>,
    steady: Vec<(u64, u64)>,
}

impl Spender {
    fn run(&mut self, until: u64, rng: &mut ChaCha12Rng) {
        loop {
            let unasked = self.pacing.unasked();
            let price = u64::from(self.pacing.settings.price);
            // What costs nothing is paced as if it cost one.
            let spent = (self.now, price.max(1));
            match self.pacing.poll(Moment(self.now), rng) {
                Action::Lookup(_) if self.pacing.unasked() < unasked => self.first.push(spent),
                Action::Lookup(_) | Action::Cover(_) => self.steady.push(spent),
                Action::WaitUntil(at) if at.0 < until => {
                    self.now = self.now.max(at.0);
                    continue;
                }
                _ => break,
            }
            self.stock = self.stock.map(|stock| stock.checked_sub(price).expect("spent what was not there"));
        }
        self.now = until;
    }

    fn step(&mut self, step: &Step, rng: &mut ChaCha12Rng) {
        let now = Moment(self.now);
        match step {
            Step::Run(millis) => self.run(self.now + millis, rng),
            Step::Sleep(millis) => self.now += millis,
            Step::Add(count) => {
                let until = self.added + u32::from(*count);
                self.pacing.add(now, contacts(self.added..until), rng);
                self.added = until;
            }
            Step::Fail if self.added > 0 => self.pacing.failed(now, Contact(self.added / 2), rng),
            Step::Fail => {}
            Step::Means(price, tokens) => {
                self.pacing.means(now, *price, u64::from(*tokens), rng);
                self.stock = Some(u64::from(*tokens));
            }
            Step::Restart => {
                let Pacing { settings, new, asked, ledger, .. } = self.pacing.clone();
                self.pacing = Pacing::new(settings, ledger);
                self.pacing.add(now, new, rng);
                self.pacing.known(now, asked, rng);
                if let Some(stock) = self.stock {
                    self.pacing.stock(now, stock, rng);
                }
            }
        }
    }
}

/// The most that any sliding day holds.
fn most_in_a_day(spent: &[(u64, u64)]) -> u64 {
    let until = |(from, _): &(u64, u64)| {
        let day = spent.iter().filter(|(at, _)| (*from..from + DAY).contains(at));
        day.map(|(_, tokens)| tokens).sum()
    };
    spent.iter().map(until).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens, no sliding day costs more than the budget, and nothing more than the stock.
    #[test]
    fn no_day_costs_more_than_the_budget(
        steps in prop::collection::vec(any_step(), 1..40),
        burst in 1..200_u32,
        per_day in 0..100_u32,
        price in 0..4_u32,
        half_days in 0..3_u64,
        seed: u64,
    ) {
        let settings = Settings {
            burst,
            per_day,
            price,
            refresh_permille: 900,
            cover_permille: 300,
            reserve: 0,
            first_within: Duration::from_millis(half_days * DAY / 2),
            refresh_no_faster: Duration::ZERO,
        };
        let rng = &mut seeded(seed);
        let pacing = Pacing::new(settings, Ledger::default());
        let mut spender =
            Spender { pacing, now: 0, added: 0, stock: None, first: Vec::new(), steady: Vec::new() };
        for step in &steps {
            spender.step(step, rng);
        }
        prop_assert!(most_in_a_day(&spender.first) <= burst.into());
        prop_assert!(most_in_a_day(&spender.steady) <= per_day.into());
    }
}
