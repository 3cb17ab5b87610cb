//! Our commands as child processes: built once, run to their end, or kept running as servers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use crate::metrics;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tests::leaks;

/// What ends a test that would otherwise wait for ever.
const PATIENCE: Duration = Duration::from_secs(300);

/// The path of one of our commands.
///
/// Cargo builds a package's binaries for that package's own tests only, so the first call builds
/// them, in the profile and folder these tests were built in. The lock on that folder is free by
/// now: cargo gives it up before it runs tests.
pub(crate) fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

fn build() -> PathBuf {
    // …/target/debug/deps/suite-0123456789abcdef
    let this = std::env::current_exe().unwrap();
    let folder = this.ancestors().nth(2).unwrap().to_owned();
    let profile = match folder.file_name().and_then(OsStr::to_str).unwrap() {
        "debug" => "dev",
        other => other,
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--locked", "--bins", "--profile", profile]);
    cargo.arg("--target-dir").arg(folder.parent().unwrap());
    for role in ["client", "relay", "gateway", "resolver", "provider"] {
        cargo.arg("-p").arg(format!("discreet-{role}"));
    }
    let built = cargo.output().expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    folder
}

/// A command in an environment without a home, so that none of the developer's state is touched.
pub(crate) fn command<A: AsRef<OsStr>>(name: &str, args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(binary(name));
    command.args(args).stdin(Stdio::null()).env_remove("HOME").env_remove("XDG_STATE_HOME");
    command
}

/// Runs a command to its end.
pub(crate) fn run<A: AsRef<OsStr>>(name: &str, args: impl IntoIterator<Item = A>) -> Ran {
    finish(&mut command(name, args))
}

/// Runs `command` to its end, which must not be long in coming.
pub(crate) fn finish(command: &mut Command) -> Ran {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let (end, ended) = mpsc::channel();
    let waiting = std::thread::spawn(move || end.send(child.wait_with_output().unwrap()));
    if let Ok(output) = ended.recv_timeout(PATIENCE) {
        return output.into();
    }
    signal(id, "KILL");
    let _ = waiting.join();
    panic!("{command:?} goes on and on: {:?}", ended.recv().map(Ran::from));
}

/// Waits until `it_is`.
#[track_caller]
pub(crate) fn wait_until(it_is: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !it_is() {
        assert!(Instant::now() < until, "it never is");
        thread::yield_now();
    }
}

fn signal(id: u32, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status();
    assert!(status.unwrap().success());
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `None`: ended by a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    /// The command did its work and had nothing to complain about.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert!(!self.stderr.contains("panic"), "{self:?}");
        self
    }

    /// The command ended with `code` and one sentence on standard error that holds `reason`.
    #[track_caller]
    pub(crate) fn refused(self, code: i32, reason: &str) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        assert!(!self.stderr.contains("panic"), "{self:?}");
        assert!(self.stderr.contains(reason), "expected `{reason}`: {self:?}");
        self
    }

    /// `secret` is nowhere in what was written.
    #[track_caller]
    pub(crate) fn silent_about(self, secret: &str) -> Self {
        assert!(
            !secret.is_empty() && !self.stdout.contains(secret) && !self.stderr.contains(secret),
            "{self:?}"
        );
        self
    }
}

/// A command under way, whose lines on standard error can be waited for.
pub(crate) struct Talking {
    child: Child,
    lines: mpsc::Receiver<String>,
    said: JoinHandle<Vec<String>>,
}

impl Talking {
    pub(crate) fn start<A: AsRef<OsStr>>(name: &str, args: impl IntoIterator<Item = A>) -> Self {
        let mut command = command(name, args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (said, lines) = spoken(&mut child);
        Self { child, lines, said }
    }

    /// What `find` makes of the first line it takes.
    #[track_caller]
    pub(crate) fn line<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("the command goes on talking");
            if let Some(found) = find(&line) {
                return found;
            }
        }
    }

    /// As Ctrl-C does with `INT`, a supervisor with `TERM`.
    pub(crate) fn stop(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Ends it in the middle of what it does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn finish(self) -> Ran {
        let output = self.child.wait_with_output().unwrap();
        let stderr = self.said.join().unwrap().join("\n");
        let stdout = String::from_utf8(output.stdout).unwrap();
        Ran { code: output.status.code(), stdout, stderr }
    }
}

/// Standard error of a child, line by line as it comes, and all of it in the end.
fn spoken(child: &mut Child) -> (JoinHandle<Vec<String>>, mpsc::Receiver<String>) {
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (said, heard) = mpsc::channel();
    let all = std::thread::spawn(move || {
        lines.map(Result::unwrap).inspect(|line| drop(said.send(line.clone()))).collect()
    });
    (all, heard)
}

/// A server as a child process. Dropping it kills it. Whenever it ends, everything it has logged, and its
/// metrics until then, are searched for what no role may tell.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    /// Where it answers health and metrics, if anywhere.
    pub(crate) admin: Option<SocketAddr>,
    name: String,
    child: Child,
    lines: mpsc::Receiver<String>,
    log: Option<JoinHandle<Vec<String>>>,
}

impl Server {
    /// Starts a server and returns once it says where it listens.
    #[track_caller]
    pub(crate) fn start(name: &str, config: &Path) -> Self {
        Self::start_with(name, config, &[])
    }

    /// As [`Server::start`], with more arguments.
    #[track_caller]
    pub(crate) fn start_with(name: &str, config: &Path, more: &[&str]) -> Self {
        let mut command = command(name, [OsStr::new("--config"), config.as_os_str()]);
        Self::spawn(command.args(more))
    }

    /// As [`Server::start`], of a command that was prepared by others.
    #[track_caller]
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let name = name_of(command);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (log, lines) = spoken(&mut child);
        let deadline = Instant::now() + PATIENCE;
        let (addr, admin) = loop {
            let line = lines.recv_timeout(deadline - std::time::Instant::now());
            let line = line.unwrap_or_else(|_| panic!("{command:?} ended, or does not listen"));
            if let Some(address) = value(&line, "address=") {
                let admin = value(&line, "admin=").map(|admin| admin.replace("Some(", "").replace(')', ""));
                break (address.parse().unwrap(), admin.and_then(|admin| admin.parse().ok()));
            }
        };
        Self { addr, admin, name, child, lines, log: Some(log) }
    }

    /// The next line it logs that `is_it` takes; waits for it.
    #[track_caller]
    pub(crate) fn logged(&self, is_it: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("the server goes on logging");
            if is_it(&line) {
                return line;
            }
        }
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends the signal of this name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Sends SIGHUP.
    pub(crate) fn hang_up(&self) {
        signal(self.child.id(), "HUP");
    }

    /// Waits for the end; returns the exit code and what was logged.
    #[track_caller]
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        (code, self.searched())
    }

    /// Sends SIGTERM, waits for the end, and expects it to be a good one. Returns the log.
    #[track_caller]
    pub(crate) fn stop(self) -> String {
        self.look_at_metrics();
        self.terminate();
        let (code, log) = self.wait();
        assert_eq!(code, Some(0), "{log}");
        log
    }

    /// What it counts, if it says so and is alive.
    fn look_at_metrics(&self) {
        if let Some(text) = self.admin.and_then(metrics::scrape) {
            metrics::refuse(&self.name, &text);
        }
    }

    /// All it has logged, once it has ended.
    #[track_caller]
    fn searched(&mut self) -> String {
        let Some(log) = self.log.take() else { return String::new() };
        let log = log.join().unwrap().join("\n");
        leaks::refuse(&self.name, &log);
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.log.is_none() {
            return;
        }
        if !std::thread::panicking() {
            self.look_at_metrics();
        }
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.searched();
    }
}

/// Which of our programs a command runs, be it through a shell.
fn name_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let text = words.map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ");
    let Some((_, role)) = text.split_once("/discreet-") else { return text };
    let end = role.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(role.len());
    format!("discreet-{}", &role[..end])
}

/// The word behind `name` in a line of a log.
fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_whitespace().find_map(|word| word.strip_prefix(name))
}
