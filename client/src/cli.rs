//! The command `discreet`: options, exit codes, and which command does what.

use clap::{Parser, Subcommand};
use std::process::ExitCode;

mod common;
mod contacts;
mod credential;
mod failure;
mod identity;
mod lookup;
mod output;
mod probe;
mod publish;
mod show;
mod stop;
mod tokens;
mod verify;
mod verify_key;
mod wait;
mod watch;
mod withdraw;

use failure::Failure;

const EXIT_CODES: &str = "Exit codes:
  0  done; for lookup: at least one service was found and verified
  1  not reachable: no mapping, or one that lists no service
  2  wrong usage or input; nothing was sent
  3  relay, gateway, directory, authority or issuer did not answer, the issuer gives no more for now,
     or a proof is still missing
  4  refused: an answer does not verify, or the directory or the authority does not take in what was sent
  5  this machine's profile, identity, state or clock cannot be used
  6  watch, show: what is served about you is not what you published
  7  verify-key: the key is not the one the holder named, or none was named
  8  probe: through some relay a stage failed
  9  there are no tokens to pay with, or not yet; nothing was sent
  130  contacts, tokens: stopped by Ctrl-C; the same command goes on. Stopped by SIGTERM: 0";

/// Find where a person can be reached, and say where you can be, without any server learning who
/// asked.
#[derive(Parser)]
#[command(name = "discreet", version, after_help = EXIT_CODES)]
pub(crate) struct Command {
    #[command(subcommand)]
    action: Action,
    /// Print JSON instead of text: one object; with watch and contacts, one per line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// Look up a phone number, an e-mail address or a handle
    #[command(after_help = EXIT_CODES)]
    Lookup(lookup::Lookup),
    /// Ask about everybody in an address book
    #[command(subcommand, after_help = EXIT_CODES)]
    Contacts(contacts::Contacts),
    /// Make, show, back up and restore an identity: one key for one identifier
    #[command(subcommand, after_help = EXIT_CODES)]
    Identity(identity::Identity),
    /// Have an authority attest that your key belongs to your identifier
    #[command(subcommand, after_help = EXIT_CODES)]
    Credential(credential::Credential),
    /// Publish where you can be reached: signed here, sent like a lookup
    #[command(after_help = EXIT_CODES)]
    Publish(publish::Publish),
    /// Withdraw what you published: for one tag, or all
    #[command(after_help = EXIT_CODES)]
    Withdraw(withdraw::Withdraw),
    /// Show what you published, and with --profile what the directory serves
    #[command(after_help = EXIT_CODES)]
    Show(show::Show),
    /// Check a mapping by itself, and explain each step
    ///
    /// The policy is fetched through two relays of the profile, or read from --policy, where it lies as a
    /// relay serves it at /{gateway}/policy; then nothing is sent.
    #[command(after_help = EXIT_CODES)]
    Verify(verify::Verify),
    /// Look your own identifier up at random intervals, and raise the alarm
    ///
    /// Each look goes through another relay than the one you published through. A foreign key, something
    /// older than what you published, or nothing at all ends it with exit code 6; and so do five looks in a
    /// row at one tag that go unanswered though the provider's policy arrives.
    #[command(after_help = EXIT_CODES)]
    Watch(watch::Watch),
    /// Look a reserved identifier up through every relay of a profile, and name the stage that fails
    ///
    /// The stages: tls (the relay is reached and trusted), policy (it hands out the provider's, the same
    /// as a relay of another operator), keys (the gateway opens the question, and its answer opens
    /// here), token (there is one to pay with, and the directory takes it; a relay's own is part of
    /// policy), store (the directory answers), signature (the mapping verifies).
    ///
    /// The identifier is handle:discreet-probe. A provider may publish a mapping for it, so that there
    /// is a signature to check; that it is not found is as good.
    #[command(after_help = EXIT_CODES)]
    Probe(probe::Probe),
    /// Show the tokens in stock, which lookups and publishing are paid with where the provider asks for some
    #[command(after_help = EXIT_CODES)]
    Tokens(tokens::Tokens),
    /// Check a key that a service presents against the thumbprint in an answer
    #[command(after_help = EXIT_CODES)]
    VerifyKey(verify_key::VerifyKey),
}

impl Command {
    pub(crate) fn json(&self) -> bool {
        self.json
    }
}

pub(crate) async fn run(command: &Command) -> Result<ExitCode, Failure> {
    let json = command.json;
    match &command.action {
        Action::Lookup(lookup) => lookup.run(json).await,
        Action::Contacts(contacts) => contacts.run(json).await,
        Action::Identity(identity) => identity.run(json),
        Action::Credential(credential) => credential.run(json).await,
        Action::Publish(publish) => publish.run(json).await,
        Action::Withdraw(withdraw) => withdraw.run(json).await,
        Action::Show(show) => show.run(json).await,
        Action::Verify(verify) => verify.run(json).await,
        Action::Watch(watch) => watch.run(json).await,
        Action::Probe(probe) => probe.run(json).await,
        Action::Tokens(tokens) => tokens.run(json).await,
        Action::VerifyKey(verify_key) => verify_key.run(json),
    }
}

#[cfg(test)]
mod tests;
