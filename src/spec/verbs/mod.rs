//! The verbs, each with its form: which fields it has, and which of them it needs.
mod flow;
mod network;
mod objects;
mod observe;
mod process;
mod target;
mod wait;
mod write;
