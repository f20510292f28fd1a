//! The filters and tests beside minijinja's own, and `now()`.
//!
//! In conditions each of them makes nothing of what is not set. `lines` is
//! minijinja's.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use minijinja::value::{Object, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior};
use regex::Regex;

use super::Scope;
use super::environment::SCALARS;
use super::error::engine_error;
use super::operators::plain;
use super::scope::scope_value;
use super::typed::Typed;
use crate::value::{Duration, Quantity, Time, ValueError, Version};

/// The function that gives the time.
pub const NOW: &str = "now";

/// `now()` by another clock than that of this machine, for a scope.
pub fn clock(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Scope {
    Scope::from_function(move || Scope::from_object(Time::from(now())))
}

/// The names of all that are known, minijinja's too: for near misses.
pub(super) const KNOWN_FILTERS: [&str; 56] = [
    "abs",
    "attr",
    "b64decode",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "duration",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "fromjson",
    "fromyaml",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "quantity",
    "regex",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "shellquote",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "time",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "version",
];

/// Adds the filters to an environment.
pub(super) fn add_to(environment: &mut Environment<'static>) {
    add_typed(environment, "quantity", Quantity::parse);
    add_typed(environment, "duration", Duration::parse);
    add_typed(environment, "version", Version::parse);
    add_typed(environment, "time", Time::parse);
    add_text(environment, "fromjson", from_json);
    add_text(environment, "fromyaml", from_yaml);
    add_text(environment, "b64decode", b64_decode);
    environment.add_filter("regex", regex);
    environment.add_filter("shellquote", shell_quote);
    environment.add_test("containing", |text: &str, part: &str| text.contains(part));
    environment.add_function(NOW, || Scope::from_object(Time::now()));
}

/// minijinja's filters that make one value of one: of nothing they make nothing.
const OF_ONE_VALUE: [&str; 12] = [
    "abs",
    "capitalize",
    "float",
    "int",
    "lower",
    "replace",
    "round",
    "split",
    "string",
    "title",
    "trim",
    "upper",
];

/// What conditions answer of a field that is not set, where minijinja would not.
pub(super) fn add_for_conditions(environment: &mut Environment<'static>) {
    // the API leaves empty lists and maps out, so what is not set is empty
    for name in ["length", "count"] {
        environment.add_filter(name, |value: Scope| match value.kind() {
            ValueKind::None | ValueKind::Undefined => Ok(0),
            _ => value.len().ok_or_else(|| {
                engine_error(ValueError {
                    message: format!("a {} has no length", value.kind()),
                    help: None,
                })
            }),
        });
    }
    // to minijinja `int` of nothing is 0, which then is less than 3
    for name in OF_ONE_VALUE {
        environment.add_filter(
            name,
            move |value: Scope, arguments: Rest<ValueOrKwargs>| -> Result<Scope, Error> {
                if value.is_undefined() || value.is_none() {
                    return Ok(Scope::UNDEFINED);
                }
                let mut all = vec![value];
                all.extend(plain(&arguments));
                SCALARS.empty_state().apply_filter(name, &all)
            },
        );
    }
    environment.add_test("none", |value: Scope| {
        value.is_none() || value.is_undefined()
    });
}

/// The value to work on; none where a condition asks of nothing.
fn given(state: &State, value: Scope) -> Result<Option<Scope>, Error> {
    let is_strict = matches!(state.undefined_behavior(), UndefinedBehavior::Strict);
    match value.kind() {
        ValueKind::Undefined if is_strict => Err(ErrorKind::UndefinedError.into()),
        ValueKind::Undefined | ValueKind::None if !is_strict => Ok(None),
        _ => Ok(Some(value)),
    }
}

fn add_typed<T: Object + 'static>(
    environment: &mut Environment<'static>,
    name: &'static str,
    parse: fn(&str) -> Result<T, ValueError>,
) {
    environment.add_filter(
        name,
        move |state: &State, value: Scope| -> Result<Scope, Error> {
            let Some(value) = given(state, value)? else {
                return Ok(Scope::UNDEFINED);
            };
            let text = match (value.kind(), Typed::of(&value)) {
                (ValueKind::String, _) => value.to_string(),
                (_, Some(typed)) if typed.filter() == name => return Ok(value),
                // `1` and `0.5` in YAML are numbers; `1.30` is 1.3, so never a version
                (ValueKind::Number, _) if name == "quantity" => value.to_string(),
                (kind, _) => return Err(not_text(name, kind)),
            };
            parse(text.trim())
                .map(Scope::from_object)
                .map_err(engine_error)
        },
    );
}

fn add_text(
    environment: &mut Environment<'static>,
    name: &'static str,
    read: fn(&str) -> Result<Scope, ValueError>,
) {
    environment.add_filter(
        name,
        move |state: &State, value: Scope| -> Result<Scope, Error> {
            let Some(value) = given(state, value)? else {
                return Ok(Scope::UNDEFINED);
            };
            let text = value.as_str().ok_or_else(|| not_text(name, value.kind()))?;
            // reading is work on every byte
            state.consume_fuel(u64::try_from(text.len()).unwrap_or(u64::MAX))?;
            read(text).map_err(engine_error)
        },
    );
}

fn not_text(filter: &str, kind: ValueKind) -> Error {
    engine_error(ValueError {
        message: format!("`| {filter}` reads text, and this is a {kind}"),
        help: (filter == "duration" && kind == ValueKind::Number)
            .then(|| "give it a unit: `(x ~ 's') | duration`".to_owned()),
    })
}

fn problem(message: String) -> ValueError {
    ValueError {
        message,
        help: None,
    }
}

fn from_json(text: &str) -> Result<Scope, ValueError> {
    serde_json::from_str(text)
        .map(|value| scope_value(&value))
        .map_err(|error| problem(format!("`| fromjson`: {error}")))
}

fn from_yaml(text: &str) -> Result<Scope, ValueError> {
    crate::yaml::value(text)
        .map(|value| scope_value(&value))
        .map_err(|error| problem(format!("`| fromyaml`: {error}")))
}

/// Padding and line breaks as they come; only text can be gone on with.
fn b64_decode(text: &str) -> Result<Scope, ValueError> {
    let compact: String = text.split_ascii_whitespace().collect();
    let bytes = BASE64_STANDARD
        .decode(&compact)
        .map_err(|error| problem(format!("`| b64decode`: {error}")))?;
    String::from_utf8(bytes)
        .map(Scope::from)
        .map_err(|_| problem("`| b64decode`: what comes out is not text".to_owned()))
}

/// The first match: the text where the pattern has no groups, a map where it has
/// named ones, else a list of its groups (none for one that took no part). None
/// where nothing matches.
fn regex(state: &State, value: Scope, pattern: &str) -> Result<Scope, Error> {
    let Some(value) = given(state, value)? else {
        return Ok(Scope::UNDEFINED);
    };
    let text = value
        .as_str()
        .ok_or_else(|| not_text("regex", value.kind()))?;
    state.consume_fuel(u64::try_from(text.len() + pattern.len()).unwrap_or(u64::MAX))?;
    let pattern = Regex::new(pattern)
        .map_err(|error| engine_error(problem(format!("`| regex`: {error}"))))?;
    let Some(captures) = pattern.captures(text) else {
        return Ok(Scope::from(()));
    };
    let group = |index: usize| captures.get(index).map(|found| found.as_str());
    if pattern.captures_len() == 1 {
        return Ok(group(0).into());
    }
    let names: Vec<_> = pattern
        .capture_names()
        .enumerate()
        .filter_map(|(index, name)| Some((name?, group(index))))
        .collect();
    Ok(if names.is_empty() {
        (1..captures.len()).map(group).collect()
    } else {
        Scope::from_pairs(names)
    })
}

/// One word for `sh`, or several where the value is a list.
fn shell_quote(state: &State, value: Scope) -> Result<Scope, Error> {
    let Some(value) = given(state, value)? else {
        return Ok(Scope::UNDEFINED);
    };
    let words: Vec<Scope> = match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => value.try_iter()?.collect(),
        _ => vec![value],
    };
    let quoted = words.iter().map(quoted).collect::<Result<Vec<_>, _>>()?;
    Ok(quoted.join(" ").into())
}

fn quoted(word: &Scope) -> Result<String, Error> {
    let text = match word.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Plain => word.to_string(),
        ValueKind::Bool => word.is_true().to_string(),
        _ if word.downcast_object_ref::<super::Named>().is_some() => word.to_string(),
        kind => return Err(not_text("shellquote", kind)),
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if text.contains('\0') {
        Err(engine_error(problem(
            "`| shellquote`: no word can hold a NUL".to_owned(),
        )))
    } else if !text.is_empty() && text.chars().all(is_plain) {
        Ok(text)
    } else {
        Ok(format!("'{}'", text.replace('\'', r"'\''")))
    }
}
