//! What conditions make of what is not set, where minijinja would give up.
//!
//! A field that comes later must not end a wait: a filter, a function or a method makes nothing
//! of nothing, whether it is what they work on or an argument, and a test of nothing does not
//! hold. The same goes for operators (`operators`), and so for what adds up the items of a list,
//! or finds the most of them: what one of them is not, the whole is not.

use std::sync::LazyLock;

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State, UndefinedBehavior};

use super::Scope;
use super::environment::{SCALARS, method};
use super::operators::{charge, is_nothing, keys_of, plain};

/// minijinja's own, to be called by ours of the same name.
static PLAIN: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = SCALARS.clone();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment
});

/// minijinja's filters that may refuse nothing. (`default` and the like answer it, `map` and
/// `select` take it for an empty list.)
const FILTERS: [&str; 26] = [
    "attr",
    "batch",
    "chain",
    "dictsort",
    "e",
    "escape",
    "first",
    "format",
    "groupby",
    "indent",
    "items",
    "join",
    "last",
    "lines",
    "max",
    "min",
    "pprint",
    "reverse",
    "safe",
    "slice",
    "sort",
    "sum",
    "tojson",
    "unique",
    "urlencode",
    "zip",
];

/// Those that make one value of all items. minijinja passes over an item that is not set, or
/// takes it for the least.
const OF_ALL_ITEMS: [&str; 4] = ["join", "max", "min", "sum"];

/// The tests that compare texts: to minijinja every text starts with nothing.
const TESTS: [&str; 3] = ["containing", "endingwith", "startingwith"];

/// Puts them in the place of minijinja's own.
pub(super) fn add_to(environment: &mut Environment<'static>) {
    let mut state = PLAIN.empty_state();
    for name in FILTERS {
        let is_there = state.perform_test("filter", &[name.into()]);
        if !matches!(is_there, Ok(true)) {
            continue;
        }
        environment.add_filter(
            name,
            move |state: &State, arguments: Rest<ValueOrKwargs>| -> Result<Scope, Error> {
                let arguments = plain(&arguments);
                arguments
                    .first()
                    .map_or(Ok(()), |value| charge(state, value))?;
                if OF_ALL_ITEMS.contains(&name) {
                    let keys = keys_of(state, name, &arguments)?;
                    if keys.iter().flatten().any(is_nothing) {
                        return Ok(Scope::UNDEFINED);
                    }
                }
                let result = PLAIN.empty_state().apply_filter(name, &arguments);
                match result {
                    Err(_) if arguments.iter().any(is_nothing) => Ok(Scope::UNDEFINED),
                    result => result,
                }
            },
        );
    }
    for name in TESTS {
        environment.add_test(name, move |arguments: Rest<Scope>| -> Result<bool, Error> {
            if arguments.iter().any(is_nothing) {
                return Ok(false);
            }
            PLAIN.empty_state().perform_test(name, &arguments)
        });
    }
    if let Some((_, range)) = SCALARS.globals().find(|(name, _)| *name == "range") {
        environment.add_function(
            "range",
            move |arguments: Rest<Scope>| -> Result<Scope, Error> {
                if arguments.iter().any(is_nothing) {
                    return Ok(Scope::UNDEFINED);
                }
                range.call(&mut PLAIN.empty_state(), &arguments)
            },
        );
    }
    environment.set_unknown_method_callback(|state, value, name, arguments| {
        if is_nothing(value) || arguments.iter().any(Scope::is_undefined) {
            return Ok(Scope::UNDEFINED);
        }
        method(state, value, name, arguments)
    });
}
