//! The operators of patterns, by name.

/// What a key with `$` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Any,
    Each,
    None,
    Absent,
    Matches,
    Contains,
    AtLeast,
    MoreThan,
    AtMost,
    LessThan,
    Not,
    In,
}

/// All of them with their names.
pub(super) const OPERATORS: [(&str, Operator); 12] = [
    ("$any", Operator::Any),
    ("$each", Operator::Each),
    ("$none", Operator::None),
    ("$absent", Operator::Absent),
    ("$matches", Operator::Matches),
    ("$contains", Operator::Contains),
    ("$gte", Operator::AtLeast),
    ("$gt", Operator::MoreThan),
    ("$lte", Operator::AtMost),
    ("$lt", Operator::LessThan),
    ("$not", Operator::Not),
    ("$in", Operator::In),
];

impl Operator {
    /// The operator of this name.
    pub fn named(name: &str) -> Option<Self> {
        OPERATORS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, operator)| *operator)
    }

    /// The words of a bound: "at least".
    pub fn bound(self) -> Option<&'static str> {
        match self {
            Self::AtLeast => Some("at least"),
            Self::MoreThan => Some("more than"),
            Self::AtMost => Some("at most"),
            Self::LessThan => Some("less than"),
            _ => None,
        }
    }
}

/// What other languages call otherwise, and how it is said here.
const OTHERS: [(&str, &str); 15] = [
    ("$eq", "write the value itself"),
    ("$ne", "write {$not: …}"),
    ("$nin", "write {$not: {$in: […]}}"),
    (
        "$all",
        "write {$each: …} for every element, {$contains: [a, b]} for some elements",
    ),
    ("$every", "write {$each: …}"),
    ("$some", "write {$any: …}"),
    ("$exists", "write {$absent: false}, or {$absent: true}"),
    ("$present", "write {$absent: false}"),
    ("$regex", "write {$matches: …}"),
    (
        "$match",
        "write {$matches: …} for a regular expression; a map matches in part by itself",
    ),
    ("$or", "write {$in: [a, b]}"),
    ("$and", "all operators of one map hold together"),
    (
        "$size",
        "how many there are says `that`: object.spec.list | length == 2",
    ),
    (
        "$length",
        "how many there are says `that`: object.spec.list | length == 2",
    ),
    (
        "$count",
        "how many there are says `that`: object.spec.list | length == 2",
    ),
];

/// How it is said what another language calls so.
pub(super) fn called_otherwise(name: &str) -> Option<&'static str> {
    OTHERS
        .iter()
        .find(|(other, _)| *other == name)
        .map(|(_, here)| *here)
}

/// The operator names nearest to one that is none.
pub(super) fn near_miss(name: &str) -> Option<&'static str> {
    OPERATORS
        .iter()
        .map(|(known, _)| (strsim::damerau_levenshtein(known, name), *known))
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, known)| known)
}
