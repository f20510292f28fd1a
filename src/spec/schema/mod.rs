//! The YAML, mirrored: what a suite file may hold.
//!
//! `None` where a field is required means that it could not be read, which is
//! reported already: what is made from it is left out without another word.

mod document;
mod expect;
mod input;
mod step;
mod verb;

pub use document::*;
pub use expect::*;
pub use input::*;
pub use step::*;
pub use verb::*;

/// The version of the language.
pub const API_VERSION: &str = "kubeproof.dev/v1alpha1";

/// A scalar as text. It may be a template.
pub type Text = crate::source::Spanned<String>;
