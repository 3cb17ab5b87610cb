//! Speaking to the issuer over HTTPS: its directory, and tokens.
//!
//! As with an authority, this exchange is not oblivious: the issuer knows its own users, and gives each so
//! many. It is never spoken to during a lookup or a publication, nor because of one.

use crate::core::Batch;
use crate::credentials::bearer;
use crate::error::{Error, TokensError};
use crate::https::{BuildError, Https, Identity, Settings};
use crate::issuance::{Issuance, IssuerResponse, MAX_ISSUER_ANSWER, PendingToken};
use crate::transport::{Client, ClockFn};
use crate::wallet::{MAX_STOCK, Stock};
use bytes::Bytes;
use discreet_protocol::time::Timestamp;
use discreet_protocol::token::{TOKEN_REQUEST_TYPE, Token};
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Request};
use http_body_util::Full;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

/// Most token requests at once, all on one connection where the issuer speaks HTTP/2.
const PARALLEL: usize = 16;

/// How the issuer is spoken to.
#[derive(Clone)]
pub(crate) struct IssuerHttps {
    https: Https,
    bearer: Option<HeaderValue>,
}

/// What became of getting tokens.
#[derive(Debug)]
pub struct Refill {
    /// How many came, and are in the wallet now.
    pub kept: usize,
    /// Why there are not all that were wanted.
    pub outcome: Result<(), Error>,
}

impl IssuerHttps {
    pub(crate) fn new(
        settings: &Settings,
        token: Option<&Zeroizing<String>>,
        identity: Option<&Identity>,
    ) -> Result<Self, BuildError> {
        let bearer = token.map(|token| bearer(token)).transpose()?;
        Ok(Self { https: Https::new(settings, identity)?, bearer })
    }

    async fn exchange(&self, request: http::Result<Request<Full<Bytes>>>) -> Result<IssuerResponse, Error> {
        let request = request.map_err(|_| Error::Prepare("the request cannot be built"))?;
        let response =
            self.https.response(request, MAX_ISSUER_ANSWER).await.map_err(TokensError::Exchange)?;
        let field =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(IssuerResponse {
            status: response.status().as_u16(),
            content_type: field(CONTENT_TYPE),
            retry_after: field(RETRY_AFTER),
            body: response.body().to_vec(),
        })
    }

    async fn token(
        &self,
        url: String,
        pending: PendingToken,
        content: Vec<u8>,
        clock: ClockFn,
    ) -> Result<Token, Error> {
        let mut request =
            Request::post(url).header(CONTENT_TYPE, HeaderValue::from_static(TOKEN_REQUEST_TYPE));
        if let Some(bearer) = &self.bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        let response = self.exchange(request.body(Full::new(Bytes::from(content)))).await?;
        // A wait counts from when the answer came (RFC 9110 §10.2.3).
        Ok(pending.finish(&response, Timestamp::from_unix(clock()))?)
    }
}

impl Client {
    /// The tokens in stock, under the keys of the policy in force.
    ///
    /// # Errors
    ///
    /// When the policy cannot be had, or the storage cannot be read.
    pub async fn tokens(&self) -> Result<Stock, Error> {
        self.refresh_policy().await?;
        self.core().tokens(self.now())
    }

    /// Gets `count` tokens from the profile's issuer, and keeps each as it comes; `progress` is told how
    /// many there are. Call it on a schedule of your own, always for as many: if it is called when the stock
    /// is low, or for what is missing, the issuer learns how much was used. It asks for all of them even if the
    /// wallet is full; then they take the place of others, drawn at random.
    ///
    /// # Errors
    ///
    /// When nothing was requested; else the outcome is in [`Refill`].
    pub async fn refill_tokens(
        &self,
        count: usize,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Refill, Error> {
        if count > MAX_STOCK {
            return Err(TokensError::TooMany { most: MAX_STOCK }.into());
        }
        self.refresh_policy().await?;
        let url = self.core().issuer_directory_url()?;
        // It is the same for everybody, so nobody's credentials go along.
        let directory = self.issuer().exchange(Request::get(url).body(Full::default())).await?;
        let batch = self.core().begin_batch(&directory, self.now())?;
        let mut refill = Refill { kept: 0, outcome: Ok(()) };
        if let Err(error) = self.request_all(&batch, count, &mut refill.kept, progress).await {
            refill.outcome = Err(error);
        }
        Ok(refill)
    }

    async fn request_all(
        &self,
        batch: &Batch,
        count: usize,
        kept: &mut usize,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<(), Error> {
        let (mut asked, mut asking, mut stopped) = (0, JoinSet::new(), None);
        loop {
            while stopped.is_none() && asked < count && asking.len() < PARALLEL {
                asking.spawn(self.request_one(batch.issuance())?);
                asked += 1;
            }
            let Some(first) = asking.join_next().await else { break };
            // What has come by now is written together.
            let mut tokens = Vec::new();
            for answered in std::iter::once(first).chain(std::iter::from_fn(|| asking.try_join_next())) {
                match answered {
                    Ok(Ok(token)) => tokens.push(token),
                    Ok(Err(error)) => stopped = stopped.or(Some(error)),
                    Err(_) => stopped = stopped.or(Some(Error::Prepare("a token request was broken off"))),
                }
            }
            if !tokens.is_empty() {
                let came = tokens.len();
                self.core().keep_tokens(batch, tokens, self.now())?;
                *kept += came;
                progress(*kept);
            }
        }
        stopped.map_or(Ok(()), Err)
    }

    /// One token request, to be run beside others.
    fn request_one(
        &self,
        issuance: &Issuance,
    ) -> Result<impl Future<Output = Result<Token, Error>> + Send + 'static, Error> {
        let (issuer, url, clock) = (self.issuer().clone(), issuance.url().to_owned(), self.clock());
        let (content, pending) = issuance.request()?;
        Ok(async move { issuer.token(url, pending, content, clock).await })
    }
}
