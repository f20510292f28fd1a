//! Steps, and what goes beside their verbs.

use super::{Text, VerbSpec};
use crate::source::Span;
use crate::yaml::Node;

/// A step.
#[derive(Clone, Debug)]
pub struct StepSpec {
    /// Where its verb stands.
    pub span: Span,
    /// For reports.
    pub name: Option<Text>,
    /// `if`
    pub when: Option<Text>,
    /// What it does.
    pub verb: Option<VerbSpec>,
    /// How long each attempt may take.
    pub timeout: Option<Text>,
    /// Further attempts.
    pub retry: Option<RetrySpec>,
    /// Names and expressions over what came out.
    pub capture: Vec<(Text, Node)>,
    /// Stands for the case where it fails.
    pub failure: Option<Text>,
    /// `as`
    pub identity: Option<IdentitySpec>,
    /// In which cluster.
    pub cluster: Option<Text>,
}

/// `retry`.
#[derive(Clone, Debug)]
pub struct RetrySpec {
    /// Attempts in all.
    pub attempts: Option<u32>,
    /// Between two of them.
    pub delay: Option<Text>,
}

/// `as`.
#[derive(Clone, Debug)]
pub enum IdentitySpec {
    /// `{serviceAccount: ci}`
    ServiceAccount {
        /// Its name.
        name: Text,
        /// Its namespace.
        namespace: Option<Text>,
    },
    /// `{user, groups}`
    User {
        /// Its name.
        user: Text,
        /// Its groups.
        groups: Vec<Text>,
    },
}
