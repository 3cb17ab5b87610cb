//! `lab report`: the figures of runs and the table of who knows what, as one HTML file.
//!
//! The file holds everything it shows: no script, nothing is fetched, and a policy in it forbids both. What is
//! read is text of others: [`html`] has no way to put it in unescaped. Nothing is measured here, and
//! no clock is read: the same files give the same page.

use crate::files;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

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
    /// The page; replaced if it is there
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let input = input::read(&options.results, options.knowledge.as_deref())?;
    let page = page::draw(&input)?;
    files::write(&options.out, page.as_bytes())?;
    println!("{} of {} runs written to {}", size(page.len()), input.runs.len(), options.out.display());
    Ok(())
}

fn size(bytes: usize) -> String {
    format!("{} KB", bytes.div_ceil(1000))
}
