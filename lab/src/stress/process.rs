//! One of our servers as a child process: started, awaited, signalled, measured, stopped.
//!
//! The program is the real one, found beside this one. What it says on standard error is read to the
//! end: where it listens, and whatever it complains about.

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(30);
/// How long it may take to drain and end; more than its own drain time of 20 seconds.
const STOP: Duration = Duration::from_secs(60);
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(20);
/// Starts a program with the socket that it gets as standard input where service managers put it:
/// descriptor 3, announced in the environment (sd_listen_fds(3)).
const ACTIVATE: &str = r#"exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@""#;
/// Writes a line on standard error and starts a program.
const SAY: &str = r#"printf '%s\n' "$SAYS" >&2; unset SAYS; exec "$0" "$@""#;

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// What it goes by in messages.
    pub(crate) name: String,
    /// The file beside this program.
    pub(crate) binary: &'static str,
    /// Its configuration.
    pub(crate) config: PathBuf,
    /// What it is told to do, if it has to be told.
    pub(crate) verb: Option<&'static str>,
    /// A line that its wrapper writes into its log before it starts: what a careless server could write.
    pub(crate) says: Option<String>,
}

/// A running server. Dropping it kills it.
pub(crate) struct Process {
    name: String,
    child: Child,
    pid: Pid,
    address: SocketAddr,
    complaints: Arc<Mutex<Vec<String>>>,
    log: Arc<Mutex<Vec<String>>>,
    /// Ends with the process.
    reader: Option<JoinHandle<()>>,
}

/// What a process has in memory, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// All of it that is resident: `Rss` of smaps_rollup.
    pub(crate) resident: u64,
    /// Its own of that, not read from files: `Anonymous` of smaps_rollup.
    pub(crate) anonymous: u64,
}

impl Process {
    /// Starts `program`, on `socket` if one is given, and returns once it says that it listens.
    pub(crate) async fn start(program: &Program, socket: Option<&TcpListener>) -> Result<Self> {
        let Program { name, binary, config, verb, says } = program;
        let mut command = command(&beside(binary)?, socket, says.as_deref())?;
        command.arg("--config").arg(config).args(verb).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {binary}"))?;
        let stderr = child.stderr.take().context("a child process without standard error")?;
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let (found, mut listening) = watch::channel(None);
        let log = Arc::new(Mutex::new(Vec::new()));
        let (said, logged) = (Arc::clone(&complaints), Arc::clone(&log));
        let lines = BufReader::new(stderr).lines().map_while(Result::ok).inspect(move |line| {
            logged.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
        });
        let reader = Some(std::thread::spawn(move || read(lines, &found, &said)));
        let pid = Pid::from_child(&child);
        let unknown = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        // From here on it is killed if anything goes wrong.
        let mut process = Self { name: name.clone(), child, pid, address: unknown, complaints, log, reader };
        let address = match timeout(START, listening.wait_for(Option::is_some)).await {
            Ok(Ok(address)) => address.as_ref().and_then(Address::tcp),
            Ok(Err(_)) => bail!("{name} ended at once: {}", process.said()),
            Err(_) => bail!("{name} does not listen after {} seconds: {}", START.as_secs(), process.said()),
        };
        process.address = match socket {
            Some(socket) => socket.local_addr()?,
            None => address.with_context(|| format!("{name} does not say where it listens"))?,
        };
        Ok(process)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has in memory now.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let path = format!("/proc/{}/smaps_rollup", self.pid.as_raw_nonzero());
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let bytes = |name| field(&text, name).with_context(|| format!("{path} has no field {name}"));
        Ok(Memory { resident: bytes("Rss:")?, anonymous: bytes("Anonymous:")? })
    }

    /// The most it had resident since it started, in bytes.
    pub(crate) fn peak(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid.as_raw_nonzero());
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        field(&text, "VmHWM:").with_context(|| format!("{path} has no field VmHWM"))
    }

    /// How many files and sockets it has open.
    pub(crate) fn descriptors(&self) -> Result<usize> {
        let path = format!("/proc/{}/fd", self.pid.as_raw_nonzero());
        Ok(std::fs::read_dir(&path).with_context(|| format!("cannot read {path}"))?.count())
    }

    /// Has it read its certificates anew.
    pub(crate) fn hang_up(&self) -> Result<()> {
        self.signal(Signal::HUP)
    }

    /// Tells it to stop, and waits until it has drained and ended. Returns its complaints.
    pub(crate) async fn stop(mut self) -> Result<Vec<String>> {
        self.end().await?;
        Ok(self.complaints())
    }

    /// As [`Process::stop`], for who wants to know more of it.
    pub(crate) async fn end(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let ended = timeout(STOP, self.ended()).await;
        let status = ended.with_context(|| format!("{} does not stop", self.name))??;
        ensure!(status.success(), "{} ended with {status}: {}", self.name, self.said());
        // What it said last is still being read.
        let _ = self.reader.take().map(JoinHandle::join);
        Ok(())
    }

    /// Every line it has written on standard error so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where it answers for its operator, as it said when it began to listen.
    pub(crate) fn admin(&self) -> Option<SocketAddr> {
        self.log().iter().find_map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).ok()?;
            event.get("admin")?.as_str()?.parse().ok()
        })
    }

    async fn ended(&mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            sleep(LOOK).await;
        }
    }

    /// The lines it wrote that are not just news.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        complaints.iter().map(|line| format!("{}: {line}", self.name)).collect()
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid, signal).with_context(|| format!("cannot send a signal to {}", self.name))
    }

    fn said(&self) -> String {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).join("; ")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

/// Runs one of our commands to its end and returns what it printed.
pub(crate) async fn run(binary: &str, arguments: &[&str], folder: &Path) -> Result<String> {
    let mut command = Command::new(beside(binary)?);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    let output =
        spawn_blocking(move || command.output()).await?.with_context(|| format!("cannot start {binary}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{binary} {}: {}", arguments.join(" "), complaint.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The path of a program that was built with this one.
pub(crate) fn beside(binary: &str) -> Result<PathBuf> {
    let path = std::env::current_exe().context("where is this program?")?.with_file_name(binary);
    ensure!(path.exists(), "{} is not there: `cargo build --release --bins` makes it", path.display());
    Ok(path)
}

fn command(program: &Path, socket: Option<&TcpListener>, says: Option<&str>) -> Result<Command> {
    if let Some(says) = says {
        let mut command = Command::new("sh");
        command.args(["-c", SAY]).arg(program).env("SAYS", says).stdin(Stdio::null());
        return Ok(command);
    }
    let Some(socket) = socket else {
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        return Ok(command);
    };
    let mut command = Command::new("sh");
    command.args(["-c", ACTIVATE]).arg(program);
    command.stdin(OwnedFd::from(socket.try_clone()?));
    Ok(command)
}

/// Where a server said it listens: an address, or a socket that it was given.
enum Address {
    Tcp(SocketAddr),
    Other,
}

impl Address {
    fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Other => None,
        }
    }
}

/// Reads lines of JSON until there are no more, and anything else as a complaint.
fn read(
    lines: impl Iterator<Item = String>,
    found: &watch::Sender<Option<Address>>,
    complaints: &Mutex<Vec<String>>,
) {
    for line in lines {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let text = |name| event.get(name).and_then(serde_json::Value::as_str);
        let message = text("message");
        if text("level") == Some("INFO") {
            if message == Some("listening") {
                let address = text("address").and_then(|text| text.parse().ok());
                found.send_replace(Some(address.map_or(Address::Other, Address::Tcp)));
            }
            continue;
        }
        let complaint = message.map_or(line.clone(), str::to_owned);
        complaints.lock().unwrap_or_else(PoisonError::into_inner).push(complaint);
    }
}

/// A number of kibibytes from a file of /proc, in bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kibibytes_of_proc_become_bytes() {
        let text = "Rss:                5372 kB\nPss:                1500 kB\nAnonymous:           744 kB\n";
        assert_eq!(field(text, "Rss:"), Some(5_500_928));
        assert_eq!(field(text, "Anonymous:"), Some(761_856));
        assert_eq!(field(text, "Swap:"), None);
    }

    #[test]
    fn a_server_that_listens_is_told_from_one_that_complains() {
        let log = r#"{"timestamp":"t","level":"INFO","message":"listening","address":"127.0.0.1:39273","admin":"None","target":"discreet_gateway"}
{"timestamp":"t","level":"WARN","message":"cut off at the drain deadline","connections":2,"target":"discreet_serve"}
panic at serve/src/shell.rs:1"#;
        let (found, listening) = watch::channel(None);
        let complaints = Mutex::default();
        read(log.lines().map(str::to_owned), &found, &complaints);
        let address = listening.borrow().as_ref().and_then(Address::tcp);
        assert_eq!(address, Some("127.0.0.1:39273".parse().unwrap()));
        assert_eq!(
            complaints.into_inner().unwrap(),
            ["cut off at the drain deadline", "panic at serve/src/shell.rs:1"]
        );
    }

    #[test]
    fn a_server_on_a_socket_it_was_given_may_call_it_what_it_likes() {
        let (found, listening) = watch::channel(None);
        let line = r#"{"level":"INFO","message":"listening","address":"systemd:0"}"#;
        read([line.to_owned()].into_iter(), &found, &Mutex::default());
        assert!(matches!(*listening.borrow(), Some(Address::Other)));
    }
}
