//! `lab report`: the figures of runs, who knows what, and what an exchange changes, as one HTML file. And
//! `lab unlinkability`, which makes such figures, where the page is wanted at once.
//!
//! The file holds everything it shows: no script, nothing is fetched, and a policy in it forbids both. What is
//! read is text of others: [`html`] has no way to put it in unescaped. Nothing is measured here, and
//! no clock is read: the same files give the same page.

use crate::files;
use anyhow::Result;
use clap::Args;
use lab::unlinkability::command as unlinkability;
use std::path::{Path, PathBuf};

mod axis;
mod figures;
mod forest;
mod html;
mod input;
mod page;
mod plot;
mod section;

#[cfg(test)]
mod tests;

#[derive(Args)]
pub(crate) struct Options {
    /// Folders of `lab unlinkability`, or folders of such folders; the first is looked at most closely
    #[arg(long, required = true, num_args = 1.., value_name = "FOLDER")]
    results: Vec<PathBuf>,
    /// The table of who knows what: `knowledge.json` of `lab knowledge --out`
    #[arg(long, value_name = "FILE")]
    knowledge: Option<PathBuf>,
    /// What exchanging who asks about whom changed: `swap.json` of `lab swap --out`
    #[arg(long, value_name = "FILE")]
    swap: Option<PathBuf>,
    /// The page; replaced if it is there
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
}

#[derive(Args)]
pub(crate) struct RunOptions {
    #[command(flatten)]
    run: unlinkability::Options,
    /// Draw the figures as one HTML file, too, as `lab report` does; replaced if it is there
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let said = draw(&options.results, options.knowledge.as_deref(), options.swap.as_deref(), &options.out)?;
    println!("{said}");
    Ok(())
}

/// Runs a scenario, and draws its page if one is wanted.
pub(crate) async fn run_scenario(options: RunOptions) -> Result<()> {
    // Now, and not after a run that took long.
    options.report.as_deref().map_or(Ok(()), files::try_folder)?;
    let folder = unlinkability::run(options.run).await?;
    if let Some(page) = options.report {
        // Standard output may be for programs.
        eprintln!("{}", draw(&[folder], None, None, &page)?);
    }
    Ok(())
}

/// Draws a page and says so.
fn draw(results: &[PathBuf], knowledge: Option<&Path>, swap: Option<&Path>, out: &Path) -> Result<String> {
    let input = input::read(results, knowledge, swap)?;
    let page = page::draw(&input)?;
    files::write(out, page.as_bytes())?;
    Ok(format!("{} of {} runs written to {}", size(page.len()), input.runs.len(), out.display()))
}

fn size(bytes: usize) -> String {
    format!("{} KB", bytes.div_ceil(1000))
}
