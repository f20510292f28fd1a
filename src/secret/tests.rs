use std::borrow::Cow;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use serde_json::json;

use super::{Mask, MaskingWriter, MaskingWriters};
use crate::event::{
    CancelReason, CaseId, CaseResult, Connection, Detail, Diagnosis, Event, EventKind, Explanation,
    Leftover, Outcome, Problem, Stage, SuiteRef,
};

fn mask(secrets: &[&str]) -> Mask {
    let mask = Mask::new();
    for secret in secrets {
        mask.add(secret);
    }
    mask
}

#[track_caller]
fn check(secrets: &[&str], text: &str, expected: &str) {
    assert_eq!(mask(secrets).mask(text), expected);
}

#[test]
fn a_secret_is_masked_wherever_it_stands() {
    check(&["hunter2"], "hunter2, -phunter2", "***, -p***");
    check(&["pass", "password1"], "password1 passing", "*** ***ing");
    check(&["größe/1"], "die größe/1!", "die ***!");
    check(&[], "nothing", "nothing");
}

#[test]
fn overlapping_secrets_leave_no_rest() {
    check(&["abcdef", "defghi"], "<abcdefghi>", "<***>");
    check(&["abcdefgh", "cdef"], "<abcdefgh>", "<***>");
    check(&["abcd"], "<abcdabcd>", "<***>");
}

#[test]
fn what_the_mask_makes_is_masked_too() {
    check(&["x***y", "abcd"], "xabcdy", "***");
    check(&["****"], "********", "***");
}

#[test]
fn little_and_common_values_are_no_secrets() {
    check(&["abc", " a ", "", "\n"], "abc a", "abc a");
    let words = "true false null none default";
    check(&words.split(' ').collect::<Vec<_>>(), words, words);
    check(&["1234"], "12345", "***5");
}

#[test]
fn white_space_around_it_does_not_count() {
    check(&[" hunter2\n"], "p: hunter2", "p: ***");
    let encoded = BASE64_STANDARD.encode("hunter2\n");
    check(&["hunter2\n"], &encoded, "***");
}

#[test]
fn forms_are_masked() {
    let secret = r#"a"b\c é/&'$ <z>"#;
    for form in [
        r#"a\"b\\c é/&'$ <z>"#,
        r#"a\"b\\c é/\u0026'$ \u003cz\u003e"#,
        r#"a\"b\\c \u00e9/&'$ <z>"#,
        r#"a\\\"b\\\\c é/&'$ <z>"#,
        r#"a\"b\\c é/&\'$ <z>"#,
        "a%22b%5Cc%20%C3%A9%2F%26%27%24%20%3Cz%3E",
        "a%22b%5cc%20%c3%a9%2f%26%27%24%20%3cz%3e",
        "a%22b%5Cc+%C3%A9%2F%26%27%24+%3Cz%3E",
        "a%22b%5Cc%20%C3%A9%2F%26'%24%20%3Cz%3E",
        r#"a"b\c é/&'\''$ <z>"#,
        r#"a"b\c é/&''$ <z>"#,
        "a&quot;b\\c é/&amp;&#39;$ &lt;z&gt;",
        "6122625c6320c3a92f262724203c7a3e",
        "6122625C6320C3A92F262724203C7A3E",
        r#"a\"b\\c\ é/\&\'\$\ \<z\>"#,
        "YSJiXGMgw6kvJickIDx6Pg==",
        "YSJiXGMgw6kvJickIDx6Pg",
    ] {
        check(&[secret], &format!("<{form}>"), "<***>");
    }
    assert_eq!(format!("{secret:?}"), r#""a\"b\\c é/&'$ <z>""#);
}

#[test]
fn base64_inside_of_other_base64_is_masked() {
    for user in ["", "u", "us", "use"] {
        let basic = BASE64_STANDARD.encode(format!("{user}:s3cret-password:after"));
        let masked = mask(&["s3cret-password"]).mask(&basic).into_owned();
        // At most a character at each end has a bit of it.
        assert!(masked.contains("***"), "{masked}");
        assert!(masked.len() <= basic.len() - 18 + 3, "{masked}");
    }
}

#[test]
fn lines_of_a_secret_are_masked() {
    let key = "-----BEGIN KEY-----\nMIIabcdef\n  MIIghijkl\r\nx=\n-----END KEY-----\n";
    check(&[key], "-----BEGIN KEY-----", "-----BEGIN KEY-----");
    check(&[key], "MIIabcdef x= |MIIghijkl|", "*** x= |***|");
    check(&[key], &format!("<{}>", key.trim()), "<***>");
    check(
        &[key],
        &key.trim().replace('\n', "\\n").replace('\r', "\\r"),
        "***",
    );
}

#[test]
fn a_long_secret_is_masked_also_where_it_is_cut() {
    let secret: String = (0..5000).map(|number| format!("{number}é,")).collect();
    let mask = mask(&[&secret]);
    assert_eq!(mask.mask(&format!("<{secret}>")), "<***>");
    let cut: String = secret.chars().take(3000).collect();
    assert_eq!(mask.mask(&format!("<{cut}è>")), "<***è>");
    let encoded = BASE64_STANDARD.encode(&secret);
    assert_eq!(mask.mask(&encoded), "***");
}

/// A token as it is quoted in a message, and as an output has it of which the middle is left out.
#[test]
fn what_is_left_of_a_secret_that_is_cut_is_masked() {
    let token: String = (0..300)
        .map(|number| format!("{:06}.", number * 7919))
        .collect();
    let mask = mask(&[&token]);
    for length in [160, 60, 32] {
        let quoted = format!("it is \"{}…", &token[..length]);
        assert_eq!(
            mask.mask(&quoted),
            "it is \"***…",
            "{length} of its characters"
        );
        let kept = format!("[…]\n{}\nend", &token[token.len() - length..]);
        assert_eq!(
            mask.mask(&kept),
            "[…]\n***\nend",
            "{length} of its characters"
        );
    }
    let other = format!("{}, and no more", &token[..40]);
    assert_eq!(mask.mask(&other), "***, and no more");
    let encoded = BASE64_STANDARD.encode(&token);
    assert_eq!(mask.mask(&encoded[..160]), "***");
    assert_eq!(mask.mask(&encoded[encoded.len() - 160..]), "***");
}

/// As `base64` and `openssl` print it, and YAML, JSON and our own excerpts have it then.
#[test]
fn base64_in_lines_is_masked() {
    let secret: String = (0..40)
        .map(|number| format!("{:x}-", number * 7919))
        .collect();
    let encoded = BASE64_STANDARD.encode(&secret);
    for width in [64, 76] {
        let lines: Vec<&str> = (0..encoded.len())
            .step_by(width)
            .map(|at| &encoded[at..encoded.len().min(at + width)])
            .collect();
        for between in ["\n", "\r\n", "\n    ", "\\n", "\n  | ", "\n 12 | "] {
            check(
                &[&secret],
                &format!("a: |\n    {}\nb: c", lines.join(between)),
                "a: |\n    ***\nb: c",
            );
        }
        // Each line by itself, as a log has it.
        let log: Vec<_> = lines
            .iter()
            .map(|line| format!("12:00:01 INFO {line} (x)"))
            .collect();
        let masked = mask(&[&secret]).mask(&log.join("\n")).into_owned();
        for line in masked.lines().take(lines.len() - 1) {
            assert_eq!(line, "12:00:01 INFO *** (x)");
        }
    }
}

#[test]
fn a_secret_is_masked_whatever_colours_it_has() {
    for text in [
        "p: hun\u{1b}[31mter2\u{1b}[0m!",
        "p: h\u{200b}un\0ter\u{1b}]0;title\u{7}2\u{1b}[0m!",
        r"p: hunte\u001b[1mr2\u{1b}[0m!",
    ] {
        let masked = mask(&["hunter2"]).mask(text).into_owned();
        assert!(masked.starts_with("p: ***"), "{masked:?}");
        assert!(
            !masked.contains("ter2") && !masked.contains("r2"),
            "{masked:?}"
        );
    }
}

#[test]
fn little_is_left_of_a_secret_where_something_is_left_out() {
    let secrets = ["correct-horse-battery"];
    for (text, expected) in [
        (
            "a corr\n[... 9 bytes left out ...]\nttery b",
            "a ***\n[... 9 bytes left out ...]\n*** b",
        ),
        (
            "a cor\n[... 9 bytes left out ...]\nery b",
            "a cor\n[... 9 bytes left out ...]\nery b",
        ),
        ("it is \"correct-h…\"", "it is \"***…\""),
        (
            "it was \"correct-h\"… (9 bytes)",
            "it was \"***\"… (9 bytes)",
        ),
        ("it ends in correct-", "it ends in ***"),
        ("-battery begins", "*** begins"),
        ("it is correct", "it is correct"),
        ("correct horse", "correct horse"),
    ] {
        check(&secrets, text, expected);
    }
    // A character that was cut in two.
    check(
        &["péssword"],
        "a p\u{fffd}\n[... 9 bytes left out ...]\n\u{fffd}sswo",
        "a p\u{fffd}\n[... 9 bytes left out ...]\n\u{fffd}sswo",
    );
    check(
        &["passwörd-é-x"],
        "a passw\u{fffd}\n[... 9 bytes left out ...]\n\u{fffd}-x",
        "a ***\u{fffd}\n[... 9 bytes left out ...]\n\u{fffd}-x",
    );
}

/// Of what programs cut themselves, no more than 30 characters in a row are left.
#[test]
fn a_piece_of_a_long_secret_is_masked() {
    let token: String = (0..40_u64)
        .map(|number| format!("{:013X}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 12))
        .collect();
    let mask = mask(&[&token]);
    for start in 1..40 {
        let piece = &token[start..start + 31];
        let masked = mask.mask(&format!("a {piece} b")).into_owned();
        assert_eq!(masked, "a *** b", "{start}");
    }
}

/// Time grows with the text, whatever the secret looks like.
#[test]
fn what_repeats_itself_is_found_in_time() {
    let secret = "a".repeat(5000);
    let text = "a".repeat(200_000);
    let begun = std::time::Instant::now();
    assert_eq!(mask(&[&secret]).mask(&text), "***");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_secret_is_cut_between_characters() {
    let secret = "é".repeat(40);
    for (text, expected) in [
        (format!("{}x", "é".repeat(20)), "***x"),
        (format!("x{}", "é".repeat(20)), "x***"),
    ] {
        check(&[&secret, &format!("a{secret}")], &text, expected);
    }
}

#[test]
fn the_values_of_secret_objects_are_masked() {
    let mask = Mask::new();
    let data = BASE64_STANDARD.encode("from-data");
    let bytes = BASE64_STANDARD.encode([0, 159, 146, 150, 7]);
    mask.add_secret_object(&json!({"kind": "List", "items": [
        {"kind": "Secret", "metadata": {"name": "credentials"},
         "data": {"a": data, "b": bytes, "c": "not~base64", "d": null},
         "stringData": {"a": "from-string-data", "port": 54321}},
        {"kind": "ConfigMap", "data": {"a": "from-config-map"}},
    ]}));
    let text = format!(
        "{data} {bytes} from-data from-string-data 54321 not~base64 from-config-map credentials"
    );
    let expected = "*** *** *** *** *** *** from-config-map credentials";
    assert_eq!(mask.mask(&text), expected);
    mask.add_secret_object(&json!("no object"));
    mask.add_secret_object(&json!({"kind": "Secret", "data": ["no", "map"]}));
    assert_eq!(mask.mask(&text), expected);
}

#[test]
fn the_items_of_a_list_of_secrets_are_secrets() {
    let mask = Mask::new();
    let data = BASE64_STANDARD.encode("from-data");
    mask.add_secret_object(&json!({"kind": "SecretList", "items": [{"data": {"a": data}}]}));
    mask.add_secret_object(&json!({"kind": "ConfigMapList", "items": [{"data": {"a": "plain"}}]}));
    assert_eq!(mask.mask("from-data, plain"), "***, plain");
}

#[test]
fn what_a_patch_of_a_secret_writes_is_masked() {
    let data = BASE64_STANDARD.encode("from-data");
    for patch in [
        json!({"data": {"a": data}, "stringData": {"b": "from-string"}}),
        json!([
            {"op": "add", "path": "/data/a", "value": data},
            {"op": "replace", "path": "/stringData", "value": {"b": "from-string"}},
            {"op": "add", "path": "/metadata/labels/c", "value": "label"},
            {"op": "remove", "path": "/data/d"},
        ]),
        json!([{"op": "replace", "path": "",
            "value": {"data": {"a": data}, "stringData": {"b": "from-string"}}}]),
    ] {
        let mask = Mask::new();
        mask.add_secret_patch(&patch);
        let masked = mask.mask("from-data, from-string, label");
        assert_eq!(masked, "***, ***, label", "{patch}");
    }
}

#[test]
fn clones_share_and_debug_is_silent() {
    let one = Mask::new();
    let other = one.clone();
    one.add("hunter2");
    assert_eq!(other.mask("hunter2"), "***");
    assert!(!format!("{other:?}").contains("hunter2"));
}

#[test]
fn bytes_are_masked_among_others() {
    let mask = mask(&["hunter2"]);
    assert_eq!(*mask.mask_bytes(b"\xffhunter2\0"), *b"\xff***\0");
    mask.add_all([b"other-one".to_vec()]);
    assert_eq!(mask.mask("other-one"), "***");
}

/// One of each kind, with the secret in every text.
fn events(secret: &str) -> Vec<EventKind> {
    let text = || format!("a {secret} b");
    let suite = || SuiteRef {
        index: 0,
        name: text(),
    };
    let id = || CaseId {
        suite: suite(),
        case: 0,
        cell: 0,
        name: text(),
    };
    let why = || Explanation {
        failure: Some(text()),
        message: text(),
        details: vec![Detail {
            title: text(),
            text: text(),
        }],
        place: Some(text()),
        step: Some(text().into()),
    };
    let took = Duration::from_secs(1);
    vec![
        EventKind::RunStarted {
            run: text(),
            version: text(),
            cleanup: text(),
            suites: vec![suite()],
        },
        EventKind::Connected(Connection {
            kubeconfig: text(),
            context: Some(text()),
            server: text(),
            version: text(),
            user: text(),
            nodes: None,
        }),
        EventKind::SuiteStarted {
            suite: suite(),
            title: text(),
            file: text(),
            namespace: Some(text()),
        },
        EventKind::StepStarted {
            case: id(),
            step: text(),
        },
        EventKind::StepFinished {
            case: id(),
            step: text(),
            outcome: Outcome::Passed,
            took,
        },
        EventKind::StageStarted {
            suite: suite(),
            stage: Stage::Setup,
            step: text(),
        },
        EventKind::StepWaits {
            suite: suite(),
            target: text(),
            why: text(),
        },
        EventKind::StepWaited {
            suite: suite(),
            target: text(),
            why: text(),
            took: Duration::ZERO,
        },
        EventKind::NodeExcluded {
            suite: suite(),
            node: text(),
            reason: text(),
        },
        EventKind::CasesPlanned {
            suite: suite(),
            total: 1,
        },
        EventKind::CaseStarted(id()),
        EventKind::CaseFinished(CaseResult {
            id: id(),
            outcome: Outcome::Failed,
            took,
            why: Some(why()),
            properties: [(text(), text())].into(),
        }),
        EventKind::Problem(Problem {
            suite: Some(suite()),
            stage: Stage::Cleanup,
            why: why(),
        }),
        EventKind::Diagnosis(Diagnosis {
            suite: suite(),
            message: text(),
            remedy: Some(text()),
            url: Some(text()),
            cases: 1,
        }),
        EventKind::SuiteFinished {
            suite: suite(),
            took,
        },
        EventKind::VerdictReached { took },
        EventKind::Cancelling {
            reason: CancelReason::FailFast,
        },
        EventKind::Leftover(Leftover {
            suite: Some(suite()),
            object: text(),
            reason: text(),
            kept: false,
        }),
        EventKind::Notice { text: text() },
        EventKind::RunFinished { took },
    ]
}

#[test]
fn every_text_of_an_event_is_masked() {
    let mask = mask(&["hunter2"]);
    for (kind, expected) in events("hunter2").into_iter().zip(events("***")) {
        let mut event = Event::now(kind);
        let expected = Event {
            kind: expected,
            ..event.clone()
        };
        mask.mask_event(&mut event);
        let json = |event: &Event| serde_json::to_string(event).unwrap();
        assert_eq!(json(&event), json(&expected));
    }
}

#[test]
fn a_writer_masks_whole_lines() {
    let mut written = Vec::new();
    let mut writer = MaskingWriter::new(mask(&["hunter2"]), &mut written);
    writer.write_all(b"a hun").unwrap();
    writer.write_all(b"ter2 b\nhunt").unwrap();
    writer.flush().unwrap();
    writer.write_all(b"er2\nthe end hunter2").unwrap();
    drop(writer);
    assert_eq!(
        String::from_utf8(written).unwrap(),
        "a *** b\nhunter2\nthe end ***"
    );
}

#[test]
fn a_line_without_an_end_is_not_held_for_ever() {
    let shared = Shared::default();
    let mut writer = MaskingWriter::new(Mask::new(), shared.clone());
    for _ in 0..1000 {
        writer.write_all(&[b'x'; 1000]).unwrap();
    }
    assert!(shared.0.lock().unwrap().len() > 700_000);
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn tracing_is_masked() {
    let shared = Shared::default();
    let writer = shared.clone();
    let writers = MaskingWriters::new(mask(&["a\"b c"]), move || writer.clone());
    let subscriber = tracing_subscriber::fmt().with_writer(writers).finish();
    tracing::subscriber::with_default(subscriber, || {
        tracing::warn!(token = "a\"b c", "it is a\"b c");
    });
    let written = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
    assert!(written.contains("***"), "{written}");
    assert!(!written.contains("b c"), "{written}");
}

fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        // Few characters, so that secrets overlap.
        r#"[ab*]{4,6}"#,
        r#"[a-c*"' é/\n]{4,40}"#,
        r"\PC{4,20}",
    ]
}

proptest! {
    #[test]
    fn nothing_of_a_secret_is_left(
        secrets in prop::collection::vec(secret(), 1..5),
        pieces in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, r"[ab*]{0,3}|\PC{0,8}"), 0..12),
    ) {
        let mask = Mask::new();
        let mut text = String::new();
        for secret in &secrets {
            mask.add(secret);
        }
        for (index, form, between) in &pieces {
            let secret = index.get(&secrets);
            match form {
                0 => text.push_str(secret),
                1 => text.push_str(secret.trim()),
                2 => text.push_str(&BASE64_STANDARD.encode(secret)),
                _ => text.push_str(&serde_json::to_string(secret).unwrap()),
            }
            text.push_str(between);
        }
        let masked = mask.mask(&text);
        for secret in &secrets {
            let secret = secret.trim();
            if secret.chars().count() >= super::SHORTEST {
                prop_assert!(!masked.contains(secret), "{secret:?} in {masked:?}");
                prop_assert!(!masked.contains(&BASE64_STANDARD.encode(secret)));
            }
        }
        prop_assert!(matches!(mask.mask(&masked), Cow::Borrowed(_)));
    }

    #[test]
    fn a_text_without_secrets_is_borrowed(
        secrets in prop::collection::vec("[a-z]{4,20}", 0..5),
        text in "[ .,;:]{0,60}",
    ) {
        let mask = Mask::new();
        secrets.iter().for_each(|secret| mask.add(secret));
        prop_assert!(matches!(mask.mask(&text), Cow::Borrowed(same) if std::ptr::eq(same, text.as_str())));
    }
}

/// What a program may make of a secret before it prints it.
fn printed(secret: &str, form: u8, width: usize) -> String {
    let encoded = BASE64_STANDARD.encode(secret);
    let in_lines = |text: &str, between: &str| {
        let lines: Vec<&str> = (0..text.len())
            .step_by(width)
            .map(|at| &text[at..text.len().min(at + width)])
            .collect();
        lines.join(between)
    };
    match form {
        0 => secret.to_owned(),
        1 => encoded,
        2 => in_lines(&encoded, "\n"),
        3 => in_lines(&encoded, "\n        "),
        4 => in_lines(&encoded, "\\n"),
        5 => in_lines(secret, "\u{1b}[31m"),
        6 => secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
        7 => secret.replace('/', "%2F").replace('+', "%2B"),
        _ => serde_json::to_string(secret).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A pod prints a secret, in whatever form, and of what it prints the middle is left out, at
    /// whatever place: no report has more than 7 characters of it in a row.
    #[test]
    fn nothing_of_a_secret_is_left_where_an_output_is_cut(
        secret in "[A-Za-z0-9+/_-]{12,200}",
        form in 0..9_u8,
        width in 40..80_usize,
        before in "[ .:;]{0,40}",
        behind in "[ .:;]{0,200}",
        limit in 30..400_usize,
    ) {
        let whole = printed(&secret, form, width);
        let mut output = crate::output::Intake::keep(limit).begin();
        output.push(format!("{before}{whole}{behind}").as_bytes());
        let text = output.finish().shown().into_owned();
        let mask = mask(&[&secret]);
        let masked = mask.mask(&text).into_owned();
        // As a person reads it.
        let seen = super::skeleton::Skeleton::joined(masked.as_bytes())
            .map_or(masked.clone(), |seen| String::from_utf8(seen.bytes).unwrap());
        let plain = match form {
            0 | 5 => secret.clone(),
            1..=4 => BASE64_STANDARD.encode(&secret),
            _ => whole.clone(),
        };
        for start in 0..plain.len().saturating_sub(7) {
            let piece = &plain[start..start + 8];
            prop_assert!(!seen.contains(piece), "{piece:?} of {plain:?} in {masked:?}");
        }
    }
}

/// The cut may go through the escape sequence that colours a secret: what is left of that does not
/// hide what is left of the secret.
#[test]
fn an_escape_sequence_that_is_cut_in_two_hides_no_rest_of_a_secret() {
    let secret = "correct-horse-battery-staple";
    let mask = mask(&[secret]);
    for escape in [
        "\u{1b}[31m",
        "\u{1b}[38;2;255;255;255m",
        r"\u001b[0;31m",
        r"\033[1m",
    ] {
        let (beginning, end) = secret.split_at(12);
        let whole = format!("the token is {beginning}{escape}{end}");
        for at in 0..=whole.len() {
            let (head, tail) = whole.split_at(at);
            let masked = mask
                .mask(&format!("{head}\n[... 17 bytes left out ...]\n"))
                .into_owned();
            assert!(!masked.contains("corr"), "{masked:?}");
            let masked = mask
                .mask(&format!("x\n[... 17 bytes left out ...]\n{tail}"))
                .into_owned();
            assert!(!masked.contains("aple"), "{masked:?}");
        }
    }
}
