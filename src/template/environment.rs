//! minijinja, set up: strict, fuelled, with operators and filters of our own, and the methods
//! of Python's texts, lists and maps.

use std::sync::LazyLock;

use minijinja::syntax::{SyntaxConfig, SyntaxConfigBuilder};
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use minijinja_contrib::pycompat;

use super::{Scope, filters, operators, unset};

/// A text with blocks, compiled.
pub(super) type Compiled = minijinja::Template<'static, 'static>;

/// A bare expression, compiled.
pub(super) type Expression = minijinja::Expression<'static, 'static>;

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
        syntax()
            // `${#x}` is a shell's, and YAML has comments of its own. minijinja wants
            // delimiters all the same: a NUL is in no argument of a program.
            .comment_delimiters("\0{#", "#}\0")
            .build()
            .expect("these delimiters do not collide"),
    );
    environment.set_loader(compiled_text);
    environment.set_formatter(write_scalar);
    environment.set_unknown_method_callback(method);
    operators::add_to(&mut environment);
    operators::add_ordering_to(&mut environment);
    filters::add_to(&mut environment);
    environment
});

/// For files that become YAML.
pub(super) static FILES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = SCALARS.clone();
    environment.set_syntax(
        syntax()
            .build()
            .expect("the standard delimiters do not collide"),
    );
    environment.set_formatter(write_plain_scalar);
    environment
});

/// For conditions: a field that is not set is nothing, at any depth.
pub(super) static CONDITIONS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = SCALARS.clone();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    filters::add_for_conditions(&mut environment);
    unset::add_to(&mut environment);
    environment
});

/// Where a newline stays and where it goes: a line that holds blocks alone leaves nothing
/// behind. (`rewrite` keeps minijinja from doing the same to any other line.)
fn syntax() -> SyntaxConfigBuilder {
    let mut syntax = SyntaxConfig::builder();
    syntax
        .keep_trailing_newline(true)
        .trim_blocks(true)
        .lstrip_blocks(true);
    syntax
}

/// What the names of compiled texts begin with; the rest of a name is the text. No `include`
/// can mean one by mistake.
const TEXT: &str = "\0text:";

#[expect(clippy::unnecessary_wraps, reason = "minijinja's loaders may fail")]
fn compiled_text(name: &str) -> Result<Option<String>, Error> {
    Ok(name.strip_prefix(TEXT).map(str::to_owned))
}

/// Compiles a text once: the environment keeps what it has compiled, as long as the program
/// runs, since nothing else can own it.
pub(super) fn compile(
    environment: &'static Environment<'static>,
    text: &str,
) -> Result<Compiled, Error> {
    environment.get_template(&format!("{TEXT}{text}"))
}

/// The methods that there are, as people know them from Python: `text.startswith('a')`,
/// `map.items()`.
pub(super) fn method(
    state: &mut State<'_, '_>,
    value: &Scope,
    name: &str,
    arguments: &[Scope],
) -> Result<Scope, Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    pycompat::unknown_method_callback(state, value, name, arguments)
}

/// Whether a text, a list or a map has a method of this name.
pub(super) fn is_method(name: &str) -> bool {
    let mut state = SCALARS.empty_state();
    let map = Scope::from_pairs([("a", 1)]);
    [Scope::from("a"), Scope::from(vec![1]), map]
        .iter()
        .any(|value| {
            let called = pycompat::unknown_method_callback(&mut state, value, name, &[]);
            !matches!(called, Err(error) if error.kind() == ErrorKind::UnknownMethod)
        })
}

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
