//! Templates and expressions: minijinja, set up strict and fuelled.
//!
//! Three shapes, all compiled once, before anything runs: a [`Template`] is one scalar of
//! a suite, a [`Tree`] a YAML value whose scalars are templates, a [`TextTemplate`]
//! a whole file. A [`Condition`] is a bare expression. What names there are to
//! use is the caller's business: each shape tells the names that it asks for.
//!
//! Templates read neither files nor the environment, and a value can never change
//! the structure of YAML around it: trees are parsed first and rendered after,
//! and text templates refuse to write a value that is not a plain scalar.
//!
//! Operators are ours (`operators`), since minijinja orders any two values. It
//! has no hook for them, so `lexer` and `syntax` find where they stand and
//! `rewrite` puts filters in their place. What is not set is nothing to conditions
//! (`unset`); where one holds just for that reason, `guard` finds it.

mod check;
mod condition;
mod environment;
mod error;
mod filters;
mod forecast;
mod guard;
mod lexer;
mod operators;
mod rewrite;
mod scalar;
mod scope;
mod syntax;
mod text;
mod tree;
mod typed;
mod unset;

pub use condition::{Condition, Verdict};
pub use environment::is_builtin;
pub use error::TemplateError;
pub use filters::{NOW, clock};
pub use forecast::{Asked, first_unknown, forecast, placeholder, unknown_in};
pub use guard::Unguarded;
pub use scalar::Template;
pub use scope::{Named, Scope, scope_value, with_names};
pub use text::TextTemplate;
pub use tree::Tree;

#[cfg(test)]
mod tests;
