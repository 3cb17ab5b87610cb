//! Holding a gateway's messages back by the rules of `mix`: requests before they are passed on, answers
//! before they are passed back.
//!
//! One task owns everything that is held and every exchange that goes on. What was handed to it goes its way
//! whether its client stays or not: a client that gives up must not show anywhere behind the relay, and takes
//! no place out of the pool. Whatever comes of a request that was held, a refusal or a timeout too, is held
//! like an answer, and goes back on the stream it belongs to. At a stop all that is held leaves at once, each
//! once; what comes later is not held.
//!
//! It logs nothing, and what it counts says nothing of single messages.

use std::{future::Future, time::Duration};

use aws_lc_rs::{error::Unspecified, rand::fill};
use bytes::Bytes;
use discreet_serve::{Stopping, Task, UpstreamError};
use http::Response;
use rand::{SeedableRng, rngs::ChaCha20Rng};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    access::NoRandomness,
    forward::ForwardError,
    metrics::MixMetrics,
    mix::{Mix, Settings},
    redirect::TargetError,
};

/// Requests on their way into a mix; more wait for their turn.
const ARRIVING: usize = 64;
/// What the client hears if the exchange panicked, or the relay's drain was cut off.
const BROKEN_OFF: ForwardError = ForwardError::Target(TargetError::Upstream(UpstreamError::Protocol));

/// What comes of a request.
pub(crate) type Answer = Result<Response<Bytes>, ForwardError>;

/// Takes requests into a mix.
#[derive(Debug)]
pub(crate) struct Mixer(mpsc::Sender<Request>);

/// A request and where its answer goes.
#[derive(Debug)]
pub(crate) struct Request {
    content: Bytes,
    stream: oneshot::Sender<Answer>,
}

/// An answer and where it goes.
struct Back {
    answer: Answer,
    stream: oneshot::Sender<Answer>,
}

impl Mixer {
    /// What takes requests into a mix, and the work of mixing, which passes them on with `exchange`.
    pub(crate) fn start<E, F>(
        settings: Settings,
        metrics: MixMetrics,
        exchange: E,
    ) -> Result<(Self, Task), NoRandomness>
    where
        E: Fn(Bytes) -> F + Send + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let mut seed = [0; 32];
        fill(&mut seed).map_err(|Unspecified| NoRandomness)?;
        let (mixer, requests) = Self::channel();
        let mixing = Mixing::new(settings, ChaCha20Rng::from_seed(seed), metrics, exchange);
        Ok((mixer, Task::draining(|stopping| mixing.run(requests, stopping))))
    }

    fn channel() -> (Self, mpsc::Receiver<Request>) {
        let (requests, arriving) = mpsc::channel(ARRIVING);
        (Self(requests), arriving)
    }

    /// What comes of a request with this content. Once it is taken, dropping the future changes nothing for
    /// anybody else.
    pub(crate) async fn pass(&self, content: &[u8]) -> Answer {
        let (stream, answer) = oneshot::channel();
        let request = Request { content: Bytes::copy_from_slice(content), stream };
        self.0.send(request).await.map_err(|_| BROKEN_OFF)?;
        answer.await.unwrap_or(Err(BROKEN_OFF))
    }
}

/// Everything that is held, and the exchanges that go on.
struct Mixing<E> {
    requests: Mix<Request>,
    answers: Mix<Back>,
    exchanges: JoinSet<Back>,
    exchange: E,
    rng: ChaCha20Rng,
    metrics: MixMetrics,
    began: Instant,
    is_stopping: bool,
}

impl<E, F> Mixing<E>
where
    E: Fn(Bytes) -> F,
    F: Future<Output = Answer> + Send + 'static,
{
    fn new(settings: Settings, rng: ChaCha20Rng, metrics: MixMetrics, exchange: E) -> Self {
        Self {
            requests: Mix::new(settings),
            answers: Mix::new(settings),
            exchanges: JoinSet::new(),
            exchange,
            rng,
            metrics,
            began: Instant::now(),
            is_stopping: false,
        }
    }

    /// Mixes until nobody is left who could ask, and nothing is under way.
    async fn run(mut self, mut arriving: mpsc::Receiver<Request>, mut stopping: Stopping) {
        let mut is_open = true;
        while is_open || !self.exchanges.is_empty() {
            let due = self.due();
            tokio::select! {
                // In this order: what is due is bounded, a flood of arrivals is not.
                biased;
                () = stopping.as_mut(), if !self.is_stopping => self.stop(),
                () = until(due) => self.expire(),
                Some(ended) = self.exchanges.join_next() => {
                    // A panic has dropped the stream, whose client is told so.
                    if let Ok(back) = ended {
                        self.hold_answer(back);
                    }
                }
                request = arriving.recv(), if is_open => match request {
                    Some(request) => self.hold_request(request),
                    None => {
                        is_open = false;
                        self.stop();
                    }
                },
            }
            self.metrics.requests.show(self.requests.held(), self.requests.effective_size());
            self.metrics.answers.show(self.answers.held(), self.answers.effective_size());
        }
    }

    fn hold_request(&mut self, request: Request) {
        if self.is_stopping {
            return self.pass_on(vec![request]);
        }
        let leaving = self.requests.arrive(self.now(), request, &mut self.rng);
        self.pass_on(leaving);
    }

    fn hold_answer(&mut self, back: Back) {
        if self.is_stopping {
            return pass_back(vec![back]);
        }
        pass_back(self.answers.arrive(self.now(), back, &mut self.rng));
    }

    fn expire(&mut self) {
        let now = self.now();
        let leaving = self.requests.expire(now, &mut self.rng);
        self.pass_on(leaving);
        pass_back(self.answers.expire(now, &mut self.rng));
    }

    fn stop(&mut self) {
        self.is_stopping = true;
        let leaving = self.requests.drain(&mut self.rng);
        self.pass_on(leaving);
        pass_back(self.answers.drain(&mut self.rng));
    }

    fn pass_on(&mut self, leaving: Vec<Request>) {
        for Request { content, stream } in leaving {
            let exchange = (self.exchange)(content);
            self.exchanges.spawn(async move { Back { answer: exchange.await.map(apart), stream } });
        }
    }

    /// Milliseconds since the beginning.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn due(&self) -> Option<Instant> {
        let due = self.requests.due().into_iter().chain(self.answers.due()).min()?;
        self.began.checked_add(Duration::from_millis(due))
    }
}

fn pass_back(leaving: Vec<Back>) {
    for Back { answer, stream } in leaving {
        // A client that has gone gets nothing, and nobody else notices.
        let _ = stream.send(answer);
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// A copy of its own: as it came it may keep the whole buffer of a connection alive, for as long as it is held.
fn apart(answer: Response<Bytes>) -> Response<Bytes> {
    answer.map(|content| Bytes::copy_from_slice(&content))
}

#[cfg(test)]
mod tests;
