//! The place of the provider service: authority and issuer of a provider's own users.
//!
//! There is nothing here yet, on purpose: no role pretends to work. It will stand on
//! `discreet-protocol` and `discreet-serve`, and on no other crate of ours.
