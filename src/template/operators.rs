//! The operators of templates: comparing, containing, adding.
//!
//! minijinja orders any two values, by their kind where nothing else is left:
//! `"512Mi" >= "1Gi"` and `"30+" >= 99` are both true to it. Here what has no
//! order is an error, and a typed value is compared with its like only.
//! `rewrite` puts these in the place of minijinja's operators, as filters.
//!
//! In conditions a field that is not set is minijinja's undefined value: every
//! comparison with it is false but `!=`, it equals `none`, and nothing is in it.

use std::cmp::Ordering;
use std::sync::LazyLock;

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Expression, State, UndefinedBehavior};

use super::Scope;
use super::error::engine_error;
use super::syntax::Operator;
use super::typed::Typed;
use crate::value::ValueError;

/// The filter that an operator becomes; no name that anybody would use.
pub(super) fn filter_of(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "__equal",
        Operator::NotEqual => "__not_equal",
        Operator::Less => "__less",
        Operator::AtMost => "__at_most",
        Operator::Greater => "__greater",
        Operator::AtLeast => "__at_least",
        Operator::In => "__in",
        Operator::NotIn => "__not_in",
        Operator::Plus => "__plus",
        Operator::Minus => "__minus",
    }
}

/// Adds the operators to an environment, and puts them in the place of the tests
/// that do the same, which `select` and `selectattr` take by name.
pub(super) fn add_to(environment: &mut Environment<'static>) {
    type Order = (Operator, &'static [&'static str], fn(Ordering) -> bool);
    let orders: [Order; 4] = [
        (Operator::Less, &["lt", "lessthan", "<"], Ordering::is_lt),
        (Operator::AtMost, &["le", "<="], Ordering::is_le),
        (
            Operator::Greater,
            &["gt", "greaterthan", ">"],
            Ordering::is_gt,
        ),
        (Operator::AtLeast, &["ge", ">="], Ordering::is_ge),
    ];
    for (operator, tests, holds) in orders {
        let compare = move |state: &State, left: &Scope, right: &Scope| -> Result<bool, Error> {
            Ok(order(state, left, right)?.is_some_and(holds))
        };
        environment.add_filter(filter_of(operator), compare);
        for test in tests {
            environment.add_test(*test, compare);
        }
    }
    environment.add_filter(filter_of(Operator::Equal), equal);
    environment.add_filter(filter_of(Operator::NotEqual), not_equal);
    for test in ["eq", "equalto", "=="] {
        environment.add_test(test, equal);
    }
    for test in ["ne", "!="] {
        environment.add_test(test, not_equal);
    }
    environment.add_filter(filter_of(Operator::In), contained);
    environment.add_filter(
        filter_of(Operator::NotIn),
        |state: &mut State, item: Scope, container: Scope| {
            contained(state, item, container).map(|is_in| !is_in)
        },
    );
    environment.add_filter(filter_of(Operator::Plus), plus);
    environment.add_filter(filter_of(Operator::Minus), minus);
}

/// Whether unset fields are an error here: in templates, not in conditions.
fn is_strict(state: &State) -> bool {
    matches!(state.undefined_behavior(), UndefinedBehavior::Strict)
}

/// Strict templates answer nothing about what is not set.
fn refuse_undefined(state: &State, values: [&Scope; 2]) -> Result<(), Error> {
    if is_strict(state) && values.iter().any(|value| value.is_undefined()) {
        return Err(ErrorKind::UndefinedError.into());
    }
    Ok(())
}

pub(super) fn is_nothing(value: &Scope) -> bool {
    value.is_none() || value.is_undefined()
}

/// The order of two values; nothing where a condition compares with nothing.
fn order(state: &State, left: &Scope, right: &Scope) -> Result<Option<Ordering>, Error> {
    refuse_undefined(state, [left, right])?;
    if !is_strict(state) && (is_nothing(left) || is_nothing(right)) {
        return Ok(None);
    }
    charge(state, left)?;
    strict_order(left, right).map(Some)
}

fn strict_order(left: &Scope, right: &Scope) -> Result<Ordering, Error> {
    match (Typed::of(left), Typed::of(right)) {
        (Some(left_typed), Some(right_typed)) => {
            return left_typed
                .order(&right_typed)
                .ok_or_else(|| incomparable(left, right));
        }
        (None, None) => {}
        _ => return Err(incomparable(left, right)),
    }
    match (left.kind(), right.kind()) {
        (ValueKind::Number, ValueKind::Number) | (ValueKind::String, ValueKind::String) => {
            Ok(left.cmp(right))
        }
        (ValueKind::Seq, ValueKind::Seq) => {
            let (mut left_items, mut right_items) = (left.try_iter()?, right.try_iter()?);
            loop {
                return match (left_items.next(), right_items.next()) {
                    (Some(left), Some(right)) => match strict_order(&left, &right)? {
                        Ordering::Equal => continue,
                        order => Ok(order),
                    },
                    (left, right) => Ok(left.is_some().cmp(&right.is_some())),
                };
            }
        }
        _ => Err(incomparable(left, right)),
    }
}

fn equal(state: &State, left: &Scope, right: &Scope) -> Result<bool, Error> {
    refuse_undefined(state, [left, right])?;
    if is_nothing(left) || is_nothing(right) {
        // two fields that are not set say nothing of each other
        let both_unset = left.is_undefined() && right.is_undefined();
        return Ok(is_nothing(left) && is_nothing(right) && !both_unset);
    }
    let is_scalar = |value: &Scope| {
        matches!(
            value.kind(),
            ValueKind::String | ValueKind::Number | ValueKind::Bool
        )
    };
    let untyped = match (Typed::of(left), Typed::of(right)) {
        (Some(left_typed), Some(right_typed)) => left_typed.order(&right_typed).is_none(),
        (Some(_), None) => is_scalar(right),
        (None, Some(_)) => is_scalar(left),
        (None, None) => false,
    };
    if untyped {
        // never equal, which nobody who typed one side can have meant
        return Err(incomparable(left, right));
    }
    charge(state, left)?;
    Ok(left == right)
}

fn not_equal(state: &State, left: &Scope, right: &Scope) -> Result<bool, Error> {
    equal(state, left, right).map(|equal| !equal)
}

fn contained(state: &mut State, item: Scope, container: Scope) -> Result<bool, Error> {
    refuse_undefined(state, [&item, &container])?;
    if !is_strict(state) && (is_nothing(&container) || item.is_undefined()) {
        return Ok(false);
    }
    state.perform_test("in", &[item, container])
}

/// minijinja's own `+` and `-`, which its interface does not have as functions.
struct PlainOperators {
    plus: Expression<'static, 'static>,
    minus: Expression<'static, 'static>,
}

static PLAIN: LazyLock<PlainOperators> = LazyLock::new(|| {
    static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
        let mut environment = Environment::empty();
        environment.set_fuel(Some(super::environment::FUEL));
        environment
    });
    let compile = |expression| {
        ENVIRONMENT
            .compile_expression(expression)
            .expect("two names and a sign are an expression")
    };
    PlainOperators {
        plus: compile("a + b"),
        minus: compile("a - b"),
    }
});

fn plus(state: &State, left: Scope, right: Scope) -> Result<Scope, Error> {
    sum(state, left, right, "+", &PLAIN.plus, |left, right| {
        left.plus(right)
    })
}

fn minus(state: &State, left: Scope, right: Scope) -> Result<Scope, Error> {
    sum(state, left, right, "-", &PLAIN.minus, |left, right| {
        left.minus(right)
    })
}

fn sum(
    state: &State,
    left: Scope,
    right: Scope,
    sign: &str,
    plain: &Expression<'_, '_>,
    typed: impl Fn(&Typed<'_>, &Typed<'_>) -> Option<Result<Scope, Error>>,
) -> Result<Scope, Error> {
    refuse_undefined(state, [&left, &right])?;
    let cannot = || {
        Err(engine_error(ValueError {
            message: format!(
                "{} {sign} {} cannot be calculated",
                describe(&left),
                describe(&right)
            ),
            help: is_nothing(&left)
                .then(|| "give what is not set a value: `x | default(0)`".to_owned()),
        }))
    };
    if is_nothing(&left) || is_nothing(&right) {
        return cannot();
    }
    match (Typed::of(&left), Typed::of(&right)) {
        (None, None) => {
            let result = plain.eval(Scope::from_pairs([("a", left), ("b", right)]))?;
            charge(state, &result)?;
            Ok(result)
        }
        (Some(left_typed), Some(right_typed)) => match typed(&left_typed, &right_typed) {
            Some(result) => result,
            None => cannot(),
        },
        _ => cannot(),
    }
}

/// Work on long values costs, so that a loop of it ends.
pub(super) fn charge(state: &State, value: &Scope) -> Result<(), Error> {
    let length = value.as_str().map(str::len).or_else(|| value.len());
    state.consume_fuel(u64::try_from(length.unwrap_or(1)).unwrap_or(u64::MAX))
}

fn incomparable(left: &Scope, right: &Scope) -> Error {
    let filter = Typed::of(left)
        .or_else(|| Typed::of(right))
        .map(|typed| typed.filter());
    let help = match filter {
        Some(filter) => format!("put `| {filter}` behind the other value too"),
        None => "give both a type: `x | quantity >= '1Gi' | quantity`; there are quantity, \
                 duration, version and time, and `| int` for numbers"
            .to_owned(),
    };
    engine_error(ValueError {
        message: format!("cannot compare {} with {}", describe(left), describe(right)),
        help: Some(help),
    })
}

/// A value in a message: what it is and, where that is short, itself.
fn describe(value: &Scope) -> String {
    const LONGEST: usize = 60;
    if let Some(typed) = Typed::of(value) {
        return format!("the {} {value}", typed.filter());
    }
    match value.kind() {
        ValueKind::Undefined => "what is not set".to_owned(),
        ValueKind::None => "none".to_owned(),
        ValueKind::Bool => format!("the boolean {}", value.is_true()),
        ValueKind::Number => format!("the number {value}"),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            let start: String = text.chars().take(LONGEST).collect();
            let more = if start.len() < text.len() { "…" } else { "" };
            format!("the string {:?}", format!("{start}{more}"))
        }
        ValueKind::Seq | ValueKind::Iterable => "a list".to_owned(),
        ValueKind::Map => "a map".to_owned(),
        _ => "a value without an order".to_owned(),
    }
}
