//! Reading a role's TOML file.
//!
//! The struct a role deserialises into is the manual; this module only reads it and says in one
//! sentence what is wrong with the file. Paths inside a file are relative to the file's folder, so
//! that a configuration means the same wherever the process was started.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use thiserror::Error;

pub use crate::secret::{Secret32, SecretError, create_secret, read_secret};

/// Why a configuration file was refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is not TOML, or not what the role expects: an unknown field, a missing one, a wrong type.
    #[error("{} line {line}: {}", path.display(), one_line(reason.message()))]
    Content {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What the parser said.
        reason: toml::de::Error,
    },
}

/// Reads the TOML file at `path`.
///
/// # Errors
///
/// When the file cannot be read or does not fit `T`; the message names file, line and field.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|reason| {
        let line = line_of(&text, reason.span().map_or(0, |span| span.start));
        ConfigError::Content { path: path.to_owned(), line, reason }
    })
}

/// The folder of a configuration file: what the paths inside it are relative to.
pub fn folder(config: &Path) -> &Path {
    config.parent().unwrap_or(Path::new(""))
}

/// Makes a path of a configuration file usable from anywhere: relative ones are taken from `folder`.
pub fn resolve(folder: &Path, path: &mut PathBuf) {
    *path = folder.join(&path);
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// The parser breaks some of its messages over lines; ours are one sentence.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        #[allow(dead_code)]
        name: String,
    }

    fn load_text(text: &str) -> Result<Example, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("role.toml");
        std::fs::write(&path, text).unwrap();
        load(&path).map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    #[test]
    fn names_file_line_and_unknown_field() {
        let error = load_text("name = \"a\"\n\ncolour = 3\n").unwrap_err();
        assert_eq!(error, "role.toml line 3: unknown field `colour`, expected `name`");
    }

    #[test]
    fn names_a_missing_field() {
        assert_eq!(load_text("").unwrap_err(), "role.toml line 1: missing field `name`");
    }

    #[test]
    fn a_syntax_error_is_one_line() {
        let error = load_text("name = \"a\"\nname\n").unwrap_err();
        assert!(error.starts_with("role.toml line 2: ") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn names_a_missing_file() {
        let error = load::<Example>(Path::new("no/such/role.toml")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read the configuration no/such/role.toml: "), "{error}");
    }

    #[test]
    fn relative_paths_are_taken_from_the_folder_of_the_file() {
        let (mut relative, mut absolute) = (PathBuf::from("relay.pem"), PathBuf::from("/etc/relay.pem"));
        let folder = folder(Path::new("conf/relay.toml"));
        resolve(folder, &mut relative);
        resolve(folder, &mut absolute);
        assert_eq!(relative, Path::new("conf/relay.pem"));
        assert_eq!(absolute, Path::new("/etc/relay.pem"));
    }
}
