//! The figures of a run as a table for people.

use super::results::{AdversaryResult, Estimate, Mode, Results, Rounds, Summary};
use std::fmt::Write;

/// All of it.
pub(super) fn of(results: &Results) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, results);
    text
}

fn write(text: &mut String, results: &Results) -> std::fmt::Result {
    let Results { summary, scenario, .. } = results;
    let mode = match results.mode {
        Mode::VirtualTime => "virtual time",
        Mode::RealTime => "real time over loopback",
    };
    writeln!(
        text,
        "{} clients, {} hours of {mode}, seed {}: {} lookups, {} covers, {} publishes; {:.1} lookups for each client and day",
        summary.clients,
        scenario.hours,
        scenario.seed,
        summary.lookups,
        summary.covers,
        summary.publishes,
        summary.per_client_and_day
    )?;
    writeln!(
        text,
        "an answer takes {:.0} ms (99 %: {:.0} ms), of which the request mix is {:.0} ms",
        summary.latency_median_ms, summary.latency_p99_ms, summary.added_median_ms
    )?;
    if summary.issuances > 0 {
        let Summary { issuances, hurried, .. } = summary;
        writeln!(text, "{issuances} batches of tokens; {hurried} tokens used before their time")?;
    }
    for mix in &results.mixes {
        writeln!(
            text,
            "mix {}-{} {:?}: {} passed, {:.1} held in the mean, effective pool {:.1}, {:.0} ms added in the mean",
            mix.relay,
            mix.gateway,
            mix.direction,
            mix.passed,
            mix.mean_held,
            mix.effective_pool,
            mix.mean_delay_ms
        )?;
    }
    let leaks = results.sizes.iter().map(|size| size.information_who.value.max(size.information_whom.value));
    let most = results.sizes.iter().map(|size| size.distinct).max().unwrap_or(0);
    writeln!(
        text,
        "sizes: {most} distinct in one place at most; they tell {:.3} bits of who or whom at most\n",
        leaks.fold(0.0, f64::max)
    )?;
    writeln!(
        text,
        "{:<26} {:>5} {:>7} {:>22} {:>22} {:>9} {:>8} {:>8} {:>20} {:>7}",
        "adversary", "games", "blind", "right", "AUC", "TPR 1e-3", "set H", "set Hmin", "rounds", "lost"
    )?;
    results.adversaries.iter().try_for_each(|it| line(text, it))?;
    writeln!(text, "\nright: how often the best guess is; set: candidates left, by entropy and min-entropy")
}

fn line(text: &mut String, it: &AdversaryResult) -> std::fmt::Result {
    if let Some(note) = &it.note {
        return writeln!(text, "{:<26} {note}", it.name);
    }
    let rounds = match &it.rounds {
        None => "–".to_owned(),
        Some(rounds) => {
            let or_never =
                |rounds: Option<f64>| rounds.map_or_else(|| "never".to_owned(), |it| it.to_string());
            let Rounds { median, median_low, median_high, .. } = rounds;
            format!("{} [{}, {}]", or_never(*median), or_never(*median_low), or_never(*median_high))
        }
    };
    writeln!(
        text,
        "{:<26} {:>5} {:>7.4} {:>22} {:>22} {:>9.3} {:>8.1} {:>8.1} {rounds:>20} {:>7}",
        it.name,
        it.challenges,
        it.blind,
        interval(&it.success),
        interval(&it.auc),
        it.tpr_at_fpr_1e3.value,
        it.set_by_entropy.value,
        it.set_by_min_entropy.value,
        it.lost
    )
}

fn interval(it: &Estimate) -> String {
    format!("{:.3} [{:.3}, {:.3}]", it.value, it.low, it.high)
}
