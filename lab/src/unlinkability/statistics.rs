//! Estimators, each compared with values worked out by hand in its tests. They know games and weights, nothing
//! of relays or clients.

pub mod bootstrap;
pub mod classifier;
pub mod entropy;
pub mod information;
pub mod roc;
