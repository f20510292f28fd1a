//! The declarations of inputs, of suites and of steps that are used.

use std::fmt;

use super::Text;
use crate::yaml::Node;

/// The declaration of an input.
#[derive(Clone, Debug)]
pub struct InputSpec {
    /// Its name.
    pub name: Text,
    /// What its values are.
    pub kind: Option<InputKind>,
    /// Its value where nobody sets it. Never rendered.
    pub default: Option<Node>,
    /// For people.
    pub description: Option<Text>,
}

/// What the values of an input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of anything.
    List,
    /// A map of anything.
    Map,
    /// A duration such as `10s`, kept as it is written.
    Duration,
    /// A quantity such as `512Mi`, kept as it is written.
    Quantity,
    /// A version such as `v1.34.4+rke2r1`, kept as it is written.
    Version,
    /// Text that must never be shown.
    Secret,
}

impl InputKind {
    /// All of them, in the order of the language.
    pub const ALL: [Self; 10] = [
        Self::String,
        Self::Integer,
        Self::Number,
        Self::Boolean,
        Self::List,
        Self::Map,
        Self::Duration,
        Self::Quantity,
        Self::Version,
        Self::Secret,
    ];

    /// As it is written in a suite.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::List => "list",
            Self::Map => "map",
            Self::Duration => "duration",
            Self::Quantity => "quantity",
            Self::Version => "version",
            Self::Secret => "secret",
        }
    }
}

impl fmt::Display for InputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integer => "an integer",
            kind => return write!(f, "a {}", kind.name()),
        })
    }
}
