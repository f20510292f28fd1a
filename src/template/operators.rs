//! The operators of templates: comparing, containing, calculating.
//!
//! minijinja orders any two values, by their kind where nothing else is left:
//! `"512Mi" >= "1Gi"` and `"30+" >= 99` are both true to it. Here what has no
//! order is an error, and a typed value is compared with its like only.
//! `rewrite` puts these in the place of minijinja's operators, as filters.
//!
//! In conditions a field that is not set is minijinja's undefined value: every
//! comparison with it is false but `!=`, it equals `none`, and nothing is in it. What is
//! calculated with it is not set either: nobody knows whether it is meant to be 0.

use std::cmp::Ordering;
use std::sync::LazyLock;

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
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
        Operator::Join => "__join",
        Operator::Times => "__times",
        Operator::Divide => "__divide",
        Operator::DivideWhole => "__divide_whole",
        Operator::Remainder => "__remainder",
        Operator::Power => "__power",
        Operator::Negative => "__negative",
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
    for (operator, sign, plain) in &*PLAIN {
        environment.add_filter(
            filter_of(*operator),
            |state: &State, left: Scope, right: Scope| {
                calculate(state, left, right, *operator, sign, plain)
            },
        );
    }
    environment.add_filter(filter_of(Operator::Negative), negative);
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

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    environment.set_fuel(Some(super::environment::FUEL));
    environment
});

fn compile(expression: &str) -> Expression<'static, 'static> {
    ENGINE
        .compile_expression_owned(expression.to_owned())
        .expect("names and a sign are an expression")
}

/// An operator of minijinja's own: its interface does not have them as functions.
type Plain = (Operator, &'static str, Expression<'static, 'static>);

static PLAIN: LazyLock<[Plain; 8]> = LazyLock::new(|| {
    [
        (Operator::Plus, "+"),
        (Operator::Minus, "-"),
        (Operator::Join, "~"),
        (Operator::Times, "*"),
        (Operator::Divide, "/"),
        (Operator::DivideWhole, "//"),
        (Operator::Remainder, "%"),
        (Operator::Power, "**"),
    ]
    .map(|(operator, sign)| (operator, sign, compile(&format!("a {sign} b"))))
});

static MINUS_ONE: LazyLock<Expression<'static, 'static>> = LazyLock::new(|| compile("-a"));

fn calculate(
    state: &State,
    left: Scope,
    right: Scope,
    operator: Operator,
    sign: &str,
    plain: &Expression<'_, '_>,
) -> Result<Scope, Error> {
    refuse_undefined(state, [&left, &right])?;
    let has_nothing = is_nothing(&left) || is_nothing(&right);
    if has_nothing && !is_strict(state) {
        return Ok(Scope::UNDEFINED);
    }
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
    if operator.is_sum() {
        if has_nothing {
            return cannot();
        }
        match (Typed::of(&left), Typed::of(&right)) {
            (None, None) => {}
            (Some(one), Some(other)) => {
                let result = match operator {
                    Operator::Plus => one.plus(&other),
                    _ => one.minus(&other),
                };
                return result.unwrap_or_else(cannot);
            }
            _ => return cannot(),
        }
    }
    let result = plain.eval(Scope::from_pairs([("a", left), ("b", right)]))?;
    charge(state, &result)?;
    Ok(result)
}

fn negative(state: &State, value: Scope) -> Result<Scope, Error> {
    refuse_undefined(state, [&value, &value])?;
    match is_nothing(&value) && !is_strict(state) {
        true => Ok(Scope::UNDEFINED),
        false => MINUS_ONE.eval(Scope::from_pairs([("a", value)])),
    }
}

/// The filters that find an order among the items of a list, and would find one by their kinds
/// where there is none.
const ORDERING: [&str; 3] = ["max", "min", "sort"];

/// Puts filters in the place of minijinja's that refuse what has no order.
pub(super) fn add_ordering_to(environment: &mut Environment<'static>) {
    static PLAIN: LazyLock<[Environment<'static>; 2]> = LazyLock::new(|| {
        [UndefinedBehavior::Chainable, UndefinedBehavior::Strict].map(|behavior| {
            let mut environment = Environment::new();
            environment.set_undefined_behavior(behavior);
            environment.set_fuel(Some(super::environment::FUEL));
            environment
        })
    });
    for name in ORDERING {
        environment.add_filter(
            name,
            move |state: &State, arguments: Rest<ValueOrKwargs>| -> Result<Scope, Error> {
                let arguments = plain(&arguments);
                for keys in keys_of(state, name, &arguments)? {
                    let mut keys = keys.iter().filter(|key| !is_nothing(key));
                    let Some(first) = keys.next() else { continue };
                    if let Some(other) = keys.find(|key| !is_of_one_kind(first, key)) {
                        return Err(incomparable(first, other));
                    }
                }
                let own = &PLAIN[usize::from(is_strict(state))];
                own.empty_state().apply_filter(name, &arguments)
            },
        );
    }
}

fn is_of_one_kind(left: &Scope, right: &Scope) -> bool {
    match (Typed::of(left), Typed::of(right)) {
        (Some(left), Some(right)) => left.filter() == right.filter(),
        // of what only the run will know nothing is said before
        _ if [left, right].iter().any(|value| is_opaque(value)) => true,
        _ => left.kind() == right.kind(),
    }
}

fn is_opaque(value: &Scope) -> bool {
    value.kind() == ValueKind::Plain && Typed::of(value).is_none()
}

/// Arguments to be handed on, those with names too.
pub(super) fn plain(arguments: &[ValueOrKwargs]) -> Vec<Scope> {
    arguments
        .iter()
        .map(|argument| (**argument).clone())
        .collect()
}

/// The items that a filter works on, or the attributes of them by which it does, as lists of one
/// meaning; none where it is not given a list.
pub(super) fn keys_of(
    state: &State,
    filter: &str,
    arguments: &[Scope],
) -> Result<Vec<Vec<Scope>>, Error> {
    let Some((list, options)) = arguments.split_first() else {
        return Ok(Vec::new());
    };
    let is_list = matches!(list.kind(), ValueKind::Seq | ValueKind::Iterable);
    if !is_list {
        return Ok(Vec::new());
    }
    charge(state, list)?;
    let items: Vec<Scope> = list.try_iter()?.collect();
    let named = options.iter().find(|option| option.is_kwargs());
    let attribute = match options.first() {
        Some(first) if filter == "sum" && first.as_str().is_some() => Some(first.clone()),
        _ => named.and_then(|options| options.get_attr("attribute").ok()),
    };
    let Some(attributes) = attribute.as_ref().and_then(|attribute| attribute.as_str()) else {
        return Ok(vec![items]);
    };
    let of_item = |item: &Scope, path: &str| {
        let mut parts = path.split('.');
        let found = parts.try_fold(item.clone(), |value, part| match part.parse::<usize>() {
            Ok(index) => value.get_item_by_index(index),
            Err(_) => value.get_attr(part),
        });
        found.unwrap_or(Scope::UNDEFINED)
    };
    let attributes = attributes.split(',').map(str::trim);
    Ok(attributes
        .map(|path| items.iter().map(|item| of_item(item, path)).collect())
        .collect())
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
