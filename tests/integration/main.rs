//! Runs the program as a user does.
//!
//! `cli`, `commands`, `connecting`, `credentials`, `destinations`, `elsewhere`, `followed`, `freshness`, `lag`, `reports`,
//! `waiting` and `webhooks` need no cluster. `chaos`, `cluster`, `faults`, `network`, `ownership`, `panics`, `provisioning`, `signals`,
//! `untrusted` and `proxy` need the local one (`ci/cluster up`), as do most of `arrival`, `cleanup`,
//! `images`, `rbac`, `restoring`, `verbs`, `language`, `whole` and `peers`; they are ignored without it, and
//! `ci/test` boots it and runs them all. `dual_stack` needs one whose pods have addresses of two families, which
//! `ci/test` boots before.

mod api_server;
mod architecture;
mod arrival;
mod chaos;
mod cleanup;
mod cli;
mod cluster;
mod commands;
mod connecting;
mod credentials;
mod destinations;
mod dual_stack;
mod elsewhere;
mod faults;
mod followed;
mod freshness;
mod images;
mod lag;
mod language;
mod network;
mod ownership;
mod panics;
mod peers;
mod provisioning;
mod proxy;
mod rbac;
mod relay;
mod reports;
mod restoring;
mod scripted;
mod signals;
mod support;
mod untrusted;
mod verbs;
mod waiting;
mod webhooks;
mod whole;
