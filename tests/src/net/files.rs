//! What the roles of a network find on the disk: rules, secrets, configuration, the clients' profile, and who is in
//! the directory. It starts nothing.

use super::{LOOPBACK, admin};
use crate::{World, world};
use anyhow::{Context, Result};
use discreet_gateway::ratchet::Ratchet;
use discreet_gateway::{DirectoryKey, ResolverConfig, keyfile};
use discreet_protocol::time::Timestamp;
use discreet_resolver::directory::Directory;
use discreet_resolver::import::{LineError, Observer, Source, Summary, import};
use discreet_resolver::rules::Rules;
use discreet_serve::log::LogConfig;
use discreet_serve::secret::{Secret32, create_secret};
use discreet_serve::{Limits, Listen};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// Writes the files of a provider into `folder`, with `lines` in its directory, and says how its gateway is
/// configured: without TLS, on any port of loopback. What is there already stays.
///
/// # Errors
///
/// When a file cannot be written, or a line is refused.
pub fn provider(folder: &Path, world: &World, lines: &[String]) -> Result<discreet_gateway::Config> {
    write_provider(folder, world, "")?;
    let (_, refused) = import_lines(folder, lines, world.now)?;
    if let Some((number, error)) = refused.into_iter().next() {
        return Err(error).with_context(|| format!("line {number}"));
    }
    let listen = Listen::Plaintext { address: SocketAddr::new(LOOPBACK, 0).into() };
    Ok(gateway_config(folder, listen))
}

/// Rules, resolver configuration and secrets.
pub(super) fn write_provider(folder: &Path, world: &World, more_rules: &str) -> Result<()> {
    fs::write(folder.join("rules.toml"), format!("{}\n{more_rules}", world.rules()))?;
    let resolver = "rules = \"rules.toml\"\ndirectory = \"directory.db\"\npepper = \"pepper.key\"\n";
    fs::write(folder.join("resolver.toml"), resolver)?;
    if !folder.join("pepper.key").exists() {
        create_secret(&folder.join("pepper.key"), &[11; 32])?;
    }
    if !folder.join("ohttp.keys").exists() {
        let ratchet = Ratchet::new(Secret32::new([12; 32]), 0, world.now.start_of_day(), 7);
        keyfile::create(&folder.join("ohttp.keys"), &ratchet)?;
    }
    discreet_resolver::create(&resolver_config(folder)?)?;
    if !folder.join("directory.key").exists() {
        create_secret(&folder.join("directory.key"), world.directory_key.as_bytes())?;
    }
    Ok(())
}

pub(super) fn gateway_config(folder: &Path, listen: Listen) -> discreet_gateway::Config {
    discreet_gateway::Config {
        listen,
        admin: admin(),
        log: LogConfig::default(),
        limits: Limits::default(),
        relay_limit: None,
        ohttp_keys: folder.join("ohttp.keys"),
        directory_key: DirectoryKey::File(folder.join("directory.key")),
        resolver: ResolverConfig::Embedded(folder.join("resolver.toml")),
    }
}

pub(super) fn write_profile(folder: &Path, world: &World, urls: &[String]) -> Result<()> {
    let key = hex::encode(world.directory_key.verifying_key().to_bytes());
    let mut profile = format!("domain = \"{}\"\ndirectory_key = \"{key}\"\nca = \"ca.pem\"\n", world::DOMAIN);
    for (index, url) in urls.iter().enumerate() {
        profile.push_str(&format!(
            "\n[[relays]]\nurl = \"{url}\"\noperator = \"Relay operator {}\"\n",
            index + 1
        ));
    }
    Ok(fs::write(folder.join("profile.toml"), profile)?)
}

pub(super) fn open_directory(folder: &Path) -> Result<(Rules, Directory)> {
    Ok(discreet_resolver::open(&resolver_config(folder)?)?)
}

fn resolver_config(folder: &Path) -> Result<discreet_resolver::Config> {
    let mut config: discreet_resolver::Config = discreet_serve::config::load(&folder.join("resolver.toml"))?;
    config.resolve(folder);
    Ok(config)
}

pub(super) fn import_lines(
    folder: &Path,
    lines: &[String],
    now: Timestamp,
) -> Result<(Summary, Vec<(u64, LineError)>)> {
    let (rules, directory) = open_directory(folder)?;
    let text = lines.join("\n");
    let mut refused = Refused::default();
    let summary = import(Source::Anybody, &directory, &rules, now, text.as_bytes(), &mut refused)?;
    Ok((summary, refused.0))
}

#[derive(Default)]
struct Refused(Vec<(u64, LineError)>);

impl Observer for Refused {
    fn progress(&mut self, _: u64, _: u64) {}

    fn refused(&mut self, number: u64, error: LineError) {
        self.0.push((number, error));
    }
}
