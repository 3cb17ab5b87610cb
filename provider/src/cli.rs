//! The operator's commands. They work on the files directly, also while the service runs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Parser, Subcommand};
use discreet_protocol::VerifyingKey;
use discreet_protocol::identifier::{IdentifierError, MimiUri};
use discreet_protocol::time::Timestamp;
use discreet_provider::authority::prove::Operator;
use discreet_provider::authority::{self, Authority, AuthorityError, DatabaseError, statuses::SIGN_AFTER};
use discreet_provider::issuer::accounts::{AccountsError, FreshToken};
use discreet_provider::issuer::keys::{Keys, KeysError, Lives};
use discreet_provider::service::{self, Service};
use discreet_provider::{Config, IssuerConfig, init};
use discreet_serve::Clock;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// A provider's service for its own users: attests which key belongs to the holder of an identifier, and gives
/// them anonymous tokens to pay lookups with.
///
/// Without a command it serves.
#[derive(Parser)]
#[command(
    name = "discreet-provider",
    version,
    after_help = "SIGTERM and SIGINT stop the service, SIGHUP has it read certificates, keys and tokens anew.\n\
                  Exit codes: 0 stopped as told or done, 1 failed or refused, 2 wrong usage or configuration."
)]
pub(crate) struct Options {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Only say whether the configuration can be used.
    #[arg(long)]
    pub(crate) check_config: bool,
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
}

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Make the secrets and the database that do not exist yet, and print the lines for a discovery
    /// provider's rules
    Init,
    /// List who waits for a confirmation: code, identifier, and for how long
    Pending,
    /// Say that the identifier behind a code is proved
    Confirm {
        /// The code the person was told
        code: String,
        /// Whose it is, for the record
        #[arg(long, default_value = "operator")]
        account: String,
    },
    /// Say that an account has proved an identifier, and print the ticket for its user
    Prove {
        /// A URI such as tel:+14155550123; `-` reads it from standard input
        identifier: String,
        /// The account that has proved it
        #[arg(long)]
        account: String,
        /// When, in seconds since 1970; now, if left out
        #[arg(long, value_name = "SECONDS")]
        proved_at: Option<u64>,
    },
    /// Revoke all credentials of an identifier; only what is proved from now on counts
    Revoke {
        /// A URI such as tel:+14155550123; `-` reads it from standard input
        identifier: String,
    },
    /// Print an endorsement: "this account exists and agreed to be listed by the holder of this key"
    Endorse {
        /// The account or device, such as mimi://b.example/u/alice; `-` reads it from standard input
        uri: String,
        /// The public key of who lists it, 64 hex digits
        #[arg(long, value_name = "HEX", value_parser = key)]
        holder: VerifyingKey,
        /// For how many days
        #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u16).range(1..=730))]
        days: u16,
    },
    /// Copy the database as it is now, also while the service runs
    ///
    /// The copy names the users in clear. Restored, it takes the database's place while the service is
    /// stopped; what was revoked since is to be revoked again.
    Backup {
        /// The copy; it must not exist, and is made readable by you alone
        file: PathBuf,
    },
    /// The issuer's keys and its users' tokens
    #[command(subcommand)]
    Issuer(IssuerAction),
    /// Sign the statuses that are older than 20 hours anew, as the service does by itself
    SignStatuses {
        /// All of them, whatever their age
        #[arg(long)]
        all: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum IssuerAction {
    /// Show the issuer's keys, and print the lines for a discovery provider's rules
    Keys {
        #[command(subcommand)]
        change: Option<KeysAction>,
    },
    /// Print a fresh token for an account, and under it the line for the file that issuer.accounts.bearers names
    ///
    /// The token is shown this once and kept nowhere. Give it to the account's user, and nobody else; append the
    /// line to the file and reload the service. Several tokens of one account share its quota.
    Token {
        /// The account, in your own terms, without blanks
        account: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum KeysAction {
    /// Make the next key, erase those that are over, and print the lines for a discovery provider's rules
    ///
    /// It begins when the present one has signed for its time, but no sooner than in 7 days: discovery providers
    /// must have the lines in their rules by then. Reload the service. If by this machine's clock all keys are over,
    /// none is erased, since the clock may be wrong.
    Rotate {
        /// It begins today, as after a theft; take the file of the stolen key out of the folder before
        #[arg(long)]
        at_once: bool,
    },
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("this command needs [authority] in the configuration")]
    NoAuthority,
    #[error("this command needs [issuer] in the configuration")]
    NoIssuer,
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    #[error("this command needs [service] in the configuration")]
    NoService,
    #[error(transparent)]
    Init(#[from] init::InitError),
    #[error(transparent)]
    Open(#[from] authority::OpenError),
    #[error(transparent)]
    Service(#[from] service::OpenError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Identifier(#[from] IdentifierError),
    #[error(transparent)]
    NotOurs(#[from] service::NotOurs),
    #[error("cannot read or write: {0}")]
    Io(#[from] io::Error),
}

/// Does what the operator asks.
pub(crate) fn run(config: &Config, action: Action) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match action {
        Action::Init => write!(out, "{}", init::init(config)?)?,
        Action::Pending => pending(&open(config)?, &mut out)?,
        Action::Confirm { code, account } => open(config)?.confirm(&code, &account)?,
        Action::Prove { identifier, account, proved_at } => {
            let authority = open(config)?;
            let proved_at = proved_at.map_or_else(|| authority.time(), Timestamp::from_unix);
            let ticket = authority.prove(&account, &text(identifier)?, proved_at)?;
            writeln!(out, "{}", URL_SAFE_NO_PAD.encode(ticket))?;
        }
        Action::Revoke { identifier } => open(config)?.revoke(&text(identifier)?)?,
        Action::Endorse { uri, holder, days } => {
            let service = Service::open(config.service.as_ref().ok_or(Failure::NoService)?)?;
            let now = Timestamp::from_unix(Clock::system().now());
            let word = service.endorse(MimiUri::new(&text(uri)?)?, holder, now, days)?;
            writeln!(out, "{}", URL_SAFE_NO_PAD.encode(word))?;
        }
        Action::Issuer(action) => issuer(config.issuer.as_ref().ok_or(Failure::NoIssuer)?, action, &mut out)?,
        Action::Backup { file } => open(config)?.back_up(&file)?,
        Action::SignStatuses { all } => sign(&open(config)?, all, &mut out)?,
    }
    Ok(())
}

fn issuer(role: &IssuerConfig, action: IssuerAction, out: &mut impl Write) -> Result<(), Failure> {
    let now = Timestamp::from_unix(Clock::system().now());
    match action {
        IssuerAction::Token { account } => {
            let FreshToken { token, line } = FreshToken::draw(&account)?;
            writeln!(out, "{token}\n{line}")?;
        }
        IssuerAction::Keys { change } => {
            if let Some(KeysAction::Rotate { at_once }) = change {
                let lives = Lives::new(role.key_days, role.redeem_days)?;
                let kept = Keys::rotate(&role.keys, lives, now, at_once)?.kept;
                if kept > 0 {
                    eprintln!(
                        "by this machine's clock all {kept} older keys are over, so none was erased: is the clock right? \
                         If it is, the next rotation erases them; if not, set it right, take the new key's file out, and \
                         run this again"
                    );
                }
            }
            let keys = Keys::open(&role.keys, now)?;
            for line in keys.summary(now) {
                writeln!(out, "# {line}")?;
            }
            write!(out, "{}", keys.rules(&role.name.0, now))?;
        }
    }
    Ok(())
}

fn open(config: &Config) -> Result<Authority, Failure> {
    let role = config.authority.as_ref().ok_or(Failure::NoAuthority)?;
    Ok(Authority::open(role, Arc::new(Operator), Clock::system())?)
}

fn pending(authority: &Authority, out: &mut impl Write) -> Result<(), Failure> {
    let now = authority.time();
    for waiting in authority.waiting()? {
        let minutes = now.minus(waiting.since.unix()).unix() / 60;
        writeln!(out, "{}\t{}\t{minutes} min", waiting.code, waiting.identifier)?;
    }
    Ok(())
}

fn sign(authority: &Authority, all: bool, out: &mut impl Write) -> Result<(), Failure> {
    let start = Instant::now();
    let began = authority.time();
    let mut signed = 0;
    loop {
        // Older than the beginning of this command: what it has signed itself is not due again.
        let since = authority.time().minus(began.unix()).unix();
        match authority.sign_some(if all { since } else { SIGN_AFTER })? {
            0 => break,
            more => signed += more,
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rate = signed as f64 / start.elapsed().as_secs_f64();
    writeln!(out, "{signed} statuses signed and stored, {rate:.0}/s, {:.0}/s and core", rate / cores as f64)?;
    Ok(())
}

/// What was given, or, instead of `-`, the first line of standard input, which no process list shows.
fn text(given: String) -> Result<String, Failure> {
    if given != "-" {
        return Ok(given);
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn key(digits: &str) -> Result<VerifyingKey, &'static str> {
    let mut bytes = [0; 32];
    let problem = "a public key has 64 hex digits";
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| problem)?;
    VerifyingKey::from_bytes(&bytes).ok().filter(|key| !key.is_weak()).ok_or("this is no usable Ed25519 key")
}
