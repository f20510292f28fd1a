//! What a run of a suite takes: the rights that its user must have in the cluster, found in the
//! plan alone. Whether they have them, the run asks; roles that give them, the command line prints.

mod identity;
mod life;
mod made;
mod names;
mod path;
mod right;
mod suite;
mod verb;
mod walk;

#[cfg(test)]
mod tests;

pub use right::{Need, On, Reach, Right};
pub use suite::{Facts, rights};
