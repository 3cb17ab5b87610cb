//! Lookups sealed beforehand, each with an encapsulation of its own, and their answers, which are all opened
//! and verified when the clock has stopped.

use super::contest::Loaded;
use super::load::Stock;
use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use discreet_envelope::keys::{Kem, KeyCollection};
use discreet_envelope::{message, padding};
use discreet_protocol::identifier::Csi;
use discreet_protocol::policy::Policy;
use discreet_protocol::query::{IdentifierRequest, IdentifierResponse, ResponseCode, Subject, lookup_path};
use discreet_protocol::time::Timestamp;
use discreet_serve::Clock;
use http::header::AUTHORIZATION;
use rayon::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};

/// Who can be asked for, and under which key.
pub(crate) struct Directory {
    pub(crate) policy: Policy,
    /// One key configuration with one suite.
    key: Vec<u8>,
    kem: Kem,
    /// Their index decides what their mapping says.
    pub(crate) present: Vec<Csi>,
    pub(crate) absent: Vec<Csi>,
}

/// One of so many lookups is for a number that is in nobody's mapping.
const ABSENT: usize = 10;

/// Sealed lookups.
pub(crate) struct Lookups {
    directory: Arc<Directory>,
    sealed: Vec<Bytes>,
    /// What opens each answer, and whom it is about; taken by the check.
    open: Mutex<Vec<Option<Pending>>>,
    answers: Mutex<Vec<(usize, Bytes)>>,
}

/// A lookup on its way.
pub(crate) struct Pending {
    response: ohttp::ClientResponse,
    whom: Whom,
}

/// An answer, opened but not verified.
pub(crate) struct Opened {
    content: Bytes,
    whom: Whom,
}

/// Who was asked for: an index of the present or the absent.
#[derive(Clone, Copy)]
enum Whom {
    Present(usize),
    Absent(usize),
}

impl Directory {
    /// A directory under `policy`, asked with its first key of this kind.
    pub(crate) fn new(policy: Policy, kem: Kem, present: Vec<Csi>, absent: Vec<Csi>) -> Result<Self> {
        let keys = KeyCollection::decode(&policy.keys).map_err(|error| anyhow!("{error}"))?;
        let config = keys.configs().iter().find(|config| config.kem() == kem);
        let config = config.context("the gateway has no key of this kind")?;
        let suite = *config.suites().first().context("a key without a suite")?;
        Ok(Self { key: config.to_single(suite), policy, kem, present, absent })
    }

    fn whom(&self, number: usize) -> Whom {
        if number.is_multiple_of(ABSENT) {
            Whom::Absent(number / ABSENT % self.absent.len().max(1))
        } else {
            // Scattered, so that neighbours in the file are not neighbours in time.
            Whom::Present(number.wrapping_mul(7_919) % self.present.len().max(1))
        }
    }

    fn csi(&self, whom: Whom) -> Result<&Csi> {
        let found = match whom {
            Whom::Present(index) => self.present.get(index),
            Whom::Absent(index) => self.absent.get(index),
        };
        found.context("there is nobody to ask for")
    }

    /// The inner request of a lookup, framed but not padded.
    pub(crate) fn request(&self, csi: &Csi, tokens: &[String]) -> Result<Vec<u8>> {
        let request = IdentifierRequest { subject: Subject::Exact(csi.clone()), tag: None };
        let content = request.encode().context("the query cannot be encoded")?;
        let uri = format!("https://{}{}", self.policy.domain, lookup_path(&self.policy.domain));
        let mut request = http::Request::post(uri);
        for token in tokens {
            request = request.header(AUTHORIZATION, token);
        }
        message::encode_request(&request.body(Bytes::from(content))?).map_err(|error| anyhow!("{error}"))
    }

    fn seal(&self, number: usize, token: Option<&String>) -> Result<(Bytes, ohttp::ClientResponse, Whom)> {
        let whom = self.whom(number);
        let plain = self.request(self.csi(whom)?, token.map_or(&[], std::slice::from_ref))?;
        let padded = padding::pad(plain, padding::request_room(self.kem))?;
        let client = ohttp::ClientRequest::from_encoded_config(&self.key)?;
        let (sealed, open) = client.encapsulate(&padded)?;
        Ok((sealed.into(), open, whom))
    }

    /// Seals the lookup of this number: the request, and what opens its answer.
    pub(crate) fn ask(&self, number: usize) -> Result<(Bytes, Pending)> {
        let (request, response, whom) = self.seal(number, None)?;
        Ok((request, Pending { response, whom }))
    }

    /// Opens an answer.
    pub(crate) fn open(&self, pending: Pending, answer: &[u8]) -> Result<Opened> {
        let Pending { response, whom } = pending;
        ensure!(answer.len() == padding::RESPONSE_CONTENT, "an answer of {} bytes", answer.len());
        let inner = message::decode_response(&response.decapsulate(answer)?);
        let inner = inner.map_err(|error| anyhow!("{error}"))?;
        ensure!(inner.status() == 200, "answered {} inside", inner.status());
        Ok(Opened { content: inner.into_body(), whom })
    }

    /// Whether an answer is right: verified whole, and what the generator gave this person.
    pub(crate) fn verify(&self, opened: Opened) -> Result<()> {
        self.compare(opened.whom, &opened.content, now())
    }

    fn compare(&self, whom: Whom, content: &[u8], now: Timestamp) -> Result<()> {
        let answer = IdentifierResponse::decode(content).map_err(|error| anyhow!("{error}"))?;
        let Whom::Present(index) = whom else {
            ensure!(answer.code == ResponseCode::NotFound && answer.mappings.is_empty(), "found nobody");
            return Ok(());
        };
        let [mapping] = answer.mappings.as_slice() else {
            return Err(anyhow!("{} mappings", answer.mappings.len()));
        };
        let asked = Some(self.csi(whom)?);
        let verified = self.policy.verifier(now).verify(mapping.mapping(), mapping.status(), asked)?;
        let expected = match index % 20 {
            19 => 0,
            4 | 9 | 14 => 3,
            _ => 1,
        };
        ensure!(verified.mapping.reaches.len() == expected, "another person's services");
        Ok(())
    }

    /// Verifies an answer that was not sealed.
    pub(crate) fn verify_of(&self, index: usize, content: &[u8]) -> Result<()> {
        self.compare(Whom::Present(index), content, now())
    }
}

impl Lookups {
    /// `count` lookups, each with one of `tokens` if there are some.
    pub(crate) fn new(directory: &Arc<Directory>, count: usize, tokens: &[String]) -> Result<Self> {
        let sealed = (0..count).into_par_iter().map(|number| directory.seal(number, tokens.get(number)));
        let sealed = sealed.collect::<Result<Vec<_>>>()?;
        let (mut requests, mut open) = (Vec::new(), Vec::new());
        for (request, response, whom) in sealed {
            requests.push(request);
            open.push(Some(Pending { response, whom }));
        }
        Ok(Self {
            directory: Arc::clone(directory),
            sealed: requests,
            open: Mutex::new(open),
            answers: Mutex::default(),
        })
    }
}

impl Stock for Lookups {
    fn request(&self, number: usize) -> Option<Bytes> {
        self.sealed.get(number).cloned()
    }

    fn take(&self, number: usize, answer: Bytes) -> Result<()> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push((number, answer));
        Ok(())
    }
}

impl Loaded for Lookups {
    fn check(&self) -> Result<()> {
        let answers = std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Vec::new();
        for (number, answer) in answers {
            let pending = open.get_mut(number).and_then(Option::take).context("answered twice")?;
            all.push((pending, answer));
        }
        let directory = &self.directory;
        all.into_par_iter()
            .try_for_each(|(pending, answer)| directory.verify(directory.open(pending, &answer)?))
    }
}

fn now() -> Timestamp {
    Timestamp::from_unix(Clock::system().now())
}
