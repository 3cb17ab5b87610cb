//! The directory key: in a file, or behind a command, so that it can live on another machine.

use crate::config::DirectoryKey;
use crate::metrics::Signing;
use discreet_protocol::statement::{Claims, sign_with};
use discreet_protocol::{SigningKey, VerifyingKey};
use discreet_serve::secret::{SecretError, read_secret};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a command may take.
const DEADLINE: Duration = Duration::from_secs(10);
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
    /// The command ran and did not sign, or took too long.
    #[error("the signer {} gave no signature: it must print 128 hex digits and exit with 0, within 10 s", command.display())]
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

impl SignError {
    pub(crate) fn outcome(&self) -> Signing {
        match self {
            Self::Secret(_) => Signing::NoKey,
            Self::Run { .. } => Signing::NotRun,
            Self::Refused { .. } => Signing::NoSignature,
            Self::OtherKey { .. } => Signing::OtherKey,
        }
    }
}

/// A signature as a command prints it: 128 hex digits with white space around them, and nothing else.
pub fn read_signature(printed: &[u8]) -> Option<[u8; 64]> {
    let mut signature = [0; 64];
    hex::decode_to_slice(printed.trim_ascii(), &mut signature).ok()?;
    Some(signature)
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

    /// Whether signing is arithmetic and nothing else.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::Key(_))
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
            Self::Command { command, public } => {
                sign_with(claims, |message| ask(command, public, message, DEADLINE))
            }
        }
    }
}

/// The message goes to the command's standard input, the signature comes from its standard output.
fn ask(
    command: &[String],
    public: &VerifyingKey,
    message: &[u8],
    deadline: Duration,
) -> Result<[u8; 64], SignError> {
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
    let output = converse(&mut child, message, deadline);
    if output.is_none() {
        // Too late: whatever it says now, nobody listens.
        let _ = child.kill();
    }
    let ended = child.wait().map_err(fail)?;
    let signature = output.filter(|_| ended.success()).and_then(|output| read_signature(&output));
    let signature = signature.ok_or_else(|| SignError::Refused { command: name() })?;
    let verified = public.verify_strict(message, &signature.into());
    verified.map(|()| signature).map_err(|_| SignError::OtherKey { command: name() })
}

/// What the command prints until it closes its standard output; `None` after the deadline.
fn converse(child: &mut Child, message: &[u8], deadline: Duration) -> Option<Vec<u8>> {
    let (mut input, output) = (child.stdin.take()?, child.stdout.take()?);
    let message = message.to_vec();
    let (said, heard) = mpsc::channel();
    // It ends with the child's streams, which close when the child is killed.
    std::thread::spawn(move || {
        // A command that does not read has no signature to give, which shows below.
        let _ = input.write_all(&message);
        drop(input);
        let mut printed = Vec::new();
        let read = output.take(MAX_OUTPUT).read_to_end(&mut printed);
        let _ = said.send(read.is_ok().then_some(printed));
    });
    heard.recv_timeout(deadline).ok().flatten()
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

    #[test]
    fn rejects_a_command_that_hangs() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let command = ["sleep", "600"].map(str::to_owned);
        let late = ask(&command, &key.verifying_key(), b"message", Duration::from_millis(50));
        assert!(matches!(late, Err(SignError::Refused { .. })));
    }
}
