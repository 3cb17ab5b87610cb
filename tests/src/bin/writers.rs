//! What the tests of power cuts run as a process: `writers FOLDER PAIRS`.

use anyhow::{Context, Result};
use std::path::Path;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("the first argument is the store's folder")?;
    let pairs = arguments.next().context("the second argument is how many pairs each writes")?;
    tests::writers::write(Path::new(&folder), pairs.parse()?)
}
