//! The programs of others that ours are measured beside: found, started, awaited, stopped.
//!
//! Nothing of them is part of this project; `lab/peers` installs them. Where one is missing, its rows are.

use super::cpu::Program;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// How long a program may take until it listens.
const START: Duration = Duration::from_secs(20);
/// How often it is tried.
const TRY: Duration = Duration::from_millis(20);

/// Where the others' programs lie.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    pub(crate) gateway: Option<PathBuf>,
    pub(crate) relay: Option<PathBuf>,
    pub(crate) nginx: Option<PathBuf>,
}

/// A running program of others. Dropping it stops it.
pub(crate) struct Peer {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Peers {
    /// Looks in `folder`, where `lab/peers` puts them, and for nginx where the system has it, too.
    pub(crate) fn find(folder: &Path) -> Self {
        let here = |name: &str| Some(folder.join("bin").join(name)).filter(|path| path.exists());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<_> = std::env::split_paths(&path).collect();
        folders.push("/usr/sbin".into());
        let nginx = folders.into_iter().map(|folder| folder.join("nginx")).find(|path| path.exists());
        Self { gateway: here("ohttp-gateway"), relay: here("ohttp-relay"), nginx }
    }

    /// What is not there, a sentence each.
    pub(crate) fn missing(&self) -> Vec<String> {
        let all = [
            (&self.gateway, "ohttp-gateway", "gateway: no row for crate ohttp-gateway"),
            (&self.relay, "ohttp-relay", "relay: no row for crate ohttp-relay"),
            (
                &self.nginx,
                "nginx",
                "relay: no rows for nginx; gateway: nothing behind ohttp-gateway, so no row for it",
            ),
        ];
        let missing = all.iter().filter(|(path, ..)| path.is_none());
        missing
            .map(|(_, name, rows)| format!("{name} is not there ({rows}); `lab/peers` installs it"))
            .collect()
    }
}

impl Peer {
    /// Crate `ohttp-gateway`, with its defaults but for the log, which would write a line for each request.
    pub(crate) async fn gateway(program: &Path) -> Result<Self> {
        let address = free()?;
        let mut command = Command::new(program);
        command
            .env("PORT", address.port().to_string())
            .env("LOG_LEVEL", "error")
            .env("KEY_ROTATION_ENABLED", "false");
        Self::start(command, address).await
    }

    /// Crate `ohttp-relay` in front of `upstream`, which speaks HTTP without TLS.
    pub(crate) async fn relay(program: &Path, upstream: SocketAddr) -> Result<Self> {
        let address = free()?;
        let mut command = Command::new(program);
        command
            .env("PORT", address.port().to_string())
            .env("GATEWAY_ORIGIN", format!("http://{upstream}"))
            .env("RUST_LOG", "error");
        Self::start(command, address).await
    }

    /// nginx with as many workers as cores. `servers` gets the address and returns the `http` block's content.
    pub(crate) async fn nginx(
        program: &Path,
        folder: &Path,
        servers: impl FnOnce(SocketAddr) -> String,
    ) -> Result<Self> {
        let address = free()?;
        fs::create_dir_all(folder)?;
        let config = folder.join("nginx.conf");
        fs::write(&config, nginx_config(folder, &servers(address)))?;
        let mut command = Command::new(program);
        command.arg("-c").arg(&config).arg("-p").arg(folder).arg("-e").arg("stderr");
        Self::start(command, address).await
    }

    async fn start(mut command: Command, address: SocketAddr) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let mut peer = Self { child, address };
        let deadline = Instant::now() + START;
        while TcpStream::connect(address).await.is_err() {
            if let Some(status) = peer.child.try_wait()? {
                bail!("{name} ended at once with {status}");
            }
            ensure!(Instant::now() < deadline, "{name} does not listen");
            sleep(TRY).await;
        }
        Ok(peer)
    }

    /// Whose processor time counts.
    pub(crate) fn program(&self) -> Program {
        Program(self.child.id())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // nginx's master has to tell its workers; the others end by it, too.
        if let Some(id) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

/// A port nobody listens on now.
fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// What all uses of nginx have in common: no logs, nothing on the disk, connections kept.
fn nginx_config(folder: &Path, servers: &str) -> String {
    let folder = folder.display();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "daemon off;\nworker_processes {workers};\npid {folder}/pid;\nerror_log stderr crit;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n  \
         fastcgi_temp_path {folder}/fastcgi;\n  uwsgi_temp_path {folder}/uwsgi;\n  scgi_temp_path {folder}/scgi;\n  \
         access_log off;\n  server_tokens off;\n  sendfile on;\n  tcp_nodelay on;\n  keepalive_requests 1000000000;\n  \
         client_max_body_size 16k;\n  client_body_buffer_size 16k;\n  proxy_buffer_size 16k;\n  proxy_buffers 8 16k;\n  \
         proxy_http_version 1.1;\n{servers}}}\n"
    )
}
