//! Logs owned by a role.
//!
//! Only events of our own crates pass. The libraries below us log peer addresses (hyper), header
//! fields (h2) and key material (ohttp at TRACE), and an operator who raises the level for a
//! night must not start to collect them. Nothing here touches the process-wide subscriber.

use std::{
    fmt,
    future::Future,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
};

use serde::Deserialize;
use tracing::{
    Dispatch,
    instrument::{WithDispatch, WithSubscriber},
};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
    layer::SubscriberExt,
};

/// What all our crates' targets begin with; everything else is dropped.
const OUR_TARGETS: &str = "discreet_";

/// How a role logs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Lines for people (`"text"`, the default) or one JSON object per line (`"json"`).
    pub format: LogFormat,
    /// The least severe events written: `"off"`, `"error"`, `"warn"`, `"info"` (the default) or `"debug"`.
    pub level: LogLevel,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// The least severe events written. There is no `trace`: nothing of ours logs that much.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Nothing at all.
    Off,
    /// The role cannot do its work.
    Error,
    /// The role works, but someone should look.
    Warn,
    /// Start, stop, and other rare events.
    #[default]
    Info,
    /// Outcomes of single requests, as enum values.
    Debug,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::OFF,
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
        }
    }
}

/// A role's log. Clones write to the same place.
#[derive(Clone)]
pub struct Log {
    dispatch: Dispatch,
}

impl Log {
    /// A log on standard error, coloured only if that is a terminal.
    pub fn stderr(config: &LogConfig) -> Self {
        Self::build(config, io::stderr, io::stderr().is_terminal())
    }

    /// A log that writes to what `writer` returns; called once for each event.
    pub fn to<W: Write + 'static>(
        config: &LogConfig,
        writer: impl Fn() -> W + Send + Sync + 'static,
    ) -> Self {
        Self::build(config, writer, false)
    }

    /// A log that drops everything.
    pub fn off() -> Self {
        Self { dispatch: Dispatch::none() }
    }

    /// Runs `work` with its events going to this log. Does not follow tasks spawned inside.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        tracing::dispatcher::with_default(&self.dispatch, work)
    }

    /// Wraps `future` so that its events go to this log, whichever task polls it.
    pub fn attach<F: Future>(&self, future: F) -> WithDispatch<F> {
        future.with_subscriber(self.dispatch.clone())
    }

    fn build<W>(config: &LogConfig, writer: W, colours: bool) -> Self
    where
        W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
    {
        let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
        let lines: Box<dyn Layer<Registry> + Send + Sync> = match config.format {
            LogFormat::Text => lines.boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        };
        let ours = Targets::new().with_target(OUR_TARGETS, LevelFilter::from(config.level));
        Self { dispatch: Dispatch::new(Registry::default().with(lines.with_filter(ours))) }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

/// A log's lines kept in memory, for tests that read what a role logged. Clones share the lines.
#[derive(Clone, Debug, Default)]
pub struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl LogBuffer {
    /// A log that writes into this buffer.
    pub fn log(&self, config: &LogConfig) -> Log {
        let buffer = self.clone();
        Log::to(config, move || buffer.clone())
    }

    /// Everything written so far.
    pub fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(format: LogFormat, level: LogLevel) -> LogConfig {
        LogConfig { format, level }
    }

    #[test]
    fn drops_events_of_other_crates() {
        let buffer = LogBuffer::default();
        buffer.log(&config(LogFormat::Text, LogLevel::Debug)).within(|| {
            tracing::error!(target: "hyper::proto", "192.0.2.1 said hello");
            tracing::error!(target: "h2", "authorization: secret");
            tracing::error!(target: "rustls", "client hello");
            tracing::debug!(target: "discreet_relay", "ours");
        });
        let text = buffer.text();
        assert!(text.contains("ours"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[test]
    fn drops_events_below_the_level() {
        let buffer = LogBuffer::default();
        buffer.log(&config(LogFormat::Text, LogLevel::Warn)).within(|| {
            tracing::info!("quiet");
            tracing::warn!("loud");
        });
        assert!(!buffer.text().contains("quiet"));
        assert!(buffer.text().contains("loud"));
        assert!(!buffer.text().contains('\u{1b}'), "no colours away from a terminal");
    }

    #[test]
    fn off_writes_nothing() {
        let buffer = LogBuffer::default();
        buffer.log(&config(LogFormat::Text, LogLevel::Off)).within(|| tracing::error!("anything"));
        assert_eq!(buffer.text(), "");
    }

    #[test]
    fn json_is_one_object_per_line() {
        let buffer = LogBuffer::default();
        buffer.log(&config(LogFormat::Json, LogLevel::Info)).within(|| tracing::info!("started"));
        let text = buffer.text();
        assert!(text.starts_with('{') && text.trim_end().ends_with('}'), "{text}");
        assert!(text.contains(r#""message":"started""#), "{text}");
    }

    #[tokio::test]
    async fn two_roles_in_one_process_keep_their_logs_apart() {
        let (one, two) = (LogBuffer::default(), LogBuffer::default());
        let config = LogConfig::default();
        one.log(&config).attach(async { tracing::info!("from one") }).await;
        two.log(&config).attach(async { tracing::info!("from two") }).await;
        assert!(one.text().contains("from one") && !one.text().contains("from two"));
        assert!(two.text().contains("from two") && !two.text().contains("from one"));
    }
}
