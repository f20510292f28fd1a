//! What steps expect.

use super::Text;
use crate::matcher::{ExitExpectation, OutputExpectation};
use crate::source::Span;
use crate::yaml::Node;

/// `expect` of what writes objects.
#[derive(Clone, Debug, Default)]
pub struct WriteExpectSpec {
    /// The API server must refuse.
    pub rejected: Option<RejectionSpec>,
    /// Of the texts of its warnings.
    pub warnings: Option<OutputExpectation<Text>>,
}

/// How the API server must refuse.
#[derive(Clone, Debug, Default)]
pub struct RejectionSpec {
    /// The HTTP status.
    pub code: Option<u16>,
    /// Such as `Forbidden`.
    pub reason: Option<Text>,
    /// Of the message.
    pub message: OutputExpectation<Text>,
}

/// `expect` of a process.
#[derive(Clone, Debug, Default)]
pub struct ProcessExpectSpec {
    /// Which exit codes pass; 0 where nothing is said.
    pub exit: Option<ExitExpectation>,
    /// What it wrote to stdout.
    pub stdout: Option<TextExpectSpec>,
    /// What it wrote to stderr.
    pub stderr: Option<TextExpectSpec>,
    /// How long it took.
    pub took: Option<TookSpec>,
}

/// What is expected of a text.
#[derive(Clone, Debug, Default)]
pub struct TextExpectSpec {
    /// As text.
    pub output: OutputExpectation<Text>,
    /// As JSON: a partial match.
    pub json: Option<Node>,
}

/// `took`.
#[derive(Clone, Debug)]
pub struct TookSpec {
    /// Where it stands.
    pub span: Span,
    /// At least.
    pub min: Option<Text>,
    /// At most.
    pub max: Option<Text>,
}

/// `expect` of an HTTP answer.
#[derive(Clone, Debug, Default)]
pub struct HttpExpectSpec {
    /// One of these.
    pub status: Vec<u16>,
    /// By name.
    pub headers: Vec<(Text, TextExpectSpec)>,
    /// The body.
    pub body: Option<TextExpectSpec>,
    /// `tls.validFor`
    pub valid_for: Option<Text>,
    /// How long it took.
    pub took: Option<TookSpec>,
}

/// How many there must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountSpec {
    /// At least.
    pub min: Option<u64>,
    /// At most.
    pub max: Option<u64>,
}
