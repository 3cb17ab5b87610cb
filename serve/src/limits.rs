//! The bounds of a server (design: everything from the network is bounded).

use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

/// The smallest header bound hyper can work with over HTTP/1.1, in bytes.
const MIN_HEADER_BYTES: u32 = 8192;

/// The bounds of one server. The bound on a request's body belongs to the role ([`crate::ShellConfig`]).
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open connections. Over it, a new one takes the place of the one that has waited on its peer the
    /// longest, if for two seconds or more; else it waits in the kernel's queue. Never more than the
    /// process may open files, less 256 or a quarter (`LimitNOFILE=` of a systemd unit).
    pub max_connections: usize,
    /// Requests being answered at once, over all connections. Over it: 503 with `Retry-After`.
    pub max_requests: usize,
    /// Requests whose body is still arriving, over all connections. With the role's largest body they
    /// bound the memory. Over it: 408 to the one that has been arriving the longest.
    pub max_bodies: usize,
    /// Requests at once on one HTTP/2 connection; the protocol makes the peer wait.
    pub max_streams_per_connection: u32,
    /// Bytes of all header fields of a request; at least 8192. Over it: 431.
    pub max_header_bytes: u32,
    /// Seconds to complete the TLS handshake, and to send the PROXY header before it where there is
    /// one. Over it the connection is closed.
    pub tls_handshake_timeout_secs: u64,
    /// Seconds an HTTP/1.1 connection may take to send a request's header, and may stay idle
    /// between two. Over it the connection is closed.
    pub header_timeout_secs: u64,
    /// Seconds a body may take to arrive. Over it: 408.
    pub body_timeout_secs: u64,
    /// Seconds to produce the answer. Over it: 503.
    pub request_timeout_secs: u64,
    /// Seconds a connection may stay without a whole request: it idles, sends parts of one, or does not
    /// read its answer. Over it the connection is closed.
    pub idle_timeout_secs: u64,
    /// Seconds that requests in flight get to finish after a stop signal. Over it they are cut off.
    pub drain_secs: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 16_384,
            max_requests: 1024,
            max_bodies: 4096,
            max_streams_per_connection: 128,
            max_header_bytes: 16_384,
            tls_handshake_timeout_secs: 10,
            header_timeout_secs: 30,
            body_timeout_secs: 10,
            request_timeout_secs: 30,
            idle_timeout_secs: 90,
            drain_secs: 20,
        }
    }
}

/// Why limits were refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LimitsError {
    /// A server with this limit could answer nobody.
    #[error("limits.{field} must be at least 1")]
    Zero {
        /// The field's name.
        field: &'static str,
    },
    /// HTTP/1.1 needs a larger buffer.
    #[error("limits.max_header_bytes must be at least {MIN_HEADER_BYTES}")]
    HeaderBytes,
}

impl Limits {
    /// Looks for values no server can work with. [`crate::Shell::start`] does it too.
    ///
    /// # Errors
    ///
    /// Names the first such field. `drain_secs` may be 0: stop at once.
    pub fn check(&self) -> Result<(), LimitsError> {
        let at_least_one = [
            ("max_connections", self.max_connections > 0),
            ("max_requests", self.max_requests > 0),
            ("max_bodies", self.max_bodies > 0),
            ("max_streams_per_connection", self.max_streams_per_connection > 0),
            ("tls_handshake_timeout_secs", self.tls_handshake_timeout_secs > 0),
            ("header_timeout_secs", self.header_timeout_secs > 0),
            ("body_timeout_secs", self.body_timeout_secs > 0),
            ("request_timeout_secs", self.request_timeout_secs > 0),
            ("idle_timeout_secs", self.idle_timeout_secs > 0),
        ];
        if let Some((field, _)) = at_least_one.into_iter().find(|(_, positive)| !positive) {
            return Err(LimitsError::Zero { field });
        }
        if self.max_header_bytes < MIN_HEADER_BYTES {
            return Err(LimitsError::HeaderBytes);
        }
        Ok(())
    }

    pub(crate) fn tls_handshake_timeout(&self) -> Duration {
        Duration::from_secs(self.tls_handshake_timeout_secs)
    }

    pub(crate) fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_secs)
    }

    pub(crate) fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_secs)
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_secs)
    }

    pub(crate) fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_secs)
    }

    pub(crate) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_usable() {
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn refuses_zero_and_names_the_field() {
        let limits = Limits { max_requests: 0, ..Limits::default() };
        assert_eq!(limits.check().unwrap_err().to_string(), "limits.max_requests must be at least 1");
    }

    #[test]
    fn refuses_a_header_bound_that_hyper_would_panic_on() {
        let limits = Limits { max_header_bytes: 8191, ..Limits::default() };
        assert_eq!(limits.check().unwrap_err().to_string(), "limits.max_header_bytes must be at least 8192");
        assert_eq!(Limits { max_header_bytes: 8192, ..Limits::default() }.check(), Ok(()));
    }

    #[test]
    fn a_partial_table_keeps_the_other_defaults() {
        let limits: Limits = toml::from_str("drain_secs = 0").unwrap();
        assert_eq!((limits.drain_secs, limits.max_requests), (0, 1024));
        assert!(toml::from_str::<Limits>("drain = 0").is_err());
    }
}
