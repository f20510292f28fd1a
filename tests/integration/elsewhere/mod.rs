//! The suites that ship, on clusters that the local one is not.

mod network;
mod server;
