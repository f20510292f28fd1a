//! What patterns mean, by example.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn mismatches(pattern: &Value, actual: &Value) -> Vec<Mismatch> {
    let Comparison { answer, mismatches } = compare(pattern, actual);
    assert_eq!(answer == Answer::Yes, mismatches.is_empty(), "{pattern}");
    mismatches
}

fn told(pattern: Value, actual: Value) -> Vec<String> {
    let found = mismatches(&pattern, &actual);
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn patterns_that_match() {
    for (pattern, actual) in [
        (json!({}), json!({"a": 1})),
        (
            json!({"a": {"b": 1}}),
            json!({"a": {"b": 1, "c": 2}, "d": 3}),
        ),
        (json!([{"a": 1}, {}]), json!([{"a": 1, "b": 2}, {"c": 3}])),
        (json!(2), json!(2.0)),
        (json!({"a": null}), json!({})),
        (json!({"a": null}), json!({"a": null})),
        (json!({"$gte": 2, "$lt": 5}), json!(2)),
        (json!({"$gte": "512Mi"}), json!("0.5Gi")),
        (json!({"$lt": "1Gi"}), json!("512Mi")),
        (json!({"$gt": 1}), json!("1500m")),
        (json!({"$lte": "2"}), json!(2)),
        (json!({"$gt": "90s"}), json!("2m")),
        (json!({"$gte": "1d"}), json!("24h0m0s")),
        (json!({"$gt": "5m"}), json!("10m")),
        (
            json!({"$lt": "2026-11-23T20:00:00Z"}),
            json!("2026-11-23T20:30:00+01:00"),
        ),
        (json!({"$gte": 1e300}), json!(1e301)),
        (
            json!({"$gt": 18446744073709551614_u64}),
            json!(18446744073709551615_u64),
        ),
        (
            json!({"$any": {"name": "app"}}),
            json!([{"name": "x"}, {"name": "app", "i": 1}]),
        ),
        (json!({"$any": 2}), json!({"a": 1, "b": 2})),
        (json!({"$each": {"$gte": 1}}), json!([1, 2])),
        (
            json!({"$each": {"ready": true}}),
            json!({"a": {"ready": true}}),
        ),
        (
            json!({"$none": {"type": "Failed"}}),
            json!([{"type": "Complete"}]),
        ),
        (json!({"$none": 1}), json!([])),
        (
            json!({"conditions": {"$none": {"type": "Failed"}}}),
            json!({}),
        ),
        (json!({"a": {"$absent": true}}), json!({"b": 1})),
        (json!({"a": {"$absent": true}}), json!({"a": null})),
        (json!({"a": {"$absent": false}}), json!({"a": 0})),
        (json!({"$matches": "^web-[0-9]$"}), json!("web-1")),
        (json!({"$contains": "eb"}), json!("web")),
        (json!({"$contains": {"a": 1}}), json!([{"a": 1, "b": 2}])),
        (
            json!({"$contains": [{"type": "Ready"}, {"type": "DiskPressure", "status": "False"}]}),
            json!([{"type": "DiskPressure", "status": "False", "reason": "x"}, {"type": "Ready"}]),
        ),
        (json!({"$contains": ["a", 1]}), json!([1, "b", "a"])),
        (json!({"$contains": ["we", "b"]}), json!("web")),
        (json!({"$contains": [["a"]]}), json!([["a"], "b"])),
        (json!({"$not": "Failed"}), json!("Running")),
        (json!({"phase": {"$not": "Failed"}}), json!({})),
        (json!({"$not": {"$in": [1, 2]}}), json!(3)),
        (json!({"$in": ["a", {"$gte": 3}]}), json!(4)),
        (json!({"a": {"$in": [1, null]}}), json!({})),
    ] {
        assert_eq!(check_pattern(&pattern), Ok(()), "{pattern}");
        assert_eq!(
            told(pattern.clone(), actual.clone()),
            [""; 0],
            "{pattern} {actual}"
        );
    }
}

#[test]
fn mismatches_name_the_field_and_both_sides() {
    for (pattern, actual, expected) in [
        (
            json!({"spec": {"replicas": {"$gte": 3}}}),
            json!({"spec": {"replicas": 2}}),
            "spec.replicas: expected at least 3, is 2",
        ),
        (
            json!({"status": {"phase": "Running"}}),
            json!({"status": {}}),
            "status.phase is not set, expected \"Running\"",
        ),
        (
            json!({"status": {"phase": "Running"}}),
            json!({}),
            "status is not set, expected {\"phase\":\"Running\"}",
        ),
        (
            json!({"labels": {"app/x": "y"}}),
            json!({"labels": {"app/x": "z"}}),
            "labels[\"app/x\"]: expected \"y\", is \"z\"",
        ),
        (
            json!({"l": [{"name": "a"}, {"name": "b"}]}),
            json!({"l": [{"name": "a"}, {"name": "c"}]}),
            "l[1].name: expected \"b\", is \"c\"",
        ),
        (
            json!([1]),
            json!([1, 2]),
            "the value: expected 1 element, has 2: [1,2]",
        ),
        (
            json!("3"),
            json!(3),
            "the value: expected \"3\", is 3 (a number)",
        ),
        (
            json!(3),
            json!("3"),
            "the value: expected 3, is \"3\" (text)",
        ),
        (
            json!({"a": 1}),
            json!([]),
            "the value: expected {\"a\":1}, is [] (a list)",
        ),
        (
            json!(true),
            json!(false),
            "the value: expected true, is false",
        ),
        (
            json!({"$gte": "1Gi"}),
            json!("512Mi"),
            "the value: expected at least 1Gi, is \"512Mi\"",
        ),
        (
            json!({"$gte": "1Gi"}),
            json!("5s"),
            "the value: expected at least 1Gi, is \"5s\", which cannot be compared with it",
        ),
        (
            json!({"$lt": 3}),
            json!(true),
            "the value: expected less than 3, is true, which cannot be compared with it",
        ),
        (
            json!({"a": {"$gt": 1}}),
            json!({}),
            "a is not set, expected more than 1",
        ),
        (
            json!({"c": {"$any": {"name": "app", "image": "x"}}}),
            json!({"c": [{"name": "db"}, {"name": "app", "image": "y"}]}),
            "c: expected any element that is {\"name\":\"app\",\"image\":\"x\"}, none of 2 is; \
             nearest: c[1].image: expected \"x\", is \"y\"",
        ),
        (
            json!({"conditions": {"$any": {"type": "Ready", "status": "False"}}}),
            json!({"conditions": [
                {"type": "NetworkUnavailable", "status": "False"},
                {"type": "Ready", "status": "True"},
            ]}),
            "conditions: expected any element that is {\"type\":\"Ready\",\"status\":\"False\"}, \
             none of 2 is; nearest: conditions[1].status: expected \"False\", is \"True\"",
        ),
        (
            json!({"$any": {"mountPath": "/data", "readOnly": true, "name": {"$absent": false}}}),
            json!([{"readOnly": true, "mountPath": "/x", "name": "a"}, {"mountPath": "/data"}]),
            "the value: expected any element that is {\"mountPath\":\"/data\",\"readOnly\":true,\
             \"name\":{\"$absent\":false}}, none of 2 is; nearest: [0].mountPath: expected \
             \"/data\", is \"/x\"",
        ),
        (
            json!({"$contains": [{"type": "Ready"}, {"type": "Other", "status": "True"}]}),
            json!([{"type": "Ready"}, {"type": "Other", "status": "False"}]),
            "the value: expected to contain {\"type\":\"Other\",\"status\":\"True\"}, none of 2 is; \
             nearest: [1].status: expected \"True\", is \"False\"",
        ),
        (
            json!({"$contains": ["a", "b"]}),
            json!(["a"]),
            "the value: expected to contain \"b\", is [\"a\"]",
        ),
        (
            json!({"$any": 1}),
            json!([]),
            "the value: expected any element that is 1, is empty",
        ),
        (
            json!({"$each": 1}),
            json!([]),
            "the value: expected each element to be 1, is empty",
        ),
        (
            json!({"$each": {"a": 1}}),
            json!([{"a": 1}, {}]),
            "[1].a is not set, expected 1",
        ),
        (
            json!({"$each": 1}),
            json!(1),
            "the value: expected each element to be 1, is 1 (a number)",
        ),
        (
            json!({"$none": 1}),
            json!([2, 1]),
            "[1]: expected no element that is 1, is 1",
        ),
        (
            json!({"a": {"$absent": true}}),
            json!({"a": 1}),
            "a: expected not to be set, is 1",
        ),
        (
            json!({"a": {"$absent": false}}),
            json!({}),
            "a is not set, expected to be set",
        ),
        (
            json!({"$matches": "^a"}),
            json!("b"),
            "the value: expected to match /^a/, is \"b\"",
        ),
        (
            json!({"$matches": "1"}),
            json!(1),
            "the value: expected to match /1/, is 1 (a number)",
        ),
        (
            json!({"$contains": "x"}),
            json!(["a"]),
            "the value: expected to contain \"x\", is [\"a\"]",
        ),
        (
            json!({"$not": {"$gte": 3}}),
            json!(4),
            "the value: expected not at least 3, is 4",
        ),
        (
            json!({"$in": [1, 2]}),
            json!(3),
            "the value: expected one of 1, 2, is 3",
        ),
        (
            json!({"$gte": 1, "$lte": 3}),
            json!(4),
            "the value: expected at most 3, is 4",
        ),
    ] {
        assert_eq!(check_pattern(&pattern), Ok(()), "{pattern}");
        assert_eq!(told(pattern.clone(), actual), [expected], "{pattern}");
    }
}

#[test]
fn what_cannot_be_compared_is_neither_so_nor_not() {
    use Answer::{Incomparable, No, Unknown, Yes};
    // more than 2: clear, clear, not to be said
    let (yes, no, odd) = (json!(3), json!(1), json!("latest"));
    let more = json!({"$gt": 2});
    for (pattern, actual, expected) in [
        (json!({"$gt": 2}), odd.clone(), Incomparable),
        (json!({"$lte": "1Gi"}), json!("5s"), Incomparable),
        (
            json!({"$lt": "2026-11-23T20:00:00Z"}),
            json!("soon"),
            Incomparable,
        ),
        (json!({"$gte": 1}), json!([]), Incomparable),
        (json!({"$gte": 1}), json!({"a": 1}), Incomparable),
        (json!({"$matches": "1"}), json!(1), Incomparable),
        (json!({"$contains": "1"}), json!(1), Incomparable),
        (json!({"$contains": 1}), json!("1"), Incomparable),
        (json!({"$contains": {"a": 1}}), json!("a"), Incomparable),
        (json!({"$any": 1}), json!("1"), Incomparable),
        (json!({"$each": 1}), json!(true), Incomparable),
        (json!({"$none": 1}), json!(2), Incomparable),
        // what is not set can be said to be no such thing
        (json!({"a": {"$gt": 2}}), json!({}), No),
        (json!({"a": {"$gt": 2}}), json!({"a": null}), No),
        (json!({"a": {"$matches": "x"}}), json!({}), No),
        (json!({"a": {"$contains": "x"}}), json!({"a": null}), No),
        (json!({"a": {"$any": 1}}), json!({}), No),
        (json!({"a": {"$not": {"$gt": 2}}}), json!({}), Yes),
        (json!({"a": {"$none": {"$gt": 2}}}), json!({}), Yes),
        // any two values are equal or not
        (json!(2), json!("2"), No),
        (json!({"$not": 2}), json!("2"), Yes),
        (json!({"a": 1}), json!("a"), No),
        (json!({"$in": [1, 2]}), json!("1"), No),
        (json!({"$absent": false}), odd.clone(), Yes),
        // all must hold
        (
            json!({"a": more, "b": 1}),
            json!({"a": odd, "b": 1}),
            Incomparable,
        ),
        (json!({"a": more, "b": 1}), json!({"a": odd, "b": 2}), No),
        (json!({"$gt": 2, "$not": "latest"}), odd.clone(), No),
        (json!([more, more]), json!([odd, yes]), Incomparable),
        (json!([more, more]), json!([odd, no]), No),
        (json!([more]), json!([odd, odd]), No),
        (json!({"$each": more}), json!([yes, odd]), Incomparable),
        (json!({"$each": more}), json!([odd, no]), No),
        (
            json!({"$contains": [more, 1]}),
            json!([odd, 1]),
            Incomparable,
        ),
        (json!({"$contains": [more, 1]}), json!([odd, 2]), No),
        // one is enough
        (json!({"$any": more}), json!([no, odd, yes]), Yes),
        (json!({"$any": more}), json!([no, odd]), Incomparable),
        (json!({"$any": more}), json!([no]), No),
        (json!({"$contains": more}), json!([odd, yes]), Yes),
        (json!({"$contains": more}), json!([odd, no]), Incomparable),
        (json!({"$contains": [[more]]}), json!([[odd]]), Incomparable),
        (json!({"$in": [more, "latest"]}), odd.clone(), Yes),
        (json!({"$in": [1, more]}), odd.clone(), Incomparable),
        (json!({"$in": [0, more]}), no.clone(), No),
        // none may be
        (json!({"$none": more}), json!([odd, no]), Unknown),
        (json!({"$none": more}), json!([odd, yes]), No),
        (json!({"$none": more}), json!({"a": no}), Yes),
        (json!({"$not": more}), odd.clone(), Unknown),
        (json!({"$not": {"$not": more}}), odd.clone(), Unknown),
        (
            json!({"$not": {"a": more, "b": 1}}),
            json!({"a": odd, "b": 2}),
            Yes,
        ),
        (json!({"$not": {"$any": more}}), json!([odd, yes]), No),
        (json!({"$not": {"$each": more}}), json!([odd, no]), Yes),
        (json!({"$not": {"$in": [1, more]}}), odd.clone(), Unknown),
        (json!({"$not": {"$contains": "1"}}), json!(1), Unknown),
        (json!({"$not": {"$none": 1}}), json!(2), Unknown),
        // what is wrong to who asserts it stays so beside what is unknown
        (
            json!({"a": more, "b": {"$not": more}}),
            json!({"a": odd, "b": odd}),
            Incomparable,
        ),
        (json!({"$in": [more, {"$not": more}]}), odd.clone(), Unknown),
        // no pattern
        (json!({"$get": 1}), json!(1), Unknown),
        (json!({"$not": {"$get": 1}}), json!(1), Unknown),
        (json!({"$not": {"$matches": "("}}), json!("x"), Unknown),
    ] {
        let found = compare(&pattern, &actual);
        assert_eq!(found.answer, expected, "{pattern} {actual}");
        assert_eq!(
            found.mismatches.is_empty(),
            expected == Yes,
            "{pattern} {actual}"
        );
    }
}

#[test]
fn what_cannot_be_compared_is_told_with_its_path_and_value() {
    for (pattern, actual, expected) in [
        (
            json!({"spec": {"replicas": {"$not": {"$gt": 2}}}}),
            json!({"spec": {"replicas": "latest"}}),
            "spec.replicas: expected not more than 2, is \"latest\", which cannot be compared with it",
        ),
        (
            json!({"$not": {"spec": {"replicas": {"$gt": 2}}}}),
            json!({"spec": {"replicas": "latest"}}),
            "the value: expected not {\"spec\":{\"replicas\":{\"$gt\":2}}}, which cannot be told: \
             spec.replicas: expected more than 2, is \"latest\", which cannot be compared with it",
        ),
        (
            json!({"l": {"$any": {"n": {"$gt": 2}}}}),
            json!({"l": [{"n": 1}, {"n": "latest"}]}),
            "l: expected any element that is {\"n\":{\"$gt\":2}}, which cannot be told: l[1].n: \
             expected more than 2, is \"latest\", which cannot be compared with it",
        ),
        (
            json!({"l": {"$none": {"$gt": 2}}}),
            json!({"l": [1, "latest"]}),
            "l[1]: expected no element that is more than 2, is \"latest\", which cannot be compared with it",
        ),
        (
            json!({"$not": {"$matches": "1"}}),
            json!(1),
            "the value: expected not to match /1/, is 1 (a number)",
        ),
    ] {
        assert_eq!(told(pattern.clone(), actual), [expected], "{pattern}");
    }
    // what decides is told behind whatever cannot be compared
    let mut many = vec![json!("latest"); 100];
    many.push(json!(1));
    let found = compare(&json!({"$each": {"$gt": 2}}), &json!(many));
    assert_eq!(found.answer, Answer::No);
    assert_eq!(found.mismatches.len(), 50);
    assert_eq!(found.mismatches[0].path, "[100]");
}

/// A text of so many lines of which one is another.
fn lines(count: usize, odd: usize, other: &str) -> String {
    (1..=count)
        .map(|line| match line == odd {
            true => format!("{other}\n"),
            false => format!("key{line:02} = value\n"),
        })
        .collect()
}

#[test]
fn of_a_long_text_the_place_is_shown_where_it_differs() {
    let plain = lines(60, 0, "");
    for (pattern, actual, expected) in [
        (
            plain.clone(),
            lines(60, 56, "key56 = other"),
            "d: expected \"key56 = value\\n\" in line 56, is \"key56 = other\\n\"",
        ),
        (
            plain.clone(),
            lines(55, 0, ""),
            "d: expected \"key56 = value\\n\" in line 56, ends after line 55",
        ),
        (
            lines(55, 0, ""),
            plain.clone(),
            "d: expected to end after line 55, has \"key56 = value\\n\" in line 56",
        ),
        (
            plain.clone(),
            plain.trim_end().to_owned(),
            "d: expected \"key60 = value\\n\" in line 60, is \"key60 = value\"",
        ),
        (
            format!("{}x{}", "a".repeat(500), "b".repeat(500)),
            format!("{}y{}", "a".repeat(500), "b".repeat(500)),
            &format!(
                "d: expected …\"{a}x{b}\"…, is …\"{a}y{b}\"…",
                a = "a".repeat(30),
                b = "b".repeat(49)
            ),
        ),
        (
            "a".to_owned(),
            "b".to_owned(),
            "d: expected \"a\", is \"b\"",
        ),
    ] {
        assert_eq!(
            told(json!({"d": pattern}), json!({"d": actual})),
            [expected]
        );
    }
}

#[test]
fn messages_are_bounded() {
    let long = "x".repeat(100_000);
    let many: Vec<Value> = (0..10_000)
        .map(|index| json!({"a": index, "b": long[..10]}))
        .collect();
    for (pattern, actual) in [
        (json!(long), json!("y")),
        (json!("y"), json!(long)),
        (json!({"$in": [long, long]}), json!(many)),
        (json!({"$each": {"a": -1}}), json!(many)),
        (json!({"$any": {"a": -1}}), json!(many)),
        (json!({"$none": {"b": {"$contains": "x"}}}), json!(many)),
        (json!(many), json!([])),
    ] {
        let found = mismatches(&pattern, &actual);
        assert!(!found.is_empty() && found.len() <= 50);
        assert!(
            found
                .iter()
                .all(|mismatch| mismatch.to_string().len() < 600)
        );
    }
}

#[test]
fn patterns_that_make_no_sense_are_refused() {
    for (pattern, expected) in [
        (
            json!({"spec": {"$gte": 1, "replicas": 2}}),
            "spec: `$gte` stands beside the field `replicas`: a map holds operators or fields",
        ),
        (
            json!({"a": {"$get": 1}}),
            "a: there is no operator `$get`: did you mean `$gt`?",
        ),
        (
            json!({"a": [{"$any": {"$foobar": 1}}]}),
            "a[0].$any: there is no operator `$foobar`; there are $any, $each, $none, $absent, $matches, $contains, $gte, $gt, $lte, $lt, $not, $in",
        ),
        (
            json!({"$in": 1}),
            "$in: a list is expected, and this is a number",
        ),
        (
            json!({"$absent": "yes"}),
            "$absent: true or false is expected, and this is text",
        ),
        (
            json!({"$gte": "big"}),
            "$gte: a number, a quantity, a duration or a time is expected, and this is \"big\"",
        ),
        (
            json!({"$matches": 1}),
            "$matches: a regular expression is expected, and this is a number",
        ),
        // what would hold of everything, or of nothing
        (
            json!({"$any": [{"type": "A"}]}),
            "$any: `$any` takes the pattern of one element, and this is a list: write \
             {$contains: [a, b]} for an element of each pattern, {$any: {$in: [a, b]}} for one of either",
        ),
        (
            json!({"$none": ["a"]}),
            "$none: `$none` takes the pattern of one element, and this is a list: write \
             {$none: {$in: [a, b]}}",
        ),
        (
            json!({"$each": null}),
            "$each: `$each` takes the pattern of an element, and nothing stands here",
        ),
        (json!({"$in": []}), "$in: nothing is one of an empty list"),
        (
            json!({"$contains": ""}),
            "$contains: empty text is in every text",
        ),
        (
            json!({"a": {"$contains": ["x", ""]}}),
            "a.$contains[1]: empty text is in every text",
        ),
        (
            json!({"$contains": []}),
            "$contains: this asks for nothing, which is in everything",
        ),
        (
            json!({"$matches": ""}),
            "$matches: an empty regular expression matches every text",
        ),
        (
            json!({"a": {"$gte": 5, "$lt": 5}}),
            "a: `$gte: 5` and `$lt: 5`: nothing is both",
        ),
        (
            json!({"$gt": "1Gi", "$lte": "5s"}),
            "`$gt: \"1Gi\"` and `$lte: \"5s\"`: they cannot be compared with each other",
        ),
        (
            json!({"a": {"$absent": true, "$gte": 1}}),
            "a: what is absent is nothing else: `$absent: true` stands alone",
        ),
        // what other languages have
        (
            json!({"a": {"$eq": 1}}),
            "a: there is no operator `$eq`: write the value itself",
        ),
        (
            json!({"a": {"$all": [1]}}),
            "a: there is no operator `$all`: write {$each: …} for every element, {$contains: [a, b]} \
             for some elements",
        ),
    ] {
        assert_eq!(check_pattern(&pattern).unwrap_err().to_string(), expected);
    }
    assert!(check_pattern(&json!({"$matches": "("})).is_err());
    for pattern in [json!({"$gte": "{{ inputs.n }}"}), json!({"$in": "{{ l }}"})] {
        assert_eq!(check_pattern(&pattern), Ok(()), "not rendered yet");
    }
    for pattern in [
        json!({"$get": 1}),
        json!({"$in": 1}),
        json!({"$matches": "("}),
        json!({"$matches": 1}),
    ] {
        assert_eq!(
            told(pattern.clone(), json!("x")).len(),
            1,
            "{pattern}: never a match"
        );
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[^$]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z./]{1,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_matches_itself(value in values()) {
        prop_assert_eq!(mismatches(&value, &value), []);
        prop_assert_eq!(check_pattern(&value), Ok(()));
        let never = json!({"$not": value});
        prop_assert_eq!(mismatches(&never, &value).len(), 1);
    }

    #[test]
    fn a_pattern_of_one_matches_or_says_why(pattern in values(), value in values()) {
        let found = mismatches(&pattern, &value);
        let not = json!({"$not": pattern});
        prop_assert_eq!(found.is_empty(), !mismatches(&not, &value).is_empty());
    }
}
