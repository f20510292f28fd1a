//! minijinja, set up: strict, fuelled, with operators and filters of our own.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior};

use super::{Scope, filters, operators};

/// What a render may cost before it is taken for an endless loop. A template of
/// ten thousand items needs some hundred thousand units.
pub(super) const FUEL: u64 = 5_000_000;

/// For scalars of suites: everything that is asked for must be there.
pub(super) static SCALARS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_syntax(
        SyntaxConfig::builder()
            .keep_trailing_newline(true)
            // a `{% if %}` on a line of its own leaves no empty line behind
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .expect("the standard delimiters do not collide"),
    );
    environment.set_formatter(write_scalar);
    operators::add_to(&mut environment);
    filters::add_to(&mut environment);
    environment
});

/// For files that become YAML.
pub(super) static FILES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = SCALARS.clone();
    environment.set_formatter(write_plain_scalar);
    environment
});

/// For conditions: a field that is not set is nothing, at any depth.
pub(super) static CONDITIONS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = SCALARS.clone();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    filters::add_for_conditions(&mut environment);
    environment
});

/// Whether templates have a function or constant of this name without anybody
/// giving it to them, such as `range` and `now`.
pub fn is_builtin(name: &str) -> bool {
    SCALARS.globals().any(|(global, _)| global == name)
}

/// Booleans as YAML writes them, where minijinja writes them as Python does.
fn write_scalar(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Scope) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    match value.kind() {
        ValueKind::Bool => out.write_str(if value.is_true() { "true" } else { "false" })?,
        _ => write!(out, "{value}")?,
    }
    Ok(())
}

/// The formatter of text templates: refuses what could change the YAML around it.
fn write_plain_scalar(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Scope,
) -> Result<(), Error> {
    let refuse = |what: &str| {
        Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("{what} would change the YAML around it: write it with `|tojson`"),
        ))
    };
    match value.kind() {
        ValueKind::Undefined => return Err(ErrorKind::UndefinedError.into()),
        _ if value.is_safe() => {}
        ValueKind::Number | ValueKind::Bool => {}
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            if !is_plain_scalar(text) {
                return refuse(&format!("{text:?}"));
            }
        }
        ValueKind::None => return refuse("a value that is none"),
        _ => {
            let text = value.to_string();
            // an object that stands for its name, such as a node
            if value.as_object().is_none() || !is_plain_scalar(&text) {
                return refuse(&format!("a {}", value.kind()));
            }
        }
    }
    write_scalar(out, state, value)
}

/// Whether text can stand unquoted in YAML, in flow collections too, and quoted
/// as well, without ending what it stands in.
fn is_plain_scalar(text: &str) -> bool {
    let breaks_anywhere =
        |c: char| c.is_control() || "\"'\\{}[],`#&*!|>%@\u{feff}\u{2028}\u{2029}".contains(c);
    !text.contains(breaks_anywhere)
        && !text.contains(": ")
        && !text.ends_with(':')
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && !text.starts_with("- ")
        && !text.starts_with("? ")
        && !text.starts_with("---")
        && text != "-"
}
