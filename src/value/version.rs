//! Versions of clusters and programs: `v1.34.4+rke2r1`, `1.30`, `2.0.0-rc.1`.
//!
//! Ordered as semantic versions are, with two liberties that real clusters ask
//! for: parts may be missing, and what a vendor hangs on with a hyphen
//! (`v1.30.2-eks-1234567`, `-gke.100`, `-k3s1`) is a build, not a release
//! candidate. Only the words that announce one (`alpha`, `beta`, `rc` and the
//! like) and bare numbers come before the release.

use std::cmp::Ordering;
use std::fmt;

use super::ValueError;

const HELP: &str = "a version is written like 1.34, v1.34.4, 1.35.0-rc.1 or v1.34.4+rke2r1";
const REQUIREMENT_HELP: &str = "a requirement is written like >=1.30, <1.36 or =1.34";
const ANNOUNCING: [&str; 10] = [
    "alpha", "beta", "rc", "pre", "preview", "dev", "snapshot", "nightly", "canary", "m",
];

/// A version. Missing parts are zero in comparisons; the build counts in none.
#[derive(Clone, Debug)]
pub struct Version {
    parts: Vec<u64>,
    before_release: Vec<String>,
    build: String,
    text: String,
}

impl Version {
    /// Reads a version: an optional `v`, one to four numbers with dots between
    /// them, and what hangs on with `-` or `+`.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        Self::read(text).ok_or_else(|| ValueError::not(text, "a version", HELP))
    }

    fn read(text: &str) -> Option<Self> {
        let bare = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let end = bare.find(['-', '+']).unwrap_or(bare.len());
        let (numbers, suffix) = bare.split_at(end);
        let parts = numbers
            .split('.')
            .map(|part| part.parse().ok().filter(|_| !part.starts_with('+')))
            .collect::<Option<Vec<u64>>>()?;
        if parts.len() > 4 {
            return None;
        }
        let (hyphened, plussed) = match suffix.split_once('+') {
            Some((hyphened, plussed)) => (hyphened, Some(plussed)),
            None => (suffix, None),
        };
        let hyphened = hyphened.strip_prefix('-');
        let is_word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte))
        };
        if !hyphened.into_iter().chain(plussed).all(is_word) {
            return None;
        }
        let announced = hyphened.filter(|word| announces_a_release(word));
        let vendor = hyphened.filter(|word| !announces_a_release(word));
        Some(Self {
            parts,
            before_release: announced
                .map(|word| word.split('.').map(str::to_owned).collect())
                .unwrap_or_default(),
            build: vendor.or(plussed).unwrap_or_default().to_owned(),
            text: text.to_owned(),
        })
    }

    /// The first number.
    pub fn major(&self) -> u64 {
        self.part(0)
    }

    /// The second number, or 0.
    pub fn minor(&self) -> u64 {
        self.part(1)
    }

    /// The third number, or 0.
    pub fn patch(&self) -> u64 {
        self.part(2)
    }

    /// What comes before the release, such as `rc.1`; empty for a release.
    pub fn prerelease(&self) -> String {
        self.before_release.join(".")
    }

    /// What a vendor hung on, such as `rke2r1`; may be empty.
    pub fn build(&self) -> &str {
        &self.build
    }

    fn part(&self, index: usize) -> u64 {
        self.parts.get(index).copied().unwrap_or(0)
    }

    fn numbers(&self) -> [u64; 4] {
        [self.part(0), self.part(1), self.part(2), self.part(3)]
    }
}

fn announces_a_release(word: &str) -> bool {
    let first = word.split(['.', '-', '_']).next().unwrap_or_default();
    let letters = first.trim_end_matches(|c: char| c.is_ascii_digit());
    // `1` of `1.0.0-1` has no letters; `0abc` is a hash
    letters.is_empty()
        || ANNOUNCING
            .iter()
            .any(|announcing| letters.eq_ignore_ascii_case(announcing))
}

fn compare_before_release(left: &[String], right: &[String]) -> Ordering {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    for (left, right) in left.iter().zip(right) {
        let order = match (left.parse::<u64>(), right.parse::<u64>()) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => compare_words(left, right),
        };
        if order.is_ne() {
            return order;
        }
    }
    left.len().cmp(&right.len())
}

/// `rc9` before `rc10`.
fn compare_words(left: &str, right: &str) -> Ordering {
    let split = |word: &str| {
        let letters = word
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .to_ascii_lowercase();
        let number = word[letters.len()..].parse::<u64>().ok();
        (letters, number)
    };
    split(left).cmp(&split(right)).then_with(|| left.cmp(right))
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers()
            .cmp(&other.numbers())
            .then_with(|| compare_before_release(&self.before_release, &other.before_release))
    }
}

/// What a version must be: `>=1.30`, or several with commas between them.
///
/// Only the parts that a requirement names are compared: `=1.34` takes every
/// 1.34.x, `>1.34` begins with 1.35, and `>=1.35` takes 1.35.0-rc.1.
#[derive(Clone, Debug)]
pub struct VersionRequirement {
    bounds: Vec<(Bound, Version)>,
    text: String,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    AtLeast,
    MoreThan,
    AtMost,
    LessThan,
    Equal,
    NotEqual,
}

const BOUNDS: [(&str, Bound); 7] = [
    (">=", Bound::AtLeast),
    ("<=", Bound::AtMost),
    ("==", Bound::Equal),
    ("!=", Bound::NotEqual),
    (">", Bound::MoreThan),
    ("<", Bound::LessThan),
    ("=", Bound::Equal),
];

impl VersionRequirement {
    /// Reads a requirement.
    ///
    /// # Errors
    /// A bound without one of `>= > <= < = !=`, and one without a version.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let bound = |part: &str| {
            let part = part.trim();
            let (rest, bound) = BOUNDS.iter().find_map(|(sign, bound)| {
                part.strip_prefix(sign).map(|rest| (rest.trim(), *bound))
            })?;
            Some((bound, Version::read(rest)?))
        };
        text.split(',')
            .map(bound)
            .collect::<Option<Vec<_>>>()
            .map(|bounds| Self {
                bounds,
                text: text.to_owned(),
            })
            .ok_or_else(|| ValueError::not(text, "a requirement on a version", REQUIREMENT_HELP))
    }

    /// Whether a version is what is required.
    pub fn is_met_by(&self, version: &Version) -> bool {
        self.bounds.iter().all(|(bound, required)| {
            let named = required.parts.len();
            let mut order = version.numbers()[..named].cmp(&required.numbers()[..named]);
            if !required.before_release.is_empty() {
                order = order.then_with(|| {
                    compare_before_release(&version.before_release, &required.before_release)
                });
            }
            match bound {
                Bound::AtLeast => order.is_ge(),
                Bound::MoreThan => order.is_gt(),
                Bound::AtMost => order.is_le(),
                Bound::LessThan => order.is_lt(),
                Bound::Equal => order.is_eq(),
                Bound::NotEqual => order.is_ne(),
            }
        })
    }
}

impl fmt::Display for VersionRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn versions_have_an_order() {
        let rising = [
            "1.2",
            "v1.9.9",
            "1.30.0-alpha.1",
            "1.30.0-beta.1",
            "1.30.0-rc.1",
            "1.30.0-rc.2",
            "1.30.0-rc.10",
            "v1.30",
            "1.30.1",
            "1.30.1.1",
            "1.34.4+rke2r1",
            "1.35",
            "2",
        ];
        for pair in rising.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn builds_and_missing_parts_do_not_count() {
        for (left, right) in [
            ("1.30", "v1.30.0"),
            ("v1.34.4+rke2r1", "1.34.4"),
            ("v1.34.4-k3s1", "1.34.4"),
            ("v1.30.2-eks-1234567", "1.30.2"),
            ("v1.30.2-gke.100", "1.30.2"),
        ] {
            assert_eq!(version(left), version(right), "{left} {right}");
        }
    }

    #[test]
    fn parts_are_told() {
        let version = version("v1.34.4-rc.2+rke2r1");
        assert_eq!(
            (version.major(), version.minor(), version.patch()),
            (1, 34, 4)
        );
        assert_eq!(version.prerelease(), "rc.2");
        assert_eq!(version.build(), "rke2r1");
        assert_eq!(version.to_string(), "v1.34.4-rc.2+rke2r1");
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in [
            "",
            "v",
            "1.",
            ".1",
            "1..2",
            "1.x",
            "1.2.3.4.5",
            "1.2-",
            "1.2+",
            "latest",
            "+1",
            "1.+2",
            "1.2 ",
            "99999999999999999999999",
        ] {
            assert!(Version::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_requirement_compares_the_parts_it_names() {
        for (requirement, met, unmet) in [
            (">=1.30", "v1.30.0-rc.1", "v1.29.9"),
            (">1.30", "v1.31.0", "v1.30.9"),
            ("<=1.30", "v1.30.9", "v1.31.0"),
            ("<1.30", "v1.29.9", "v1.30.0-rc.1"),
            ("=1.30", "v1.30.9+k3s1", "v1.31.0"),
            ("!=1.30", "v1.31.0", "v1.30.9"),
            (">= 1.30, < 1.36", "v1.35.9", "v1.36.0"),
            (">=1.30.0-rc.2", "v1.30.0", "v1.30.0-rc.1"),
        ] {
            let requirement = VersionRequirement::parse(requirement).unwrap();
            assert!(requirement.is_met_by(&version(met)), "{requirement} {met}");
            assert!(
                !requirement.is_met_by(&version(unmet)),
                "{requirement} {unmet}"
            );
        }
        for text in ["", "1.30", ">=", ">=1.30,", "~1.30", "=>1.30"] {
            assert!(VersionRequirement::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,30}") {
            let _ = Version::parse(&text);
            let _ = VersionRequirement::parse(&text);
        }

        #[test]
        fn the_order_is_total(
            left in "[0-9]{1,2}(\\.[0-9]){0,3}(-(rc|alpha|1)[.]?[0-9]{0,2})?",
            right in "[0-9]{1,2}(\\.[0-9]){0,3}(-(rc|alpha|1)[.]?[0-9]{0,2})?",
        ) {
            let (left, right) = (version(&left), version(&right));
            prop_assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
        }
    }
}
