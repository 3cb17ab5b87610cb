//! An external signer, run by the gateway under test: `signer KEY MODE`.
//!
//! KEY is the file of an Ed25519 seed. The file MODE says what to do: `sign` what comes on standard input,
//! or one of the ways in which signers fail.

use anyhow::{Context, Result, bail};
use discreet_protocol::SigningKey;
use discreet_serve::secret::read_secret;
use ed25519_dalek::Signer;
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let key = arguments.next().context("the first argument is the key's file")?;
    let mode = arguments.next().context("the second argument is the mode's file")?;
    let key = SigningKey::from_bytes(read_secret(&key)?.as_bytes());
    let mut message = Vec::new();
    io::stdin().read_to_end(&mut message)?;
    let print = |key: &SigningKey| println!("{}", hex::encode(key.sign(&message).to_bytes()));
    match fs::read_to_string(mode)?.as_str() {
        "sign" => print(&key),
        "fail" => {
            print(&key);
            eprintln!("signed, and then thought better of it");
            return Ok(ExitCode::FAILURE);
        }
        "hang" => loop {
            std::thread::park();
        },
        "wrong-key" => print(&SigningKey::from_bytes(&[99; 32])),
        "garbage" => println!("no token in slot 0"),
        other => bail!("no such mode: {other}"),
    }
    Ok(ExitCode::SUCCESS)
}
