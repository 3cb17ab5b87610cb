//! The directory key: in a file, or behind a command, so that it can live on another machine.

use crate::config::DirectoryKey;
use discreet_protocol::statement::{Claims, sign_with};
use discreet_protocol::{SigningKey, VerifyingKey};
use discreet_serve::secret::{SecretError, read_secret};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// More than a signature in hex and a line feed.
const MAX_OUTPUT: u64 = 256;

/// Why a policy could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key's file.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The command cannot be run.
    #[error("the signer {} cannot be run: {source}", command.display())]
    Run {
        /// The command.
        command: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The command ran and did not sign.
    #[error("the signer {} gave no signature: it must print 128 hex digits and exit with 0", command.display())]
    Refused {
        /// The command.
        command: PathBuf,
    },
    /// The command signed, with another key.
    #[error("the signer {} signs with another key than the configured public_key", command.display())]
    OtherKey {
        /// The command.
        command: PathBuf,
    },
}

/// Signs policies.
pub(crate) enum Signer {
    Key(SigningKey),
    Command { command: Vec<String>, public: Box<VerifyingKey> },
}

impl Signer {
    pub(crate) fn new(config: &DirectoryKey) -> Result<Self, SignError> {
        Ok(match config {
            DirectoryKey::File(path) => Self::Key(SigningKey::from_bytes(read_secret(path)?.as_bytes())),
            DirectoryKey::Signer { command, public_key } => {
                Self::Command { command: command.clone(), public: Box::new(public_key.0) }
            }
        })
    }

    /// The public half, which clients pin.
    pub(crate) fn public(&self) -> VerifyingKey {
        match self {
            Self::Key(key) => key.verifying_key(),
            Self::Command { public, .. } => **public,
        }
    }

    /// The signed statement. A command may take its time: call this off the network's threads.
    pub(crate) fn sign<C: Claims>(&self, claims: &C) -> Result<Vec<u8>, SignError> {
        match self {
            Self::Key(key) => Ok(discreet_protocol::statement::sign(claims, key)),
            Self::Command { command, public } => sign_with(claims, |message| ask(command, public, message)),
        }
    }
}

/// The message goes to the command's standard input, the signature comes from its standard output.
fn ask(command: &[String], public: &VerifyingKey, message: &[u8]) -> Result<[u8; 64], SignError> {
    let (program, arguments) =
        command.split_first().map_or(("", &[][..]), |(one, more)| (one.as_str(), more));
    let name = || PathBuf::from(program);
    let fail = |source| SignError::Run { command: name(), source };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(fail)?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not read has no signature to give, which shows below.
        let _ = input.write_all(message);
    }
    let mut output = String::new();
    let read = child.stdout.take().map(|out| out.take(MAX_OUTPUT).read_to_string(&mut output));
    let ended = child.wait().map_err(fail)?;
    let mut signature = [0; 64];
    let is_hex = hex::decode_to_slice(output.trim_ascii(), &mut signature).is_ok();
    if !ended.success() || !is_hex || !matches!(read, Some(Ok(_))) {
        return Err(SignError::Refused { command: name() });
    }
    let verified = public.verify_strict(message, &signature.into());
    verified.map(|()| signature).map_err(|_| SignError::OtherKey { command: name() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use discreet_protocol::credential::Status;
    use discreet_protocol::statement::{open, sign};
    use discreet_protocol::time::Timestamp;

    fn status() -> Status {
        Status { id: [1; 16], at: Timestamp::from_unix(5) }
    }

    /// A signer that prints what it is told to, whatever it is asked.
    fn signer(script: &str, key: &SigningKey) -> Signer {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        Signer::Command { command, public: Box::new(key.verifying_key()) }
    }

    #[test]
    fn a_command_signs_what_it_reads() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let signed = sign(&status(), &key);
        let signature = hex::encode(&signed[signed.len() - 64..]);
        let signer = signer(&format!("test $(wc -c) -gt 40 && echo {signature}"), &key);
        assert_eq!(signer.sign(&status()).unwrap(), signed);
        assert_eq!(open::<Status>(&signed, &signer.public()), Ok(status()));
    }

    #[test]
    fn rejects_a_signature_by_another_key() {
        let signed = sign(&status(), &SigningKey::from_bytes(&[4; 32]));
        let signature = hex::encode(&signed[signed.len() - 64..]);
        let signer = signer(&format!("echo {signature}"), &SigningKey::from_bytes(&[3; 32]));
        assert!(matches!(signer.sign(&status()), Err(SignError::OtherKey { .. })));
    }

    #[test]
    fn rejects_a_command_that_does_not_sign() {
        let key = SigningKey::from_bytes(&[3; 32]);
        for script in ["true", "false", "echo zz", "cat", "echo 00; exit 1"] {
            let refused = signer(script, &key).sign(&status());
            assert!(matches!(refused, Err(SignError::Refused { .. })), "{script}");
        }
        let command = vec!["/no/such/signer".to_owned()];
        let missing = Signer::Command { command, public: Box::new(key.verifying_key()) };
        assert!(matches!(missing.sign(&status()), Err(SignError::Run { .. })));
    }
}
