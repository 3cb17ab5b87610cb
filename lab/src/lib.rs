//! What of the laboratory has tests of its own outside: the unlinkability experiments. The commands
//! are in `main.rs`.

// Experiments read no byte from the network here; their rows refer to each other by number, and a number
// that leads nowhere is a wrong experiment, which must end rather than go on with a default.
#![allow(clippy::indexing_slicing)]

pub mod unlinkability;
