//! Inputs: where their values come from, and what they must be.
//!
//! `--set` over `KUBEPROOF_INPUT_NAME` over `--values` over `default`. Values are
//! never rendered: one that holds `{{` stays text.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use crate::diagnostic::{Diagnostic, nearest};
use crate::duration;
use crate::plan::error::LoadError;
use crate::plan::files;
use crate::source::{Place, SourceFile, Span};
use crate::spec::schema::{InputKind, InputSpec};
use crate::value;
use crate::yaml::{self, Node, NodeKind};

/// What variables of the environment begin with that set an input.
pub const ENVIRONMENT_PREFIX: &str = "KUBEPROOF_INPUT_";

/// The values that are given from outside, not yet of any type.
#[derive(Clone, Debug, Default)]
pub struct InputSources {
    set: IndexMap<String, Place>,
    environment: BTreeMap<String, Place>,
    /// The last file that has a name counts.
    values: IndexMap<String, Given>,
}

/// A value of a file, and its place.
type Given = (Node, Place);

impl InputSources {
    /// Collects `--set` arguments (`name=value`), files of `--values` (a map of
    /// names to values; a later file counts over an earlier one), and the
    /// environment, of which variables of other names are ignored.
    ///
    /// # Errors
    /// `--set` without `=` and a file that cannot be read are usage errors, a file
    /// that is no map is invalid.
    pub fn read(
        set: &[String],
        files: &[PathBuf],
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, LoadError> {
        let mut sources = Self::default();
        for argument in set {
            let Some((name, _)) = argument.split_once('=') else {
                return Err(LoadError::Usage(format!(
                    "`--set {argument}` sets nothing: write --set NAME=VALUE"
                )));
            };
            let span = Span::new(name.len() + 1, argument.len());
            let file = SourceFile::new("--set", argument.as_str());
            sources.set.insert(name.to_owned(), Place { file, span });
        }
        for (name, value) in environment {
            let Some(name) = name.to_str() else { continue };
            if name.starts_with(ENVIRONMENT_PREFIX) {
                let file = SourceFile::new(name, value.to_string_lossy());
                let span = Span::new(0, file.text.len());
                let place = Place { file, span };
                sources.environment.insert(name.to_owned(), place);
            }
        }
        for path in files {
            let file = files::read(path)
                .map_err(|error| LoadError::Usage(format!("--values: {error}")))?;
            let entries = entries(&file).map_err(|error| LoadError::Invalid(vec![error]))?;
            sources.values.extend(entries);
        }
        Ok(sources)
    }

    /// The names of `--set`, which some suite must have. A file of values and the
    /// environment may serve other suites too.
    pub fn set_names(&self) -> impl Iterator<Item = &str> {
        self.set.keys().map(String::as_str)
    }

    /// The value of an input; nothing where it has none, or a wrong declaration.
    fn value(
        &self,
        input: &InputSpec,
        suite: &Arc<SourceFile>,
    ) -> Result<Option<Value>, Diagnostic> {
        let Some(kind) = input.kind else {
            return Ok(None);
        };
        let name = &input.name.value;
        let text = |place: &Place| {
            let text = &place.file.text[place.span.range()];
            from_text(kind, text).map_err(|problem| problem.at(name, place.clone()))
        };
        if let Some(place) = self.set.get(name) {
            return text(place).map(Some);
        }
        if let Some(place) = self.environment.get(&variable(name)) {
            return text(place).map(Some);
        }
        if let Some((node, place)) = self.values.get(name) {
            // the line may hold the next input too, which is none of this one's business
            return from_node(kind, node)
                .map(Some)
                .map_err(|problem| problem.at(name, place.clone()).hidden());
        }
        let place = |span| Place {
            file: Arc::clone(suite),
            span,
        };
        if let Some(node) = &input.default {
            return from_node(kind, node).map(Some).map_err(|problem| {
                let diagnostic = problem.at(name, place(node.span));
                unless_secret(kind, diagnostic)
            });
        }
        Err(Diagnostic::new(
            format!("the input `{name}` has no value"),
            place(input.name.span),
        )
        .label("has no default")
        .help(format!(
            "set it: --set {name}=VALUE, or {}, or a file of --values",
            variable(name)
        )))
    }
}

/// The variable of the environment that sets an input.
pub fn variable(name: &str) -> String {
    let name = name.to_uppercase().replace('-', "_");
    format!("{ENVIRONMENT_PREFIX}{name}")
}

/// The values of a suite's inputs, in the order of the file; those that cannot be
/// had are reported and left out.
pub(super) fn resolve(
    inputs: &[InputSpec],
    sources: &InputSources,
    suite: &Arc<SourceFile>,
    diagnostics: &mut Vec<Diagnostic>,
) -> IndexMap<String, Value> {
    let mut values = IndexMap::new();
    for input in inputs {
        match sources.value(input, suite) {
            Ok(Some(value)) => {
                values.insert(input.name.value.clone(), value);
            }
            Ok(None) => {}
            Err(diagnostic) => diagnostics.push(diagnostic),
        }
    }
    // what nobody uses today is wrong all the same
    check_defaults(inputs, suite, diagnostics);
    values
}

/// The defaults of inputs, those that are right; the others are reported.
pub(super) fn check_defaults(
    inputs: &[InputSpec],
    file: &Arc<SourceFile>,
    diagnostics: &mut Vec<Diagnostic>,
) -> IndexMap<String, Value> {
    let mut values = IndexMap::new();
    for input in inputs {
        let (Some(kind), Some(node)) = (input.kind, &input.default) else {
            continue;
        };
        let place = Place {
            file: Arc::clone(file),
            span: node.span,
        };
        match from_node(kind, node) {
            // an empty one says that there is none
            Ok(Value::String(text)) if kind == InputKind::Secret && !text.is_empty() => {
                diagnostics.push(
                    Diagnostic::new(
                        format!("the secret `{}` would stand in the file", input.name.value),
                        place,
                    )
                    .help("a secret has no default but \"\": set it from the environment")
                    .hidden(),
                );
            }
            Ok(value) => {
                values.insert(input.name.value.clone(), value);
            }
            Err(problem) => {
                let diagnostic = problem.at(&input.name.value, place);
                diagnostics.push(unless_secret(kind, diagnostic));
            }
        }
    }
    values
}

/// A secret that is not of its type is a secret all the same.
fn unless_secret(kind: InputKind, diagnostic: Diagnostic) -> Diagnostic {
    match kind {
        InputKind::Secret => diagnostic.hidden(),
        _ => diagnostic,
    }
}

/// The names of those whose values must never be shown.
pub(super) fn secrets(inputs: &[InputSpec]) -> Vec<String> {
    inputs
        .iter()
        .filter(|input| input.kind == Some(InputKind::Secret))
        .map(|input| input.name.value.clone())
        .collect()
}

/// Refuses `--set` of an input that none of the suites has.
pub(super) fn check_set<'a>(
    sources: &InputSources,
    declared: impl Iterator<Item = &'a str>,
) -> Result<(), LoadError> {
    let declared: Vec<_> = declared.collect();
    let Some(unknown) = sources.set_names().find(|name| !declared.contains(name)) else {
        return Ok(());
    };
    let mut known = declared.clone();
    known.sort_unstable();
    known.dedup();
    let hint = match nearest(unknown, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "they have none at all".to_owned(),
        None => format!("they have: {}", known.join(", ")),
    };
    Err(LoadError::Usage(format!(
        "--set {unknown}: none of the selected suites has such an input; {hint}"
    )))
}

/// A value that is not of its input's type.
pub(super) struct Problem {
    expected: String,
    found: String,
    help: Option<String>,
}

impl Problem {
    fn new(kind: InputKind, found: impl Into<String>, help: Option<String>) -> Self {
        Self {
            expected: kind.to_string(),
            found: found.into(),
            help,
        }
    }

    /// Says it of an input, at the place of the value.
    pub(super) fn at(self, name: &str, place: Place) -> Diagnostic {
        Diagnostic::new(
            format!(
                "the input `{name}` takes {}, not {}",
                self.expected, self.found
            ),
            place,
        )
        .maybe_help(self.help)
    }
}

/// A value of the command line or the environment.
fn from_text(kind: InputKind, text: &str) -> Result<Value, Problem> {
    let refuse = |help: Option<&str>| {
        Err(Problem::new(
            kind,
            format!("`{text}`"),
            help.map(str::to_owned),
        ))
    };
    match kind {
        InputKind::String | InputKind::Secret => Ok(text.into()),
        InputKind::Integer => match (text.parse::<i64>(), text.parse::<u64>()) {
            (Ok(number), _) => Ok(number.into()),
            (_, Ok(number)) => Ok(number.into()),
            _ => refuse(None),
        },
        InputKind::Number => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => Ok(number.into()),
            (_, Ok(number)) if number.is_finite() => Ok(number.into()),
            _ => refuse(None),
        },
        InputKind::Boolean => match text {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            _ => refuse(Some("write true or false")),
        },
        InputKind::Duration | InputKind::Quantity | InputKind::Version => checked(kind, text),
        InputKind::List => match yaml::value(text) {
            Ok(value @ Value::Array(_)) => Ok(value),
            _ => refuse(Some("write it as in YAML: [a, b]")),
        },
        InputKind::Map => match yaml::value(text) {
            Ok(value @ Value::Object(_)) => Ok(value),
            _ => refuse(Some("write it as in YAML: {a: 1}")),
        },
    }
}

/// A value of a file.
pub(super) fn from_node(kind: InputKind, node: &Node) -> Result<Value, Problem> {
    from_value(kind, node.to_value())
}

/// A value of any source that has types of its own.
pub(super) fn from_value(kind: InputKind, value: Value) -> Result<Value, Problem> {
    let is_right = match (kind, &value) {
        (InputKind::String | InputKind::Secret, Value::String(_))
        | (InputKind::Number, Value::Number(_))
        | (InputKind::Boolean, Value::Bool(_))
        | (InputKind::List, Value::Array(_))
        | (InputKind::Map, Value::Object(_)) => true,
        (InputKind::Integer, Value::Number(number)) => number.is_i64() || number.is_u64(),
        (InputKind::Duration | InputKind::Quantity | InputKind::Version, Value::String(text)) => {
            return checked(kind, text);
        }
        // 3 is a quantity; as a version, 1.30 has lost its 0 already
        (InputKind::Quantity, Value::Number(number)) => return checked(kind, &number.to_string()),
        _ => false,
    };
    if is_right {
        return Ok(value);
    }
    let help = match (kind, &value) {
        (
            InputKind::String | InputKind::Secret | InputKind::Version,
            Value::Number(_) | Value::Bool(_),
        ) => Some("quote it to make it a string".to_owned()),
        (InputKind::Duration, Value::Number(number)) => Some(format!("write {number}s")),
        _ => None,
    };
    let found = match &value {
        // "an integer, not a number" would leave the reader guessing
        Value::Number(number) if kind == InputKind::Integer => format!("`{number}`"),
        other => describe(other).to_owned(),
    };
    Err(Problem::new(kind, found, help))
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// A text that has a form of its own. It is kept as it is written.
fn checked(kind: InputKind, text: &str) -> Result<Value, Problem> {
    let help = match kind {
        InputKind::Quantity => value::Quantity::parse(text).err().map(|error| error.help),
        InputKind::Version => value::Version::parse(text).err().map(|error| error.help),
        _ => duration::parse(text).err().map(|error| Some(error.help)),
    };
    match help {
        None => Ok(text.into()),
        Some(help) => Err(Problem::new(kind, format!("`{text}`"), help)),
    }
}

/// The entries of a file of values.
fn entries(file: &Arc<SourceFile>) -> Result<Vec<(String, Given)>, Diagnostic> {
    let place = |span| Place {
        file: Arc::clone(file),
        span,
    };
    // secrets are among the values, and which these are only the suites know
    let mut documents = yaml::documents(file).map_err(|error| {
        let diagnostic = Diagnostic::new(error.message, place(error.span)).hidden();
        match error.help {
            // it may quote the value
            Some(help) if !help.contains('`') && !help.contains('"') => diagnostic.help(help),
            _ => diagnostic,
        }
    })?;
    if documents.len() > 1 {
        let second = documents[1].span;
        return Err(Diagnostic::new("a file of values holds one document", place(second)).hidden());
    }
    let Some(document) = documents.pop() else {
        return Ok(Vec::new());
    };
    let NodeKind::Map(entries) = document.kind else {
        return Err(Diagnostic::new(
            format!(
                "a file of values is a map of inputs, not {}",
                document.kind.describe()
            ),
            place(document.span),
        )
        .hidden());
    };
    Ok(entries
        .into_iter()
        .map(|(name, node)| {
            let span = match node.kind {
                NodeKind::Map(_) | NodeKind::List(_) | NodeKind::Null => name.span,
                _ => node.span,
            };
            (name.value, (node, place(span)))
        })
        .collect())
}
