//! What every running role can be told and asked, written once.

/// Gives a role that keeps its [`Shell`](crate::Shell) in `$shell` the shell's one way down: `addr`,
/// `listening`, `admin_addr`, `admin_listening`, `reload`, `shutdown`, `join` and `run_until`; and makes it
/// what [`serve`](crate::process::serve) runs.
#[macro_export]
macro_rules! role {
    ($role:ident, $shell:tt) => {
        impl $role {
            /// The TCP address it listens on, with the port the system chose; `0.0.0.0:0` for a Unix socket.
            pub fn addr(&self) -> ::std::net::SocketAddr {
                self.$shell.addr()
            }

            /// Where it listens.
            pub fn listening(&self) -> &$crate::Listening {
                self.$shell.listening()
            }

            /// As `addr`, for health and metrics, if they are answered anywhere.
            pub fn admin_addr(&self) -> ::std::option::Option<::std::net::SocketAddr> {
                self.$shell.admin_addr()
            }

            /// Where health and metrics are answered, if anywhere.
            pub fn admin_listening(&self) -> ::std::option::Option<&$crate::Listening> {
                self.$shell.admin_listening()
            }

            /// Takes up changed certificates, keys and whatever else can be changed meanwhile. Open
            /// connections stay as they are.
            ///
            /// # Errors
            ///
            /// When something cannot be used; it stays as it was.
            pub fn reload(&self) -> ::std::result::Result<(), $crate::ReloadError> {
                self.$shell.reload()
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

        impl ::std::convert::From<$role> for $crate::Shell {
            fn from(role: $role) -> Self {
                role.$shell
            }
        }
    };
}
