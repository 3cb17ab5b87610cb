//! A relay alone, between clients and a gateway made by hand.

mod forwarding;
mod refusals;
