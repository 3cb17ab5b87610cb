//! Looking a reserved identifier up through every relay of a profile: where does it end?
//!
//! It asks about nobody, so its questions tell nothing about whoever asks; they look like all others.
//! It uses every relay in turn, which lookups never do, so it is for those who run a relay or a
//! provider and for tests of a profile, not for an app to run by itself.

use crate::answer::{Answer, Notice};
use crate::core::{PolicyRequest, Prepared};
use crate::error::{DirectoryError, Error, GatewayError, PolicyError, RelayError};
use crate::exchange::{RelayResponse, Route};
use crate::lookup::Query;
use crate::policy::Session;
use crate::transport::Client;
use discreet_protocol::identifier::Csi;

/// The handle that is looked up; nobody may have it. A provider may publish a mapping for
/// `handle:discreet-probe`, so that the signature is exercised, too. Not found is as good an answer.
pub const PROBE_HANDLE: &str = "discreet-probe";

/// The stages of a lookup, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The relay can be reached, and its certificate is trusted.
    Tls,
    /// It hands out the provider's policy, the same as a relay of another operator does.
    Policy,
    /// The gateway opens what is sealed with the policy's key, and its answer opens here.
    Keys,
    /// There is a token, and the directory takes it; if the policy asks for none, lookups do without.
    Token,
    /// The directory answers.
    Store,
    /// What it answers verifies.
    Signature,
}

/// How a stage went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should.
    Passed,
    /// Good by itself, but no relay of another operator hands out a policy to compare it with.
    NotCompared,
    /// Lookups do without it.
    NotNeeded,
    /// The reserved identifier was not found, and so no mapping was there to verify.
    NothingToCheck,
    /// Here the lookup ended.
    Failed,
    /// It ended before.
    NotReached,
}

/// What became of the lookup through one relay.
#[derive(Debug)]
pub struct RelayProbe {
    /// The relay's place in the profile, counted from 1.
    pub number: usize,
    /// The relay's host, from the profile.
    pub relay: String,
    /// The first stage that failed, and why.
    pub failure: Option<(Stage, Error)>,
    /// Whether the policy was compared with another operator's copy.
    compared: bool,
    /// Whether there was a mapping to verify.
    found: bool,
    /// Whether the policy asks for tokens.
    paid: bool,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 6] =
        [Self::Tls, Self::Policy, Self::Keys, Self::Token, Self::Store, Self::Signature];

    /// A short name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Policy => "policy",
            Self::Keys => "keys",
            Self::Token => "token",
            Self::Store => "store",
            Self::Signature => "signature",
        }
    }
}

impl Verdict {
    /// A short name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotCompared => "not_compared",
            Self::NotNeeded => "not_needed",
            Self::NothingToCheck => "nothing_to_check",
            Self::Failed => "failed",
            Self::NotReached => "not_reached",
        }
    }
}

impl RelayProbe {
    /// How `stage` went.
    pub fn verdict(&self, stage: Stage) -> Verdict {
        match &self.failure {
            Some((failed, _)) if *failed == stage => return Verdict::Failed,
            Some((failed, _)) if *failed < stage => return Verdict::NotReached,
            _ => {}
        }
        match stage {
            Stage::Policy if !self.compared => Verdict::NotCompared,
            Stage::Token if !self.paid => Verdict::NotNeeded,
            Stage::Signature if !self.found => Verdict::NothingToCheck,
            _ => Verdict::Passed,
        }
    }
}

/// A relay's policy as it came.
type Copy = (PolicyRequest, RelayResponse);

impl Client {
    /// Looks the reserved identifier up through every relay of the profile, one after the other. Each
    /// gets one lookup, under the policy that this relay hands out, and no other relay stands in.
    ///
    /// # Errors
    ///
    /// When this machine is at fault: its state, its randomness. What relays, gateway and directory
    /// get wrong is in the result.
    pub async fn probe(&self) -> Result<Vec<RelayProbe>, Error> {
        let mut fetched = Vec::new();
        for request in self.core().all_policy_requests() {
            let copy = self.get(&request.url).await.map(|response| (request, response));
            fetched.push(copy.and_then(|copy| self.core().check_copy(&copy, self.now()).map(|()| copy)));
        }
        let good: Vec<_> = fetched.iter().flatten().cloned().collect();
        let mut probes = Vec::new();
        for (at, copy) in fetched.into_iter().enumerate() {
            let agreed = copy.and_then(|copy| self.compare(&copy, &good));
            probes.push(self.probe_relay(at, agreed).await?);
        }
        Ok(probes)
    }

    /// The rules and the key that a relay's copy leads to, and whether a relay of another operator
    /// hands out the same. One that agrees is enough: who disagrees with all is the one at fault.
    fn compare(&self, own: &Copy, good: &[Copy]) -> Result<(Session, bool), Error> {
        let mut refused = None;
        for other in good.iter().filter(|other| self.core().are_of_two_operators(&own.0, &other.0)) {
            match self.core().agree_on(&[own.clone(), other.clone()], self.now()) {
                Ok(session) => return Ok((session, true)),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        match refused {
            Some(error) => Err(error),
            // Enough to ask about nobody; lookups would not be sent.
            None => Ok((self.core().agree_alone(own, self.now())?, false)),
        }
    }

    async fn probe_relay(
        &self,
        at: usize,
        agreed: Result<(Session, bool), Error>,
    ) -> Result<RelayProbe, Error> {
        let relay = self.core().relay_at(at)?;
        let (number, host) = (at + 1, relay.host());
        let mut probe =
            RelayProbe { number, relay: host, failure: None, compared: true, found: false, paid: false };
        let (session, compared) = match agreed {
            Ok(agreed) => agreed,
            Err(error) => {
                probe.failure = Some(fetching_failed(error)?);
                return Ok(probe);
            }
        };
        probe.compared = compared;
        let csi = Csi::handle(PROBE_HANDLE).map_err(|_| Error::Prepare("the reserved handle is none"))?;
        let route = Route { session, relay, avoid: None, may_move: false, date: None, tokens: Vec::new() };
        let price = route.session.policy.prices.lookup;
        probe.paid = price > 0;
        let asked = match self.core().pay(route, price, self.now()) {
            Ok(route) => self.ask(Prepared::new(Query { csi, tag: None }, route)?).await,
            Err(error) => Err(error),
        };
        match asked.and_then(all_stands) {
            Ok(found) => probe.found = found,
            Err(error) => probe.failure = Some(asking_failed(error)?),
        }
        Ok(probe)
    }
}

/// Whether there are mappings, each of which stands.
fn all_stands(answer: Answer) -> Result<bool, Error> {
    let refused = answer.notices.iter().find_map(|notice| match notice {
        Notice::Refused { reason } => Some(*reason),
        Notice::NewHolder { .. } | Notice::NewKey { .. } => None,
    });
    refused.map_or(Ok(!answer.mappings.is_empty()), |reason| Err(reason.into()))
}

/// Where it ended before anything was asked.
fn fetching_failed(error: Error) -> Result<(Stage, Error), Error> {
    let stage = match &error {
        Error::Relay { error, .. } => match error {
            RelayError::Unreachable | RelayError::Untrusted | RelayError::Timeout | RelayError::Broken => {
                Stage::Tls
            }
            RelayError::TooLarge
            | RelayError::Status { .. }
            | RelayError::Token { .. }
            | RelayError::MediaType => Stage::Policy,
        },
        Error::Policy { error: PolicyError::Keys(_), .. } | Error::NoSupportedKey => Stage::Keys,
        Error::Policy { .. } | Error::RelaysDisagree | Error::RelayOfProvider { .. } => Stage::Policy,
        _ => return Err(error),
    };
    Ok((stage, error))
}

/// Where it ended once the question was on its way.
fn asking_failed(error: Error) -> Result<(Stage, Error), Error> {
    let stage = match &error {
        Error::Relay { error: RelayError::Unreachable | RelayError::Untrusted, .. } => Stage::Tls,
        Error::Relay { .. } => Stage::Keys,
        Error::Gateway(GatewayError::Key | GatewayError::Size | GatewayError::Decapsulate) => Stage::Keys,
        Error::Gateway(_) => Stage::Store,
        Error::Tokens(_) => Stage::Token,
        Error::Directory(error) => match error {
            DirectoryError::Unpaid | DirectoryError::OverBudget => Stage::Token,
            DirectoryError::Status(_)
            | DirectoryError::Response(_)
            | DirectoryError::Unsupported
            | DirectoryError::Contradiction => Stage::Store,
            DirectoryError::Mapping(_)
            | DirectoryError::Tag
            | DirectoryError::Hidden
            | DirectoryError::Rollback => Stage::Signature,
        },
        _ => return Err(error),
    };
    Ok((stage, error))
}
