//! `discreet credential`: having an authority attest that the key is the identifier's holder's.

use super::common::{authority, now, own_client, read};
use super::failure::{Failure, REFUSED};
use super::identity::{as_json, credential};
use super::wait;
use clap::{Args, Subcommand};
use discreet_client::{
    Authority, AuthorityClient, AuthorityError, CredentialError, CredentialState, Identity, IdentityFile,
    Issued, PendingEnrolment, Secret32, read_ticket,
};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How often the authority is asked whether the proof is there; up to half of it is added.
const POLL: Duration = Duration::from_secs(2);
/// Most characters of what the user was sent.
const MAX_LINE: usize = 200;

#[derive(Subcommand)]
pub(crate) enum Credential {
    /// Prove that the identifier is yours, and get a credential. Can be interrupted and run again
    ///
    /// A credential that the identity has already, of this authority or another, stays until the new one
    /// is there. An enrolment that is pending at another authority is forgotten once one has begun here.
    Get(Get),
    /// Get a later credential for the same key; `publish` then renews the mapping
    Renew(Which),
    /// Get the authority's latest status of the credential
    Refresh(Which),
    /// Move to a new key, which the old key countersigns: senders are told that you are the same person
    Move(Move),
    /// Show the credential
    Show(Which),
}

#[derive(Args)]
pub(crate) struct Which {
    /// The identity file
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
}

#[derive(Args)]
pub(crate) struct Get {
    #[command(flatten)]
    which: Which,
    /// The authority, such as `https://authority.example`
    #[arg(long, value_name = "URL")]
    authority: String,
    /// PEM file of the only certificates trusted for the authority; default: the web's roots
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
    /// File with a ticket that stands for the proof, as providers hand it to their users; - is standard
    /// input
    #[arg(long, value_name = "FILE", conflicts_with = "answer_stdin")]
    ticket_file: Option<PathBuf>,
    /// Read what you were sent, such as the code of an SMS, from standard input
    #[arg(long)]
    answer_stdin: bool,
    /// Forget an enrolment that is pending, and begin anew
    #[arg(long)]
    fresh: bool,
    /// Wait so many seconds for the proof
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    wait: u64,
    /// Also check that this profile's policy names the authority, under the same key
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// As for lookup
    #[arg(long, value_name = "FOLDER", requires = "profile")]
    state: Option<PathBuf>,
    /// Connect to the authority from this address of this machine; default: as its routes say
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,
}

#[derive(Args)]
pub(crate) struct Move {
    /// The identity file of the old key
    #[arg(long, value_name = "OLD")]
    from: PathBuf,
    /// The identity file of the new key, from `discreet identity new`
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
}

impl Credential {
    pub(crate) async fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        let file = match self {
            Self::Get(get) => get.run(json).await?,
            Self::Renew(which) => renew(&which.identity).await?,
            Self::Refresh(which) => refresh(&which.identity).await?,
            Self::Move(moving) => moving.run().await?,
            Self::Show(which) => return Ok(report(&IdentityFile::read(&which.identity)?, json)),
        };
        Ok(report(file.identity(), json))
    }
}

impl Get {
    async fn run(&self, json: bool) -> Result<IdentityFile, Failure> {
        let mut file = IdentityFile::open(&self.which.identity)?;
        let client = authority(&self.authority, self.ca.as_deref(), self.bind)?;
        let described = client.describe().await?;
        if let Some(profile) = &self.profile {
            described.check_policy(&own_client(profile, self.state.as_deref())?.policy().await?)?;
        }
        // Nothing is kept yet: whose URL was mistyped is not to lose what there is.
        file.identity().clone().set_authority(described.clone())?;
        let pending = self.enrolment(&client, &mut file, &described).await?;
        if !json && !pending.code.is_empty() {
            eprintln!("code: {}", pending.code);
        }
        if !json && !pending.say.is_empty() {
            eprintln!("{}", pending.say);
        }
        if self.answer_stdin {
            client.answer(&pending.ticket, &line()?).await?;
        }
        let waited = self.wait(&client, &mut file, &described, &pending.ticket).await;
        if matches!(&waited, Err(Failure::Authority(AuthorityError::Refused { .. }))) && !json {
            eprintln!("discreet: with --fresh the enrolment begins anew");
        }
        waited.map(|()| file)
    }

    /// The ticket given, the one that is pending, or a new one, which is kept.
    async fn enrolment(
        &self,
        client: &AuthorityClient,
        file: &mut IdentityFile,
        described: &Authority,
    ) -> Result<PendingEnrolment, Failure> {
        if let Some(path) = &self.ticket_file {
            let text = zeroize::Zeroizing::new(read(path)?);
            let ticket = std::str::from_utf8(&text).ok().and_then(read_ticket).ok_or(Failure::Ticket)?;
            return Ok(PendingEnrolment { ticket, code: String::new(), say: String::new() });
        }
        if let Some(pending) = self.resumed(file.identity(), described) {
            return Ok(pending.clone());
        }
        let pending = client.enrol(file.identity()).await?;
        file.update(|identity| {
            identity.set_authority(described.clone())?;
            identity.set_pending(Some(pending.clone()));
            Ok::<_, Failure>(())
        })?;
        Ok(pending)
    }

    /// The enrolment that is pending at this authority, unless a fresh one is wanted.
    fn resumed<'a>(&self, identity: &'a Identity, described: &Authority) -> Option<&'a PendingEnrolment> {
        let is_here = identity.turned_to().is_some_and(|authority| authority.name == described.name);
        identity.pending().filter(|_| is_here && !self.fresh)
    }

    async fn wait(
        &self,
        client: &AuthorityClient,
        file: &mut IdentityFile,
        described: &Authority,
        ticket: &Secret32,
    ) -> Result<(), Failure> {
        let end = Instant::now() + Duration::from_secs(self.wait);
        let _spinner = wait::spinner("waiting for the proof");
        loop {
            if attest(client, file, Some(described), Some(ticket), None).await? {
                return Ok(());
            }
            let mut jitter = [0];
            let _ = getrandom::fill(&mut jitter);
            let pause = POLL + POLL * u32::from(jitter[0]) / 512;
            if Instant::now() + pause > end {
                return Err(Failure::NotConfirmed);
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// Has the key attested and keeps the credential; `false` while the proof is pending. The authority is
/// the one `turned_to`, which the file knows with its credential and not before; or, for a renewal, the
/// one of the credential.
async fn attest(
    client: &AuthorityClient,
    file: &mut IdentityFile,
    turned_to: Option<&Authority>,
    ticket: Option<&Secret32>,
    handover: Option<Vec<u8>>,
) -> Result<bool, Failure> {
    let turn = |identity: &mut Identity| turned_to.map_or(Ok(()), |to| identity.set_authority(to.clone()));
    let challenge = client.challenge().await?;
    let mut asking = file.identity().clone();
    turn(&mut asking)?;
    let request = asking.key_request(challenge, ticket, handover)?;
    match client.attest(request).await? {
        Issued::Pending { .. } => Ok(false),
        Issued::Credential { credential, status } => {
            file.update(|identity| -> Result<(), Failure> {
                turn(identity)?;
                Ok(identity.accept(credential, status, now())?)
            })?;
            Ok(true)
        }
    }
}

async fn renew(path: &Path) -> Result<IdentityFile, Failure> {
    let mut file = IdentityFile::open(path)?;
    file.identity().credential().ok_or(CredentialError::NoCredential)?;
    let client = known(&mut file).await?;
    if attest(&client, &mut file, None, None, None).await? { Ok(file) } else { Err(Failure::NotConfirmed) }
}

async fn refresh(path: &Path) -> Result<IdentityFile, Failure> {
    let mut file = IdentityFile::open(path)?;
    let credential = file.identity().credential().ok_or(CredentialError::NoCredential)?;
    let status = known(&mut file).await?.status(&credential.id).await?;
    file.update(|identity| Ok::<_, Failure>(identity.accept_status(status)?))?;
    Ok(file)
}

impl Move {
    async fn run(&self) -> Result<IdentityFile, Failure> {
        let mut old = IdentityFile::open(&self.from)?;
        let mut new = IdentityFile::open(&self.identity)?;
        let client = known(&mut old).await?;
        let described = old.identity().authority().cloned().ok_or(CredentialError::NoAuthority)?;
        let handover = old.identity().handover(new.identity(), now())?;
        if attest(&client, &mut new, Some(&described), None, Some(handover)).await? {
            Ok(new)
        } else {
            Err(Failure::NotConfirmed)
        }
    }
}

/// A client of the authority the identity has turned to, which still shows the same key.
async fn known(file: &mut IdentityFile) -> Result<AuthorityClient, Failure> {
    let kept = file.identity().authority().ok_or(CredentialError::NoAuthority)?.clone();
    let client = authority(&kept.url, kept.ca.as_deref(), None)?;
    let described = client.describe().await?;
    if described.name != kept.name || described.key != kept.key {
        return Err(CredentialError::AuthorityKey.into());
    }
    Ok(client)
}

/// What the user was sent; only the first line counts.
fn line() -> Result<String, Failure> {
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    read.map_err(|source| Failure::File { path: PathBuf::from("-"), source })?;
    Ok(line.trim().chars().take(MAX_LINE).collect())
}

fn report(identity: &Identity, json: bool) -> ExitCode {
    if json {
        println!("{}", as_json(identity));
    } else {
        println!("credential  {}", credential(identity));
    }
    match identity.credential_state(now()) {
        CredentialState::Revoked => ExitCode::from(REFUSED),
        _ => ExitCode::SUCCESS,
    }
}

#[cfg(test)]
mod tests;
