//! What every running role can be told and asked, written once.

/// Gives a role that keeps its [`Shell`](crate::Shell) in `$shell` the shell's one way down: `addr`,
/// `admin_addr`, `shutdown`, `join` and `run_until`.
#[macro_export]
macro_rules! role {
    ($role:ident, $shell:tt) => {
        impl $role {
            /// Where it listens, with the port the system chose.
            pub fn addr(&self) -> ::std::net::SocketAddr {
                self.$shell.addr()
            }

            /// Where health and metrics are answered, if anywhere.
            pub fn admin_addr(&self) -> ::std::option::Option<::std::net::SocketAddr> {
                self.$shell.admin_addr()
            }

            /// Begins to drain. Calling it again changes nothing.
            pub fn shutdown(&self) {
                self.$shell.shutdown();
            }

            /// Returns once drained, after `shutdown`.
            ///
            /// # Errors
            ///
            /// When a task of the server panicked.
            pub async fn join(self) -> ::std::result::Result<(), $crate::JoinError> {
                self.$shell.join().await
            }

            /// Serves until `stop` resolves, then drains.
            ///
            /// # Errors
            ///
            /// As `join`.
            pub async fn run_until(
                self,
                stop: impl ::std::future::Future<Output = ()>,
            ) -> ::std::result::Result<(), $crate::JoinError> {
                self.$shell.run_until(stop).await
            }
        }
    };
}
