//! The unlinkability laboratory: a population asks, relays mix, and adversaries who see one party's share
//! guess who asked about whom. Virtual time uses the product's own pacing and mixing, real time its relays, gateway
//! and clients over loopback.
//!
//! What happened is kept apart from what was seen: an adversary gets a view, never the truth; only the
//! [`referee`] has both.

pub mod adversary;
pub mod command;
pub mod engine;
pub mod folder;
pub mod population;
pub mod randomness;
pub mod real;
pub mod referee;
pub mod results;
pub mod scenario;
pub mod score;
pub mod sizes;
pub mod statistics;
mod table;
pub mod trace;
pub mod view;
