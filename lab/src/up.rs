//! `lab up`: a network that stays, for clients that are not in this repository.

use crate::generate;
use anyhow::Result;
use clap::Args;
use discreet_protocol::time::Timestamp;
use discreet_serve::{Clock, stop_signal};
use std::path::PathBuf;
use tests::{Net, World, world};

const SEED: u64 = 1;

#[derive(Args)]
pub(crate) struct Options {
    /// Folder for certificates, keys, directory and profile
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    /// How many mappings to generate
    #[arg(long, default_value_t = 1000)]
    count: u64,
    /// How many relays, each of its own operator
    #[arg(long, default_value_t = 2)]
    relays: usize,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    // Listened for before anything is up, so that no stop is missed.
    let stop = stop_signal();
    crate::create_folder(&options.dir)?;
    let world = World::new(SEED, Timestamp::from_unix(Clock::system().now()));
    let lines = generate::lines(&world, SEED, options.count)?;
    let builder = Net::builder().folder(&options.dir).clock(Clock::system()).relays(options.relays);
    let net = builder.lines(lines).start(world).await?;
    // The absent number follows the last present one in the same supply.
    let known = generate::numbers(SEED, 8);
    let all = usize::try_from(options.count)?;
    let absent = generate::numbers(SEED, all + 1).pop();
    let ready = serde_json::json!({
        "relays": net.relay_urls(),
        "ca": net.ca(),
        "domain": world::DOMAIN,
        "directory_key": hex::encode(net.world.directory_key.verifying_key().to_bytes()),
        "profile": net.profile_path(),
        "known": known.iter().map(|csi| csi.value()).collect::<Vec<_>>(),
        "absent": absent.as_ref().map(|csi| csi.value()),
    });
    println!("{ready}");
    stop.await;
    Ok(())
}
