//! What concerns the whole process and is therefore called by `main` only.

use std::future::Future;

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at the first SIGTERM or SIGINT after the call; from the call on neither ends the process.
///
/// Call it before binding, inside a tokio runtime.
pub fn stop_signal() -> impl Future<Output = ()> {
    let terminate = received(SignalKind::terminate());
    let interrupt = received(SignalKind::interrupt());
    async {
        tokio::select! {
            () = terminate => {}
            () = interrupt => {}
        }
    }
}

/// Makes panics print where they happened but not their message, which may quote a request.
///
/// The panic hook belongs to the process: no library may set it, so only `main` calls this.
pub fn hide_panic_payloads() {
    std::panic::set_hook(Box::new(|panic| match panic.location() {
        Some(place) => eprintln!("panic at {}:{}", place.file(), place.line()),
        None => eprintln!("panic"),
    }));
}

fn received(kind: SignalKind) -> impl Future<Output = ()> {
    let stream = signal(kind);
    async {
        match stream {
            Ok(mut stream) => {
                stream.recv().await;
            }
            // The signal then keeps its default action, which ends the process without a drain.
            Err(_) => std::future::pending().await,
        }
    }
}
