//! Waiting, with something to look at: on a terminal only, and on standard error.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often the display changes.
const TICK: Duration = Duration::from_millis(200);

/// Waits for `time`, with a bar. Ctrl-C ends the command, and nothing has happened then.
pub(crate) async fn with_bar(time: Duration, what: &'static str) {
    let bar = ProgressBar::with_draw_target(Some(time.as_millis() as u64), target());
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] in {eta}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(what);
    let start = Instant::now();
    while start.elapsed() < time {
        sleep(TICK.min(time.saturating_sub(start.elapsed()))).await;
        bar.set_position(start.elapsed().as_millis() as u64);
    }
    bar.finish_and_clear();
}

/// A bar for so many things to come. It vanishes when finished.
pub(crate) fn count_bar(count: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(count), target());
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {pos} of {len}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(what);
    bar
}

/// A spinner, for a wait whose end nobody knows. It vanishes when dropped.
pub(crate) fn spinner(what: &'static str) -> ProgressBar {
    let spinner = ProgressBar::with_draw_target(None, target()).with_finish(ProgressFinish::AndClear);
    spinner.set_message(what);
    spinner.enable_steady_tick(TICK);
    spinner
}

fn target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}
