//! Quantities, durations, versions and times as values of templates.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use minijinja::Error;
use minijinja::value::{DynObject, Object, ObjectRepr};

use super::Scope;
use super::error::engine_error;
use crate::value::{Duration, Quantity, Time, ValueError, Version};

/// Implements a type as an object that renders as its text, is compared with its
/// like only, and has these attributes.
macro_rules! typed_object {
    ($type:ty $(, $attribute:literal => $value:expr)*) => {
        impl Object for $type {
            fn repr(self: &Arc<Self>) -> ObjectRepr {
                ObjectRepr::Plain
            }

            fn get_value(self: &Arc<Self>, key: &Scope) -> Option<Scope> {
                match key.as_str()? {
                    $($attribute => {
                        let value: fn(&$type) -> Scope = $value;
                        Some(value(self))
                    })*
                    _ => None,
                }
            }

            fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
                other.downcast_ref::<Self>().map(|other| (**self).cmp(other))
            }

            fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

typed_object!(Quantity);
typed_object!(Time);
typed_object!(Duration, "seconds" => |duration| duration.seconds().into());
typed_object!(
    Version,
    "major" => |version| version.major().into(),
    "minor" => |version| version.minor().into(),
    "patch" => |version| version.patch().into(),
    "prerelease" => |version| version.prerelease().into(),
    "build" => |version| version.build().into()
);

/// A value that is one of ours.
pub(super) enum Typed<'a> {
    Quantity(&'a Quantity),
    Duration(&'a Duration),
    Version(&'a Version),
    Time(&'a Time),
}

impl<'a> Typed<'a> {
    pub fn of(value: &'a Scope) -> Option<Self> {
        let object = value.as_object()?;
        None.or_else(|| object.downcast_ref().map(Self::Quantity))
            .or_else(|| object.downcast_ref().map(Self::Duration))
            .or_else(|| object.downcast_ref().map(Self::Version))
            .or_else(|| object.downcast_ref().map(Self::Time))
    }

    /// The filter that makes such a value.
    pub fn filter(&self) -> &'static str {
        match self {
            Self::Quantity(_) => "quantity",
            Self::Duration(_) => "duration",
            Self::Version(_) => "version",
            Self::Time(_) => "time",
        }
    }

    /// The order of two of the same type.
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Quantity(left), Self::Quantity(right)) => Some(left.cmp(right)),
            (Self::Duration(left), Self::Duration(right)) => Some(left.cmp(right)),
            (Self::Version(left), Self::Version(right)) => Some(left.cmp(right)),
            (Self::Time(left), Self::Time(right)) => Some(left.cmp(right)),
            _ => None,
        }
    }

    /// The sum, where these can be added.
    pub fn plus(&self, other: &Self) -> Option<Result<Scope, Error>> {
        Some(match (self, other) {
            (Self::Quantity(left), Self::Quantity(right)) => result(left.plus(right)),
            (Self::Duration(left), Self::Duration(right)) => result(left.plus(right)),
            (Self::Time(time), Self::Duration(duration))
            | (Self::Duration(duration), Self::Time(time)) => result(duration.after(time)),
            _ => return None,
        })
    }

    /// The difference, where these can be subtracted.
    pub fn minus(&self, other: &Self) -> Option<Result<Scope, Error>> {
        Some(match (self, other) {
            (Self::Quantity(left), Self::Quantity(right)) => result(left.minus(right)),
            (Self::Duration(left), Self::Duration(right)) => result(left.minus(right)),
            (Self::Time(late), Self::Time(early)) => Ok(Scope::from_object(late.since(early))),
            (Self::Time(time), Self::Duration(duration)) => result(duration.before(time)),
            _ => return None,
        })
    }
}

fn result<T: Object + 'static>(value: Result<T, ValueError>) -> Result<Scope, Error> {
    value.map(Scope::from_object).map_err(engine_error)
}
