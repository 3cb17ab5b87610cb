//! Where a directory lies: the part of the configuration that `discreet-resolver` and a gateway
//! with an embedded resolver share.

use crate::lock::beside;
use discreet_serve::config::resolve;
use discreet_serve::{Admin, Limits, Listen, LogConfig};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A directory and the rules it is kept by. Paths are relative to the file they stand in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The data owner's rules (TOML).
    pub rules: PathBuf,
    /// The SQLite file, made by `discreet-resolver init`.
    pub directory: PathBuf,
    /// The secret that seals the rows: one line of 64 hex digits, mode 0600, made by
    /// `discreet-resolver init`. Keep it off the backups of the directory.
    pub pepper: PathBuf,
    /// The tombstone journal: who withdrew, so that nobody comes back with an older backup of the
    /// directory. Made with the directory; never restore the two together. By default the directory's
    /// path with `.journal` behind it.
    pub journal: Option<PathBuf>,
    /// The set of spent tokens, where the rules name issuers. Made with the directory; never restore it from a
    /// backup, because tokens spent since could be spent again: if it is lost, `discreet-resolver
    /// retire-tokens`. By default the directory's path with `.spent` behind it.
    pub spent_tokens: Option<PathBuf>,
    /// How gateways on other hosts are answered: `discreet-resolver serve`. A gateway with an embedded
    /// resolver needs none of it.
    pub serve: Option<ServeConfig>,
}

/// A resolver that serves gateways on other hosts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeConfig {
    /// Where gateways connect: `mutual_tls` with `peers`, or `plaintext` on this host. Whoever gets in can
    /// ask for everybody.
    pub listen: Listen,
    /// Where health and metrics are answered. Default: nowhere.
    #[serde(default)]
    pub admin: Admin,
    /// Format and level of the log on standard error.
    #[serde(default)]
    pub log: LogConfig,
    /// Bounds on connections, requests and times.
    #[serde(default)]
    pub limits: Limits,
}

impl Config {
    /// Makes the paths usable from anywhere; `folder` is the configuration file's.
    pub fn resolve(&mut self, folder: &Path) {
        let paths = [&mut self.rules, &mut self.directory, &mut self.pepper];
        for path in paths.into_iter().chain(&mut self.journal).chain(&mut self.spent_tokens) {
            resolve(folder, path);
        }
        if let Some(serve) = &mut self.serve {
            serve.listen.resolve_paths(folder);
            serve.admin.resolve_paths(folder);
        }
    }

    /// Where the set of spent tokens lies.
    pub fn spent_tokens(&self) -> PathBuf {
        self.spent_tokens.clone().unwrap_or_else(|| beside(&self.directory, ".spent"))
    }

    /// Where the tombstone journal lies.
    pub fn journal(&self) -> PathBuf {
        self.journal.clone().unwrap_or_else(|| beside(&self.directory, ".journal"))
    }
}
