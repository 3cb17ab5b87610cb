//! Who is measured against whom: in one run, by turns, so that whatever else the machine does meets all
//! alike; the median of all rounds counts.

use super::cpu::Program;
use super::load::{Connections, Stock, Target, Volley};
use crate::stress::tally::median;
use anyhow::{Result, ensure};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Somebody who answers requests.
pub(crate) struct Contestant {
    /// What the table calls it.
    pub(crate) name: String,
    pub(crate) target: Target,
    /// The processes whose time is counted.
    pub(crate) program: Program,
    /// Makes what it is asked, for each volley anew: `requests` of them at least.
    pub(crate) stock: Box<dyn Fn(usize) -> Result<Arc<dyn Loaded>> + Send + Sync>,
}

/// A stock that can say at the end whether all answers were right.
pub(crate) trait Loaded: Stock {
    /// Looks at the answers that were put aside.
    ///
    /// # Errors
    ///
    /// When one is wrong.
    fn check(&self) -> Result<()>;
}

/// How long and how often is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) time: Duration,
}

/// What one contestant did at one concurrency.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// Requests answered per second of processor time of the measured program.
    pub(crate) per_cpu_second: Vec<f64>,
    /// Requests answered per second.
    pub(crate) per_second: Vec<f64>,
    /// In milliseconds.
    pub(crate) p50: Vec<f64>,
    /// In milliseconds.
    pub(crate) p99: Vec<f64>,
}

/// A line of the result.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) part: &'static str,
    pub(crate) name: String,
    pub(crate) concurrency: usize,
    pub(crate) figures: Figures,
}

impl Row {
    pub(crate) fn per_cpu_second(&self) -> f64 {
        median(self.figures.per_cpu_second.clone())
    }

    /// For people.
    pub(crate) fn line(&self, first: &Row) -> String {
        let Figures { per_second, p50, p99, .. } = &self.figures;
        format!(
            "{:<9} {:<34} {:>4} {:>10.0} {:>7.2} {:>10.0} {:>8.2} {:>8.2}",
            self.part,
            self.name,
            self.concurrency,
            self.per_cpu_second(),
            self.per_cpu_second() / first.per_cpu_second(),
            median(per_second.clone()),
            median(p50.clone()),
            median(p99.clone()),
        )
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let Figures { per_cpu_second, per_second, p50, p99 } = &self.figures;
        json!({
            "part": self.part,
            "name": self.name,
            "concurrency": self.concurrency,
            "requests_per_cpu_second": per_cpu_second,
            "requests_per_second": per_second,
            "p50_ms": p50,
            "p99_ms": p99,
        })
    }
}

/// The heading above [`Row::line`]. The ratio is to the first row of a group.
pub(crate) fn heading() -> String {
    format!(
        "{:<9} {:<34} {:>4} {:>10} {:>7} {:>10} {:>8} {:>8}",
        "part", "what", "at", "req/CPU-s", "ratio", "req/s", "p50 ms", "p99 ms"
    )
}

/// Lets all contestants answer by turns; any wrong or missing answer ends it.
pub(crate) async fn run(
    part: &'static str,
    contestants: &[Contestant],
    concurrency: usize,
    plan: Plan,
    bar: &ProgressBar,
) -> Result<Vec<Row>> {
    let row = |it: &Contestant| Row { part, name: it.name.clone(), concurrency, figures: Figures::default() };
    let mut rows: Vec<_> = contestants.iter().map(row).collect();
    // How many requests a contestant needs at most: found in a first volley that does not count.
    let mut needed = vec![0; contestants.len()];
    for (contestant, needed) in contestants.iter().zip(&mut needed) {
        bar.set_message(format!("{part}: {} at {concurrency}, warming up", contestant.name));
        let warm_up = plan.time.min(Duration::from_secs(1));
        let (volley, _) = volley(contestant, concurrency, 4000, warm_up).await?;
        let rate = volley.times.len() as f64 / volley.elapsed.as_secs_f64();
        *needed = (rate * plan.time.as_secs_f64() * 1.3) as usize + concurrency;
    }
    for _ in 0..plan.rounds {
        for ((contestant, row), needed) in contestants.iter().zip(&mut rows).zip(&needed) {
            bar.set_message(format!("{part}: {} at {concurrency}", contestant.name));
            let (volley, used) = volley(contestant, concurrency, *needed, plan.time).await?;
            row.figures.note(volley, used);
            bar.inc(1);
        }
    }
    Ok(rows)
}

async fn volley(
    contestant: &Contestant,
    concurrency: usize,
    needed: usize,
    time: Duration,
) -> Result<(Volley, Duration)> {
    let stock = (contestant.stock)(needed)?;
    let connections = Connections::open(&contestant.target, concurrency).await?;
    let before = contestant.program.used()?;
    let volley = connections.fire(Arc::clone(&stock) as Arc<dyn Stock>, time).await?;
    let used = contestant.program.used()?.saturating_sub(before);
    ensure!(volley.failures.is_empty(), "{}: {:?}", contestant.name, volley.failures);
    tokio::task::spawn_blocking(move || stock.check()).await??;
    Ok((volley, used))
}

impl Figures {
    fn note(&mut self, volley: Volley, used: Duration) {
        let Volley { mut times, elapsed, .. } = volley;
        times.sort_unstable();
        let answered = times.len() as f64;
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
        };
        self.per_cpu_second.push(answered / used.as_secs_f64());
        self.per_second.push(answered / elapsed.as_secs_f64());
        self.p50.push(at(50));
        self.p99.push(at(99));
    }
}
